/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The freeze session with everything outside it scripted: the clock is set by the test, the worker
 * runs a job when told to, and each blocking call is written down. Every arrow of the state diagram
 * is broken by every cause, and each time the guest must end let go, exactly once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest-agent/session/session.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/log.h"

#define S      INT64_C(1000000)
#define MOUNTS 3

/* ---- the scripted outside ----------------------------------------------------------------------
 */

struct world {
    struct session *session;
    int64_t now_us;
    struct session_job *queue[8]; /* submitted, not yet run */
    size_t queued;
    char trace[2000]; /* blocking calls, in order */

    /* what it will answer */
    bool lock_fails, enter_fails, unlock_fails;
    bool fires_in_take;  /* the backstop ends while the server is asked, */
    bool fires_at_grant; /* or just when it has granted */
    enum fs_answer probed[MOUNTS], thawed[MOUNTS];

    /* how it stands */
    bool marker, locked, watching, quiet, cancelled;
    bool armed, fired, hangs;
    int64_t armed_until;
    int tick_ms;
    uint64_t kept_epoch;
    int forgets;

    /* what was told */
    char events[600];
    char cause[32];
    int opens;
    int frozen_calls, ended_calls, stopped_calls, probed_calls;
    bool frozen_ok, held, lost_untold;
    uint64_t ended_epoch;
    enum err_code frozen_code;
    char reason[700];
};

static struct mount mounts[MOUNTS] = {
    {.path = (char *)"/",
     .device = (char *)"vda1",
     .disk = (char *)"vda",
     .serial = (char *)"",
     .fstype = (char *)"ext4"},
    {.path = (char *)"/mnt/mysql",
     .device = (char *)"vdb",
     .disk = (char *)"vdb",
     .serial = (char *)"s1",
     .fstype = (char *)"xfs"},
    {.path = (char *)"/mnt/mysqldata",
     .device = (char *)"vdc",
     .disk = (char *)"vdc",
     .serial = (char *)"s2",
     .fstype = (char *)"xfs"},
};

static void note(struct world *w, const char *word)
{
    size_t len = strlen(w->trace);

    (void)snprintf(w->trace + len, sizeof(w->trace) - len, "%s ", word);
}

static void op_submit(void *arg, struct session_job *job)
{
    struct world *w = arg;

    assert_true(w->queued < ARRAY_SIZE(w->queue));
    if (job->work == WORK_LOCK)
        w->cancelled = false;
    w->queue[w->queued++] = job;
}

static void op_cancel(void *arg)
{
    ((struct world *)arg)->cancelled = true;
}

static void op_watch(void *arg, bool on)
{
    ((struct world *)arg)->watching = on;
}

static void op_quiet(void *arg, bool on)
{
    ((struct world *)arg)->quiet = on;
}

static void op_tick_in(void *arg, int ms)
{
    ((struct world *)arg)->tick_ms = ms;
}

static void op_keep_epoch(void *arg, uint64_t epoch)
{
    ((struct world *)arg)->kept_epoch = epoch;
}

static void op_event(void *arg, const Cbsnap__FreezeEvent *event)
{
    static const char *const kinds[] = {"locking", "locked", "lock-failed", "released", "lost"};
    struct world *w = arg;
    size_t len = strlen(w->events);

    (void)snprintf(w->events + len, sizeof(w->events) - len, "%s ", kinds[event->kind]);
    (void)snprintf(w->cause, sizeof(w->cause), "%s", event->cause ? event->cause : "");
    if (event->kind == CBSNAP__FREEZE_EVENT__KIND__LOCKED)
        assert_non_null(event->position);
}

static void op_forget(void *arg)
{
    struct world *w = arg;

    /* nobody may be using the mounts */
    assert_int_equal(w->queued, 0);
    w->forgets++;
}

static void op_open_mounts(void *arg)
{
    struct world *w = arg;

    w->opens++;
}

static int64_t op_now(void *arg)
{
    return ((struct world *)arg)->now_us;
}

static bool op_arm(void *arg, int64_t at_us)
{
    struct world *w = arg;

    if (w->fired || w->hangs)
        return false;
    w->armed = true;
    w->armed_until = at_us;
    return true;
}

static bool op_disarm(void *arg)
{
    struct world *w = arg;
    bool in_time = !w->fired;

    note(w, "disarm");
    w->armed = w->fired = false;
    return in_time;
}

static size_t op_mount_count(void *arg)
{
    (void)arg;
    return MOUNTS;
}

static const struct mount *op_mount_at(void *arg, size_t n)
{
    (void)arg;
    return &mounts[n];
}

