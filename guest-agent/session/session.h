/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The freeze session: the one place that knows whether this guest is locked or frozen, and the one
 * path by which it is let go.
 *
 *     IDLE -> LOCKING -> LOCKED -> FROZEN -> RELEASING -> IDLE      (README.md draws every arrow)
 *
 * qemu-ga's hook, the host's messages, the watchdog, a signal and a lost connection are all only
 * calls of the functions below. Whatever the cause, the end is the same: filesystems first, then
 * MySQL, carrying on past errors, and past a filesystem that does not thaw in time; then the epoch
 * is raised and everybody who waits is answered.
 *
 * Times are monotonic microseconds. All functions run on the loop's thread and never block, except
 * session_job_run(), which does the blocking work on the worker's. What is outside (worker,
 * watchdog, MySQL, filesystems, clock, the port) comes in through struct session_ops, so that unit
 * tests script it.
 */
#ifndef CBSNAP_SESSION_H
#define CBSNAP_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-agent/fs/freeze.h"
#include "guest-agent/mysql/lock.h"
#include "proto/message.h"

/* The values are those of the wire's enum SessionState. */
enum session_state {
    SESSION_IDLE,
    SESSION_LOCKING,
    SESSION_LOCKED,
    SESSION_FROZEN, /* locked, and the host said that qemu-ga froze */
    SESSION_RELEASING,
};
const char *session_state_name(enum session_state s);

#define SESSION_RUN_ID_SIZE 96
/* The longest that a host may ask for, and an admin configure for a run: writers may wait so long.
 */
#define SESSION_LEASE_MAX_MS 300000

enum session_work {
    WORK_LOCK,
    WORK_RELEASE,
    WORK_PROBE, /* which filesystems does the kernel call frozen? */
    WORK_SWEEP, /* thaw once more: see sweep.h */
};

/* One piece of blocking work. Owned by the session; lent to the worker between submit and done. */
struct session_job {
    enum session_work work;
    struct session *session;
    bool busy; /* loop thread only */
    /* for WORK_LOCK */
    uint64_t epoch;
    char run_id[SESSION_RUN_ID_SIZE];
    int64_t lease_us;
    /* results */
    int rc;
    struct err err;
    struct position position;
    struct lock_report report;
    struct fs_thaw thaw;       /* while it runs; of WORK_RELEASE, _SWEEP */
    struct fs_result *results; /* `count` of them; of WORK_RELEASE, _PROBE, _SWEEP */
    size_t count;
    int64_t thawed_us, unlocked_us;
    bool in_time; /* WORK_RELEASE: the watchdog had not fired */
};

struct session_ops {
    /* Called on the loop's thread; must not block and must not call back into the session. */

    /* Run session_job_run(job) on the worker, then session_job_done(job) on the loop, in order.
     * WORK_SWEEP has a worker to itself. */
    void (*submit)(void *arg, struct session_job *job);
    /* Makes lock_take() of the WORK_LOCK submitted last end soon. */
    void (*cancel)(void *arg);
    /* From now on (or no longer) report any event on the lock's connection: session_lock_lost(). */
    void (*watch)(void *arg, bool on);
    /* While quiet nothing may be written to a filesystem and no query sent but the lock's own. */
    void (*quiet)(void *arg, bool on);
    /* session_tick() once after so many milliseconds; 0 takes it back. */
    void (*tick_in)(void *arg, int ms);
    void (*keep_epoch)(void *arg, uint64_t epoch);
    /* A sweep is due, or no more: a successor would have to go on with it. */
    void (*keep_sweep)(void *arg, bool due);
    void (*event)(void *arg, const Cbsnap__FreezeEvent *event);
    /* The mounts of the present freeze are no longer needed. */
    void (*forget)(void *arg);
    /* Opens all that could be frozen, in their place: for a sweep after a freeze that was not
     * entered. */
    void (*open_mounts)(void *arg);

    /* Any thread. */

    int64_t (*now_us)(void *arg);
    int64_t (*wall_us)(void *arg);
    /* (Re)starts the watchdog; false when it has already fired, or hangs in firing. */
    bool (*arm)(void *arg, int64_t at_us);
    /* Ends it; false when it had fired. */
    bool (*disarm)(void *arg);
    /* The mounts that enter() opened; valid until forget() or the next enter(). */
    size_t (*mount_count)(void *arg);
    const struct mount *(*mount_at)(void *arg, size_t n);

    /* Worker's thread (thaw: the sweep's too); may block. */

    /* Opens the mounts anew, writes the marker, expedites RCU. On failure nothing remains. */
    int (*enter)(void *arg, uint64_t epoch, const char *run_id, struct err *e);
    /* Undoes marker and RCU; the mounts stay open until forget(). Logs what fails. */
    void (*leave)(void *arg);
    int (*lock_take)(void *arg, struct position *ret_position, struct lock_report *ret_report,
                     struct err *e);
    int (*lock_release)(void *arg, struct err *e);
    /* As fs_thaw_begin() and fs_thaw_wait(): what is held up by its disk holds nothing else up. */
    void (*thaw_begin)(void *arg, struct fs_thaw *t, struct fs_result *results);
    bool (*thaw_wait)(void *arg, struct fs_thaw *t, int wait_ms);
    void (*probe)(void *arg, struct fs_result *results);
};

