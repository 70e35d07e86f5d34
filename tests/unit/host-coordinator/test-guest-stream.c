/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What comes in through the port: another agent in the middle of it, what is no message, too many
 * of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "host-coordinator/guest/link.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/in_range.h"
#include "tests/slow.h"
#include "tests/unit/host-coordinator/guest_world.h"

static void restarting(struct peer *p)
{
    script_take_one(p);
    peer_log_line(p, "old");
    peer_set_boot(p, "66666666-2222-3333-4444-555555555555");
    peer_set_clock(p, 5000000);
    peer_greet(p, 8); /* the host greets the new one */
    script_answer_one(p);
}

static void test_restart(void **state)
{
    struct world *w = *state;
    struct err e;
    int64_t offset, uncertainty;

    world_open(w, restarting);
    e = world_must_fail(w, ERR_LOST);
    assert_string_equal(e.msg, "the agent restarted");
    assert_int_equal(guest_restarts(w->guest), 1);
    assert_int_equal(w->lines, 1);
    world_must_answer(w);
    /* the new one's own and its answer to ours; of the old one only an answer to our first, as
     * guest_open() does not wait for that once it has been met */
    assert_int_equal(w->hellos_of[8], 2);
    assert_int_in_range(w->hellos_of[7], 0, 1);
    assert_int_equal(guest_hello(w->guest)->instance, 8);
    assert_int_equal(guest_restarts(w->guest), 1);
    /* another boot has another clock */
    assert_true(guest_clock(w->guest, &offset, &uncertainty));
    assert_int_in_range(offset, 5000000 - uncertainty, 5000000 + uncertainty);
}

static void send_cut(struct peer *p, size_t len, size_t sent)
{
    struct buf frame = BUF_INIT;
    AUTO_FREE char *payload = xcalloc(1, len);

    memset(payload, 'x', len);
    if (wire_frame(&frame, payload, len, NULL) < 0)
        peer_fail(p, "no frame");
    peer_send_raw(p, frame.data, sent);
    buf_release(&frame);
}

static void restart_after(struct peer *p, size_t len, size_t sent)
{
    script_take_one(p);
    send_cut(p, len, sent);
    peer_hello(p, 8, 0);
    peer_greet(p, 8);
    script_answer_one(p);
}

/* Cut in the middle; what follows completes the frame, which is then found out to be none. */
static void cut_and_followed(struct peer *p)
{
    restart_after(p, 50, 30);
}

/* Cut, and the next words are shorter than what is missing: only time tells. */
static void cut_and_quiet(struct peer *p)
{
    restart_after(p, 100000, 5000);
}

static void restart_in_a_frame(struct world *w, peer_script *script, int most_ms)
{
    int64_t began;

    world_open(w, script);
    began = mono_us();
    (void)world_must_fail(w, ERR_LOST);
    assert_took(began, 0, most_ms);
    assert_int_equal(guest_restarts(w->guest), 1);
    world_must_answer(w);
}

static void test_restart_in_a_frame(void **state)
{
    restart_in_a_frame(*state, cut_and_followed, 900);
}

static void test_restart_in_a_long_frame(void **state)
{
    restart_in_a_frame(*state, cut_and_quiet, LINK_STALL_MS + 1500);
}

static void noisy(struct peer *p)
{
    static const char garbage[] = "\xCBSN\x01 login: \xCBSN\xCB\xCBSN\x01\xff\xff\xff\xff\xff";
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    struct buf frame = BUF_INIT;

    peer_send_raw(p, garbage, sizeof(garbage) - 1);
    peer_greet(p, 7);
    /* a frame whose payload is no envelope */
    (void)wire_frame(&frame, "\xff\xff\xff\xff", 4, NULL);
    peer_send_raw(p, frame.data, frame.len);
    buf_release(&frame);
    /* an event without a body that we know */
    peer_send(p, &m);
    script_answer_one(p);
}

static void test_garbage(void **state)
{
    world_open(*state, noisy);
    world_must_answer(*state);
}

/* A header that is well made, for 2 MiB. */
static void oversized(struct peer *p)
{
    uint8_t head[WIRE_HEADER] = {0xCB, 'S', 'N', 0x01, 0, 0, 0x20, 0};
    uint32_t crc = wire_crc32c(head, 8);

    for (int n = 0; n < 4; n++)
        head[8 + n] = (uint8_t)(crc >> 8 * n);
    peer_greet(p, 7);
    peer_send_raw(p, head, sizeof(head));
    for (int n = 0; n < 32; n++)
        send_cut(p, 64, 3); /* some of the body that never becomes one */
    script_answer_one(p);
}

static void test_oversized_frame(void **state)
{
    world_open(*state, oversized);
    world_must_answer(*state);
}

#define LINES 20000

static void flooding(struct peer *p)
{
    peer_greet(p, 7);
    script_answer_one(p);
    for (int n = 0; n < LINES; n++)
        peer_log_line(p, n == LINES - 1 ? "last" : "a line that nobody wants to read");
    script_answer_one(p);
}

static void test_flood_of_events(void **state)
{
    struct world *w = *state;

    world_open(w, flooding);
    world_must_answer(w); /* events are dropped until guest_open() has come back */
    world_must_answer(w);
    assert_int_equal(w->lines, LINES);
    assert_string_equal(w->last, "last");
}

/* One message near the limit, in portions that fit no boundary. */
static void long_winded(struct peer *p)
{
    AUTO_FREE char *text = xcalloc(1, 1000001);
    Cbsnap__LogLine line = CBSNAP__LOG_LINE__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    struct buf frame = BUF_INIT;

    memset(text, 'y', 1000000);
    line.text = text;
    MSG_BODY(&m, log_line, LOG_LINE, &line);
    peer_greet(p, 7);
    peer_frame(p, &m, &frame);
    for (size_t at = 0; at < frame.len; at += 7919)
        peer_send_raw(p, frame.data + at, frame.len - at < 7919 ? frame.len - at : 7919);
    buf_release(&frame);
    script_answer_one(p);
}

static void test_long_message(void **state)
{
    struct world *w = *state;

    world_open(w, long_winded);
    world_must_answer(w);
    assert_int_equal(w->longest, 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUEST_TEST(test_restart),
        GUEST_TEST(test_restart_in_a_frame),
        GUEST_TEST(test_restart_in_a_long_frame),
        GUEST_TEST(test_garbage),
        GUEST_TEST(test_oversized_frame),
        GUEST_TEST(test_flood_of_events),
        GUEST_TEST(test_long_message),
    };

    return cmocka_run_group_tests_name("guest: stream", tests, NULL, NULL);
}
