/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A peer over a socket pair, with a real loop: garbage, cut frames, long queues, sudden ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest-agent/channel/peer.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

struct world {
    uv_loop_t loop;
    struct peer *peer;
    int other; /* the far end */
    unsigned messages, ended, drained;
    uint32_t last_id;
    bool clean, close_on_message;
};

static void on_message(void *arg, struct peer *p, const Cbsnap__Envelope *m)
{
    struct world *w = arg;

    w->messages++;
    w->last_id = m->id;
    if (w->close_on_message) {
        peer_close(p);
        w->peer = NULL;
    }
}

static void on_ended(void *arg, struct peer *p, bool clean)
{
    struct world *w = arg;

    w->ended++;
    w->clean = clean;
    peer_close(p);
    w->peer = NULL;
}

static void on_drained(void *arg, struct peer *p)
{
    struct world *w = arg;

    (void)p;
    w->drained++;
}

static const struct peer_callbacks callbacks = {
    .message = on_message, .ended = on_ended, .drained = on_drained};

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    int fds[2];

    uv_loop_init(&w->loop);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    w->other = fds[1];
    w->peer = peer_new(&w->loop, fds[0], true, &callbacks, w, NULL);
    assert_non_null(w->peer);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    if (w->peer)
        peer_close(w->peer);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    if (w->other >= 0)
        close(w->other);
    free(w);
    return 0;
}