struct session_limits {
    int64_t run_lease_us;    /* of a prepared run that names none */
    int64_t hook_lease_us;   /* of a freeze that nobody prepared */
    int64_t lock_budget_us;  /* the longest a lock_take() may last */
    int64_t prepared_for_us; /* a preparation older than this is forgotten */
    int64_t sweep_for_us;    /* how long to thaw again after an end that qemu-ga may not know of */
};

/* How a freeze ended, for those who asked for the end. Borrowed for the call. */
struct session_end {
    bool held;          /* lock and every filesystem, until this release */
    const char *reason; /* why not held; "" when held */
    uint64_t epoch;     /* of the freeze that ended */
    bool has_times;
    int64_t lock_requested_us, locked_us, thawed_us, unlocked_us;
    Cbsnap__Mount **mounts; /* with the kernel's answers; NULL when nothing was open */
    size_t mount_count;
    /* The freeze was nobody's run and was lost before this end, and nobody was told yet. */
    bool lost_untold;
};

/* Each is called exactly once, never within the call that handed it in when work has to be done
 * first; `arg` must live until then or until session_forget_caller(). */
typedef void session_frozen_fn(void *arg, const struct err *e, const char *note);
typedef void session_ended_fn(void *arg, const struct session_end *end);
typedef void session_probed_fn(void *arg);
typedef void session_stopped_fn(void *arg);

struct session;

struct session *session_new(const struct session_ops *ops, void *arg,
                            const struct session_limits *limits, uint64_t epoch);
/* Only when idle. */
void session_free(struct session *s);

enum session_state session_state(const struct session *s);
uint64_t session_epoch(const struct session *s);

/* A run has prepared: the freeze that comes next is its own. lease_ms 0: the default. Replaces an
 * earlier preparation. ERR_BUSY unless idle, ERR_PROTOCOL of a lease that is too long. */
int session_prepare(struct session *s, const char *run_id, uint32_t lease_ms, struct err *e);

/* The host is gone. If it had prepared and not let go since, its freeze may still be under way in
 * libvirt: the next one within ten minutes is refused, once, for nobody would thaw it before its
 * lease ends. What a runner that ignores the refusal freezes is thawed. */
void session_host_gone(struct session *s);

/* The hook's two calls. `frozen` gets NULL when the lock is held, else the error. */
void session_freeze(struct session *s, session_frozen_fn *frozen, void *arg);
void session_thaw(struct session *s, session_ended_fn *ended, void *arg);
/* The hook that asked for the freeze is gone: before its answer (or without reading it) it is as
 * if it had never asked; after reading it (`clean`) all is well. */
void session_hook_gone(struct session *s, const void *arg, bool clean);

/* The host's. run_id NULL: a person wants out, whoever's freeze it is. */
void session_release(struct session *s, const char *run_id, bool has_epoch, uint64_t epoch,
                     session_ended_fn *ended, void *arg);
/* `frozen` < 0: not told. ERR_LOST when it is not (or no longer) this run's freeze. */
int session_renew(struct session *s, const char *run_id, uint64_t epoch, int64_t frozen,
                  uint32_t *ret_left_ms, struct err *e);
/* Asks the kernel about each mount; the answer is in session_describe() once `probed` is called.
 * -1 when nothing is locked (then nobody is called). */
int session_probe(struct session *s, session_probed_fn *probed, void *arg);

/* Whoever waits under this `arg` is gone; its call is dropped, what was begun goes on. */
void session_forget_caller(struct session *s, const void *arg);

/* From the watchdog (it has already thawed and severed), from the poll of the connection, from a
 * signal. */
void session_fired(struct session *s);
void session_lock_lost(struct session *s);
void session_stop(struct session *s, session_stopped_fn *stopped, void *arg);
void session_tick(struct session *s);

/* How the last freeze ended before this start, found by recovery. */
void session_recovered(struct session *s, const char *run_id, const char *what);

/* Thaws the open mounts again and again for a while: after an end (or a recovery) that qemu-ga,
 * still freezing, may not know of. Only when idle; the thaw hook or the next freeze ends it. */
void session_sweep(struct session *s);

void session_job_run(struct session_job *job);
void session_job_done(struct session_job *job);

/* A State message, borrowing from the session until the loop runs on. Server, hook and the mounts
 * of an idle guest are the caller's to add. */
struct session_view {
    Cbsnap__State state;
    Cbsnap__Position position;
    Cbsnap__FreezeEvent last_end;
    Cbsnap__Error last_error;
    Cbsnap__Mount *mounts;
    Cbsnap__Mount **mount_ptrs;
};
void session_describe(struct session *s, struct session_view *ret);
void session_view_release(struct session_view *v);

#endif