static int op_enter(void *arg, uint64_t epoch, const char *run_id, struct err *e)
{
    struct world *w = arg;

    (void)epoch;
    (void)run_id;
    note(w, "enter");
    assert_true(w->quiet); /* before anything is touched */
    if (w->enter_fails)
        return err_set(e, ERR_IO, "no marker");
    assert_false(w->marker);
    w->marker = true;
    return 0;
}

static void op_leave(void *arg)
{
    struct world *w = arg;

    note(w, "leave");
    assert_true(w->marker);
    w->marker = false;
}

static int op_lock_take(void *arg, struct position *ret_position, struct lock_report *ret_report,
                        struct err *e)
{
    struct world *w = arg;

    note(w, "take");
    assert_true(w->armed); /* a backstop is there before the server is asked */
    *ret_report = (struct lock_report){.tries = 1, .requested_us = w->now_us};
    if (w->cancelled)
        return err_set(e, ERR_CANCELLED, "cancelled");
    if (w->fires_in_take) {
        w->fired = true;
        w->armed = w->fires_in_take = false;
        return err_set(e, ERR_MYSQL, "the connection was severed");
    }
    if (w->lock_fails)
        return err_set(e, ERR_LOCK, "not granted in 10 tries");
    w->locked = !w->fires_at_grant;
    w->fired = w->fires_at_grant;
    ret_report->locked_us = w->now_us;
    *ret_position = (struct position){.binlog_file = xstrdup("bin.000001"), .binlog_offset = 4};
    return 0;
}

static int op_lock_release(void *arg, struct err *e)
{
    struct world *w = arg;
    bool was = w->locked;

    note(w, "unlock");
    w->locked = false;
    if (!was || w->unlock_fails)
        return err_set(e, ERR_LOST, "the lock was lost");
    return 0;
}

static void op_thaw(void *arg, struct fs_result *results)
{
    struct world *w = arg;

    note(w, "thaw");
    for (size_t n = 0; n < MOUNTS; n++) {
        results[n] = (struct fs_result){.answer = w->thawed[n]};
        w->thawed[n] = FS_NOT_FROZEN;
    }
}

static void op_probe(void *arg, struct fs_result *results)
{
    struct world *w = arg;

    note(w, "probe");
    for (size_t n = 0; n < MOUNTS; n++)
        results[n] = (struct fs_result){.answer = w->probed[n]};
}

static const struct session_ops ops = {
    .submit = op_submit,
    .cancel = op_cancel,
    .watch = op_watch,
    .quiet = op_quiet,
    .tick_in = op_tick_in,
    .keep_epoch = op_keep_epoch,
    .event = op_event,
    .forget = op_forget,
    .open_mounts = op_open_mounts,
    .now_us = op_now,
    .wall_us = op_now,
    .arm = op_arm,
    .disarm = op_disarm,
    .mount_count = op_mount_count,
    .mount_at = op_mount_at,
    .enter = op_enter,
    .leave = op_leave,
    .lock_take = op_lock_take,
    .lock_release = op_lock_release,
    .thaw = op_thaw,
    .probe = op_probe,
};

static const struct session_limits limits = {.run_lease_us = 10 * S,
                                             .hook_lease_us = 60 * S,
                                             .lock_budget_us = 20 * S,
                                             .prepared_for_us = 60 * S,
                                             .sweep_for_us = 30 * S};

static void drop(void *arg, enum log_level level, const char *line)
{
    (void)arg;
    (void)level;
    (void)line;
}

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    log_set_sink(drop, NULL);
    w->now_us = 1000 * S;
    for (size_t n = 0; n < MOUNTS; n++)
        w->thawed[n] = w->probed[n] = FS_NOT_FROZEN;
    w->session = session_new(&ops, w, &limits, 5);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    session_free(w->session);
    free(w);
    log_set_sink(NULL, NULL);
    return 0;
}

/* ---- what a test does --------------------------------------------------------------------------
 */

static void on_frozen(void *arg, const struct err *e, const char *text)
{
    struct world *w = arg;

    (void)text;
    w->frozen_calls++;
    w->frozen_ok = e == NULL;
    w->frozen_code = e ? e->code : ERR_NONE;
    if (!e) /* never told of a lock that is not there */
        assert_true(w->locked && w->armed);
}

static void on_ended(void *arg, const struct session_end *end)
{
    struct world *w = arg;

    w->ended_calls++;
    w->held = end->held;
    w->lost_untold = end->lost_untold;
    w->ended_epoch = end->epoch;
    (void)snprintf(w->reason, sizeof(w->reason), "%s", end->reason);
    assert_false(w->locked && end->held);
}

static void on_stopped(void *arg)
{
    ((struct world *)arg)->stopped_calls++;
}

