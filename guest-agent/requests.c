/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who asks what: clients, their hello, and the table of requests; see daemon.h. */
#include "guest-agent/daemon.h"

#include <stdlib.h>
#include <string.h>

#include "guest-agent/session/describe.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

/* A peer that answers each hello with a hello must not make us do the same for ever. */
#define GREET_EVERY_US INT64_C(1000000)

static struct call *call_new(struct client *c, const Cbsnap__Envelope *m)
{
    struct call *call = xcalloc(1, sizeof(*call));

    call->daemon = c->daemon;
    call->client = c;
    call->id = m->has_id ? m->id : 0;
    call->next = c->daemon->calls;
    c->daemon->calls = call;
    return call;
}

static void refuse(struct client *c, const Cbsnap__Envelope *m, enum err_code code,
                   const char *what)
{
    struct err e = ERR_INIT;

    err_set(&e, code, "%s", what);
    call_error(call_new(c, m), &e);
}

/* ---- clients -----------------------------------------------------------------------------------
 */

struct client *client_new(struct daemon *d, struct peer *peer, bool host)
{
    struct client *c = xcalloc(1, sizeof(*c));

    c->daemon = d;
    c->peer = peer;
    c->host = host;
    c->next = d->clients;
    d->clients = c;
    peer_set_data(peer, c);
    return c;
}

/* The fastest subscriber sets the sampler's pace. */
void requests_hurry(struct daemon *d)
{
    int fastest = 0;

    for (const struct client *c = d->clients; c; c = c->next) {
        if (c->stream.on && c->stream.interval_ms && (!fastest || c->stream.interval_ms < fastest))
            fastest = c->stream.interval_ms;
    }
    sampler_hurry(d->sampler, fastest);
}

void client_free(struct client *c, bool clean)
{
    struct daemon *d = c->daemon;
    struct client **at = &d->clients;
    struct call *next;

    for (struct call *call = d->calls; call; call = next) {
        next = call->next;
        if (call->client != c)
            continue;
        call->client = NULL;
        if (call->freeze) {
            session_hook_gone(live_session(d->live), call, clean);
            call_free(call);
        }
    }
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    if (c->host)
        session_host_gone(live_session(d->live));
    requests_hurry(d);
    free(c);
}

void client_hello(struct client *c, uint32_t reply_to)
{
    struct daemon *d = c->daemon;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    Cbsnap__Hello hello = CBSNAP__HELLO__INIT;

    MSG_SET(&hello, protocol, CBSNAP_PROTOCOL);
    hello.boot_id = describe_text(d->boot_id);
    hello.agent_version = (char *)CBSNAP_VERSION;
    hello.server_version = d->facts.has_server ? d->facts.server.version : NULL;
    MSG_SET(&hello, instance, d->instance);
    MSG_SET(&hello, epoch, session_epoch(live_session(d->live)));
    MSG_BODY(&m, hello, HELLO, &hello);
    if (reply_to)
        MSG_SET(&m, reply_to, reply_to);
    c->greeted_us = mono_us();
    (void)peer_send(c->peer, &m, PEER_MUST);
}

/* ---- requests ----------------------------------------------------------------------------------
 */

static void take_hello(struct client *c, const Cbsnap__Envelope *m)
{
    const Cbsnap__Hello *h = m->hello;
    bool fresh = !c->met || c->instance != h->instance;

    c->refused = h->has_protocol && h->protocol != CBSNAP_PROTOCOL;
    if (c->refused) {
        log_warn("a peer (version %s) speaks protocol %u, this agent %d: update the older of the "
                 "two",
                 h->agent_version ? h->agent_version : "unknown", h->protocol, CBSNAP_PROTOCOL);
        refuse(c, m, ERR_PROTOCOL,
               "cbsnap-agent " CBSNAP_VERSION
               " speaks protocol 1 only: update the older of the two programs");
        return;
    }
    if (fresh) {
        c->stream.on = false;  /* it was a predecessor's */
        if (c->met && c->host) /* whose leaving nobody has told us */
            session_host_gone(live_session(c->daemon->live));
        requests_hurry(c->daemon);
    }
    c->met = true;
    c->instance = h->instance;
    if (m->has_id || fresh || mono_us() - c->greeted_us > GREET_EVERY_US)
        client_hello(c, m->has_id ? m->id : 0);
}

static void take_subscribe(struct client *c, const Cbsnap__Envelope *m)
{
    stream_set(&c->stream, c->daemon->sampler, m->subscribe);
    requests_hurry(c->daemon);
    stream_pump(&c->stream, c->daemon->sampler, c->peer);
}

static void on_probed(void *arg)
{
    call_state(arg);
}

static void take_state_query(struct client *c, const Cbsnap__Envelope *m)
{
    struct call *call = call_new(c, m);
    bool probe = m->state_query->has_probe_frozen && m->state_query->probe_frozen;

    if (!probe || session_probe(live_session(c->daemon->live), on_probed, call) < 0)
        state_begin(call);
}

static void take_prepare(struct client *c, const Cbsnap__Envelope *m)
{
    prepare_begin(call_new(c, m), m->prepare);
}

