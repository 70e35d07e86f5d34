/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing a file so that a reader sees the old or the new one, never half: a temporary name beside
 * it, synced, renamed over it, and the directory synced.
 *
 *     struct replace f;
 *     int rc = replace_begin(&f, path, 0640, e);
 *     if (rc == 0)
 *         rc = replace_add(&f, data, len, e);
 *     rc = replace_end(&f, rc == 0, e);       // always, also after a failure
 *
 * What root writes so belongs to the directory's owner (owner.h). Errors are ERR_IO and name the
 * file. Not thread-safe; one writer per path.
 */
#ifndef CBSNAP_BASE_REPLACE_H
#define CBSNAP_BASE_REPLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "proto/base/err.h"

struct replace {
    char *path, *temp;
    int fd;
};

int replace_begin(struct replace *f, const char *path, mode_t mode, struct err *e);
int replace_add(struct replace *f, const void *data, size_t len, struct err *e);
/* `keep`: puts it in place; else removes what was begun and returns -1 with `e` left alone. */
int replace_end(struct replace *f, bool keep, struct err *e);

#endif