static void on_probed(void *arg)
{
    ((struct world *)arg)->probed_calls++;
}

/* The worker does the oldest job; its result is not yet known to the loop. */
static struct session_job *run_job(struct world *w)
{
    struct session_job *job = w->queue[0];

    assert_true(w->queued > 0);
    w->queued--;
    memmove(w->queue, w->queue + 1, w->queued * sizeof(w->queue[0]));
    session_job_run(job);
    return job;
}

static void work(struct world *w)
{
    while (w->queued)
        session_job_done(run_job(w));
}

/* The watchdog, on its own thread: thaws and severs, then tells. */
static void fire(struct world *w)
{
    w->fired = true;
    w->armed = false;
    w->locked = false;
    for (size_t n = 0; n < MOUNTS; n++)
        w->thawed[n] = FS_NOT_FROZEN;
    session_fired(w->session);
}

static void freeze_all(struct world *w)
{
    for (size_t n = 0; n < MOUNTS; n++)
        w->thawed[n] = w->probed[n] = FS_FROZEN;
}

/* Through prepare, hook and (when `frozen`) qemu-ga's freeze and the host's word of it. */
static void hold(struct world *w, const char *run, bool frozen)
{
    uint32_t left;

    if (run)
        assert_int_equal(session_prepare(w->session, run, 4000, NULL), 0);
    session_freeze(w->session, on_frozen, w);
    work(w);
    assert_int_equal(session_state(w->session), SESSION_LOCKED);
    if (!frozen)
        return;
    freeze_all(w);
    if (run) {
        assert_int_equal(
            session_renew(w->session, run, session_epoch(w->session), MOUNTS, &left, NULL), 0);
        assert_int_equal(session_state(w->session), SESSION_FROZEN);
    }
}

/* Nothing is held, nothing is left, and the loop is idle. */
static void assert_let_go(struct world *w)
{
    assert_int_equal(session_state(w->session), SESSION_IDLE);
    assert_int_equal(w->queued, 0);
    assert_false(w->locked);
    assert_false(w->marker);
    assert_false(w->watching);
    assert_false(w->quiet);
    assert_false(w->armed);
    for (size_t n = 0; n < MOUNTS; n++)
        assert_int_not_equal(w->thawed[n], FS_FROZEN);
}

/* ---- every arrow, every cause ------------------------------------------------------------------
 */

enum point {
    AT_LOCKING, /* the job waits in the worker's queue */
    AT_GRANTED, /* the server granted, the loop does not know yet */
    AT_LOCKED,
    AT_FROZEN,
    AT_RELEASING, /* the release waits in the queue */
    AT_RELEASED,  /* it was done, the loop does not know yet */
    POINTS
};
static const char *const point_names[POINTS] = {"locking", "granted",   "locked",
                                                "frozen",  "releasing", "released"};

static void by_host(struct world *w)
{
    session_release(w->session, "run", true, 5, on_ended, w);
}
static void by_person(struct world *w)
{
    session_release(w->session, NULL, false, 0, on_ended, w);
}
static void by_hook(struct world *w)
{
    session_thaw(w->session, on_ended, w);
}
static void by_connection(struct world *w)
{
    if (w->watching) {
        w->locked = false;
        session_lock_lost(w->session);
    } else {
        w->unlock_fails = true;
    }
}
static void by_lease(struct world *w)
{
    if (w->armed)
        fire(w);
    else if (session_state(w->session) == SESSION_LOCKING)
        w->fires_in_take = true;
}
static void by_signal(struct world *w)
{
    session_stop(w->session, on_stopped, w);
}
static void by_hook_gone(struct world *w)
{
    session_hook_gone(w->session, w, false);
}
/* A foreign request: must change nothing. */
static void by_stranger(struct world *w)
{
    session_release(w->session, "other", true, 5, on_ended, w);
}

static const struct {
    const char *name;
    void (*act)(struct world *w);
    const char *cause; /* told when it came at LOCKED or FROZEN */
    int ended, stopped;
    bool held_at_frozen; /* only an orderly end holds */
} causes[] = {
    {"host", by_host, "host", 1, 0, true},
    {"person", by_person, "person", 1, 0, true},
    {"hook", by_hook, "hook", 1, 0, true},
    {"lease", by_lease, "lease", 0, 0, false},
    {"connection", by_connection, "connection", 0, 0, false},
    {"signal", by_signal, "signal", 0, 1, false},
    {"hook-gone", by_hook_gone, "hook-gone", 0, 0, false},
};

