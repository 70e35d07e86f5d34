/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The link to the agent against scripted peers: good ones, silent ones, restarted and mad ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "host-coordinator/guest/guest.h"
#include "host-coordinator/guest/link.h"
#include "host-coordinator/guest/port.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/fake/peer.h"
#include "tests/in_range.h"
#include "tests/slow.h"

#define MS INT64_C(1000)

struct world {
    struct loop *loop;
    struct peer *peer;
    struct guest *guest;
    unsigned lines;
    unsigned hellos_of[16]; /* by instance */
    size_t longest;
    char last[32];
};

static int64_t in_ms(int ms)
{
    return mono_us() + ms * MS;
}

static void on_event(void *arg, const Cbsnap__Envelope *m)
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

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    w->loop = loop_new();
    *state = w;
    return 0;
}

/* The loop goes first: only its last turn closes the socket, and the script waits for that. */
static int teardown(void **state)
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

static int connect_within(struct world *w, const char *path, int ms, struct err *e)
{
    int64_t deadline_us = in_ms(ms);
    int fd;

    if (port_connect(w->loop, path, deadline_us, &fd, e) < 0)
        return -1;
    return guest_open(&w->guest, w->loop, fd, path, on_event, w, deadline_us, e);
}

static int try_open(struct world *w, peer_script *script, int ms, struct err *e)
{
    w->peer = peer_start(script);
    return connect_within(w, peer_path(w->peer), ms, e);
}

static void must_open(struct world *w, peer_script *script)
{
    struct err e = ERR_INIT;

    if (try_open(w, script, 5000, &e) < 0)
        fail_msg("guest_open: %s", e.msg);
}

static int ask_state(struct world *w, struct guest_request *r, int ms, struct err *e)
{
    Cbsnap__StateQuery query = CBSNAP__STATE_QUERY__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    MSG_BODY(&m, state_query, STATE_QUERY, &query);
    return guest_call(w->guest, r, &m, CBSNAP__ENVELOPE__BODY_STATE, in_ms(ms), e);
}

/* The link works: a state is asked for and comes. */
static void must_answer(struct world *w)
{
    struct guest_request r = {.done = false};
    struct err e = ERR_INIT;

    if (ask_state(w, &r, 5000, &e) < 0)
        fail_msg("state: %s", e.msg);
    assert_non_null(r.answer);
    assert_int_equal(r.answer->body_case, CBSNAP__ENVELOPE__BODY_STATE);
    assert_true(r.sent_us > 0 && r.answered_us >= r.sent_us);
    guest_request_release(&r);
    guest_request_release(&r);
}

/* What a script does to end: the state asked for is answered. */
static void answer_one(struct peer *p)
{
    AUTO_MESSAGE Cbsnap__Envelope *m = peer_expect(p, CBSNAP__ENVELOPE__BODY_STATE_QUERY);

    peer_answer_state(p, m);
}

/* ---- hello ----------------------------------------------------------------------------------- */

static void polite(struct peer *p)
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
    answer_one(p);
}

static void test_hello(void **state)
{
    struct world *w = *state;

    must_open(w, polite);
    assert_int_equal(guest_hello(w->guest)->instance, 7);
    assert_string_equal(guest_hello(w->guest)->agent_version, "9.9.9");
    must_answer(w);
    assert_int_equal(guest_restarts(w->guest), 0);
    guest_close(NULL);
}

static void deaf_at_first(struct peer *p)
{
    AUTO_MESSAGE Cbsnap__Envelope *second = NULL;

    message_free(peer_expect(p, CBSNAP__ENVELOPE__BODY_HELLO));
    second = peer_expect(p, CBSNAP__ENVELOPE__BODY_HELLO);
    if (second)
        peer_hello(p, 7, second->id);
    answer_one(p);
}

static void test_hello_is_sent_again(void **state)
{
    int64_t began = mono_us();

    must_open(*state, deaf_at_first);
    assert_int_in_range(mono_us() - began, 450 * MS, 4000 * MS * slowness());
    must_answer(*state);
}

static void silent(struct peer *p)
{
    (void)p;
}

