/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose the next freeze is; see session.h. */
#include "guest-agent/session/private.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/log.h"

int session_prepare(struct session *s, const char *run_id, uint32_t lease_ms, struct err *e)
{
    if (s->state != SESSION_IDLE)
        return err_set(e, ERR_BUSY, "a freeze is under way in the guest (%s, epoch %llu%s%s)",
                       session_state_name(s->state), (unsigned long long)s->epoch,
                       s->run_id[0] ? ", run " : "", s->run_id);
    if (strlen(run_id) >= sizeof(s->prepared.run_id))
        return err_set(e, ERR_PROTOCOL, "a run id of %zu characters is too long", strlen(run_id));
    if (lease_ms > SESSION_LEASE_MAX_MS)
        return err_set(e, ERR_PROTOCOL, "a lease of %u ms is too long: %d at most", lease_ms,
                       SESSION_LEASE_MAX_MS);
    (void)snprintf(s->prepared.run_id, sizeof(s->prepared.run_id), "%s", run_id);
    s->prepared.lease_us = lease_ms ? (int64_t)lease_ms * 1000 : s->limits.run_lease_us;
    s->prepared.at_us = s->ops->now_us(s->arg);
    s->prepared.host_gone = false;
    return 0;
}

/* How long a freeze may be under way, against the time in which one is begun. */
#define GONE_TIMES 10

void session_forget_prepared(struct session *s)
{
    s->prepared.run_id[0] = '\0';
}

void session_host_gone(struct session *s)
{
    s->prepared.host_gone = true;
}

int session_claim(struct session *s, struct err *e)
{
    int64_t age = s->ops->now_us(s->arg) - s->prepared.at_us;
    const bool prepared = s->prepared.run_id[0] != '\0';
    const bool fresh = age <= s->limits.prepared_for_us;
    const bool gone = s->prepared.host_gone && age <= GONE_TIMES * s->limits.prepared_for_us;

    s->run_id[0] = '\0';
    s->lease_us = s->limits.hook_lease_us;
    if (prepared && gone)
        err_set(e, ERR_REFUSED,
                "run '%s' was about to freeze when its coordinator went away; this may be its "
                "freeze, and nobody would use it: if it was yours, freeze again",
                s->prepared.run_id);
    else if (prepared && fresh) {
        memcpy(s->run_id, s->prepared.run_id, sizeof(s->run_id));
        s->lease_us = s->prepared.lease_us;
    } else if (prepared) {
        log_warn("run '%s' prepared %lld s ago and never froze: this freeze is not taken for its "
                 "own",
                 s->prepared.run_id, (long long)(age / 1000000));
    }
    /* it has one freeze under way at most */
    session_forget_prepared(s);
    return err_is_set(e) ? -1 : 0;
}