/* Brings the session to the point, lets the cause strike, finishes. Returns the trace since. */
static void strike(struct world *w, enum point at, void (*act)(struct world *w))
{
    struct session_job *open = NULL;

    assert_int_equal(session_prepare(w->session, "run", 4000, NULL), 0);
    session_freeze(w->session, on_frozen, w);
    if (at == AT_GRANTED)
        open = run_job(w);
    if (at >= AT_LOCKED)
        work(w);
    if (at >= AT_FROZEN) {
        uint32_t left;

        freeze_all(w);
        assert_int_equal(session_renew(w->session, "run", 5, MOUNTS, &left, NULL), 0);
    }
    if (at >= AT_RELEASING)
        session_release(w->session, "run", true, 5, on_ended, w);
    if (at == AT_RELEASED)
        open = run_job(w);
    act(w);
    if (open)
        session_job_done(open);
    work(w);
}

static size_t count_of(const char *text, const char *word)
{
    size_t n = 0;

    for (const char *p = text; (p = strstr(p, word)); p += strlen(word))
        n++;
    return n;
}

/* The sweep that may have followed finds nothing more. */
static void sweep_out(struct world *w)
{
    w->now_us += 31 * S;
    if (w->tick_ms)
        session_tick(w->session);
    work(w);
}

static void break_arrow(enum point at, size_t c)
{
    struct world *w;
    void *state;
    bool was_held, was_told;

    (void)setup(&state);
    w = state;
    strike(w, at, causes[c].act);
    was_held = strstr(w->events, "locked ") != NULL;
    was_told = w->frozen_calls == 1 && w->frozen_ok;
    if (at <= AT_GRANTED && strcmp(causes[c].name, "connection") == 0) {
        /* not watched yet, so it is found out at the release */
        by_host(w);
        work(w);
        assert_false(w->held);
    }
    assert_let_go(w);
    /* the one release path: filesystems first, then MySQL, each once */
    if (strstr(w->trace, "unlock"))
        assert_non_null(strstr(w->trace, "thaw unlock disarm leave"));
    assert_true(count_of(w->trace, "unlock") <= 1);
    assert_int_equal(count_of(w->trace, "enter"), count_of(w->trace, "leave"));
    /* the hook hears once, unless it is gone */
    if (strcmp(causes[c].name, "hook-gone") != 0 || at >= AT_LOCKED)
        assert_int_equal(w->frozen_calls, 1);
    assert_int_equal(was_told, was_held);
    sweep_out(w);
    assert_int_equal(w->stopped_calls, causes[c].stopped);
    /* an end that was told of is an end: the epoch rises; a lock never told of is none held */
    if (was_held || strstr(w->trace, "unlock"))
        assert_int_equal(session_epoch(w->session), 6);
    else
        assert_int_equal(session_epoch(w->session), 5);
    if (at == AT_LOCKED || at == AT_FROZEN) {
        assert_string_equal(w->cause, causes[c].cause);
        assert_int_equal(w->ended_calls, causes[c].ended);
    }
    if (at == AT_FROZEN && causes[c].ended)
        assert_int_equal(w->held, causes[c].held_at_frozen);
    if (at == AT_LOCKED && causes[c].ended)
        assert_false(w->held); /* nothing was frozen */
    if (at == AT_RELEASING && strcmp(causes[c].name, "lease") == 0)
        assert_false(w->held);
    /* a new freeze works */
    if (!causes[c].stopped) {
        w->trace[0] = '\0';
        w->unlock_fails = false;
        hold(w, NULL, true);
        session_release(w->session, NULL, false, 0, on_ended, w);
        work(w);
        assert_true(w->held);
        assert_let_go(w);
    }
    (void)teardown(&state);
}

static void test_every_arrow(void **state)
{
    (void)state;
    for (int at = 0; at < POINTS; at++) {
        for (size_t c = 0; c < ARRAY_SIZE(causes); c++) {
            print_message("# %s at %s\n", causes[c].name, point_names[at]);
            break_arrow((enum point)at, c);
        }
    }
}

static void test_stranger_changes_nothing(void **state)
{
    struct world *w = *state;

    for (int at = AT_LOCKING; at <= AT_FROZEN; at++) {
        void *other;
        struct world *o;
        struct err e = ERR_INIT;
        uint32_t left;

        (void)setup(&other);
        o = other;
        strike(o, (enum point)at, by_stranger);
        assert_int_equal(o->ended_calls, 1);
        assert_false(o->held);
        assert_non_null(strstr(o->reason, "another freeze"));
        assert_true(o->locked && o->armed);
        assert_int_equal(session_renew(o->session, "other", 5, -1, &left, &e), -1);
        assert_int_equal(e.code, ERR_LOST);
        assert_int_equal(session_renew(o->session, "run", 4, -1, &left, &e), -1);
        by_host(o);
        work(o);
        assert_let_go(o);
        (void)teardown(&other);
    }
    assert_int_equal(session_state(w->session), SESSION_IDLE);
}