/* Lets the loop run until `*count` reaches `wanted`, at most half a minute. */
static void run_until(struct world *w, const unsigned *count, unsigned wanted)
{
    int64_t until = mono_ms() + 30000;

    while (*count < wanted && mono_ms() < until) {
        uv_run(&w->loop, UV_RUN_NOWAIT);
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(*count, wanted);
}

static void frame(struct buf *to, uint32_t id)
{
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    Cbsnap__StateQuery q = CBSNAP__STATE_QUERY__INIT;

    MSG_SET(&m, id, id);
    MSG_BODY(&m, state_query, STATE_QUERY, &q);
    assert_int_equal(message_frame(to, &m, NULL), 0);
}

static void put(struct world *w, const void *data, size_t len)
{
    assert_int_equal(write(w->other, data, len), (ssize_t)len);
}

static int send_text(struct world *w, size_t len, enum peer_weight weight)
{
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    Cbsnap__LogLine line = CBSNAP__LOG_LINE__INIT;
    AUTO_FREE char *text = xcalloc(1, len + 1);

    memset(text, 'x', len);
    line.text = text;
    MSG_BODY(&m, log_line, LOG_LINE, &line);
    return peer_send(w->peer, &m, weight);
}

static void test_byte_by_byte(void **state)
{
    struct world *w = *state;
    struct buf b = BUF_INIT;

    frame(&b, 7);
    for (size_t n = 0; n < b.len; n++) {
        put(w, b.data + n, 1);
        uv_run(&w->loop, UV_RUN_NOWAIT);
    }
    run_until(w, &w->messages, 1);
    assert_int_equal(w->last_id, 7);
    buf_release(&b);
}

static void test_garbage_between(void **state)
{
    struct world *w = *state;
    struct buf b = BUF_INIT;

    buf_addf(&b, "HTTP/1.1 400 Bad Request\r\n");
    frame(&b, 1);
    buf_add(&b, "\xcbSN\x01 half a header", 8);
    frame(&b, 2);
    put(w, b.data, b.len);
    run_until(w, &w->messages, 2);
    assert_int_equal(w->last_id, 2);
    assert_int_equal(w->ended, 0);
    buf_release(&b);
}

/* A good frame whose payload is no envelope, and a header that names too much. */
static void test_no_envelope(void **state)
{
    struct world *w = *state;
    struct buf b = BUF_INIT;
    uint8_t head[16] = {0xcb, 'S', 'N', 1, 0, 0, 0, 0x7f};
    uint32_t crc = wire_crc32c(head, 8);

    assert_int_equal(wire_frame(&b, "\xff\xff\xff", 3, NULL), 0);
    memcpy(head + 8, &crc, 4);
    buf_add(&b, head, sizeof(head));
    frame(&b, 3);
    put(w, b.data, b.len);
    run_until(w, &w->messages, 1);
    assert_int_equal(w->last_id, 3);
    buf_release(&b);
}

/* The sender restarts in the middle of a frame, and then says no more than fits into the rest of
 * it: only the stall timer finds the new frame. */
static void test_restart_mid_frame(void **state)
{
    struct world *w = *state;
    struct buf b = BUF_INIT, big = BUF_INIT;
    uint8_t filler[4096] = {0};

    assert_int_equal(wire_frame(&big, filler, sizeof(filler), NULL), 0);
    put(w, big.data, big.len / 2);
    frame(&b, 4);
    put(w, b.data, b.len);
    uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_int_equal(w->messages, 0);
    run_until(w, &w->messages, 1);
    assert_int_equal(w->last_id, 4);
    buf_release(&b);
    buf_release(&big);
}

static void test_clean_end(void **state)
{
    struct world *w = *state;
    char drain[4096];

    assert_int_equal(send_text(w, 10, PEER_MUST), 0);
    assert_true(read(w->other, drain, sizeof(drain)) > 0);
    close(w->other);
    w->other = -1;
    run_until(w, &w->ended, 1);
    assert_true(w->clean);
}

/* An answer that was never read: whoever waited for it is dead. */
static void test_unread_answer_is_not_clean(void **state)
{
    struct world *w = *state;

    assert_int_equal(send_text(w, 10, PEER_MUST), 0);
    close(w->other);
    w->other = -1;
    run_until(w, &w->ended, 1);
    assert_false(w->clean);
}

static void test_last_words_count(void **state)
{
    struct world *w = *state;
    struct buf b = BUF_INIT;

    frame(&b, 5);
    put(w, b.data, b.len);
    close(w->other);
    w->other = -1;
    run_until(w, &w->ended, 1);
    assert_int_equal(w->messages, 1);
    buf_release(&b);
}

static void test_samples_are_dropped_first(void **state)
{
    struct world *w = *state;
    unsigned sent = 0;
    char drain[65536];

    while (send_text(w, 8000, PEER_DROPPABLE) == 0)
        assert_true(++sent < 1000);
    assert_false(peer_has_room(w->peer));
    assert_int_equal(send_text(w, 8000, PEER_MUST), 0);
    assert_int_equal(w->drained, 0);
    while (!w->drained) {
        while (read(w->other, drain, sizeof(drain)) > 0)
            ;
        uv_run(&w->loop, UV_RUN_NOWAIT);
    }
    assert_true(peer_has_room(w->peer));
    assert_int_equal(send_text(w, 8000, PEER_DROPPABLE), 0);
}

static void test_one_that_never_reads_is_closed(void **state)
{
    struct world *w = *state;

    for (unsigned n = 0; n < 10000 && send_text(w, 100000, PEER_MUST) == 0; n++)
        assert_int_equal(w->ended, 0); /* never from within a send */
    run_until(w, &w->ended, 1);
    assert_false(w->clean);
}

static void test_too_long_a_message(void **state)
{
    struct world *w = *state;

    assert_int_equal(send_text(w, 2 * 1024 * 1024, PEER_MUST), -1);
    assert_int_equal(send_text(w, 10, PEER_MUST), 0);
}

static void test_closed_in_callback(void **state)
{
    struct world *w = *state;
    struct buf b = BUF_INIT;

    frame(&b, 1);
    frame(&b, 2);
    put(w, b.data, b.len);
    w->close_on_message = true;
    run_until(w, &w->messages, 1);
    uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_int_equal(w->messages, 1);
    assert_int_equal(w->ended, 0);
    buf_release(&b);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_byte_by_byte),
        T(test_garbage_between),
        T(test_no_envelope),
        T(test_restart_mid_frame),
        T(test_clean_end),
        T(test_unread_answer_is_not_clean),
        T(test_last_words_count),
        T(test_samples_are_dropped_first),
        T(test_one_that_never_reads_is_closed),
        T(test_too_long_a_message),
        T(test_closed_in_callback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
