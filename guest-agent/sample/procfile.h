/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file of /proc that is read again and again: kept open, read whole at once, taken apart in
 * place. An agent that samples ten times a second must not pay for open, stdio and scanf each time.
 * One thread per object.
 */
#ifndef CBSNAP_SAMPLE_PROCFILE_H
#define CBSNAP_SAMPLE_PROCFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"

struct procfile {
    char *path;
    int fd; /* -1: opened at the next reading */
    struct buf text;
};

/* `name` below proc/ of `root` ("" for the live system). */
void procfile_init(struct procfile *f, const char *root, const char *name);
void procfile_release(struct procfile *f);
/* Its text now, at most `max` bytes of it (whole lines) and ended by NUL; the caller may write into
 * it, until the next call. NULL when it cannot be read. */
char *procfile_read(struct procfile *f, size_t max);

/* The line at *at, ended by NUL, and *at moved behind it; NULL at the end. */
char *text_line(char **at);
/* The word at *at (blanks before it skipped), ended by NUL, and *at moved behind it; "" at the end
 * of the line. */
char *text_word(char **at);
/* The number at *at (blanks before it skipped), and *at moved behind it. False: there is none. */
bool text_number(char **at, uint64_t *ret);

/* Copies as valid UTF-8 without control characters ('?' for what is neither), cut at a character so
 * that it fits into `size` bytes with its NUL. */
void text_clean(char *to, size_t size, const char *from, size_t len);

#endif