static void test_silent_peer(void **state)
{
    struct err e = ERR_INIT;
    int64_t began = mono_us();

    assert_int_equal(try_open(*state, silent, 100, &e), -1);
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_non_null(strstr(e.msg, "cbsnap-agent does not run in the guest"));
    assert_non_null(strstr(e.msg, "systemctl start cbsnap-agent"));
    assert_int_in_range(mono_us() - began, 100 * MS, 2000 * MS * slowness());
}

/* An agent that heard us before it saw the host before us leave: what it is asked in between it
 * forgets. It is asked nothing until it has met us. */
static void late_to_see_us(struct peer *p)
{
    AUTO_MESSAGE Cbsnap__Envelope *theirs = peer_expect(p, CBSNAP__ENVELOPE__BODY_HELLO);

    if (theirs)
        peer_hello(p, 7, theirs->id);
    (void)poll(NULL, 0, 150);
    peer_hello(p, 7, 0);
    answer_one(p);
}

static void test_waits_to_be_met(void **state)
{
    int64_t began = mono_us();

    must_open(*state, late_to_see_us);
    assert_int_in_range(mono_us() - began, 150 * MS, 4000 * MS * slowness());
    must_answer(*state);
}

/* Who watches looks after other things between two tries. */
static void test_greet_in_steps(void **state)
{
    struct world *w = *state;
    struct err e = ERR_INIT;
    int fd;

    w->peer = peer_start(deaf_at_first);
    assert_int_equal(port_connect(w->loop, peer_path(w->peer), in_ms(5000), &fd, &e), 0);
    assert_int_equal(guest_begin(&w->guest, w->loop, fd, "port", on_event, w, &e), 0);
    assert_int_equal(guest_greet(w->guest, in_ms(50), &e), -1);
    assert_int_equal(e.code, ERR_TIMEOUT);
    e = ERR_INIT;
    assert_int_equal(guest_greet(w->guest, in_ms(5000), &e), 0);
    assert_false(guest_gone(w->guest, &e));
    must_answer(w);
}

static void test_cancelled_by_a_signal(void **state)
{
    struct world *w = *state;
    struct err e = ERR_INIT;

    loop_catch_signals(w->loop);
    raise(SIGTERM);
    assert_int_equal(try_open(w, silent, 5000, &e), -1);
    assert_int_equal(e.code, ERR_CANCELLED);
}

static void other_protocol(struct peer *p)
{
    Cbsnap__Hello hello = CBSNAP__HELLO__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    AUTO_MESSAGE Cbsnap__Envelope *answer = NULL;

    message_free(peer_expect(p, CBSNAP__ENVELOPE__BODY_HELLO));
    MSG_SET(&hello, protocol, 2);
    hello.agent_version = (char *)"3.0";
    MSG_BODY(&m, hello, HELLO, &hello);
    peer_send(p, &m);
    answer = peer_expect(p, CBSNAP__ENVELOPE__BODY_ERROR);
    if (answer && answer->error->code != ERR_PROTOCOL)
        peer_fail(p, "told of code %u", answer->error->code);
}

static void test_other_protocol(void **state)
{
    struct world *w = *state;
    struct err e = ERR_INIT;

    assert_int_equal(try_open(w, other_protocol, 5000, &e), -1);
    assert_int_equal(e.code, ERR_PROTOCOL);
    assert_non_null(strstr(e.msg, "3.0"));
    assert_non_null(strstr(e.msg, "protocol 2"));
}

static void unwilling(struct peer *p)
{
    AUTO_MESSAGE Cbsnap__Envelope *m = peer_expect(p, CBSNAP__ENVELOPE__BODY_HELLO);
    Cbsnap__Error error = CBSNAP__ERROR__INIT;
    Cbsnap__Envelope answer = CBSNAP__ENVELOPE__INIT;

    if (!m)
        return;
    MSG_SET(&error, code, ERR_TIMEOUT); /* a code that waiting itself uses, too */
    error.message = (char *)"not today";
    MSG_BODY(&answer, error, ERROR, &error);
    MSG_SET(&answer, reply_to, m->id + 1000); /* somebody else's answer, from before */
    peer_send(p, &answer);
    MSG_SET(&answer, reply_to, m->id);
    peer_send(p, &answer);
}

static void test_agent_refuses(void **state)
{
    struct err e = ERR_INIT;

    assert_int_equal(try_open(*state, unwilling, 5000, &e), -1);
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_string_equal(e.msg, "not today");
}

