/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What loop.c and job.c share: the mailbox through which a job's thread wakes the loop. */
#ifndef CBSNAP_LOOP_INTERNAL_H
#define CBSNAP_LOOP_INTERNAL_H

#include <pthread.h>

#include "host-coordinator/loop/loop.h"

/*
 * Lives until the loop and the last thread let go of it: a thread that hangs in libvirt may come
 * back after the loop is gone, and must then find a mailbox without a loop behind it.
 */
struct mailbox {
    pthread_mutex_t mutex;
    unsigned refs;
    uv_async_t *wake; /* NULL once the loop is gone */
    struct job *jobs; /* neither waited for nor abandoned yet */
};

struct mailbox *mailbox_new(uv_async_t *wake);
/* Cuts the loop off and abandons all its jobs. */
void mailbox_close(struct mailbox *m);
/* Loop thread: shows finished jobs as done. */
void mailbox_collect(struct mailbox *m);

struct mailbox *loop_mailbox(struct loop *l);

#endif
