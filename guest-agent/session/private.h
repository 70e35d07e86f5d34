/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What session.c (the transitions), prepared.c (whose is it?), work.c (on the worker), verdict.c
 * (was it held?), waiters.c (who asked for the end), sweep.c (what was frozen late) and view.c (the
 * messages) share. Only session.c writes `state`.
 */
#ifndef CBSNAP_SESSION_PRIVATE_H
#define CBSNAP_SESSION_PRIVATE_H

#include "guest-agent/session/session.h"
#include "guest-agent/session/waiters.h"

struct session_past {
    bool known;
    Cbsnap__FreezeEvent__Kind kind;
    uint64_t epoch;
    char run_id[SESSION_RUN_ID_SIZE];
    char cause[16];
    int64_t at_us, at_wall_us;
    struct err err; /* LOCK_FAILED, LOST */
    bool untold;    /* LOST without a run, and no thaw hook has heard of it */
};

struct session {
    const struct session_ops *ops;
    void *arg;
    struct session_limits limits;
    enum session_state state;
    uint64_t epoch;

    struct {
        char run_id[SESSION_RUN_ID_SIZE]; /* "" when nobody has prepared */
        int64_t lease_us, at_us;
        bool host_gone; /* since then */
    } prepared;

    /* the freeze under way */
    char run_id[SESSION_RUN_ID_SIZE]; /* "" when it is nobody's */
    int64_t lease_us, lease_until_us;
    struct position position;
    struct lock_report report;
    int64_t reported_frozen; /* Renew.frozen; -1 before it came */
    bool *was_frozen;        /* what a probe saw; NULL before one */
    size_t was_count;

    /* its end */
    char cause[16]; /* "" while nobody wants the end */
    struct err cause_err;
    struct session_waiter waiters[SESSION_WAITERS];
    size_t waiter_count;
    struct session_past past;

    session_frozen_fn *frozen; /* the hook that waits for the lock */
    void *frozen_arg;
    const void *hook; /* the hook that was told of the lock and has not yet gone */
    bool told;        /* the lock was reported: what comes now is its end, not a failure to lock */
    session_probed_fn *probed;
    void *probed_arg;
    session_stopped_fn *stopped;
    void *stopped_arg;
    int64_t sweep_until_us; /* 0: no sweep */
    int64_t stop_by_us;     /* who is to stop sweeps no longer; 0 before */

    struct session_job lock_job, release_job, probe_job, sweep_job;
};

/* session.c */
void session_submit(struct session *s, struct session_job *job);

/* Somebody wants the end of the freeze under way. */
static inline bool session_end_wanted(const struct session *s)
{
    return s->cause[0] != '\0';
}

/* verdict.c: whether lock and filesystems were held until the release that `job` did. */
bool session_held(const struct session *s, const struct session_job *job, struct err *ret_why);

/* prepared.c: claims the preparation for the freeze that begins; ERR_REFUSED for a dead run's. */
int session_claim(struct session *s, struct err *e);
void session_forget_prepared(struct session *s);

/* view.c */
void session_tell(struct session *s, Cbsnap__FreezeEvent__Kind kind, const struct err *e);
Cbsnap__Mount *session_mounts(struct session *s, const struct session_job *answers,
                              Cbsnap__Mount ***ret_ptrs, size_t *ret_count);

#endif