/* ---- held or lost ------------------------------------------------------------------------------
 */

static void release_by_run(struct world *w)
{
    session_release(w->session, "run", true, session_epoch(w->session), on_ended, w);
    work(w);
}

static void test_held(void **state)
{
    struct world *w = *state;

    hold(w, "run", true);
    release_by_run(w);
    assert_true(w->held);
    assert_int_equal(w->ended_epoch, 5);
    assert_int_equal(w->kept_epoch, 6);
    assert_string_equal(w->events, "locking locked released ");
    assert_string_equal(w->trace, "enter take thaw unlock disarm leave ");
    assert_int_equal(w->tick_ms, 0); /* qemu-ga had finished: nothing to sweep up after */
    assert_int_equal(w->forgets, 1);
}

/* After a probe exactly those count that were frozen then. */
static void test_probe_decides(void **state)
{
    struct world *w = *state;

    hold(w, "run", true);
    w->probed[0] = w->thawed[0] = FS_UNABLE;
    assert_int_equal(session_probe(w->session, on_probed, w), 0);
    work(w);
    assert_int_equal(w->probed_calls, 1);
    release_by_run(w);
    assert_true(w->held);

    hold(w, "run", true);
    assert_int_equal(session_probe(w->session, on_probed, w), 0);
    work(w);
    w->thawed[2] = FS_NOT_FROZEN; /* somebody thawed it */
    release_by_run(w);
    assert_false(w->held);
    assert_non_null(strstr(w->reason, "/mnt/mysqldata"));
}

static void test_count_decides(void **state)
{
    struct world *w = *state;

    hold(w, "run", true);
    w->thawed[1] = FS_NOT_FROZEN;
    release_by_run(w);
    assert_false(w->held);
    assert_non_null(strstr(w->reason, "2 filesystems"));
    assert_non_null(strstr(w->reason, "frozen 3"));
}

/* Neither frozen nor not frozen, says the kernel: then it is not known to have been. */
static void test_a_thaw_that_fails_decides(void **state)
{
    struct world *w = *state;

    hold(w, NULL, true);
    w->thawed[1] = FS_FAILED;
    by_person(w);
    work(w);
    assert_false(w->held);
    assert_non_null(strstr(w->reason, "/mnt/mysql"));
}

static void test_unlock_decides(void **state)
{
    struct world *w = *state;

    hold(w, "run", true);
    w->unlock_fails = true;
    release_by_run(w);
    assert_false(w->held);
    assert_string_equal(w->reason, "the lock was lost");
    assert_string_equal(w->events, "locking locked lost ");
}

/* The watchdog fires while the release is on its way: the set is not consistent. */
static void test_lease_during_release(void **state)
{
    struct world *w = *state;

    hold(w, "run", true);
    session_release(w->session, "run", true, 5, on_ended, w);
    fire(w);
    work(w);
    assert_false(w->held);
    assert_non_null(strstr(w->reason, "lease of 4000 ms"));
}

static void test_second_release_did_not_hold(void **state)
{
    struct world *w = *state;
    struct world other = {.ended_calls = 0};

    hold(w, "run", true);
    session_release(w->session, "run", true, 5, on_ended, w);
    session_release(w->session, "run", true, 5, on_ended, &other);
    work(w);
    assert_true(w->held);
    assert_int_equal(other.ended_calls, 1);
    assert_false(other.held);
    session_release(w->session, "run", true, 5, on_ended, &other);
    assert_int_equal(other.ended_calls, 2);
    assert_false(other.held);
    assert_non_null(strstr(other.reason, "epoch 5 had ended already (host)"));
}

/* ---- locking -----------------------------------------------------------------------------------
 */

static void test_lock_refused(void **state)
{
    struct world *w = *state;

    w->lock_fails = true;
    session_freeze(w->session, on_frozen, w);
    work(w);
    assert_false(w->frozen_ok);
    assert_int_equal(w->frozen_code, ERR_LOCK);
    assert_string_equal(w->events, "locking lock-failed ");
    assert_string_equal(w->trace, "enter take disarm leave ");
    assert_int_equal(session_epoch(w->session), 5);
    assert_let_go(w);
}

static void test_granted_too_late(void **state)
{
    struct world *w = *state;

    w->fires_at_grant = true;
    session_freeze(w->session, on_frozen, w);
    work(w);
    assert_int_equal(w->frozen_code, ERR_LOST);
    assert_string_equal(w->events, "locking lock-failed ");
    assert_string_equal(w->trace, "enter take unlock disarm leave ");
    w->fires_at_grant = false;
    assert_let_go(w);
}

