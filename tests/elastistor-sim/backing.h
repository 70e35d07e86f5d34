/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Volume files: raw and sparse, copied by reflink (FICLONE) in milliseconds where the filesystem
 * can do that, else by copying the parts that hold data.
 *
 * A file that is made appears whole under its name or not at all. Paths are the caller's; errors
 * are ERR_IO and name the file. Functions keep no state: threads may call them at once on
 * different files.
 * A reflink of a file being written is a point in time of that file (the kernel holds its inode
 * lock); a copy is not. The kernel writes dirty pages back first: call backing_flush()
 * beforehand, so that the reflink itself is short.
 */
#ifndef SIM_BACKING_H
#define SIM_BACKING_H

#include "proto/base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Tries a reflink in DIR. */
int backing_probe(const char *dir, bool *ret_reflink, struct err *e);
/* mkdir -p, mode 0700 */
int backing_mkdirs(const char *path, struct err *e);

int backing_create(const char *path, int64_t size, struct err *e);
/* Starts and awaits write-back of what is dirty. */
int backing_flush(const char *path, struct err *e);
/* A new file `to` with the content of `from`. */
int backing_clone(const char *from, const char *to, struct err *e);
/* Puts the content and size of `from` into the existing inode `to`, which others hold open. */
int backing_restore(const char *from, const char *to, struct err *e);
/* What lies beyond a smaller size is gone. */
int backing_resize(const char *path, int64_t size, struct err *e);
/* Absent is success. */
int backing_remove(const char *path, struct err *e);

/* Bytes of disk that the file uses; 0 when it cannot be read. */
int64_t backing_used(const char *path);
/* Bytes that no other file shares: what deleting the file would free. */
int64_t backing_unique(const char *path);

#endif
