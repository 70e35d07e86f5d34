/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/host-coordinator/guest_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host-coordinator/guest/port.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

int64_t in_ms(int ms)
{
    return mono_us() + ms * MS;
}

void world_on_event(void *arg, const Cbsnap__Envelope *m)
{
    struct world *w = arg;

    if (m->body_case == CBSNAP__ENVELOPE__BODY_HELLO) {
        assert_true(m->hello->instance < ARRAY_SIZE(w->hellos_of));
        w->hellos_of[m->hello->instance]++;
    } else if (m->body_case == CBSNAP__ENVELOPE__BODY_LOG_LINE) {
        w->lines++;
        if (strlen(m->log_line->text) > w->longest)
            w->longest = strlen(m->log_line->text);
        (void)snprintf(w->last, sizeof(w->last), "%s", m->log_line->text);
    }
}

int world_setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    signal(SIGPIPE, SIG_IGN);
    w->loop = loop_new();
    *state = w;
    return 0;
}

/* The loop goes first: only its last turn closes the socket, and the script waits for that. */
int world_teardown(void **state)
{
    struct world *w = *state;
    const char *problem = NULL;

    guest_close(w->guest);
    loop_free(w->loop);
    if (w->peer)
        problem = peer_stop(w->peer);
    free(w);
    if (problem)
        print_error("the peer: %s\n", problem);
    return problem ? -1 : 0;
}

int world_connect(struct world *w, const char *path, int ms, struct err *e)
{
    int64_t deadline_us = in_ms(ms);
    int fd;

    if (port_connect(w->loop, path, deadline_us, &fd, e) < 0)
        return -1;
    return guest_open(&w->guest, w->loop, fd, path, world_on_event, w, deadline_us, e);
}

int world_try_open(struct world *w, peer_script *script, int ms, struct err *e)
{
    w->peer = peer_start(script);
    return world_connect(w, peer_path(w->peer), ms, e);
}

void world_open(struct world *w, peer_script *script)
{
    struct err e = ERR_INIT;

    if (world_try_open(w, script, 5000, &e) < 0)
        fail_msg("guest_open: %s", e.msg);
}

static Cbsnap__Envelope state_query(void)
{
    static Cbsnap__StateQuery query = CBSNAP__STATE_QUERY__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    MSG_BODY(&m, state_query, STATE_QUERY, &query);
    return m;
}

void world_send(struct world *w, struct guest_request *r)
{
    Cbsnap__Envelope m = state_query();

    guest_send(w->guest, r, &m, CBSNAP__ENVELOPE__BODY_STATE);
}

int world_ask(struct world *w, struct guest_request *r, int ms, struct err *e)
{
    Cbsnap__Envelope m = state_query();

    return guest_call(w->guest, r, &m, CBSNAP__ENVELOPE__BODY_STATE, in_ms(ms), e);
}

void world_must_answer(struct world *w)
{
    struct guest_request r = {.done = false};
    struct err e = ERR_INIT;

    if (world_ask(w, &r, 5000, &e) < 0)
        fail_msg("state: %s", e.msg);
    assert_non_null(r.answer);
    assert_int_equal(r.answer->body_case, CBSNAP__ENVELOPE__BODY_STATE);
    assert_true(r.sent_us > 0 && r.answered_us >= r.sent_us);
    guest_request_release(&r);
    guest_request_release(&r);
}

struct err world_must_fail(struct world *w, enum err_code code)
{
    struct guest_request r = {.done = false};
    struct err e = ERR_INIT;

    assert_int_equal(world_ask(w, &r, 5000, &e), -1);
    assert_int_equal(e.code, code);
    return e;
}

void script_answer_one(struct peer *p)
{
    AUTO_MESSAGE Cbsnap__Envelope *m = peer_expect(p, CBSNAP__ENVELOPE__BODY_STATE_QUERY);

    peer_answer_state(p, m);
}

void script_polite(struct peer *p)
{
    AUTO_MESSAGE Cbsnap__Envelope *m = NULL;

    peer_hello(p, 7, 0); /* sent on seeing the host connect */
    m = peer_expect(p, CBSNAP__ENVELOPE__BODY_HELLO);
    if (!m)
        return;
    if (m->hello->protocol != CBSNAP_PROTOCOL || !m->hello->has_instance || !m->hello->boot_id ||
        strlen(m->hello->boot_id) != 36 || !m->hello->agent_version)
        peer_fail(p, "the host's hello is not whole");
    peer_hello(p, 7, m->id);
    script_answer_one(p);
}

void script_take_one(struct peer *p)
{
    peer_greet(p, 7);
    message_free(peer_expect(p, CBSNAP__ENVELOPE__BODY_STATE_QUERY));
}
