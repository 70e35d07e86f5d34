/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests and their answers, and what their times say of the guest's clock. */
#include "host-coordinator/guest/guest_internal.h"

#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

uint32_t guest_next_id(struct guest *g)
{
    if (g->next_id == 0)
        g->next_id = 1; /* 0 is what an absent reply_to reads as */
    return g->next_id++;
}

static const char *body_name(Cbsnap__Envelope__BodyCase body)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field(&cbsnap__envelope__descriptor, (unsigned)body);

    return body != CBSNAP__ENVELOPE__BODY__NOT_SET && f ? f->name : "something unknown";
}

static void unlink_request(struct guest *g, struct guest_request *r)
{
    struct guest_request **at = &g->requests;

    while (*at && *at != r)
        at = &(*at)->next;
    if (*at)
        *at = r->next;
    r->next = NULL;
}

void guest_send(struct guest *g, struct guest_request *r, Cbsnap__Envelope *request,
                Cbsnap__Envelope__BodyCase expected)
{
    *r = (struct guest_request){.expected = expected, .id = guest_next_id(g)};
    MSG_SET(request, id, r->id);
    r->sent_us = mono_us();
    if (err_is_set(&g->refusal)) {
        r->err = g->refusal;
        r->done = true;
        return;
    }
    if (link_send(g->link, request, &r->err) < 0) {
        r->done = true;
        return;
    }
    r->next = g->requests;
    g->requests = r;
}

void guest_cancel(struct guest *g, struct guest_request *r)
{
    unlink_request(g, r);
}

void guest_request_release(struct guest_request *r)
{
    message_free(r->answer);
    r->answer = NULL;
}

struct guest_request *request_find(struct guest *g, const Cbsnap__Envelope *m)
{
    struct guest_request *r = g->requests;

    if (!m->has_reply_to)
        return NULL;
    while (r && r->id != m->reply_to)
        r = r->next;
    return r;
}

int guest_error(const Cbsnap__Error *in, struct err *e)
{
    (void)message_to_err(in, e);
    return err_prefix(e, "in the guest");
}

void request_answered(struct guest *g, struct guest_request *r, Cbsnap__Envelope *m)
{
    AUTO_MESSAGE Cbsnap__Envelope *answer = m;

    unlink_request(g, r);
    r->answered_us = mono_us();
    r->done = true;
    if (m->has_sent_us)
        clock_learn(g, r->sent_us, r->answered_us, m->sent_us);
    if (m->body_case == r->expected)
        r->answer = STEAL_PTR(answer);
    else if (m->body_case == CBSNAP__ENVELOPE__BODY_ERROR)
        (void)guest_error(m->error, &r->err);
    else
        err_set(&r->err, ERR_PROTOCOL, "the agent answered with %s where %s was due",
                body_name(m->body_case), body_name(r->expected));
}

void request_fail_all(struct guest *g, const struct err *why)
{
    while (g->requests) {
        struct guest_request *r = g->requests;

        unlink_request(g, r);
        r->err = *why;
        r->done = true;
    }
}

void guest_post(struct guest *g, Cbsnap__Envelope *m)
{
    struct err why = ERR_INIT;

    /* nobody waits for it, so nobody misses it; a request that follows tells what is wrong */
    if (err_is_set(&g->refusal) || link_send(g->link, m, &why) < 0)
        log_debug("%s to the agent dropped: %s", body_name(m->body_case),
                  err_is_set(&why) ? why.msg : g->refusal.msg);
}

int guest_call(struct guest *g, struct guest_request *r, Cbsnap__Envelope *request,
               Cbsnap__Envelope__BodyCase expected, int64_t deadline_us, struct err *e)
{
    guest_send(g, r, request, expected);
    if (loop_wait(g->loop, &r->done, deadline_us, e) < 0) {
        guest_cancel(g, r);
        return err_prefix(e, "%s to the agent", body_name(request->body_case));
    }
    if (err_is_set(&r->err)) {
        if (e)
            *e = r->err;
        return -1;
    }
    return 0;
}

/* ---- clocks ---------------------------------------------------------------------------------- */

/* The guest stamped somewhere between our two readings: the middle errs by half the round trip. */
void clock_learn(struct guest *g, int64_t sent_us, int64_t answered_us, int64_t guest_us)
{
    int64_t round_trip = answered_us - sent_us;

    if (!clock_sane(guest_us) || (g->clock_known && round_trip >= g->clock_round_trip_us))
        return;
    g->clock_known = true;
    g->clock_round_trip_us = round_trip;
    g->clock_offset_us = guest_us - (sent_us + round_trip / 2);
}

bool guest_clock(const struct guest *g, int64_t *ret_offset_us, int64_t *ret_uncertainty_us)
{
    if (!g->clock_known)
        return false;
    *ret_offset_us = g->clock_offset_us;
    *ret_uncertainty_us = (g->clock_round_trip_us + 1) / 2;
    return true;
}
