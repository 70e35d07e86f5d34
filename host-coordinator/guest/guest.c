/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The link's life, and what becomes of each message that comes in; see guest.h. */
#include "host-coordinator/guest/guest_internal.h"

#include <stdlib.h>

#include "host-coordinator/guest/port.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

/* The agent may not have been there, or not have seen us come, when the last one was sent. */
#define HELLO_AGAIN_US 500000
/* The agent looks for a host every 100 ms. */
#define MET_US 300000

/* ---- what comes in --------------------------------------------------------------------------- */

/* Nobody in the guest has anything to ask of us; told, so that a newer agent does not wait. */
static void refuse_request(struct guest *g, const Cbsnap__Envelope *m)
{
    Cbsnap__Error error = CBSNAP__ERROR__INIT;
    Cbsnap__Envelope answer = CBSNAP__ENVELOPE__INIT;
    struct err why = ERR_INIT;

    err_set(&why, ERR_PROTOCOL, "cbsnap-coord %s does not know this request", CBSNAP_VERSION);
    message_from_err(&error, &why);
    MSG_SET(&answer, reply_to, m->id);
    MSG_BODY(&answer, error, ERROR, &error);
    guest_post(g, &answer);
}

/* An agent that does not want us says so instead of its Hello. */
static bool refuses_hello(const struct guest *g, const Cbsnap__Envelope *m)
{
    return m->body_case == CBSNAP__ENVELOPE__BODY_ERROR &&
           (m->has_reply_to ? m->reply_to == g->hello_id : !g->hello);
}

static void dispatch(struct guest *g, const Cbsnap__Envelope *m)
{
    switch (m->body_case) {
    case CBSNAP__ENVELOPE__BODY_NAMES:
    case CBSNAP__ENVELOPE__BODY_SAMPLE:
    case CBSNAP__ENVELOPE__BODY_FREEZE_EVENT:
    case CBSNAP__ENVELOPE__BODY_LOG_LINE:
    case CBSNAP__ENVELOPE__BODY_DATA_CHECK_PROGRESS:
        if (g->opened)
            g->event(g->event_arg, m);
        break;
    default:
        if (refuses_hello(g, m)) {
            (void)guest_error(m->error, &g->refusal);
            request_fail_all(g, &g->refusal);
        } else if (m->has_id && !m->has_reply_to) {
            refuse_request(g, m);
        } else {
            log_debug("dropped a message of the agent that nobody asked for");
        }
    }
}

static void on_message(void *arg, Cbsnap__Envelope *m)
{
    struct guest *g = arg;
    struct guest_request *r = request_find(g, m);

    if (r) {
        request_answered(g, r, m);
    } else if (m->body_case == CBSNAP__ENVELOPE__BODY_HELLO) {
        hello_received(g, m);
    } else {
        dispatch(g, m);
        message_free(m);
    }
}

static void on_lost(void *arg, const struct err *why)
{
    struct guest *g = arg;

    if (!err_is_set(&g->refusal))
        g->refusal = *why;
    request_fail_all(g, why);
}

/* ---- life ------------------------------------------------------------------------------------ */

static bool hello_settled(void *arg)
{
    const struct guest *g = arg;

    return g->hello || err_is_set(&g->refusal);
}

int guest_begin(struct guest **ret, struct loop *loop, int fd, const char *port, guest_event *event,
                void *event_arg, struct err *e)
{
    struct guest *g = xcalloc(1, sizeof(*g));

    *g = (struct guest){.loop = loop, .event = event, .event_arg = event_arg};
    g->port = xstrdup(port);
    g->began_us = mono_us();
    hello_init(g);
    if (link_open(&g->link, loop, fd, on_message, on_lost, g, e) < 0) {
        guest_close(g);
        return -1;
    }
    *ret = g;
    return 0;
}

static bool met_or_gone(void *arg)
{
    const struct guest *g = arg;

    return g->met || err_is_set(&g->refusal);
}

/*
 * Where one host follows another at once, our bytes can reach the agent before the news that the
 * other has left: virtio carries the two apart. The agent answers our hello, then takes the news
 * for our own leaving, and forgets what we asked. It greets who it sees come, so a hello of its own
 * is waited for; a change that it never notices does no harm.
 */
static void wait_to_be_met(struct guest *g)
{
    (void)loop_wait_until(g->loop, met_or_gone, g, mono_us() + MET_US, NULL);
}

int guest_greet(struct guest *g, int64_t deadline_us, struct err *e)
{
    struct err why = ERR_INIT;

    hello_send(g);
    if (loop_wait_until(g->loop, hello_settled, g, deadline_us, &why) < 0 &&
        why.code == ERR_TIMEOUT)
        return port_silent(link_fd(g->link), g->port, mono_us() - g->began_us, e);
    if (!err_is_set(&why))
        wait_to_be_met(g);
    if (!err_is_set(&why))
        why = g->refusal;
    if (e && err_is_set(&why))
        *e = why;
    g->opened = !err_is_set(&why);
    return g->opened ? 0 : -1;
}

/* Asks again until answered: the agent may be just starting, or another program have the port. */
int guest_open(struct guest **ret, struct loop *loop, int fd, const char *port, guest_event *event,
               void *event_arg, int64_t deadline_us, struct err *e)
{
    struct guest *g;
    struct err why;

    if (guest_begin(&g, loop, fd, port, event, event_arg, e) < 0)
        return -1;
    do {
        int64_t again_us = mono_us() + HELLO_AGAIN_US;

        why = ERR_INIT;
        if (guest_greet(g, again_us < deadline_us ? again_us : deadline_us, &why) == 0) {
            *ret = g;
            return 0;
        }
    } while ((why.code == ERR_TIMEOUT || why.code == ERR_BUSY) && mono_us() < deadline_us);
    guest_close(g);
    if (e)
        *e = why;
    return -1;
}

void guest_close(struct guest *g)
{
    struct err why = ERR_INIT;

    if (!g)
        return;
    err_set(&why, ERR_CANCELLED, "the link to the agent was closed");
    request_fail_all(g, &why);
    link_close(g->link);
    message_free(g->hello);
    free(g->port);
    free(g);
}

bool guest_gone(const struct guest *g, struct err *e)
{
    if (err_is_set(&g->refusal) && e)
        *e = g->refusal;
    return err_is_set(&g->refusal);
}

const Cbsnap__Hello *guest_hello(const struct guest *g)
{
    return g->hello->hello;
}

unsigned guest_restarts(const struct guest *g)
{
    return g->restarts;
}
