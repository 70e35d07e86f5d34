/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What qemu-ga freezes late is thawed; see sweep.h. */
#include "guest-agent/session/sweep.h"

#include "guest-agent/session/private.h"
#include "proto/base/log.h"

#define SWEEP_EVERY_MS 250
/* An agent that is to stop sweeps no longer than this, its successor goes on: systemd kills it
 * after 30 s (the unit). */
#define STOP_SWEEP_US (INT64_C(15) * 1000 * 1000)

void session_sweep_due(struct session *s)
{
    if (!s->sweep_until_us)
        s->ops->keep_sweep(s->arg, true);
    s->sweep_until_us = s->ops->now_us(s->arg) + s->limits.sweep_for_us;
}

void session_sweep(struct session *s)
{
    session_sweep_due(s);
    s->ops->tick_in(s->arg, SWEEP_EVERY_MS);
}

/* Nor by a successor. */
static void no_more(struct session *s)
{
    if (s->sweep_until_us)
        s->ops->keep_sweep(s->arg, false);
    s->sweep_until_us = 0;
}

void session_sweep_drop(struct session *s)
{
    s->ops->tick_in(s->arg, 0);
    no_more(s);
}

void session_tick(struct session *s)
{
    if (s->state != SESSION_IDLE || !s->sweep_until_us || s->sweep_job.busy)
        return;
    session_submit(s, &s->sweep_job);
}

static void answer_stop(struct session *s)
{
    session_stopped_fn *stopped = s->stopped;

    s->stopped = NULL;
    if (stopped)
        stopped(s->stopped_arg);
}

/* Not while qemu-ga may still be freezing: what it freezes would have nobody on guard. */
void session_stop_when_swept(struct session *s)
{
    int64_t now = s->ops->now_us(s->arg), until;

    if (!s->stopped || !s->sweep_until_us) {
        answer_stop(s);
        return;
    }
    if (!s->stop_by_us)
        s->stop_by_us = now + STOP_SWEEP_US;
    until = s->stop_by_us < s->sweep_until_us ? s->stop_by_us : s->sweep_until_us;
    log_info("not stopping yet: qemu-ga, which has not thawed, may still be freezing; %lld ms more",
             (long long)(until - now) / 1000);
}

void session_sweep_end(struct session *s)
{
    if (!s->sweep_until_us)
        return;
    session_sweep_drop(s);
    if (s->sweep_job.busy)
        return; /* then when it is done */
    s->ops->forget(s->arg);
    answer_stop(s);
}

/* A freeze that began meanwhile has waited. The wish to end it, which came too early to strike, is
 * said again. */
static void go_on_locking(struct session *s)
{
    session_submit(s, &s->lock_job);
    if (session_end_wanted(s))
        s->ops->cancel(s->arg);
}

void session_swept(struct session *s, const struct session_job *job)
{
    int64_t now = s->ops->now_us(s->arg);
    bool over;

    if (s->state != SESSION_IDLE) {
        go_on_locking(s);
        return;
    }
    for (size_t n = 0; n < job->count; n++) {
        if (job->results[n].answer != FS_FROZEN)
            continue;
        log_warn("'%s' was frozen after the freeze had ended, and was thawed: qemu-ga was late",
                 s->ops->mount_at(s->arg, n)->path);
        /* it is still at work, at the pace of the disks: the next one may come as late */
        if (s->sweep_until_us)
            session_sweep_due(s);
    }
    over = now >= s->sweep_until_us;
    if (!over && (!s->stopped || now < s->stop_by_us)) {
        s->ops->tick_in(s->arg, SWEEP_EVERY_MS);
        return;
    }
    if (over)
        no_more(s);
    else
        log_warn("stopping although qemu-ga has not thawed: what it freezes from now on is thawed "
                 "when cbsnap-agent starts again");
    s->sweep_until_us = 0; /* of this agent */
    s->ops->forget(s->arg);
    answer_stop(s);
}
