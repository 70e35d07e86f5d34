/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The transitions of the freeze session; the only writer of its state. See session.h. */
#include "guest-agent/session/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest-agent/session/private.h"
#include "guest-agent/session/sweep.h"
#include "proto/base/buf.h"
#include "proto/base/log.h"

struct session *session_new(const struct session_ops *ops, void *arg,
                            const struct session_limits *limits, uint64_t epoch)
{
    struct session *s = xcalloc(1, sizeof(*s));

    s->ops = ops;
    s->arg = arg;
    s->limits = *limits;
    s->epoch = epoch;
    s->lock_job = (struct session_job){.work = WORK_LOCK, .session = s};
    s->release_job = (struct session_job){.work = WORK_RELEASE, .session = s};
    s->probe_job = (struct session_job){.work = WORK_PROBE, .session = s};
    s->sweep_job = (struct session_job){.work = WORK_SWEEP, .session = s};
    return s;
}

void session_free(struct session *s)
{
    position_release(&s->position);
    free(s->was_frozen);
    free(s->release_job.results);
    free(s->probe_job.results);
    free(s->sweep_job.results);
    free(s);
}

enum session_state session_state(const struct session *s)
{
    return s->state;
}

uint64_t session_epoch(const struct session *s)
{
    return s->epoch;
}

static void set_state(struct session *s, enum session_state to)
{
    log_debug("session: %s -> %s", session_state_name(s->state), session_state_name(to));
    s->state = to;
}

void session_submit(struct session *s, struct session_job *job)
{
    job->busy = true;
    s->ops->submit(s->arg, job);
}

static void note_past(struct session *s, Cbsnap__FreezeEvent__Kind kind, const struct err *e)
{
    struct session_past *past = &s->past;

    *past = (struct session_past){.known = true,
                                  .kind = kind,
                                  .epoch = s->epoch,
                                  .at_us = s->ops->now_us(s->arg),
                                  .at_wall_us = s->ops->wall_us(s->arg),
                                  .err = e ? *e : ERR_INIT};
    memcpy(past->run_id, s->run_id, sizeof(past->run_id));
    memcpy(past->cause, s->cause, sizeof(past->cause));
    past->untold = kind == CBSNAP__FREEZE_EVENT__KIND__LOST && s->run_id[0] == '\0';
}

static void answer_hook(struct session *s, const struct err *e, const char *note)
{
    session_frozen_fn *frozen = s->frozen;
    void *arg = s->frozen_arg;

    s->frozen = NULL;
    if (!frozen)
        return;
    s->hook = e ? NULL : arg;
    frozen(arg, e, note);
}

/* The freeze is over, in whatever way: back to idle, logs flow again. */
static void become_idle(struct session *s)
{
    set_state(s, SESSION_IDLE);
    position_release(&s->position);
    free(s->was_frozen);
    s->was_frozen = NULL;
    s->was_count = 0;
    s->hook = NULL;
    s->run_id[0] = '\0';
    s->cause[0] = '\0';
    s->cause_err = ERR_INIT;
    s->ops->quiet(s->arg, false);
}

static void want_end(struct session *s, const char *cause, const struct err *why)
{
    if (session_end_wanted(s))
        return;
    (void)snprintf(s->cause, sizeof(s->cause), "%s", cause);
    if (why)
        s->cause_err = *why;
}

/* The one way out of a freeze. `why` is set when what was held is already lost. */
static void begin_end(struct session *s, const char *cause, const struct err *why)
{
    want_end(s, cause, why);
    if (s->state == SESSION_LOCKING) {
        s->ops->cancel(s->arg);
    } else if (s->state == SESSION_LOCKED || s->state == SESSION_FROZEN) {
        /* the poll goes first: the answer to UNLOCK TABLES would look like a lost connection */
        s->ops->watch(s->arg, false);
        /* without qemu-ga's word it may still be freezing, and go on after we have thawed */
        if (s->state == SESSION_LOCKED && strcmp(s->cause, "hook") != 0)
            session_sweep_due(s);
        set_state(s, SESSION_RELEASING);
        session_submit(s, &s->release_job);
    }
}

