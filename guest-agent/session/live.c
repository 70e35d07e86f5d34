/* SPDX-License-Identifier: GPL-2.0-or-later */
/* session_ops on real threads, filesystems and connections; see live.h. */
#include "guest-agent/session/live.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "guest-agent/session/login.h"
#include "guest-agent/session/marker.h"
#include "guest-agent/session/watchdog.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#define US 1000

/* A session's job on its way through the worker. At most one of each kind is under way. */
struct live_job {
    struct worker_job job; /* first: the worker hands this back */
    struct session_job *work;
};

struct live {
    struct live_config config;
    struct live_callbacks callbacks;
    void *arg;
    uv_loop_t *loop;
    bool sweep_first; /* the agent before this one died in a freeze, or in a sweep */
    const char
        *configured_socket; /* "" is looked for anew each time: config.login has the finding */
    int open_handles;       /* while closing */
    char *rcu_marker;
    struct session *session;
    struct worker *worker, *sweeper;
    struct watchdog *watchdog;
    struct live_job jobs[4]; /* by enum session_work */
    uv_async_t fired;
    uv_timer_t tick;
    uv_poll_t *poll; /* on the lock's connection while held */

    struct mysql_lock *mysql; /* replaced on the worker's thread while nothing is held */
    struct fs_set *_Atomic set;

    pthread_mutex_t cancel_lock;
    bool taking;    /* lock_take() runs */
    bool cancelled; /* the lock job submitted last is to end */
};

/* ---- watchdog: its own thread ------------------------------------------------------------------
 */

/* MySQL first, for once: severing cannot hang, and a thaw that does must not keep the lock. What
 * was held is lost in any case. */
static void watchdog_fire(void *arg)
{
    struct live *l = arg;
    struct fs_set *set = atomic_load(&l->set);

    mysql_lock_sever(l->mysql);
    if (set)
        fs_set_thaw(set, NULL);
}

static void watchdog_fired(void *arg)
{
    struct live *l = arg;

    uv_async_send(&l->fired);
}

/* Late wake-ups of a freeze that has ended find a watchdog that is no longer "fired". */
static void on_fired(uv_async_t *fired)
{
    struct live *l = fired->data;

    if (watchdog_has_fired(l->watchdog))
        session_fired(l->session);
}

/* ---- loop's thread -----------------------------------------------------------------------------
 */

static void job_run(struct worker_job *job)
{
    session_job_run(((struct live_job *)job)->work);
}

static void job_done(struct worker_job *job)
{
    session_job_done(((struct live_job *)job)->work);
}

static void live_submit(void *arg, struct session_job *work)
{
    struct live *l = arg;
    struct live_job *j = &l->jobs[work->work];

    if (work->work == WORK_LOCK) {
        AUTO_LOCK(held, &l->cancel_lock);
        l->cancelled = false;
    }
    j->job.run = job_run;
    j->job.done = job_done;
    j->work = work;
    worker_submit(work->work == WORK_SWEEP ? l->sweeper : l->worker, &j->job);
}

static void live_cancel(void *arg)
{
    struct live *l = arg;

    AUTO_LOCK(held, &l->cancel_lock);
    l->cancelled = true;
    /* never ahead of a take: it would strike the next one, of another freeze */
    if (l->taking)
        mysql_lock_cancel(l->mysql);
}

static void on_lock_event(uv_poll_t *poll, int status, int events)
{
    struct live *l = poll->data;

    (void)status; /* an error is an end like any other */
    (void)events;
    /* the watchdog's severing is seen here too, often before its own word */
    if (watchdog_is_firing(l->watchdog) || watchdog_has_fired(l->watchdog))
        session_fired(l->session);
    else
        session_lock_lost(l->session);
}

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

static void live_watch(void *arg, bool on)
{
    struct live *l = arg;

    if (l->poll) {
        uv_close((uv_handle_t *)l->poll, on_poll_closed);
        l->poll = NULL;
    }
    if (!on)
        return;
    l->poll = xcalloc(1, sizeof(*l->poll));
    if (uv_poll_init(l->loop, l->poll, mysql_lock_fd(l->mysql)) != 0) {
        free(l->poll);
        l->poll = NULL;
        log_error("cannot watch the connection that holds the lock: only the lease guards it");
        return;
    }
    l->poll->data = l;
    uv_poll_start(l->poll, UV_READABLE | UV_DISCONNECT, on_lock_event);
}

static void live_quiet(void *arg, bool on)
{
    struct live *l = arg;

    l->callbacks.quiet(l->arg, on);
}

static void on_tick(uv_timer_t *tick)
{
    struct live *l = tick->data;

    session_tick(l->session);
}

static void live_tick_in(void *arg, int ms)
{
    struct live *l = arg;

    if (ms)
        uv_timer_start(&l->tick, on_tick, (uint64_t)ms, 0);
    else
        uv_timer_stop(&l->tick);
}

static void live_keep_epoch(void *arg, uint64_t epoch)
{
    struct live *l = arg;
    struct err e = ERR_INIT;

    if (epoch_write(l->config.run_dir, epoch, &e) < 0)
        log_error("%s: a restarted agent would count anew", e.msg);
}

