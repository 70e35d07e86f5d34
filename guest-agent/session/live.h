/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The session with the real world behind it: worker thread, watchdog, MySQL, filesystems, marker.
 * It implements session_ops; the agent uses the session through live_session().
 */
#ifndef CBSNAP_SESSION_LIVE_H
#define CBSNAP_SESSION_LIVE_H

#include <uv.h>

#include "guest-agent/session/session.h"
#include "guest-agent/session/worker.h"

struct live_config {
    struct mysql_login login; /* its strings outlive the object; the socket may be "" */
    struct lock_limits lock;
    const char *run_dir; /* on tmpfs, exists */
    bool rcu_expedited;
    int run_lease_ms, hook_lease_ms;
};

struct live_callbacks {
    void (*event)(void *arg, const Cbsnap__FreezeEvent *event); /* loop's thread */
    void (*quiet)(void *arg, bool on);                          /* loop's thread */
};

struct live;

/* Thaws what a dead predecessor left, first of all. */
struct live *live_new(uv_loop_t *loop, const struct live_config *config,
                      const struct live_callbacks *callbacks, void *arg);
/* Only when the session is idle. -1 when a thread hangs: end the process. */
int live_free(struct live *l);

struct session *live_session(struct live *l);
struct worker *live_worker(struct live *l);

/* The longest a freeze may take until its hook is answered. */
int64_t live_lock_budget_ms(const struct lock_limits *limits);

/* For jobs on the worker while the session is idle (a job may be queued behind others: the session
 * cannot leave idle before it has run, for locking is a job too). */
struct mysql_lock *live_mysql(struct live *l);
const struct mysql_login *live_login(const struct live *l);

#endif
