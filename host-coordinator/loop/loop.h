/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event loop, seen from straight-line code.
 *
 * The steps of a plan read top to bottom: they start asynchronous work (a storage request, a
 * message to the guest, a blocking libvirt call in a thread of its own) and then wait for it with
 * a deadline, which runs the loop meanwhile. Only code called from main() waits; callbacks never
 * do. All functions are the main thread's unless marked.
 *
 * Times are absolute, monotonic, in microseconds (mono_us()).
 */
#ifndef CBSNAP_LOOP_H
#define CBSNAP_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "proto/base/err.h"

struct loop;

struct loop *loop_new(void);
void loop_free(struct loop *l); /* accepts NULL; pending jobs are abandoned */
uv_loop_t *loop_uv(struct loop *l);

/* From now on SIGINT, SIGTERM and SIGHUP end waits with ERR_CANCELLED instead of the process. */
void loop_catch_signals(struct loop *l);
/* While shielded, a signal is remembered and does not end waits: undo is not interrupted. */
void loop_shield(struct loop *l, bool on);
bool loop_cancelled(const struct loop *l);
/* As a signal would: for the key that ends a program. */
void loop_cancel(struct loop *l);
/* Handles what has come, without waiting; -1 with ERR_CANCELLED if a signal has come, ever. */
int loop_check(struct loop *l, struct err *e);

/*
 * Runs the loop until *done. -1 with ERR_TIMEOUT ("no answer in N ms") at the deadline or
 * ERR_CANCELLED on a signal; the caller names the work with err_prefix() and takes its request
 * back. A deadline already past still looks once.
 */
int loop_wait(struct loop *l, const bool *done, int64_t deadline_us, struct err *e);
/* The same for any condition that callbacks or finished jobs bring about. */
int loop_wait_until(struct loop *l, bool (*holds)(void *arg), void *arg, int64_t deadline_us,
                    struct err *e);

/*
 * A blocking call in a thread of its own: nothing else queues behind one that hangs.
 *
 * `run` gets `arg` in the new thread. Waiting past the deadline abandons the job: the thread goes
 * on, its result is dropped, and `release(arg)` (may be NULL) is called in that thread when it
 * ends. Until abandoned, arg is the caller's to read after success. job_wait() frees the job.
 */
typedef int job_fn(void *arg, struct err *e);
struct job;
struct job *job_start(struct loop *l, job_fn *run, void *arg, void (*release)(void *arg));
bool job_done(const struct job *j);
/*
 * 0 or -1 as `run` returned, e set by it. On ERR_TIMEOUT or ERR_CANCELLED of the *wait* the job is
 * abandoned and *ret_abandoned (may be NULL) is true: its outcome is unknown.
 */
int job_wait(struct loop *l, struct job *j, int64_t deadline_us, bool *ret_abandoned,
             struct err *e);

#endif