static void test_no_marker_no_lock(void **state)
{
    struct world *w = *state;

    w->enter_fails = true;
    session_freeze(w->session, on_frozen, w);
    work(w);
    assert_int_equal(w->frozen_code, ERR_IO);
    assert_string_equal(w->trace, "enter ");
    assert_let_go(w);
}

static void test_hanging_watchdog_refuses(void **state)
{
    struct world *w = *state;

    w->hangs = true;
    session_freeze(w->session, on_frozen, w);
    work(w);
    assert_int_equal(w->frozen_code, ERR_BUSY);
    assert_string_equal(w->trace, "enter leave ");
    assert_let_go(w);
}

static void test_second_freeze_is_busy(void **state)
{
    struct world *w = *state;

    hold(w, NULL, false);
    session_freeze(w->session, on_frozen, w);
    assert_int_equal(w->frozen_calls, 2);
    assert_int_equal(w->frozen_code, ERR_BUSY);
    assert_int_equal(session_state(w->session), SESSION_LOCKED);
    assert_int_equal(session_prepare(w->session, "run", 0, NULL), -1);
    by_hook(w);
    work(w);
    assert_let_go(w);
}

static void test_lease_lengths(void **state)
{
    struct world *w = *state;
    uint32_t left;

    hold(w, NULL, false);
    assert_int_equal(w->armed_until - w->now_us, 60 * S);
    by_hook(w);
    work(w);
    hold(w, "run", false);
    assert_int_equal(w->armed_until - w->now_us, 4 * S);
    w->now_us += 3 * S;
    assert_int_equal(session_renew(w->session, "run", 6, -1, &left, NULL), 0);
    assert_int_equal(w->armed_until - w->now_us, 4 * S);
    assert_int_equal(left, 4000);
    assert_int_equal(session_state(w->session), SESSION_LOCKED); /* not told of frozen ones */
    by_person(w);
    work(w);
    assert_int_equal(session_prepare(w->session, "run", SESSION_LEASE_MAX_MS + 1, NULL), -1);
    assert_int_equal(session_prepare(w->session, "run", 0, NULL), 0);
    session_freeze(w->session, on_frozen, w);
    work(w);
    assert_int_equal(w->armed_until - w->now_us, 10 * S);
    by_person(w);
    work(w);
}

/* A dead coordinator's preparation must not claim a later virsh domfsfreeze. */
static void test_preparation_expires(void **state)
{
    struct world *w = *state;
    struct session_view v;

    assert_int_equal(session_prepare(w->session, "run", 4000, NULL), 0);
    w->now_us += 61 * S;
    hold(w, NULL, false);
    session_describe(w->session, &v);
    assert_null(v.state.run_id);
    assert_int_equal(w->armed_until - w->now_us, 60 * S);
    session_view_release(&v);
    by_hook(w);
    work(w);
}

/* The coordinator died after Prepare: what comes next may be its freeze, which nobody would thaw.
 */
static void test_host_gone_refuses_one_freeze(void **state)
{
    struct world *w = *state;
    struct session_view v;

    assert_int_equal(session_prepare(w->session, "run", 4000, NULL), 0);
    session_host_gone(w->session);
    session_freeze(w->session, on_frozen, w);
    assert_int_equal(w->frozen_calls, 1);
    assert_int_equal(w->frozen_code, ERR_REFUSED);
    work(w);
    assert_let_go(w);
    /* a runner that ignores it freezes all the same, and is swept up after */
    assert_int_equal(w->opens, 1);
    freeze_all(w);
    session_tick(w->session);
    work(w);
    assert_int_not_equal(w->tick_ms, 0);
    /* a second one is somebody else's */
    hold(w, NULL, false);
    session_describe(w->session, &v);
    assert_null(v.state.run_id);
    assert_int_equal(w->armed_until - w->now_us, 60 * S);
    session_view_release(&v);
    by_hook(w);
    work(w);
}

/* One that is back has not died, and one whose freeze has not come for ten minutes never will. */
static void test_host_gone_and_back(void **state)
{
    struct world *w = *state;

    assert_int_equal(session_prepare(w->session, "run", 4000, NULL), 0);
    session_host_gone(w->session);
    assert_int_equal(session_prepare(w->session, "other", 4000, NULL), 0);
    hold(w, NULL, false);
    by_hook(w);
    work(w);
    assert_int_equal(session_prepare(w->session, "run", 4000, NULL), 0);
    session_host_gone(w->session);
    w->now_us += 601 * S;
    hold(w, NULL, false);
    by_hook(w);
    work(w);
}