/* ---- the socket ------------------------------------------------------------------------------ */

static int open_path(struct world *w, const char *path, struct err *e)
{
    return connect_within(w, path, 150, e);
}

static void test_no_socket(void **state)
{
    struct world *w = *state;
    char longest[200];
    struct err e = ERR_INIT;

    w->peer = peer_start(NULL);
    assert_int_equal(open_path(w, "/nonexistent/port", &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_non_null(strstr(e.msg, "'/nonexistent/port'"));
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(open_path(w, longest, &e), -1);
    assert_int_equal(e.code, ERR_CONFIG);
}

static void test_nobody_serves_it(void **state)
{
    struct world *w = *state;
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct err e = ERR_INIT;

    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/tmp/cbsnap-dead-%d", (int)getpid());
    assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
    close(fd);
    assert_int_equal(open_path(w, addr.sun_path, &e), -1);
    unlink(addr.sun_path);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_non_null(strstr(e.msg, "QEMU has ended"));
}

/* QEMU accepts one client. The backlog takes two more, also when they give up; then it is full. */
static void test_port_in_use(void **state)
{
    struct world *w = *state;

    w->peer = peer_start(NULL);
    for (int n = 0; n < 4; n++) {
        struct err e = ERR_INIT;
        int64_t began = mono_us();

        assert_int_equal(open_path(w, peer_path(w->peer), &e), -1);
        assert_int_equal(e.code, ERR_BUSY);
        assert_non_null(strstr(e.msg, peer_path(w->peer)));
        assert_int_in_range(mono_us() - began, 150 * MS, 2000 * MS * slowness());
    }
}

/* The kernel tells an accepted connection from one in the backlog, and how many are in there. */
static void test_who_has_the_port(void **state)
{
    struct world *w = *state;
    int first, second, pair[2];

    w->peer = peer_start(silent);
    assert_int_equal(port_connect(w->loop, peer_path(w->peer), in_ms(5000), &first, NULL), 0);
    for (int n = 0; n < 500 && port_state(first) == PORT_QUEUED; n++)
        (void)poll(NULL, 0, 10);
    assert_int_equal(port_state(first), PORT_ACCEPTED);
    assert_int_equal(port_waiting(first), 0);
    assert_int_equal(port_connect(w->loop, peer_path(w->peer), in_ms(5000), &second, NULL), 0);
    assert_int_equal(port_state(second), PORT_QUEUED);
    assert_int_equal(port_waiting(first), 1);
    close(second);
    close(first);
    /* through libvirt the other end is ours, and says nothing of who has the port */
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(port_state(pair[0]), PORT_UNKNOWN);
    assert_int_equal(port_waiting(pair[0]), 0);
    close(pair[0]);
    close(pair[1]);
}

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
    answer_one(p);
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

    must_open(*state, contrary);
    for (size_t n = 0; n < ARRAY_SIZE(due); n++) {
        struct err e = ERR_INIT;

        assert_int_equal(ask_state(*state, &r, due[n].code == ERR_TIMEOUT ? 60 : 5000, &e), -1);
        assert_int_equal(e.code, due[n].code);
        assert_non_null(strstr(e.msg, due[n].text));
        assert_int_equal(e.sys_errno, n == 0 ? 5 : 0);
        assert_null(r.answer);
        guest_request_release(&r);
    }
    must_answer(*state);
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
    answer_one(p);
}

static void test_answers_out_of_order(void **state)
{
    struct world *w = *state;
    Cbsnap__StateQuery query = CBSNAP__STATE_QUERY__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    struct guest_request a, b;

    must_open(w, swapping);
    MSG_BODY(&m, state_query, STATE_QUERY, &query);
    guest_send(w->guest, &a, &m, CBSNAP__ENVELOPE__BODY_STATE);
    guest_send(w->guest, &b, &m, CBSNAP__ENVELOPE__BODY_STATE);
    assert_int_equal(loop_wait(w->loop, &a.done, in_ms(5000), NULL), 0);
    assert_true(b.done);
    assert_int_equal(a.answer->reply_to, a.id);
    assert_int_equal(b.answer->reply_to, b.id);
    guest_request_release(&a);
    guest_request_release(&b);
    must_answer(w);
}

static void test_close_ends_requests(void **state)
{
    struct world *w = *state;
    Cbsnap__StateQuery query = CBSNAP__STATE_QUERY__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    struct guest_request a, b;

    must_open(w, polite);
    MSG_BODY(&m, state_query, STATE_QUERY, &query);
    guest_send(w->guest, &a, &m, CBSNAP__ENVELOPE__BODY_STATE);
    guest_send(w->guest, &b, &m, CBSNAP__ENVELOPE__BODY_STATE);
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
    must_open(*state, curious);
    must_answer(*state);
}

/* ---- restarts and bad lines ------------------------------------------------------------------ */

static void restarting(struct peer *p)
{
    peer_greet(p, 7);
    message_free(peer_expect(p, CBSNAP__ENVELOPE__BODY_STATE_QUERY));
    peer_log_line(p, "old");
    peer_set_boot(p, "66666666-2222-3333-4444-555555555555");
    peer_set_clock(p, 5000000);
    peer_greet(p, 8); /* the host greets the new one */
    answer_one(p);
}

static void test_restart(void **state)
{
    struct world *w = *state;
    struct guest_request r = {.done = false};
    struct err e = ERR_INIT;
    int64_t offset, uncertainty;

    must_open(w, restarting);
    assert_int_equal(ask_state(w, &r, 5000, &e), -1);
    assert_int_equal(e.code, ERR_LOST);
    assert_string_equal(e.msg, "the agent restarted");
    assert_int_equal(guest_restarts(w->guest), 1);
    assert_int_equal(w->lines, 1);
    must_answer(w);
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

/* Cut in the middle; what follows completes the frame, which is then found out to be none. */
static void cut_and_followed(struct peer *p)
{
    peer_greet(p, 7);
    message_free(peer_expect(p, CBSNAP__ENVELOPE__BODY_STATE_QUERY));
    send_cut(p, 50, 30);
    peer_hello(p, 8, 0);
    peer_greet(p, 8);
    answer_one(p);
}

/* Cut, and the next words are shorter than what is missing: only time tells. */
static void cut_and_quiet(struct peer *p)
{
    peer_greet(p, 7);
    message_free(peer_expect(p, CBSNAP__ENVELOPE__BODY_STATE_QUERY));
    send_cut(p, 100000, 5000);
    peer_hello(p, 8, 0);
    peer_greet(p, 8);
    answer_one(p);
}

static void restart_in_a_frame(struct world *w, peer_script *script, int64_t most_us)
{
    struct guest_request r = {.done = false};
    struct err e = ERR_INIT;
    int64_t began;

    must_open(w, script);
    began = mono_us();
    assert_int_equal(ask_state(w, &r, 5000, &e), -1);
    assert_int_equal(e.code, ERR_LOST);
    assert_int_in_range(mono_us() - began, 0, most_us * slowness());
    assert_int_equal(guest_restarts(w->guest), 1);
    must_answer(w);
}

static void test_restart_in_a_frame(void **state)
{
    restart_in_a_frame(*state, cut_and_followed, 900 * MS);
}

static void test_restart_in_a_long_frame(void **state)
{
    restart_in_a_frame(*state, cut_and_quiet, (LINK_STALL_MS + 1500) * MS);
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
    answer_one(p);
}

static void test_garbage(void **state)
{
    must_open(*state, noisy);
    must_answer(*state);
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
    answer_one(p);
}

static void test_oversized_frame(void **state)
{
    must_open(*state, oversized);
    must_answer(*state);
}

#define LINES 20000

static void flooding(struct peer *p)
{
    peer_greet(p, 7);
    answer_one(p);
    for (int n = 0; n < LINES; n++)
        peer_log_line(p, n == LINES - 1 ? "last" : "a line that nobody wants to read");
    answer_one(p);
}

static void test_flood_of_events(void **state)
{
    struct world *w = *state;

    must_open(w, flooding);
    must_answer(w); /* events are dropped until guest_open() has come back */
    must_answer(w);
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
    answer_one(p);
}

static void test_long_message(void **state)
{
    struct world *w = *state;

    must_open(w, long_winded);
    must_answer(w);
    assert_int_equal(w->longest, 1000000);
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void dying(struct peer *p)
{
    peer_greet(p, 7);
    message_free(peer_expect(p, CBSNAP__ENVELOPE__BODY_STATE_QUERY));
    peer_close(p);
}

static void test_qemu_ends(void **state)
{
    struct world *w = *state;
    struct guest_request r = {.done = false};
    struct err e = ERR_INIT;
    int64_t began;

    must_open(w, dying);
    assert_int_equal(ask_state(w, &r, 5000, &e), -1);
    assert_int_equal(e.code, ERR_LOST);
    assert_non_null(strstr(e.msg, "the domain has ended"));
    began = mono_us();
    for (int n = 0; n < 3; n++) {
        Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

        guest_post(w->guest, &m);
        e = ERR_INIT;
        assert_int_equal(ask_state(w, &r, 5000, &e), -1);
        assert_int_equal(e.code, ERR_LOST);
    }
    assert_int_in_range(mono_us() - began, 0, 1000 * MS * slowness());
}

static void ends_at_once(struct peer *p)
{
    peer_close(p);
}

static void test_qemu_ends_before_hello(void **state)
{
    struct err e = ERR_INIT;

    assert_int_equal(try_open(*state, ends_at_once, 5000, &e), -1);
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
    struct guest_request r = {.done = false};
    AUTO_FREE char *text = xcalloc(1, 16385);
    struct err e = ERR_INIT;
    bool never = false;

    atomic_store(&read_on, false);
    must_open(w, hanging);
    memset(text, 'z', 16384);
    line.text = text;
    MSG_BODY(&m, log_line, LOG_LINE, &line);
    for (int n = 0; n < 200; n++)
        guest_post(w->guest, &m);
    /* small ones fit in what is left, until they do not */
    line.text = (char *)"z";
    for (int n = 0; n < 2000; n++)
        guest_post(w->guest, &m);
    assert_int_equal(ask_state(w, &r, 5000, &e), -1);
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_non_null(strstr(e.msg, "does not read its port"));
    atomic_store(&read_on, true);
    (void)loop_wait(w->loop, &never, in_ms(300), NULL);
    must_answer(w);
}

/* ---- clocks ---------------------------------------------------------------------------------- */

/* Ahead by an hour; a slow answer must not spoil what a fast one said. */
static void hour_ahead(struct peer *p)
{
    AUTO_MESSAGE Cbsnap__Envelope *m = NULL;

    peer_set_clock(p, INT64_C(3600000000));
    peer_greet(p, 7);
    answer_one(p);
    m = peer_expect(p, CBSNAP__ENVELOPE__BODY_STATE_QUERY);
    (void)poll(NULL, 0, 60);
    peer_answer_state(p, m);
}

static void test_clock(void **state)
{
    struct world *w = *state;
    int64_t offset, uncertainty;

    must_open(w, hour_ahead);
    must_answer(w);
    assert_true(guest_clock(w->guest, &offset, &uncertainty));
    assert_int_in_range(offset, INT64_C(3600000000) - uncertainty,
                        INT64_C(3600000000) + uncertainty);
    assert_int_in_range(uncertainty, 0, 25 * MS * slowness());
    must_answer(w);
    assert_true(guest_clock(w->guest, &offset, &uncertainty));
    assert_int_in_range(uncertainty, 0, 25 * MS * slowness());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_hello),
        TEST(test_hello_is_sent_again),
        TEST(test_silent_peer),
        TEST(test_waits_to_be_met),
        TEST(test_greet_in_steps),
        TEST(test_cancelled_by_a_signal),
        TEST(test_other_protocol),
        TEST(test_agent_refuses),
        TEST(test_no_socket),
        TEST(test_nobody_serves_it),
        TEST(test_port_in_use),
        TEST(test_who_has_the_port),
        TEST(test_other_answers),
        TEST(test_answers_out_of_order),
        TEST(test_close_ends_requests),
        TEST(test_guest_asks_us),
        TEST(test_restart),
        TEST(test_restart_in_a_frame),
        TEST(test_restart_in_a_long_frame),
        TEST(test_garbage),
        TEST(test_oversized_frame),
        TEST(test_flood_of_events),
        TEST(test_long_message),
        TEST(test_qemu_ends),
        TEST(test_qemu_ends_before_hello),
        TEST(test_agent_does_not_read),
        TEST(test_clock),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("guest", tests, NULL, NULL);
}
