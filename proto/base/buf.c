/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The growing buffer and allocation that cannot fail; see buf.h. */
#include "proto/base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PORTION 65536

static _Noreturn void out_of_memory(void)
{
    static const char text[] = "out of memory\n";

    fwrite(text, 1, sizeof(text) - 1, stderr);
    abort();
}

void *xcalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);

    if (!p)
        out_of_memory();
    return p;
}

void *xrealloc(void *p, size_t size)
{
    void *q = realloc(p, size ? size : 1);

    if (!q)
        out_of_memory();
    return q;
}

char *xstrdup(const char *s)
{
    char *p = strdup(s ? s : "");

    if (!p)
        out_of_memory();
    return p;
}

char *xasprintf(const char *fmt, ...)
{
    char *p = NULL;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vasprintf(&p, fmt, ap);
    va_end(ap);
    if (n < 0)
        out_of_memory();
    return p;
}

uint8_t *buf_reserve(struct buf *b, size_t more)
{
    size_t need = b->len + more + 1;

    if (need > b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 256;

        if (cap < need)
            cap = need;
        b->data = xrealloc(b->data, cap);
        b->cap = cap;
        b->data[b->len] = 0; /* a text also when nothing comes to be written there */
    }
    return b->data + b->len;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
    uint8_t *to = buf_reserve(b, len);

    if (len > 0)
        memcpy(to, data, len);
    b->len += len;
    b->data[b->len] = 0;
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        n = 0;
    (void)vsnprintf((char *)buf_reserve(b, (size_t)n), (size_t)n + 1, fmt, again);
    va_end(again);
    b->len += (size_t)n;
    b->data[b->len] = 0;
}

int buf_read(struct buf *b, int fd, size_t max)
{
    ssize_t n = 1;

    while (n != 0 && b->len <= max) {
        n = read(fd, buf_reserve(b, PORTION), PORTION);
        if (n < 0 && errno != EINTR)
            return -1;
        b->len += n > 0 ? (size_t)n : 0;
        b->data[b->len] = 0;
    }
    return 0;
}

void buf_consume(struct buf *b, size_t n)
{
    if (n == 0)
        return;
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
    b->data[b->len] = 0;
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    if (b->data)
        b->data[0] = 0;
}

void buf_release(struct buf *b)
{
    free(b->data);
    *b = BUF_INIT;
}

const char *buf_text(const struct buf *b)
{
    return b->data ? (const char *)b->data : "";
}

char *buf_steal(struct buf *b)
{
    char *text = b->data ? (char *)b->data : xstrdup("");

    *b = BUF_INIT;
    return text;
}
