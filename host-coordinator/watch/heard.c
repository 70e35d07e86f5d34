/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guest and the appliance say to who follows them; see follow.h. */
#include "host-coordinator/watch/follow_internal.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

/* Asked for beyond what was missed: the agent's clock and ours differ a little. */
#define HISTORY_SLACK_MS 2000

/* ---- the guest ------------------------------------------------------------------------------- */

/* The shortest exchange so far tells best: a hello may have waited for its turn at the port. */
static void learn_clock(struct follow *f)
{
    int64_t offset_us, uncertainty_us;

    if (!f->run.guest || !guest_clock(f->run.guest, &offset_us, &uncertainty_us) ||
        offset_us == f->offset_us)
        return;
    f->offset_us = offset_us;
    series_set_clock(f->run.series, offset_us);
}

static void subscribe(struct follow *f)
{
    Cbsnap__Subscribe subscribe = CBSNAP__SUBSCRIBE__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    int64_t most_ms = f->o.once ? FOLLOW_ONCE_MS : FOLLOW_HISTORY_MS, missed_ms = most_ms;

    if (f->heard_us)
        missed_ms = (mono_us() - f->heard_us) / 1000 + HISTORY_SLACK_MS;
    if (missed_ms > most_ms)
        missed_ms = most_ms;
    if (f->o.interval_ms > 0)
        MSG_SET(&subscribe, interval_ms, (uint32_t)f->o.interval_ms);
    MSG_SET(&subscribe, history_ms, (uint32_t)missed_ms);
    MSG_BODY(&m, subscribe, SUBSCRIBE, &subscribe);
    guest_post(f->run.guest, &m);
    f->subscribed = true;
    f->restarts = guest_restarts(f->run.guest);
}

static bool same_boot(const Cbsnap__Hello *a, const Cbsnap__Hello *b)
{
    return strcmp(a->boot_id ? a->boot_id : "", b->boot_id ? b->boot_id : "") == 0;
}

/* Another boot has other clocks and counters: nothing of before can stand beside it. */
static void begin_anew(struct follow *f)
{
    series_free(f->run.series);
    f->run.series = series_new();
    f->offset_us = 0; /* as in the new series */
    f->readings = 0;
    f->heard_us = 0;
    f->frozen = false;
    f->server[0] = '\0';
    f->rebooted_us = mono_us();
}

static void take_hello(struct follow *f, const Cbsnap__Hello *h)
{
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    if (f->hello && !same_boot(f->hello->hello, h))
        begin_anew(f);
    if (h->server_version)
        (void)snprintf(f->server, sizeof(f->server), "%s", h->server_version);
    MSG_BODY(&m, hello, HELLO, (Cbsnap__Hello *)(uintptr_t)h);
    message_free(f->hello);
    f->hello = message_copy(&m);
}

/* Hello tells the server's version only when the agent has had a reason to ask for it. */
static void ask_server(struct follow *f)
{
    Cbsnap__StateQuery query = CBSNAP__STATE_QUERY__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    if (*f->server)
        return;
    MSG_BODY(&m, state_query, STATE_QUERY, &query);
    guest_send(f->run.guest, &f->ask, &m, CBSNAP__ENVELOPE__BODY_STATE);
}

void follow_take_answer(struct follow *f)
{
    const Cbsnap__State *state = f->ask.answer ? f->ask.answer->state : NULL;

    if (!f->ask.done)
        return;
    if (state && state->server && state->server->version)
        (void)snprintf(f->server, sizeof(f->server), "%s", state->server->version);
    f->ask_failed = !*f->server;
    if (state && state->has_state)
        f->frozen = state->state != CBSNAP__SESSION_STATE__STATE_IDLE;
    learn_clock(f);
    guest_request_release(&f->ask);
    f->ask = (struct guest_request){.done = false};
}

