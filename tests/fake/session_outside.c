/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See session_outside.h. */
#include "tests/fake/session_outside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#define S INT64_C(1000000)

#define MUST(what)                                                                                 \
    do {                                                                                           \
        if (!(what))                                                                               \
            outside_broken(#what, __FILE__, __LINE__);                                             \
    } while (0)

static const struct mount mounts[MOUNTS] = {
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

static void note(struct outside *o, const char *word)
{
    size_t len = strlen(o->trace);

    (void)snprintf(o->trace + len, sizeof(o->trace) - len, "%s ", word);
}

/* ---- on the loop's thread ----------------------------------------------------------------------
 */

static void op_submit(void *arg, struct session_job *job)
{
    struct outside *o = arg;

    MUST(o->queued < ARRAY_SIZE(o->queue));
    if (job->work == WORK_LOCK)
        o->cancelled = false;
    o->queue[o->queued++] = job;
}

static void op_cancel(void *arg)
{
    ((struct outside *)arg)->cancelled = true;
}

static void op_watch(void *arg, bool on)
{
    ((struct outside *)arg)->watching = on;
}

static void op_quiet(void *arg, bool on)
{
    ((struct outside *)arg)->quiet = on;
}

static void op_tick_in(void *arg, int ms)
{
    ((struct outside *)arg)->tick_ms = ms;
}

static void op_keep_epoch(void *arg, uint64_t epoch)
{
    ((struct outside *)arg)->kept_epoch = epoch;
}

static void op_keep_sweep(void *arg, bool due)
{
    struct outside *o = arg;

    MUST(o->sweep_due != due);
    o->sweep_due = due;
}

static void op_event(void *arg, const Cbsnap__FreezeEvent *event)
{
    static const char *const kinds[] = {"locking", "locked", "lock-failed", "released", "lost"};
    struct outside *o = arg;
    size_t len = strlen(o->events);

    (void)snprintf(o->events + len, sizeof(o->events) - len, "%s ", kinds[event->kind]);
    (void)snprintf(o->cause, sizeof(o->cause), "%s", event->cause ? event->cause : "");
    if (event->kind == CBSNAP__FREEZE_EVENT__KIND__LOCKED)
        MUST(event->position);
}

static void op_forget(void *arg)
{
    struct outside *o = arg;

    /* nobody may be using the mounts */
    MUST(o->queued == 0);
    o->forgets++;
}

static void op_open_mounts(void *arg)
{
    struct outside *o = arg;

    MUST(o->queued == 0);
    o->opens++;
}

/* ---- on any thread -----------------------------------------------------------------------------
 */

static int64_t op_now(void *arg)
{
    const struct outside *o = arg;

    return o->clock ? o->clock() : o->now_us;
}

static bool op_arm(void *arg, int64_t at_us)
{
    struct outside *o = arg;

    if (o->fired || o->hangs)
        return false;
    o->armed = true;
    o->armed_until = at_us;
    return true;
}

static bool op_disarm(void *arg)
{
    struct outside *o = arg;
    bool in_time = !o->fired;

    note(o, "disarm");
    o->armed = o->fired = false;
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

/* ---- on the worker's thread --------------------------------------------------------------------
 */

static int op_enter(void *arg, uint64_t epoch, const char *run_id, struct err *e)
{
    struct outside *o = arg;

    (void)epoch;
    (void)run_id;
    note(o, "enter");
    MUST(o->quiet); /* before anything is touched */
    if (o->enter_fails)
        return err_set(e, ERR_IO, "no marker");
    MUST(!o->marker);
    o->marker = true;
    return 0;
}

static void op_leave(void *arg)
{
    struct outside *o = arg;

    note(o, "leave");
    MUST(o->marker);
    o->marker = false;
}

static int op_lock_take(void *arg, struct position *ret_position, struct lock_report *ret_report,
                        struct err *e)
{
    struct outside *o = arg;

    note(o, "take");
    MUST(o->armed); /* a watchdog is there before the server is asked */
    *ret_report = (struct lock_report){.tries = 1, .requested_us = op_now(o)};
    if (o->cancelled)
        return err_set(e, ERR_CANCELLED, "cancelled");
    if (o->fires_in_take) {
        o->fired = true;
        o->armed = o->fires_in_take = false;
        return err_set(e, ERR_MYSQL, "the connection was severed");
    }
    if (o->lock_fails)
        return err_set(e, ERR_LOCK, "not granted in 10 tries");
    o->locked = !o->fires_at_grant;
    o->fired = o->fires_at_grant;
    memset(o->probed, 0, sizeof(o->probed));
    ret_report->locked_us = op_now(o);
    *ret_position = (struct position){.binlog_file = xstrdup("bin.000001"), .binlog_offset = 4};
    return 0;
}

static int op_lock_release(void *arg, struct err *e)
{
    struct outside *o = arg;

    note(o, "unlock");
    o->held_lock = o->locked && !o->unlock_fails;
    o->locked = false;
    return o->held_lock ? 0 : err_set(e, ERR_LOST, "the lock was lost");
}

static void op_thaw_begin(void *arg, struct fs_thaw *t, struct fs_result *results)
{
    struct outside *o = arg;
    bool any = false, all = true;

    (void)t;
    note(o, "thaw");
    for (size_t n = 0; n < MOUNTS; n++) {
        bool fails = n == 1 && o->thaw_fails;
        bool frozen = o->fs[n] == FS_FROZEN;

        any |= frozen;
        all &= !fails && (frozen || !o->probed[n]);
        results[n] = (struct fs_result){.answer = fails ? FS_FAILED : o->fs[n],
                                        .sys_errno = fails ? EIO : 0};
        o->fs[n] = FS_NOT_FROZEN;
    }
    o->held_all = any && all;
}

static bool op_thaw_wait(void *arg, struct fs_thaw *t, int wait_ms)
{
    struct outside *o = arg;

    (void)t;
    if (!o->thaw_waits)
        return true;
    if (wait_ms < 0)
        note(o, "thawed");
    return wait_ms < 0;
}

static void op_probe(void *arg, struct fs_result *results)
{
    struct outside *o = arg;

    note(o, "probe");
    for (size_t n = 0; n < MOUNTS; n++) {
        o->probed[n] = o->fs[n] == FS_FROZEN;
        results[n] = (struct fs_result){.answer = o->fs[n]};
    }
}

const struct session_ops outside_ops = {
    .submit = op_submit,
    .cancel = op_cancel,
    .watch = op_watch,
    .quiet = op_quiet,
    .tick_in = op_tick_in,
    .keep_epoch = op_keep_epoch,
    .keep_sweep = op_keep_sweep,
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
    .thaw_begin = op_thaw_begin,
    .thaw_wait = op_thaw_wait,
    .probe = op_probe,
};

const struct session_limits outside_limits = {.run_lease_us = 10 * S,
                                              .hook_lease_us = 60 * S,
                                              .lock_budget_us = 20 * S,
                                              .prepared_for_us = 60 * S,
                                              .sweep_for_us = 30 * S};

/* ---- what a test does --------------------------------------------------------------------------
 */

void outside_init(struct outside *o)
{
    memset(o, 0, sizeof(*o));
    for (size_t n = 0; n < MOUNTS; n++)
        o->fs[n] = FS_NOT_FROZEN;
}

struct session_job *outside_run(struct outside *o)
{
    struct session_job *job = o->queue[0];

    if (o->queued == 0)
        return NULL;
    o->queued--;
    memmove(o->queue, o->queue + 1, o->queued * sizeof(o->queue[0]));
    session_job_run(job);
    return job;
}

void outside_fire(struct outside *o, struct session *s)
{
    MUST(o->armed);
    o->fired = true;
    o->armed = false;
    o->locked = false;
    for (size_t n = 0; n < MOUNTS; n++)
        o->fs[n] = FS_NOT_FROZEN;
    session_fired(s);
}

void outside_freeze(struct outside *o)
{
    for (size_t n = 0; n < MOUNTS; n++)
        o->fs[n] = FS_FROZEN;
}

bool outside_held(const struct outside *o)
{
    return o->held_lock && o->held_all;
}
