/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests to the agent: their answers, or how they end; and what the answers say of the two
 * clocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdatomic.h>
#include <string.h>

#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/in_range.h"
#include "tests/slow.h"
#include "tests/unit/host-coordinator/guest_world.h"

/* ---- requests -------------------------------------------------------------------------------- */

static void reply(struct peer *p, uint32_t to, Cbsnap__Envelope *m)
{
    MSG_SET(m, reply_to, to);
    peer_send(p, m);
}

/* Answers in turn: an error, another kind, a body unknown here, nothing at all, a state. */
static void contrary(struct peer *p)
{
    Cbsnap__Error error = CBSNAP__ERROR__INIT;
    Cbsnap__Renewed renewed = CBSNAP__RENEWED__INIT;

    peer_greet(p, 7);
    for (int turn = 0; turn < 4; turn++) {
        AUTO_MESSAGE Cbsnap__Envelope *m = peer_expect(p, CBSNAP__ENVELOPE__BODY_STATE_QUERY);
        Cbsnap__Envelope answer = CBSNAP__ENVELOPE__INIT;

        if (!m)
            return;
        MSG_SET(&error, code, ERR_MYSQL);
        MSG_SET(&error, sys_errno, 5);
        error.message = (char *)"server is away";
        if (turn == 0)
            MSG_BODY(&answer, error, ERROR, &error);
        if (turn == 1)
            MSG_BODY(&answer, renewed, RENEWED, &renewed);
        if (turn < 3)
            reply(p, m->id, &answer);
        reply(p, m->id + 500, &answer); /* nobody's */
        reply(p, 0, &answer);
    }
    script_answer_one(p);
}

static void test_other_answers(void **state)
{
    static const struct {
        enum err_code code;
        const char *text;
    } due[] = {
        {ERR_MYSQL, "server is away"},
        {ERR_PROTOCOL, "answered with renewed where state was due"},
        {ERR_PROTOCOL, "something unknown"},
        {ERR_TIMEOUT, "state_query to the agent: no answer in"},
    };
    struct guest_request r = {.done = false};

    world_open(*state, contrary);
    for (size_t n = 0; n < ARRAY_SIZE(due); n++) {
        struct err e = ERR_INIT;

        assert_int_equal(world_ask(*state, &r, due[n].code == ERR_TIMEOUT ? 60 : 5000, &e), -1);
        assert_int_equal(e.code, due[n].code);
        assert_non_null(strstr(e.msg, due[n].text));
        assert_int_equal(e.sys_errno, n == 0 ? 5 : 0);
        assert_null(r.answer);
        guest_request_release(&r);
    }
    world_must_answer(*state);
}

/* Two under way, answered the other way round. */
static void swapping(struct peer *p)
{
    AUTO_MESSAGE Cbsnap__Envelope *a = NULL;
    AUTO_MESSAGE Cbsnap__Envelope *b = NULL;

    peer_greet(p, 7);
    a = peer_expect(p, CBSNAP__ENVELOPE__BODY_STATE_QUERY);
    b = peer_expect(p, CBSNAP__ENVELOPE__BODY_STATE_QUERY);
    peer_answer_state(p, b);
    peer_answer_state(p, a);
    peer_answer_state(p, a); /* once more: dropped */
    script_answer_one(p);
}

static void test_answers_out_of_order(void **state)
{
    struct world *w = *state;
    struct guest_request a, b;

    world_open(w, swapping);
    world_send(w, &a);
    world_send(w, &b);
    assert_int_equal(loop_wait(w->loop, &a.done, in_ms(5000), NULL), 0);
    assert_true(b.done);
    assert_int_equal(a.answer->reply_to, a.id);
    assert_int_equal(b.answer->reply_to, b.id);
    guest_request_release(&a);
    guest_request_release(&b);
    world_must_answer(w);
}

static void test_close_ends_requests(void **state)
{
    struct world *w = *state;
    struct guest_request a, b;

    world_open(w, script_polite);
    world_send(w, &a);
    world_send(w, &b);
    guest_cancel(w->guest, &b);
    guest_cancel(w->guest, &b);
    guest_close(w->guest);
    w->guest = NULL;
    assert_true(a.done);
    assert_int_equal(a.err.code, ERR_CANCELLED);
    assert_false(b.done);
}

static void curious(struct peer *p)
{
    Cbsnap__StateQuery query = CBSNAP__STATE_QUERY__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    AUTO_MESSAGE Cbsnap__Envelope *asked = NULL;
    AUTO_MESSAGE Cbsnap__Envelope *answer = NULL;

    peer_greet(p, 7);
    asked = peer_expect(p, CBSNAP__ENVELOPE__BODY_STATE_QUERY);
    MSG_BODY(&m, state_query, STATE_QUERY, &query);
    MSG_SET(&m, id, 4711);
    peer_send(p, &m);
    answer = peer_expect(p, CBSNAP__ENVELOPE__BODY_ERROR);
    if (answer && (answer->reply_to != 4711 || answer->error->code != ERR_PROTOCOL))
        peer_fail(p, "refused with %u", answer->error->code);
    peer_answer_state(p, asked);
}

