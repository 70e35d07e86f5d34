/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is outside the freeze session, scripted: a guest of three filesystems with worker, watchdog,
 * MySQL and clock, all in one thread. A test fills in what will be answered, runs the worker's jobs
 * when it likes, and looks at how the guest stands and at what was called.
 *
 *     outside_init -> session_new(&outside_ops, o, &outside_limits, ...) -> the test's calls of the
 *     session, outside_run(), outside_fire() ...
 *
 * What must hold of each call, whoever made it, is checked here, and told by outside_broken().
 */
#ifndef CBSNAP_TESTS_SESSION_OUTSIDE_H
#define CBSNAP_TESTS_SESSION_OUTSIDE_H

#include "guest-agent/session/session.h"

#define MOUNTS 3

struct outside {
    int64_t (*clock)(void); /* NULL: it is `now_us`, which the test sets */
    int64_t now_us;
    struct session_job *queue[8]; /* submitted, not yet run */
    size_t queued;

    /* what it will answer */
    bool lock_fails, enter_fails, unlock_fails, thaw_fails;
    bool thaw_waits;           /* for a disk: the worker's is not over in any bounded time */
    bool fires_in_take;        /* the watchdog ends while the server is asked, */
    bool fires_at_grant;       /* or just when it has granted */
    enum fs_answer fs[MOUNTS]; /* to a probe, or to a thaw, after which none is frozen */

    /* how it stands */
    bool marker, locked, watching, quiet, cancelled;
    bool armed, fired, hangs;
    int64_t armed_until;
    int tick_ms;
    uint64_t kept_epoch;
    bool sweep_due;           /* as a successor would find */
    bool probed[MOUNTS];      /* was frozen when the session last asked in this freeze */
    bool held_lock, held_all; /* until the last release: the lock; all that had to be frozen */

    /* what was called */
    char trace[2000]; /* blocking calls, in order */
    char events[600]; /* kinds of those told */
    char cause[32];   /* of the last one */
    int forgets, opens;
};

extern const struct session_ops outside_ops; /* their arg is a struct outside */
extern const struct session_limits outside_limits;

void outside_init(struct outside *o);

/* The worker does the oldest job; its result is not yet known to the loop (session_job_done()).
 * NULL when none waits. */
struct session_job *outside_run(struct outside *o);
/* The watchdog, which must be armed, on its own thread: thaws and severs, then tells. */
void outside_fire(struct outside *o, struct session *s);
/* qemu-ga freezes all. */
void outside_freeze(struct outside *o);
/* Were lock and filesystems held until the last release? What the session says must not be more. */
bool outside_held(const struct outside *o);

/* Defined by the program: a call of the session was wrong. */
_Noreturn void outside_broken(const char *what, const char *file, int line);

#endif
