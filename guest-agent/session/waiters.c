/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who waits for the end, and what each is told; see waiters.h. */
#include "guest-agent/session/waiters.h"

#include <stdio.h>

#include "guest-agent/session/private.h"

void session_wait(struct session *s, session_ended_fn *ended, void *arg, bool hook)
{
    if (s->waiter_count == SESSION_WAITERS) {
        struct session_end end = {.reason = "too many wait for the end of this freeze already",
                                  .epoch = s->epoch};
        ended(arg, &end);
        return;
    }
    s->waiters[s->waiter_count++] = (struct session_waiter){
        .ended = ended, .arg = arg, .first = !session_end_wanted(s), .hook = hook};
}

/* Whoever came while another's release was under way did not hold until its own request, so it is
 * told so. */
void session_answer_waiters(struct session *s, const struct session_end *end)
{
    struct session_end other = *end;
    char reason[80];

    (void)snprintf(reason, sizeof(reason), "the freeze was already being ended (%s)",
                   s->past.cause);
    other.held = false;
    if (end->held)
        other.reason = reason;
    for (size_t n = 0; n < s->waiter_count; n++) {
        struct session_waiter w = s->waiters[n];

        if (!w.ended)
            continue;
        w.ended(w.arg, w.first ? end : &other);
        if (w.hook)
            s->past.untold = false;
    }
    s->waiter_count = 0;
}

void session_answer_idle(struct session *s, session_ended_fn *ended, void *arg)
{
    char reason[700] = "nothing was frozen since cbsnap-agent started";
    struct session_end end = {.reason = reason, .epoch = s->epoch};
    const struct session_past *past = &s->past;

    if (past->known) {
        end.epoch = past->epoch;
        (void)snprintf(reason, sizeof(reason),
                       "the freeze of epoch %llu had ended already (%s)%s%s",
                       (unsigned long long)past->epoch, past->cause[0] ? past->cause : "not locked",
                       err_is_set(&past->err) ? ": " : "", past->err.msg);
        end.lost_untold = past->untold;
    }
    ended(arg, &end);
}

void session_forget_caller(struct session *s, const void *arg)
{
    for (size_t n = 0; n < s->waiter_count; n++) {
        if (s->waiters[n].arg == arg)
            s->waiters[n].ended = NULL;
    }
    if (s->probed && s->probed_arg == arg)
        s->probed = NULL;
}