static void take_renew(struct client *c, const Cbsnap__Envelope *m)
{
    struct call *call = call_new(c, m);
    const Cbsnap__Renew *r = m->renew;
    Cbsnap__Envelope answer = CBSNAP__ENVELOPE__INIT;
    Cbsnap__Renewed renewed = CBSNAP__RENEWED__INIT;
    struct err e = ERR_INIT;
    uint32_t left;

    if (!r->run_id || !*r->run_id || !r->has_epoch) {
        err_set(&e, ERR_PROTOCOL, "a renewal without run_id or epoch");
        call_error(call, &e);
        return;
    }
    if (session_renew(live_session(c->daemon->live), r->run_id, r->epoch,
                      r->has_frozen ? (int64_t)r->frozen : -1, &left, &e) < 0) {
        call_error(call, &e);
        return;
    }
    MSG_SET(&renewed, epoch, r->epoch);
    MSG_SET(&renewed, lease_left_ms, left);
    MSG_BODY(&answer, renewed, RENEWED, &renewed);
    call_send(call, &answer);
}

static void on_released(void *arg, const struct session_end *end)
{
    call_released(arg, end);
}

static void take_release(struct client *c, const Cbsnap__Envelope *m)
{
    const Cbsnap__Release *r = m->release;

    session_release(live_session(c->daemon->live), r->run_id, r->has_epoch, r->epoch, on_released,
                    call_new(c, m));
}

static void on_frozen(void *arg, const struct err *e, const char *note)
{
    call_hook(arg, e, note);
}

/* The thaw hook must not fail after a release that the host asked for; but who freezes without a
 * coordinator has no other way to hear that what was copied is worth nothing. */
static void on_thawed(void *arg, const struct session_end *end)
{
    struct err e = ERR_INIT;

    if (end->lost_untold)
        err_set(&e, ERR_LOST, "what was copied during this freeze is not consistent: %s",
                end->reason);
    /* that nothing is frozen any more is as it should be: qemu-ga runs its hook after its thaw */
    call_hook(arg, end->lost_untold ? &e : NULL, end->has_times ? NULL : end->reason);
}

/* A set of a verifying guest would pass for one of the VM that it was made from. */
static void refuse_freeze(struct call *call)
{
    struct err e = ERR_INIT;

    err_set(&e, ERR_REFUSED, "this guest was booted to verify set %s: it takes no freeze",
            evidence_verifying(call->daemon->evidence));
    call_hook(call, &e, NULL);
}

static void take_hook_request(struct client *c, const Cbsnap__Envelope *m)
{
    struct session *s = live_session(c->daemon->live);
    struct call *call;

    if (c->host || !m->hook_request->has_action) {
        refuse(c, m, ERR_PROTOCOL,
               "hook requests are taken on the guest's own socket, with an action");
        return;
    }
    call = call_new(c, m);
    if (m->hook_request->action == CBSNAP__HOOK_REQUEST__ACTION__FREEZE &&
        evidence_verifying(c->daemon->evidence)) {
        refuse_freeze(call);
        return;
    }
    if (m->hook_request->action == CBSNAP__HOOK_REQUEST__ACTION__FREEZE) {
        call->freeze = true;
        session_freeze(s, on_frozen, call);
    } else {
        session_thaw(s, on_thawed, call);
    }
}

static void take_manifest(struct client *c, const Cbsnap__Envelope *m)
{
    evidence_manifest(c->daemon->evidence, call_new(c, m), m->manifest);
}

static void take_certificate_query(struct client *c, const Cbsnap__Envelope *m)
{
    evidence_certificate(c->daemon->evidence, call_new(c, m), m->certificate_query);
}

static void take_data_check(struct client *c, const Cbsnap__Envelope *m)
{
    evidence_check(c->daemon->evidence, call_new(c, m), m->data_check);
}

static const struct {
    Cbsnap__Envelope__BodyCase body;
    void (*take)(struct client *c, const Cbsnap__Envelope *m);
} table[] = {
    {CBSNAP__ENVELOPE__BODY_HELLO, take_hello},
    {CBSNAP__ENVELOPE__BODY_SUBSCRIBE, take_subscribe},
    {CBSNAP__ENVELOPE__BODY_STATE_QUERY, take_state_query},
    {CBSNAP__ENVELOPE__BODY_PREPARE, take_prepare},
    {CBSNAP__ENVELOPE__BODY_RENEW, take_renew},
    {CBSNAP__ENVELOPE__BODY_RELEASE, take_release},
    {CBSNAP__ENVELOPE__BODY_HOOK_REQUEST, take_hook_request},
    {CBSNAP__ENVELOPE__BODY_MANIFEST, take_manifest},
    {CBSNAP__ENVELOPE__BODY_CERTIFICATE_QUERY, take_certificate_query},
    {CBSNAP__ENVELOPE__BODY_DATA_CHECK, take_data_check},
};

void requests_take(struct client *c, const Cbsnap__Envelope *m)
{
    if (c->refused && m->body_case != CBSNAP__ENVELOPE__BODY_HELLO) {
        if (m->has_id)
            refuse(c, m, ERR_PROTOCOL, "the protocol versions differ: say hello with protocol 1");
        return;
    }
    for (size_t n = 0; n < ARRAY_SIZE(table); n++) {
        if (table[n].body == m->body_case) {
            table[n].take(c, m);
            return;
        }
    }
    /* of a newer peer: an event may be skipped, but nobody must wait for an answer */
    if (m->has_id && !m->has_reply_to)
        refuse(c, m, ERR_PROTOCOL, "cbsnap-agent " CBSNAP_VERSION " does not know this request");
}