static void test_release_forgets_preparation(void **state)
{
    struct world *w = *state;
    struct session_view v;

    assert_int_equal(session_prepare(w->session, "run", 4000, NULL), 0);
    /* that its freeze of epoch 5 has not come yet does not mean that it will not */
    by_host(w);
    assert_int_equal(w->ended_calls, 1);
    assert_false(w->held);
    session_freeze(w->session, on_frozen, w);
    assert_int_equal(w->frozen_code, ERR_REFUSED);
    assert_int_equal(session_prepare(w->session, "run", 4000, NULL), 0);
    session_release(w->session, "run", false, 0, on_ended, w);
    hold(w, NULL, false);
    session_describe(w->session, &v);
    assert_null(v.state.run_id);
    session_view_release(&v);
    by_hook(w);
    work(w);
}

/* ---- the hook ----------------------------------------------------------------------------------
 */

static void test_hook_leaves_after_its_answer(void **state)
{
    struct world *w = *state;

    hold(w, NULL, false);
    session_hook_gone(w->session, w, true);
    assert_int_equal(session_state(w->session), SESSION_LOCKED);
    session_hook_gone(w->session, w, false); /* a later stranger with the same address */
    assert_int_equal(session_state(w->session), SESSION_LOCKED);
    by_hook(w);
    work(w);
    assert_string_equal(w->events, "locking locked released ");
}

/* qemu-ga thaws before it runs the hook, so nothing frozen is as it should be. */
static void test_thaw_by_hook_is_no_loss(void **state)
{
    struct world *w = *state;

    hold(w, NULL, false);
    by_hook(w);
    work(w);
    assert_string_equal(w->events, "locking locked released ");
    assert_false(w->lost_untold);
    assert_int_equal(w->tick_ms, 0);
}

/* Who freezes with no coordinator has only the thaw hook to hear from, and hears once. */
static void test_thaw_hook_hears_of_loss_once(void **state)
{
    struct world *w = *state;

    hold(w, NULL, true);
    fire(w);
    work(w);
    by_hook(w);
    assert_true(w->lost_untold);
    assert_non_null(strstr(w->reason, "lease"));
    by_hook(w);
    assert_false(w->lost_untold);

    /* a run's loss is the host's to tell */
    hold(w, "run", true);
    fire(w);
    work(w);
    by_hook(w);
    assert_false(w->lost_untold);

    /* lost while the thaw waits */
    hold(w, NULL, false);
    w->unlock_fails = true;
    by_hook(w);
    work(w);
    assert_true(w->lost_untold);
    by_hook(w);
    assert_false(w->lost_untold);
}

/* qemu-ga can still be freezing when the lease has ended: what it froze later is thawed too. */
static void test_sweep(void **state)
{
    struct world *w = *state;

    hold(w, NULL, false);
    fire(w);
    work(w);
    assert_int_equal(w->tick_ms, 250);
    assert_int_equal(w->forgets, 0);
    w->thawed[0] = FS_FROZEN; /* late */
    w->now_us += S / 4;
    session_tick(w->session);
    work(w);
    assert_int_equal(w->thawed[0], FS_NOT_FROZEN);
    assert_int_equal(w->tick_ms, 250);
    /* each late one shows that qemu-ga is still at work: the time counts from there */
    w->now_us += 29 * S;
    w->thawed[0] = FS_FROZEN;
    session_tick(w->session);
    work(w);
    w->now_us += 29 * S;
    session_tick(w->session);
    work(w);
    assert_int_equal(w->forgets, 0);
    w->now_us += 31 * S;
    session_tick(w->session);
    work(w);
    assert_int_equal(w->forgets, 1);
    w->trace[0] = '\0';
    session_tick(w->session);
    assert_string_equal(w->trace, "");

    /* a new freeze ends it, also with a sweep under way */
    hold(w, NULL, false);
    fire(w);
    work(w);
    session_tick(w->session);
    assert_int_equal(w->queued, 1);
    hold(w, NULL, true);
    by_person(w);
    work(w);
    assert_true(w->held);
    by_hook(w);
    assert_int_equal(w->tick_ms, 0);
    assert_let_go(w);
}

/* Nor does an agent that is to stop leave while qemu-ga can still be freezing, unless the thaw hook
 * says that it is over, or time runs out. */