void follow_parting(struct follow *f)
{
    guest_close(f->run.guest);
    f->run.guest = NULL;
    guest_request_release(&f->ask);
    f->ask = (struct guest_request){.done = false};
}

void follow_greeted(struct follow *f)
{
    take_hello(f, guest_hello(f->run.guest));
    learn_clock(f);
    subscribe(f);
    ask_server(f);
}

/* One that says hello by itself has met us anew, and forgotten what it was asked. */
static void on_hello(struct follow *f, const Cbsnap__Envelope *m)
{
    take_hello(f, m->hello);
    learn_clock(f);
    if (!f->subscribed || !m->has_reply_to || f->restarts != guest_restarts(f->run.guest)) {
        subscribe(f);
        if (!f->ask.id)
            ask_server(f);
    }
}

static void learn_pace(struct follow *f, int64_t since_us)
{
    f->pace_ms = since_us < 1000000 ? 1000 : since_us > 60000000 ? 60000 : (int)(since_us / 1000);
}

/* The history overlaps with what came before. */
static void on_sample(struct follow *f, const Cbsnap__Sample *m)
{
    int64_t newest_us, wall_us;

    if (!m->has_mono_us || !clock_sane(m->mono_us))
        return;
    if (series_newest(f->run.series, &newest_us, &wall_us)) {
        if (m->mono_us <= newest_us)
            return;
        learn_pace(f, m->mono_us - newest_us);
    }
    series_sample(f->run.series, m);
    f->readings++;
    f->heard_us = mono_us();
    f->silent = false;
    follow_set_state(f, FOLLOW_LIVE, "");
}

static void on_freeze_event(struct follow *f, const Cbsnap__FreezeEvent *m)
{
    if (m->has_kind)
        f->frozen = m->kind == CBSNAP__FREEZE_EVENT__KIND__LOCKING ||
                    m->kind == CBSNAP__FREEZE_EVENT__KIND__LOCKED;
}

void follow_on_event(void *follow, const Cbsnap__Envelope *m)
{
    struct follow *f = follow;

    switch (m->body_case) {
    case CBSNAP__ENVELOPE__BODY_NAMES:
        series_names(f->run.series, m->names);
        break;
    case CBSNAP__ENVELOPE__BODY_SAMPLE:
        on_sample(f, m->sample);
        break;
    case CBSNAP__ENVELOPE__BODY_HELLO:
        on_hello(f, m);
        break;
    case CBSNAP__ENVELOPE__BODY_FREEZE_EVENT:
        on_freeze_event(f, m->freeze_event);
        break;
    default:
        return;
    }
    if (f->o.news)
        f->o.news(f->o.arg);
}

/* ---- the appliance --------------------------------------------------------------------------- */

/* With a key for each: without coord.conf, or for a user who may not read the keys, there is none.
 */
static bool has_appliances(const struct follow *f)
{
    const struct config *c = f->o.conf;
    size_t n = 0;

    while (n < c->appliance_count && c->appliances[n].api_key)
        n++;
    return n > 0 && n == c->appliance_count;
}

void follow_watch_volumes(struct follow *f)
{
    struct err why = ERR_INIT;

    if (f->no_volumes || !has_appliances(f))
        return;
    follow_set_state(f, FOLLOW_CONNECTING, "asking the appliance for the VM's volumes");
    if (step_storage(&f->run, &why) == 0) {
        f->volumes = volumes_watch_start(&f->run);
        return;
    }
    log_debug("the appliance is left out: %s", why.msg);
    f->no_volumes = true; /* one that does not answer must not delay each new start */
}

void follow_leave_domain(struct follow *f)
{
    struct series *series;

    volumes_watch_stop(f->volumes);
    f->volumes = NULL;
    series = STEAL_PTR(f->run.series);
    run_release(&f->run);
    run_init(&f->run, f->o.conf, f->o.ops, f->o.loop, f->o.uri, f->o.domain);
    series_free(f->run.series);
    f->run.series = series;
}
