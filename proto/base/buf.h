/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A growing byte buffer, always followed by a NUL so that text can be used in place.
 *
 * Out of memory ends the program: both programs hold at most a few megabytes, and neither has a
 * sane way on; the guest's lease and the watchdog release what was held. Not thread-safe.
 */
#ifndef CBSNAP_BASE_BUF_H
#define CBSNAP_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *data; /* NULL while never used */
    size_t len, cap;
};

#define BUF_INIT ((struct buf){.data = NULL})

/* Makes room for `more` bytes beyond len and returns where they go; len is left alone. What was
 * there stays a text until they are written. */
uint8_t *buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Adds what the descriptor has up to its end, and stops when the buffer is longer than `max`. -1:
 * errno; what had been read by then is there. */
int buf_read(struct buf *b, int fd, size_t max);
/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);
/* Empties it, keeps the memory. */
void buf_clear(struct buf *b);
/* Frees it; it may be used again. */
void buf_release(struct buf *b);
/* The text so far, never NULL; owned by the buffer. */
const char *buf_text(const struct buf *b);
/* Hands the NUL-terminated memory to the caller, who frees it. */
char *buf_steal(struct buf *b);

/* malloc and friends that end the program instead of returning NULL */
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
