/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What freeze.c (the mounts, and questions) and thaw.c (letting go) share. Private to this folder.
 */
#ifndef CBSNAP_FS_FREEZE_INTERNAL_H
#define CBSNAP_FS_FREEZE_INTERNAL_H

#include <errno.h>
#include <pthread.h>

#include "guest-agent/fs/freeze.h"

struct fs_entry {
    struct mount mount;
    int fd;
    int open_errno; /* why fd is -1 */
    struct fs_set *set;
    pthread_t thread;
    bool threaded; /* thawed by a thread of its own */
};

struct fs_set {
    struct fs_entry *items;
    size_t count;

    pthread_mutex_t lock; /* of what follows; nobody holds it while he waits for a disk */
    pthread_cond_t asked, done;
    struct fs_thaw *calls; /* under way, oldest first */
    uint64_t last;         /* number of the newest */
    size_t threads;
    bool stop;
};

static inline bool fs_cannot_freeze(int error)
{
    return error == EOPNOTSUPP || error == ENOTTY;
}

/* What stands for the answer of a mount that could not be opened. */
struct fs_result fs_not_opened(const struct fs_entry *item);
struct fs_result fs_thaw_one(int fd);

/* thaw.c: the threads of an open set that has none yet; their end. */
void fs_threads_init(struct fs_set *s);
void fs_threads_end(struct fs_set *s);

#endif