static void live_keep_sweep(void *arg, bool due)
{
    struct live *l = arg;
    struct err e = ERR_INIT;

    if (sweep_keep(l->config.run_dir, due, &e) < 0)
        log_error("%s: a restarted agent would not know whether qemu-ga may be freezing", e.msg);
}

static void live_event(void *arg, const Cbsnap__FreezeEvent *event)
{
    struct live *l = arg;

    l->callbacks.event(l->arg, event);
}

static void close_set(void *set)
{
    fs_set_close(set);
}

static void live_forget(void *arg)
{
    struct live *l = arg;
    struct fs_set *set = atomic_exchange(&l->set, NULL);

    if (set && !watchdog_defer(l->watchdog, close_set, set))
        fs_set_close(set);
}

/* ---- any thread --------------------------------------------------------------------------------
 */

static int64_t live_now(void *arg)
{
    (void)arg;
    return mono_us();
}

static int64_t live_wall(void *arg)
{
    (void)arg;
    return wall_us();
}

static bool live_arm(void *arg, int64_t at_us)
{
    struct live *l = arg;

    return watchdog_arm(l->watchdog, at_us);
}

static bool live_disarm(void *arg)
{
    struct live *l = arg;

    return watchdog_disarm(l->watchdog);
}

static size_t live_mount_count(void *arg)
{
    struct live *l = arg;
    struct fs_set *set = atomic_load(&l->set);

    return set ? fs_set_count(set) : 0;
}

static const struct mount *live_mount_at(void *arg, size_t n)
{
    struct live *l = arg;

    return fs_set_mount(atomic_load(&l->set), n);
}

/* ---- worker's thread ---------------------------------------------------------------------------
 */

static int open_mounts(struct live *l, struct err *e)
{
    struct mount_table mounts = {.items = NULL};
    struct fs_set *set;

    if (mounts_read(&mounts, "", "", e) < 0)
        return -1;
    set = fs_set_open(&mounts);
    fs_set_stand_by(set);
    atomic_store(&l->set, set);
    mounts_release(&mounts);
    return 0;
}

static int live_enter(void *arg, uint64_t epoch, const char *run_id, struct err *e)
{
    struct live *l = arg;
    struct err own = ERR_INIT;

    live_forget(l); /* of a sweep that this freeze ends */
    (void)live_mysql(l);
    if (open_mounts(l, e) < 0)
        return -1;
    if (marker_write(l->config.run_dir, epoch, run_id, atomic_load(&l->set), e) < 0) {
        live_forget(l);
        return -1;
    }
    if (l->config.rcu_expedited && rcu_expedite("", l->rcu_marker, &own) < 0)
        log_warn("the freeze will take longer: %s", own.msg);
    return 0;
}

static void live_leave(void *arg)
{
    struct live *l = arg;
    struct err e = ERR_INIT;

    if (rcu_restore("", l->rcu_marker, &e) < 0)
        log_warn("%s", e.msg);
    if (marker_remove(l->config.run_dir, &e) < 0)
        log_warn("%s", e.msg);
}

struct mysql_lock *live_mysql(struct live *l)
{
    /* never under a watchdog that still hangs in severing the old one */
    if (!watchdog_is_firing(l->watchdog) && login_resolve(&l->config.login, l->configured_socket)) {
        mysql_lock_free(l->mysql);
        l->mysql = mysql_lock_new(&l->config.login);
    }
    return l->mysql;
}

/* False when it was cancelled before it began. */
static bool begin_taking(struct live *l)
{
    AUTO_LOCK(held, &l->cancel_lock);

    l->taking = !l->cancelled;
    return l->taking;
}

static bool end_taking(struct live *l)
{
    AUTO_LOCK(held, &l->cancel_lock);

    l->taking = false;
    return l->cancelled;
}

static int live_lock_take(void *arg, struct position *ret_position, struct lock_report *ret_report,
                          struct err *e)
{
    struct live *l = arg;
    int rc;

    for (;;) {
        if (!begin_taking(l))
            return err_set(e, ERR_CANCELLED, "the freeze was called off before the lock was taken");
        rc = mysql_lock_take(l->mysql, &l->config.lock, ret_position, ret_report, e);
        /* a cancel can come after its take had ended: then it strikes the next, which goes again */
        if (end_taking(l) || rc == 0 || !e || e->code != ERR_CANCELLED)
            return rc;
        *e = ERR_INIT;
    }
}

static int live_lock_release(void *arg, struct err *e)
{
    struct live *l = arg;

    return mysql_lock_release(l->mysql, e);
}

static void live_thaw_begin(void *arg, struct fs_thaw *t, struct fs_result *results)
{
    struct live *l = arg;

    if (atomic_load(&l->set))
        fs_thaw_begin(atomic_load(&l->set), t, results);
}

static bool live_thaw_wait(void *arg, struct fs_thaw *t, int wait_ms)
{
    struct live *l = arg;

    return !atomic_load(&l->set) || fs_thaw_wait(atomic_load(&l->set), t, wait_ms);
}

