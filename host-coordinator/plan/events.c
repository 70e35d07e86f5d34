/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unasked messages of the guest, kept as facts of the run; see events.h. */
#include "host-coordinator/plan/events.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#include <string.h>

#define GUEST_LOG_MAX 200 /* lines kept in a record, whatever the guest sends */

static void keep(Cbsnap__Envelope **slot, const Cbsnap__Envelope *m)
{
    message_free(*slot);
    *slot = message_copy(m);
}

/* Only what carries this run's id and epoch is ours: an old freeze is never taken for a new one. */
static bool ours(const struct run *r, const Cbsnap__FreezeEvent *ev)
{
    return ev->run_id && strcmp(ev->run_id, r->set) == 0 && ev->has_epoch && ev->epoch == r->epoch;
}

static void on_freeze_event(struct run *r, const Cbsnap__Envelope *m)
{
    const Cbsnap__FreezeEvent *ev = m->freeze_event;

    if (!ours(r, ev))
        return;
    switch (ev->has_kind ? ev->kind : CBSNAP__FREEZE_EVENT__KIND__LOCKING) {
    case CBSNAP__FREEZE_EVENT__KIND__LOCKED:
        if (r->freeze.locked)
            break; /* one lock, one position: a repetition changes neither */
        keep(&r->freeze.locked, m);
        r->freeze.locked_us = mono_us();
        break;
    case CBSNAP__FREEZE_EVENT__KIND__LOCK_FAILED:
        r->freeze.lock_failed = true;
        err_set(&r->freeze.guest_error, ERR_LOCK,
                "the agent did not get the server's lock and gives no reason");
        if (ev->error)
            (void)guest_error(ev->error, &r->freeze.guest_error);
        (void)err_prefix(&r->freeze.guest_error, "domain '%s'", r->domain_name);
        keep(&r->freeze.locked, m); /* for its tries */
        break;
    case CBSNAP__FREEZE_EVENT__KIND__LOST:
        r->freeze.lost = true;
        err_set(&r->freeze.guest_error, ERR_LOST, "the guest let go (%s): %s",
                ev->cause ? ev->cause : "unknown cause",
                ev->error && ev->error->message ? ev->error->message : "no reason given");
        break;
    default: /* LOCKING, RELEASED, and kinds of a newer agent tell nothing that we act on */
        break;
    }
}

static void on_log_line(struct run *r, const Cbsnap__LogLine *line)
{
    AUTO_FREE char *text = NULL;
    char at[32];

    if (!line->text || record_count(r->record, "guest.log") >= GUEST_LOG_MAX)
        return;
    text = xasprintf("%s %.500s", clock_iso(line->at_wall_us, at), line->text);
    record_append_text(r->record, "guest.log", text);
}

/* A restarted agent knows nothing of what the one before was asked. */
static void on_hello(struct run *r)
{
    unsigned restarts = guest_restarts(r->guest);

    /* one that restarts in a freeze has dropped the lock with its connection */
    if (r->freeze.started && !r->freeze.released && restarts != r->agent_restarts) {
        r->freeze.lost = true;
        err_set(&r->freeze.guest_error, ERR_LOST, "the agent restarted during the freeze");
    }
    if (r->subscribing && restarts != r->subscribed)
        run_subscribe(r);
}

void run_on_event(void *arg, const Cbsnap__Envelope *m)
{
    struct run *r = arg;

    switch (m->body_case) {
    case CBSNAP__ENVELOPE__BODY_FREEZE_EVENT:
        on_freeze_event(r, m);
        break;
    case CBSNAP__ENVELOPE__BODY_NAMES:
        series_names(r->series, m->names);
        series_log_take(r->log, m);
        break;
    case CBSNAP__ENVELOPE__BODY_SAMPLE:
        series_sample(r->series, m->sample);
        series_log_take(r->log, m);
        break;
    case CBSNAP__ENVELOPE__BODY_LOG_LINE:
        on_log_line(r, m->log_line);
        break;
    case CBSNAP__ENVELOPE__BODY_HELLO:
        on_hello(r);
        break;
    default:
        break;
    }
}

void run_subscribe(struct run *r)
{
    Cbsnap__Subscribe subscribe = CBSNAP__SUBSCRIBE__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    if (r->conf->fast_ms > 0)
        MSG_SET(&subscribe, interval_ms, (uint32_t)r->conf->fast_ms);
    MSG_SET(&subscribe, history_ms, (uint32_t)r->conf->history_ms);
    MSG_BODY(&m, subscribe, SUBSCRIBE, &subscribe);
    guest_post(r->guest, &m);
    r->subscribing = true;
    r->subscribed = guest_restarts(r->guest);
}