void session_freeze(struct session *s, session_frozen_fn *frozen, void *arg)
{
    struct err e = ERR_INIT;

    if (s->state != SESSION_IDLE || s->stopped) {
        if (s->stopped)
            err_set(&e, ERR_CANCELLED, "cbsnap-agent is stopping: try again once it runs");
        else
            err_set(&e, ERR_BUSY, "a freeze is already under way (%s, epoch %llu): thaw it first",
                    session_state_name(s->state), (unsigned long long)s->epoch);
        frozen(arg, &e, NULL);
        return;
    }
    if (session_claim(s, &e) < 0) {
        log_warn("%s", e.msg);
        frozen(arg, &e, NULL);
        /* a runner that ignores our answer freezes all the same */
        if (!s->sweep_until_us && !s->sweep_job.busy) /* else they are open, and in use */
            s->ops->open_mounts(s->arg);
        session_sweep(s);
        return;
    }
    session_sweep_drop(s);
    s->frozen = frozen;
    s->frozen_arg = arg;
    s->told = false;
    s->reported_frozen = -1;
    s->report = (struct lock_report){.tries = 0};
    s->probe_job.count = 0;
    s->lock_job.epoch = s->epoch;
    s->lock_job.lease_us = s->lease_us;
    memcpy(s->lock_job.run_id, s->run_id, sizeof(s->run_id));
    set_state(s, SESSION_LOCKING);
    s->ops->quiet(s->arg, true);
    log_info("freeze asked for (epoch %llu, %s%s), lease %lld ms", (unsigned long long)s->epoch,
             s->run_id[0] ? "run " : "by the hook alone: nobody prepared", s->run_id,
             (long long)(s->lease_us / 1000));
    session_tell(s, CBSNAP__FREEZE_EVENT__KIND__LOCKING, NULL);
    if (!s->sweep_job.busy) /* else session_swept() does: the mounts are in use until then */
        session_submit(s, &s->lock_job);
}

static void lock_failed(struct session *s, const struct err *e)
{
    struct session_end end = {.reason = e->msg, .epoch = s->epoch};
    const bool of_run = s->run_id[0] != '\0';

    log_warn("not locked: %s", e->msg);
    session_tell(s, CBSNAP__FREEZE_EVENT__KIND__LOCK_FAILED, e);
    note_past(s, CBSNAP__FREEZE_EVENT__KIND__LOCK_FAILED, e);
    become_idle(s);
    /* the runner may ignore it, and the run's coordinator be dead by now; who has no run thaws */
    if (of_run && s->ops->mount_count(s->arg) > 0)
        session_sweep(s);
    else
        s->ops->forget(s->arg);
    answer_hook(s, e, NULL);
    session_answer_waiters(s, &end);
    session_stop_when_swept(s);
}

static void lock_done(struct session *s, struct session_job *job)
{
    struct err why = s->cause_err;

    s->report = job->report;
    if (job->rc < 0) {
        lock_failed(s, err_is_set(&why) ? &why : &job->err);
        return;
    }
    s->position = job->position;
    job->position = (struct position){.binlog_file = NULL};
    s->lease_until_us = job->report.locked_us + s->lease_us;
    set_state(s, SESSION_LOCKED);
    if (session_end_wanted(s)) {
        /* granted although somebody wanted out meanwhile: nobody is told of a lock */
        begin_end(s, s->cause, NULL);
        return;
    }
    s->ops->watch(s->arg, true);
    log_info("locked after %u tries, %lld ms in the last, at '%s' %llu", job->report.tries,
             (long long)(job->report.locked_us - job->report.requested_us) / 1000,
             s->position.binlog_file ? s->position.binlog_file : "no binary log",
             (unsigned long long)s->position.binlog_offset);
    s->told = true;
    session_tell(s, CBSNAP__FREEZE_EVENT__KIND__LOCKED, NULL);
    answer_hook(s, NULL, NULL);
}

/* ERR_LOST in `why` for a lost lock or lease; a thaw by the hook is expected to find nothing
 * frozen. */
static Cbsnap__FreezeEvent__Kind kind_of_end(const struct session *s, const struct session_job *job)
{
    if (!s->told)
        return CBSNAP__FREEZE_EVENT__KIND__LOCK_FAILED;
    if (err_is_set(&s->cause_err) || !job->in_time || job->rc < 0)
        return CBSNAP__FREEZE_EVENT__KIND__LOST;
    return CBSNAP__FREEZE_EVENT__KIND__RELEASED;
}