static void live_open_mounts(void *arg)
{
    struct live *l = arg;
    struct err e = ERR_INIT;

    live_forget(l);
    if (open_mounts(l, &e) < 0)
        log_warn("%s", e.msg);
}

static void live_probe(void *arg, struct fs_result *results)
{
    struct live *l = arg;

    if (atomic_load(&l->set))
        fs_set_probe(atomic_load(&l->set), results);
}

static const struct session_ops live_ops = {
    .submit = live_submit,
    .cancel = live_cancel,
    .watch = live_watch,
    .quiet = live_quiet,
    .tick_in = live_tick_in,
    .keep_epoch = live_keep_epoch,
    .keep_sweep = live_keep_sweep,
    .event = live_event,
    .forget = live_forget,
    .open_mounts = live_open_mounts,
    .now_us = live_now,
    .wall_us = live_wall,
    .arm = live_arm,
    .disarm = live_disarm,
    .mount_count = live_mount_count,
    .mount_at = live_mount_at,
    .enter = live_enter,
    .leave = live_leave,
    .lock_take = live_lock_take,
    .lock_release = live_lock_release,
    .thaw_begin = live_thaw_begin,
    .thaw_wait = live_thaw_wait,
    .probe = live_probe,
};

/* ---- making and ending -------------------------------------------------------------------------
 */

int64_t live_lock_budget_ms(const struct lock_limits *limits)
{
    /* a try: it waits until nobody has tables open, then for the grant, and up to a second for the
     * cancelling to be answered */
    int64_t try = 2 * limits->try_ms + 1000, pause = (int64_t)limits->backoff_ms * 8 * 3 / 2;

    return limits->tries * (try + pause) + 2000;
}

static void recover(struct live *l, const struct session_limits *limits)
{
    uint64_t epoch = epoch_read(l->config.run_dir);
    struct recovery past;

    marker_recover(l->config.run_dir, &past);
    if (past.epoch > epoch)
        epoch = past.epoch;
    l->session = session_new(&live_ops, l, limits, epoch);
    if (past.found)
        session_recovered(l->session, past.run_id,
                          "cbsnap-agent died while it held the freeze; its successor thawed");
    l->sweep_first = past.sweep;
}

/* The one before may have ended while qemu-ga was still freezing, one filesystem after another. */
static void sweep_recovered(struct live *l)
{
    if (!l->sweep_first)
        return;
    live_open_mounts(l);
    session_sweep(l->session);
}

struct live *live_new(uv_loop_t *loop, const struct live_config *config,
                      const struct live_callbacks *callbacks, void *arg)
{
    struct live *l = xcalloc(1, sizeof(*l));
    struct session_limits limits = {
        .run_lease_us = (int64_t)config->run_lease_ms * US,
        .hook_lease_us = (int64_t)config->hook_lease_ms * US,
        .lock_budget_us = live_lock_budget_ms(&config->lock) * US,
        .prepared_for_us = INT64_C(60) * 1000 * US,
        .sweep_for_us = INT64_C(30) * 1000 * US,
    };

    l->config = *config;
    l->callbacks = *callbacks;
    l->arg = arg;
    l->loop = loop;
    l->rcu_marker = xasprintf("%s/rcu_expedited", config->run_dir);
    recover(l, &limits);
    pthread_mutex_init(&l->cancel_lock, NULL);
    l->configured_socket = config->login.socket;
    l->config.login.socket = NULL;
    (void)login_resolve(&l->config.login, l->configured_socket);
    l->mysql = mysql_lock_new(&l->config.login);
    l->watchdog = watchdog_new(watchdog_fire, watchdog_fired, l);
    if (!l->mysql || !l->watchdog || uv_async_init(loop, &l->fired, on_fired) != 0)
        abort(); /* at start, out of threads or descriptors: there is no agent without a watchdog */
    l->fired.data = l;
    uv_timer_init(loop, &l->tick);
    l->tick.data = l;
    l->worker = worker_new(loop);
    l->sweeper = worker_new(loop);
    sweep_recovered(l);
    return l;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct live *l = handle->data;

    if (--l->open_handles == 0)
        free(l);
}

int live_free(struct live *l)
{
    live_watch(l, false);
    if (worker_free(l->worker, 3000) < 0 || worker_free(l->sweeper, 3000) < 0 ||
        watchdog_free(l->watchdog, 1000) < 0)
        return -1;
    l->watchdog = NULL;
    fs_set_close(atomic_exchange(&l->set, NULL));
    session_free(l->session);
    mysql_lock_free(l->mysql);
    free(l->rcu_marker);
    pthread_mutex_destroy(&l->cancel_lock);
    l->open_handles = 2;
    uv_close((uv_handle_t *)&l->tick, on_handle_closed);
    uv_close((uv_handle_t *)&l->fired, on_handle_closed);
    return 0;
}

struct session *live_session(struct live *l)
{
    return l->session;
}

struct worker *live_worker(struct live *l)
{
    return l->worker;
}

const struct mysql_login *live_login(const struct live *l)
{
    return &l->config.login;
}