static void test_guest_asks_us(void **state)
{
    world_open(*state, curious);
    world_must_answer(*state);
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void dying(struct peer *p)
{
    script_take_one(p);
    peer_close(p);
}

static void test_qemu_ends(void **state)
{
    struct world *w = *state;
    struct err e;
    int64_t began;

    world_open(w, dying);
    e = world_must_fail(w, ERR_LOST);
    assert_non_null(strstr(e.msg, "the domain has ended"));
    began = mono_us();
    for (int n = 0; n < 3; n++) {
        Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

        guest_post(w->guest, &m);
        (void)world_must_fail(w, ERR_LOST);
    }
    assert_took(began, 0, 1000);
}

static void ends_at_once(struct peer *p)
{
    peer_close(p);
}

static void test_qemu_ends_before_hello(void **state)
{
    struct err e = ERR_INIT;

    assert_int_equal(world_try_open(*state, ends_at_once, 5000, &e), -1);
    assert_int_equal(e.code, ERR_LOST);
}

static atomic_bool read_on;

/* Greets and does not read until told, as a port does whose agent hangs. */
static void hanging(struct peer *p)
{
    Cbsnap__Envelope *m;

    peer_greet(p, 7);
    for (int n = 0; n < 1000 && !atomic_load(&read_on); n++)
        (void)poll(NULL, 0, 5);
    while ((m = peer_receive(p)) && m->body_case != CBSNAP__ENVELOPE__BODY_STATE_QUERY)
        message_free(m);
    peer_answer_state(p, m);
    message_free(m);
}

static void test_agent_does_not_read(void **state)
{
    struct world *w = *state;
    Cbsnap__LogLine line = CBSNAP__LOG_LINE__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    AUTO_FREE char *text = xcalloc(1, 16385);
    struct err e;
    bool never = false;

    atomic_store(&read_on, false);
    world_open(w, hanging);
    memset(text, 'z', 16384);
    line.text = text;
    MSG_BODY(&m, log_line, LOG_LINE, &line);
    for (int n = 0; n < 200; n++)
        guest_post(w->guest, &m);
    /* small ones fit in what is left, until they do not */
    line.text = (char *)"z";
    for (int n = 0; n < 2000; n++)
        guest_post(w->guest, &m);
    e = world_must_fail(w, ERR_TIMEOUT);
    assert_non_null(strstr(e.msg, "does not read its port"));
    atomic_store(&read_on, true);
    (void)loop_wait(w->loop, &never, in_ms(300), NULL);
    world_must_answer(w);
}

/* ---- clocks ---------------------------------------------------------------------------------- */

static atomic_bool slow_answers;

/* Ahead by an hour; a slow answer must not spoil what a fast one said. */
static void hour_ahead(struct peer *p)
{
    Cbsnap__Envelope *m;

    peer_set_clock(p, INT64_C(3600000000));
    peer_greet(p, 7);
    while ((m = peer_receive(p))) {
        if (atomic_load(&slow_answers))
            (void)poll(NULL, 0, 60);
        peer_answer_state(p, m);
        message_free(m);
    }
}

static void test_clock(void **state)
{
    struct world *w = *state;
    int64_t offset, uncertainty = INT64_MAX, after;

    atomic_store(&slow_answers, false);
    world_open(w, hour_ahead);
    for (int n = 0; n < 20 && uncertainty > 25 * MS; n++) { /* until one was fast */
        world_must_answer(w);
        assert_true(guest_clock(w->guest, &offset, &uncertainty));
        assert_int_in_range(offset, INT64_C(3600000000) - uncertainty,
                            INT64_C(3600000000) + uncertainty);
    }
    assert_int_in_range(uncertainty, 0, 25 * MS);
    atomic_store(&slow_answers, true);
    world_must_answer(w);
    assert_true(guest_clock(w->guest, &offset, &after));
    assert_int_equal(after, uncertainty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUEST_TEST(test_other_answers),       GUEST_TEST(test_answers_out_of_order),
        GUEST_TEST(test_close_ends_requests), GUEST_TEST(test_guest_asks_us),
        GUEST_TEST(test_qemu_ends),           GUEST_TEST(test_qemu_ends_before_hello),
        GUEST_TEST(test_agent_does_not_read), GUEST_TEST(test_clock),
    };

    return cmocka_run_group_tests_name("guest: requests", tests, NULL, NULL);
}
