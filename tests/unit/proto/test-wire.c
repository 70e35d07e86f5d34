/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames: any portions, garbage, cuts, sizes; the reader must find every whole frame again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "proto/base/cleanup.h"
#include "proto/message.h"

static void frame_text(struct buf *to, const char *text)
{
    struct err e = ERR_INIT;

    assert_int_equal(wire_frame(to, text, strlen(text), &e), 0);
}

static void expect_next(struct wire_reader *r, const char *text)
{
    const uint8_t *payload;
    size_t len;

    assert_true(wire_reader_next(r, &payload, &len));
    assert_int_equal(len, strlen(text));
    assert_memory_equal(payload, text, len);
}

static void expect_nothing(struct wire_reader *r)
{
    const uint8_t *payload;
    size_t len;

    assert_false(wire_reader_next(r, &payload, &len));
}

/* RFC 3720 appendix B.4, and the customary check value */
static void crc_has_the_published_values(void **state)
{
    uint8_t bytes[32];

    (void)state;
    assert_int_equal(wire_crc32c("123456789", 9), 0xE3069283u);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(wire_crc32c(bytes, sizeof(bytes)), 0x8A9136AAu);
    memset(bytes, 0xFF, sizeof(bytes));
    assert_int_equal(wire_crc32c(bytes, sizeof(bytes)), 0x62A8AB43u);
    for (size_t n = 0; n < sizeof(bytes); n++)
        bytes[n] = (uint8_t)n;
    assert_int_equal(wire_crc32c(bytes, sizeof(bytes)), 0x46DD794Eu);
}

static void frames_survive_any_portions(void **state)
{
    struct buf stream = BUF_INIT;

    (void)state;
    frame_text(&stream, "one");
    frame_text(&stream, "");
    frame_text(&stream, "three");
    for (size_t portion = 1; portion <= stream.len; portion++) {
        struct wire_reader r = {.taken = 0};
        unsigned seen = 0;

        for (size_t at = 0; at < stream.len; at += portion) {
            size_t n = stream.len - at < portion ? stream.len - at : portion;
            const uint8_t *payload;
            size_t len;

            wire_reader_feed(&r, stream.data + at, n);
            while (wire_reader_next(&r, &payload, &len))
                seen++;
        }
        assert_int_equal(seen, 3);
        assert_int_equal(r.skipped, 0);
        wire_reader_release(&r);
    }
    buf_release(&stream);
}

static void garbage_before_a_frame_is_skipped(void **state)
{
    /* holds the magic's beginning, the whole magic, and an absurd length behind it */
    static const char garbage[] = "noise \xCB\x53 \xCBSN\x01\xFF\xFF\xFF\xFF tail \xCB";
    struct wire_reader r = {.taken = 0};
    struct buf stream = BUF_INIT;

    (void)state;
    buf_add(&stream, garbage, sizeof(garbage) - 1);
    frame_text(&stream, "found");
    wire_reader_feed(&r, stream.data, stream.len);
    expect_next(&r, "found");
    expect_nothing(&r);
    assert_int_equal(r.skipped, sizeof(garbage) - 1);
    wire_reader_release(&r);
    buf_release(&stream);
}

/* the sender died in the middle of a frame; its successor starts with a whole one */
static void a_cut_frame_does_not_eat_the_next(void **state)
{
    struct buf whole = BUF_INIT, next = BUF_INIT;

    (void)state;
    frame_text(&whole, "this one will be cut somewhere");
    frame_text(&next, "hello again");
    for (size_t cut = 1; cut < whole.len; cut++) {
        struct wire_reader r = {.taken = 0};

        wire_reader_feed(&r, whole.data, cut);
        expect_nothing(&r);
        wire_reader_feed(&r, next.data, next.len);
        /* either the bytes behind already disprove the cut frame, or the stall timer does */
        for (size_t tries = 0; tries <= cut; tries++) {
            const uint8_t *payload;
            size_t len;

            if (wire_reader_next(&r, &payload, &len)) {
                assert_int_equal(len, strlen("hello again"));
                goto found;
            }
            assert_true(wire_reader_partial(&r));
            wire_reader_stalled(&r);
        }
        fail_msg("the frame after a cut at %zu was not found", cut);
    found:
        wire_reader_release(&r);
    }
    buf_release(&whole);
    buf_release(&next);
}

static void a_flipped_bit_costs_one_frame(void **state)
{
    struct buf stream = BUF_INIT;
    size_t first;

    (void)state;
    frame_text(&stream, "damaged");
    first = stream.len;
    frame_text(&stream, "whole");
    for (size_t at = 0; at < first; at++) {
        struct wire_reader r = {.taken = 0};

        stream.data[at] ^= 0x10;
        wire_reader_feed(&r, stream.data, stream.len);
        expect_next(&r, "whole");
        expect_nothing(&r);
        stream.data[at] ^= 0x10;
        wire_reader_release(&r);
    }
    buf_release(&stream);
}

