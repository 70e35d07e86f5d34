/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Those who asked for the end of a freeze: each is told once how it ended, and hears `held` only if
 * it was held until its own request.
 */
#ifndef CBSNAP_SESSION_WAITERS_H
#define CBSNAP_SESSION_WAITERS_H

#include "guest-agent/session/session.h"

#define SESSION_WAITERS 8

/* Somebody who asked for the end of the freeze. */
struct session_waiter {
    session_ended_fn *ended;
    void *arg;
    bool first; /* it was this one's request that ended the freeze */
    bool hook;  /* the thaw hook: to be told if nobody's freeze was lost */
};

/* Tells when the freeze under way has ended; at once that there is no room for one more. */
void session_wait(struct session *s, session_ended_fn *ended, void *arg, bool hook);
/* Tells all who wait. */
void session_answer_waiters(struct session *s, const struct session_end *end);
/* Tells the end of a freeze that is over already. */
void session_answer_idle(struct session *s, session_ended_fn *ended, void *arg);

#endif
