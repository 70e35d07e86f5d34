/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One thread for calls that may block: MySQL, FITHAW, reading the server's facts. It is the agent's
 * own and not libuv's shared pool, where a release could queue behind somebody's stuck file.
 *
 * Jobs run one after another in the order of submission; `done` is called on the loop's thread.
 * The caller owns the job and leaves it alone from submit until done.
 */
#ifndef CBSNAP_SESSION_WORKER_H
#define CBSNAP_SESSION_WORKER_H

#include <uv.h>

struct worker_job {
    void (*run)(struct worker_job *job);  /* worker's thread */
    void (*done)(struct worker_job *job); /* loop's thread */
    struct worker_job *next;
};

struct worker;

struct worker *worker_new(uv_loop_t *loop);
void worker_submit(struct worker *w, struct worker_job *job);
/*
 * Lets the job under way end for at most `wait_ms`, drops the others without done(). Returns -1
 * when the job hangs: the thread and the object are then left behind, for the process is to end.
 */
int worker_free(struct worker *w, int wait_ms);

#endif