static void log_end(const struct session *s, Cbsnap__FreezeEvent__Kind kind, bool held,
                    const struct err *why)
{
    if (kind == CBSNAP__FREEZE_EVENT__KIND__RELEASED && (held || strcmp(s->cause, "hook") == 0))
        log_info("released (epoch %llu, by %s)", (unsigned long long)s->epoch, s->cause);
    else
        log_warn("freeze of epoch %llu ended, not held (%s): %s", (unsigned long long)s->epoch,
                 s->cause, why->msg);
}

static void release_done(struct session *s, struct session_job *job)
{
    struct err why = ERR_INIT, told = ERR_INIT;
    bool held = session_held(s, job, &why);
    Cbsnap__FreezeEvent__Kind kind = kind_of_end(s, job);
    struct session_end end = {.held = held,
                              .reason = why.msg,
                              .epoch = s->epoch,
                              .has_times = true,
                              .lock_requested_us = s->report.requested_us,
                              .locked_us = s->report.locked_us,
                              .thawed_us = job->thawed_us,
                              .unlocked_us = job->unlocked_us};
    Cbsnap__Mount *mounts = session_mounts(s, job, &end.mounts, &end.mount_count);

    if (kind != CBSNAP__FREEZE_EVENT__KIND__RELEASED)
        told = why;
    if (!held && kind == CBSNAP__FREEZE_EVENT__KIND__RELEASED && strcmp(s->cause, "hook") != 0)
        told = why;
    log_end(s, kind, held, &why);
    session_tell(s, kind, &told);
    note_past(s, kind, &told);
    end.lost_untold = s->past.untold;
    s->epoch++;
    s->ops->keep_epoch(s->arg, s->epoch);
    become_idle(s);
    answer_hook(s, err_is_set(&why) ? &why : NULL, NULL);
    s->hook = NULL;
    session_answer_waiters(s, &end);
    free(mounts);
    free(end.mounts);
    if (s->sweep_until_us)
        session_sweep(s); /* counted from here: the release itself may have waited behind a sync */
    else if (s->state == SESSION_IDLE)
        s->ops->forget(s->arg);
    session_stop_when_swept(s);
}

/* ---- asked for by the hook ---------------------------------------------------------------------
 */

void session_thaw(struct session *s, session_ended_fn *ended, void *arg)
{
    if (s->state == SESSION_IDLE) {
        session_sweep_end(s);
        session_answer_idle(s, ended, arg);
        s->past.untold = false;
    } else {
        session_wait(s, ended, arg, true);
        begin_end(s, "hook", NULL);
    }
}

void session_hook_gone(struct session *s, const void *arg, bool clean)
{
    struct err e = ERR_INIT;

    if (s->frozen && s->frozen_arg == arg) {
        s->frozen = NULL;
        if (s->state == SESSION_LOCKING) {
            err_set(&e, ERR_CANCELLED, "the freeze hook went away before it was answered");
            begin_end(s, "hook-gone", &e);
        }
    } else if (s->hook && s->hook == arg) {
        s->hook = NULL;
        if (clean)
            return;
        err_set(&e, ERR_CANCELLED, "the freeze hook went away without reading the answer");
        begin_end(s, "hook-gone", &e);
    }
}

/* ---- asked for by the host ---------------------------------------------------------------------
 */

static bool is_own(const struct session *s, const char *run_id, bool has_epoch, uint64_t epoch)
{
    return strcmp(run_id, s->run_id) == 0 && (!has_epoch || epoch == s->epoch);
}

void session_release(struct session *s, const char *run_id, bool has_epoch, uint64_t epoch,
                     session_ended_fn *ended, void *arg)
{
    char reason[300];
    struct session_end end = {.reason = reason, .epoch = s->epoch};

    if (run_id && strcmp(run_id, s->prepared.run_id) == 0) {
        /* one that quotes an epoch has asked for its freeze, which has not come yet */
        if (has_epoch)
            session_host_gone(s);
        else
            session_forget_prepared(s);
    }
    if (s->state == SESSION_IDLE) {
        session_answer_idle(s, ended, arg);
        return;
    }
    if (run_id && !is_own(s, run_id, has_epoch, epoch)) {
        (void)snprintf(reason, sizeof(reason),
                       "the guest is held by another freeze (epoch %llu, %s%s), which was left "
                       "alone",
                       (unsigned long long)s->epoch, s->run_id[0] ? "run " : "nobody's run",
                       s->run_id);
        ended(arg, &end);
        return;
    }
    session_wait(s, ended, arg, false);
    begin_end(s, run_id ? "host" : "person", NULL);
}