static void too_long_is_refused_both_ways(void **state)
{
    struct wire_reader r = {.taken = 0};
    struct buf stream = BUF_INIT;
    struct err e = ERR_INIT;
    static uint8_t big[WIRE_MAX_PAYLOAD + 1];
    uint32_t crc;

    (void)state;
    assert_int_equal(wire_frame(&stream, big, sizeof(big), &e), -1);
    assert_int_equal(e.code, ERR_PROTOCOL);
    assert_int_equal(stream.len, 0);

    /* a header that is right in itself but names one byte too many */
    assert_int_equal(wire_frame(&stream, big, WIRE_MAX_PAYLOAD, &e), 0);
    stream.data[4] = 1;
    crc = wire_crc32c(stream.data, 8);
    for (int n = 0; n < 4; n++)
        stream.data[8 + n] = (uint8_t)(crc >> 8 * n);
    stream.len = WIRE_HEADER;
    frame_text(&stream, "after");
    wire_reader_feed(&r, stream.data, stream.len);
    expect_next(&r, "after");
    assert_int_equal(r.refused, 1);
    wire_reader_release(&r);
    buf_release(&stream);
}

static void a_newer_peers_message_is_no_error(void **state)
{
    struct wire_reader r = {.taken = 0};
    struct buf stream = BUF_INIT;
    struct err e = ERR_INIT;
    /* id = 7; a body with the unknown number 900; an unknown field 901 */
    static const uint8_t newer[] = {0x08, 7, 0xA2, 0x38, 0x02, 0x08, 0x01, 0xA8, 0x38, 0x05};
    static const uint8_t nonsense[] = {0xFF, 0xFF, 0xFF};
    Cbsnap__Envelope *m;
    unsigned bad = 0;

    (void)state;
    wire_frame(&stream, nonsense, sizeof(nonsense), &e);
    wire_frame(&stream, newer, sizeof(newer), &e);
    wire_reader_feed(&r, stream.data, stream.len);
    m = message_next(&r, &bad);
    assert_non_null(m);
    assert_int_equal(bad, 1);
    assert_int_equal(m->id, 7);
    assert_int_equal(m->body_case, CBSNAP__ENVELOPE__BODY__NOT_SET);
    message_free(m);
    wire_reader_release(&r);
    buf_release(&stream);
}

static void an_error_crosses_whole(void **state)
{
    struct wire_reader r = {.taken = 0};
    struct buf stream = BUF_INIT;
    struct err sent = ERR_INIT, got = ERR_INIT, e = ERR_INIT;
    Cbsnap__Envelope env = CBSNAP__ENVELOPE__INIT, *m;
    Cbsnap__Error body = CBSNAP__ERROR__INIT;

    (void)state;
    err_set_sys(&sent, ERR_FREEZE, 16, "cannot freeze '%s'", "/mnt/mysql");
    message_from_err(&body, &sent);
    MSG_BODY(&env, error, ERROR, &body);
    assert_int_equal(message_frame(&stream, &env, &e), 0);
    wire_reader_feed(&r, stream.data, stream.len);
    m = message_next(&r, NULL);
    assert_non_null(m);
    assert_int_equal(message_to_err(m->error, &got), -1);
    assert_int_equal(got.code, ERR_FREEZE);
    assert_int_equal(got.sys_errno, 16);
    assert_string_equal(got.msg, sent.msg);
    message_free(m);
    wire_reader_release(&r);
    buf_release(&stream);
}

/* Headers without end, each the begin of a frame as long as may be: checked one by one they would
 * keep the reader busy for ten seconds. */
static void nested_frames_do_not_keep_the_reader_busy(void **state)
{
    struct wire_reader r = {.taken = 0};
    struct buf one = BUF_INIT;
    AUTO_FREE uint8_t *longest = xcalloc(1, WIRE_MAX_PAYLOAD);
    clock_t began = clock();

    (void)state;
    assert_int_equal(wire_frame(&one, longest, WIRE_MAX_PAYLOAD, NULL), 0);
    one.data[12] ^= 1; /* the payload's sum */
    for (int n = 0; n < 80 * 1024; n++) {
        wire_reader_feed(&r, one.data, WIRE_HEADER);
        if (n % 4096 == 0)
            expect_nothing(&r);
    }
    expect_nothing(&r);
    assert_true(r.in.len < 2 * WIRE_MAX_PAYLOAD);
    assert_true(clock() - began < 3 * CLOCKS_PER_SEC);
    /* and it finds its place again */
    wire_reader_feed(&r, longest, WIRE_MAX_PAYLOAD);
    expect_nothing(&r);
    buf_clear(&one);
    assert_int_equal(wire_frame(&one, "good", 4, NULL), 0);
    wire_reader_feed(&r, one.data, one.len);
    expect_next(&r, "good");
    buf_release(&one);
    wire_reader_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_has_the_published_values),
        cmocka_unit_test(frames_survive_any_portions),
        cmocka_unit_test(garbage_before_a_frame_is_skipped),
        cmocka_unit_test(a_cut_frame_does_not_eat_the_next),
        cmocka_unit_test(a_flipped_bit_costs_one_frame),
        cmocka_unit_test(too_long_is_refused_both_ways),
        cmocka_unit_test(nested_frames_do_not_keep_the_reader_busy),
        cmocka_unit_test(a_newer_peers_message_is_no_error),
        cmocka_unit_test(an_error_crosses_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
