/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The session's blocking work, on the worker's thread: taking the lock, and the one path by which
 * everything is let go. Touches nothing of the session but the job and what never changes.
 */
#include "guest-agent/session/private.h"

#include "proto/base/buf.h"

/* How long the lock is kept for filesystems that have not thawed: mostly it takes some ms. */
#define THAW_PATIENCE_MS 1000

static void answers_alloc(struct session_job *job, struct session *s)
{
    job->count = s->ops->mount_count(s->arg);
    job->results = xrealloc(job->results, (job->count + 1) * sizeof(*job->results));
}

/*
 * The watchdog runs before the lock is asked for, with time for the lock and the lease, so that a
 * worker that hangs behind a granted lock cannot keep it; with the position read, the lease proper
 * begins.
 */
static int lock_run(struct session *s, struct session_job *job)
{
    const struct session_ops *ops = s->ops;
    int64_t backstop = s->limits.lock_budget_us + job->lease_us;

    if (ops->enter(s->arg, job->epoch, job->run_id, &job->err) < 0)
        return -1;
    if (!ops->arm(s->arg, ops->now_us(s->arg) + backstop)) {
        ops->leave(s->arg);
        return err_set(&job->err, ERR_BUSY,
                       "the watchdog still hangs in thawing after the last freeze: look for a "
                       "stuck disk, then restart cbsnap-agent");
    }
    if (ops->lock_take(s->arg, &job->position, &job->report, &job->err) == 0) {
        if (ops->arm(s->arg, ops->now_us(s->arg) + job->lease_us))
            return 0;
        position_release(&job->position);
        (void)ops->lock_release(s->arg, NULL);
        err_set(&job->err, ERR_LOST, "the lock was granted too late: the watchdog had ended it");
    }
    (void)ops->disarm(s->arg);
    ops->leave(s->arg);
    return -1;
}

/*
 * Every step whatever became of the one before. The watchdog is disarmed after them: it is there
 * for the case that one of them hangs.
 *
 * UNLOCK comes after the thaw, for the server may want to write for it (its general log). But the
 * lock has done what it was there for: a single disk that holds its filesystem up must not keep all
 * writers waiting until the lease ends.
 */
static int release_run(struct session *s, struct session_job *job)
{
    const struct session_ops *ops = s->ops;
    bool thawed;
    int rc;

    ops->thaw_begin(s->arg, &job->thaw, job->results);
    thawed = ops->thaw_wait(s->arg, &job->thaw, THAW_PATIENCE_MS);
    job->thawed_us = ops->now_us(s->arg);
    rc = ops->lock_release(s->arg, &job->err);
    job->unlocked_us = ops->now_us(s->arg);
    if (!thawed) {
        (void)ops->thaw_wait(s->arg, &job->thaw, -1);
        job->thawed_us = ops->now_us(s->arg);
    }
    job->in_time = ops->disarm(s->arg);
    ops->leave(s->arg);
    return rc;
}

static void sweep_run(struct session *s, struct session_job *job)
{
    s->ops->thaw_begin(s->arg, &job->thaw, job->results);
    (void)s->ops->thaw_wait(s->arg, &job->thaw, -1);
}

void session_job_run(struct session_job *job)
{
    struct session *s = job->session;

    job->err = ERR_INIT;
    job->rc = 0;
    if (job->work == WORK_LOCK) {
        job->rc = lock_run(s, job);
        return;
    }
    answers_alloc(job, s);
    if (job->work == WORK_RELEASE)
        job->rc = release_run(s, job);
    else if (job->work == WORK_PROBE)
        s->ops->probe(s->arg, job->results);
    else
        sweep_run(s, job);
}