int session_renew(struct session *s, const char *run_id, uint64_t epoch, int64_t frozen,
                  uint32_t *ret_left_ms, struct err *e)
{
    int64_t until = s->ops->now_us(s->arg) + s->lease_us;

    if (s->state != SESSION_LOCKED && s->state != SESSION_FROZEN)
        return err_set(e, ERR_LOST, "nothing is held in the guest (%s, epoch %llu, last end: %s)",
                       session_state_name(s->state), (unsigned long long)s->epoch,
                       s->past.known ? s->past.cause : "none");
    if (!is_own(s, run_id, true, epoch))
        return err_set(e, ERR_LOST,
                       "the guest is held by another freeze (epoch %llu, run '%s'), not by epoch "
                       "%llu of run '%s'",
                       (unsigned long long)s->epoch, s->run_id, (unsigned long long)epoch, run_id);
    if (!s->ops->arm(s->arg, until))
        return err_set(e, ERR_LOST, "the lease of epoch %llu has just ended",
                       (unsigned long long)epoch);
    s->lease_until_us = until;
    if (frozen >= 0)
        s->reported_frozen = frozen;
    if (frozen > 0 && s->state == SESSION_LOCKED)
        set_state(s, SESSION_FROZEN);
    *ret_left_ms = (uint32_t)(s->lease_us / 1000);
    return 0;
}

int session_probe(struct session *s, session_probed_fn *probed, void *arg)
{
    if (s->state != SESSION_LOCKED && s->state != SESSION_FROZEN)
        return -1;
    if (s->probe_job.busy || s->probed)
        return -1;
    s->probed = probed;
    s->probed_arg = arg;
    session_submit(s, &s->probe_job);
    return 0;
}

static void probe_done(struct session *s, struct session_job *job)
{
    session_probed_fn *probed = s->probed;

    if (s->state == SESSION_LOCKED || s->state == SESSION_FROZEN) {
        s->was_count = job->count;
        s->was_frozen = xrealloc(s->was_frozen, job->count + 1);
        for (size_t n = 0; n < job->count; n++)
            s->was_frozen[n] = job->results[n].answer == FS_FROZEN;
    }
    s->probed = NULL;
    if (probed)
        probed(s->probed_arg);
}

/* ---- from watchdog, connection, signal --------------------------------------------------------
 */

void session_fired(struct session *s)
{
    struct err e = ERR_INIT;

    if (s->state == SESSION_IDLE || s->state == SESSION_RELEASING)
        return;
    err_set(&e, ERR_LOST, "nobody renewed the lease of %lld ms: the watchdog let go",
            (long long)(s->lease_us / 1000));
    begin_end(s, "lease", &e);
}

void session_lock_lost(struct session *s)
{
    struct err e = ERR_INIT;

    if (s->state != SESSION_LOCKED && s->state != SESSION_FROZEN)
        return;
    err_set(&e, ERR_LOST, "the connection that held the lock is gone: mysqld ended or cut it off");
    begin_end(s, "connection", &e);
}

void session_stop(struct session *s, session_stopped_fn *stopped, void *arg)
{
    struct err e = ERR_INIT;

    s->stopped = stopped;
    s->stopped_arg = arg;
    if (s->state == SESSION_IDLE) {
        session_stop_when_swept(s);
        return;
    }
    err_set(&e, ERR_LOST, "cbsnap-agent was told to stop by a signal");
    begin_end(s, "signal", &e);
}

void session_recovered(struct session *s, const char *run_id, const char *what)
{
    struct err e = ERR_INIT;

    err_set(&e, ERR_LOST, "%s", what);
    (void)snprintf(s->run_id, sizeof(s->run_id), "%s", run_id);
    (void)snprintf(s->cause, sizeof(s->cause), "restart");
    note_past(s, CBSNAP__FREEZE_EVENT__KIND__LOST, &e);
    s->run_id[0] = '\0';
    s->cause[0] = '\0';
    s->epoch++;
    s->ops->keep_epoch(s->arg, s->epoch);
}

void session_job_done(struct session_job *job)
{
    struct session *s = job->session;

    job->busy = false;
    switch (job->work) {
    case WORK_LOCK:
        lock_done(s, job);
        break;
    case WORK_RELEASE:
        release_done(s, job);
        break;
    case WORK_PROBE:
        probe_done(s, job);
        break;
    case WORK_SWEEP:
        session_swept(s, job);
        break;
    }
}