static void test_stop_waits_for_sweep(void **state)
{
    struct world *w = *state;

    hold(w, NULL, false);
    by_signal(w);
    work(w);
    assert_int_equal(session_state(w->session), SESSION_IDLE);
    assert_int_equal(w->stopped_calls, 0);
    w->thawed[0] = FS_FROZEN; /* late */
    session_tick(w->session);
    work(w);
    assert_int_equal(w->thawed[0], FS_NOT_FROZEN);
    assert_int_equal(w->stopped_calls, 0);
    w->now_us += 14 * S;
    w->thawed[0] = FS_FROZEN; /* no reason to outlast what systemd allows */
    session_tick(w->session);
    work(w);
    assert_int_equal(w->stopped_calls, 0);
    w->now_us += 2 * S;
    session_tick(w->session);
    work(w);
    assert_int_equal(w->stopped_calls, 1);
    assert_int_equal(w->forgets, 1);
}

static void test_thaw_hook_lets_the_agent_stop(void **state)
{
    struct world *w = *state;

    hold(w, NULL, false);
    by_signal(w);
    work(w);
    by_hook(w);
    assert_int_equal(w->stopped_calls, 1);
}

static void test_gone_waiter_is_not_called(void **state)
{
    struct world *w = *state;

    hold(w, "run", true);
    by_host(w);
    session_forget_caller(w->session, w);
    work(w);
    assert_int_equal(w->ended_calls, 0);
    assert_let_go(w);
}

static void test_probe_only_while_held(void **state)
{
    struct world *w = *state;

    assert_int_equal(session_probe(w->session, on_probed, w), -1);
    hold(w, "run", true);
    assert_int_equal(session_probe(w->session, on_probed, w), 0);
    /* the end comes while the probe waits: both are answered */
    by_host(w);
    work(w);
    assert_int_equal(w->probed_calls, 1);
    assert_int_equal(w->ended_calls, 1);
    assert_let_go(w);
}

static void test_state_tells(void **state)
{
    struct world *w = *state;
    struct session_view v;

    hold(w, "run", true);
    w->now_us += S;
    session_probe(w->session, on_probed, w);
    work(w);
    session_describe(w->session, &v);
    assert_int_equal(v.state.state, CBSNAP__SESSION_STATE__STATE_FROZEN);
    assert_true(v.state.lock_held);
    assert_string_equal(v.state.run_id, "run");
    assert_int_equal(v.state.lease_left_ms, 3000);
    assert_string_equal(v.state.position->binlog_file, "bin.000001");
    assert_int_equal(v.state.n_mount, MOUNTS);
    assert_true(v.state.mount[1]->has_frozen && v.state.mount[1]->frozen);
    session_view_release(&v);
    by_person(w);
    work(w);
    session_describe(w->session, &v);
    assert_false(v.state.lock_held);
    assert_int_equal(v.state.epoch, 6);
    assert_string_equal(v.state.last_end->cause, "person");
    assert_int_equal(v.state.last_end->epoch, 5);
    session_view_release(&v);
}

static void test_recovered(void **state)
{
    struct world *w = *state;

    session_recovered(w->session, "", "the predecessor died");
    assert_int_equal(session_epoch(w->session), 6);
    assert_int_equal(w->kept_epoch, 6);
    by_hook(w);
    assert_true(w->lost_untold);
    assert_non_null(strstr(w->reason, "predecessor died"));
}

static void test_no_freeze_while_stopping(void **state)
{
    struct world *w = *state;

    hold(w, NULL, true);
    by_signal(w);
    session_freeze(w->session, on_frozen, w);
    assert_int_equal(w->frozen_code, ERR_CANCELLED);
    work(w);
    session_freeze(w->session, on_frozen, w);
    assert_int_equal(w->frozen_code, ERR_CANCELLED);
    sweep_out(w);
    assert_int_equal(w->stopped_calls, 1);
    assert_let_go(w);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_every_arrow),
        T(test_stranger_changes_nothing),
        T(test_held),
        T(test_probe_decides),
        T(test_count_decides),
        T(test_a_thaw_that_fails_decides),
        T(test_unlock_decides),
        T(test_lease_during_release),
        T(test_second_release_did_not_hold),
        T(test_lock_refused),
        T(test_granted_too_late),
        T(test_no_marker_no_lock),
        T(test_hanging_watchdog_refuses),
        T(test_second_freeze_is_busy),
        T(test_lease_lengths),
        T(test_preparation_expires),
        T(test_host_gone_refuses_one_freeze),
        T(test_host_gone_and_back),
        T(test_release_forgets_preparation),
        T(test_hook_leaves_after_its_answer),
        T(test_thaw_by_hook_is_no_loss),
        T(test_thaw_hook_hears_of_loss_once),
        T(test_sweep),
        T(test_stop_waits_for_sweep),
        T(test_thaw_hook_lets_the_agent_stop),
        T(test_gone_waiter_is_not_called),
        T(test_probe_only_while_held),
        T(test_state_tells),
        T(test_recovered),
        T(test_no_freeze_while_stopping),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
