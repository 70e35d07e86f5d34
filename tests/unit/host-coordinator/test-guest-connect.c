/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who answers at the agent's port, if anybody: the greeting, and the socket before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "host-coordinator/guest/port.h"
#include "proto/base/clock.h"
#include "tests/in_range.h"
#include "tests/slow.h"
#include "tests/unit/host-coordinator/guest_world.h"

/* ---- hello ----------------------------------------------------------------------------------- */

static void test_hello(void **state)
{
    struct world *w = *state;

    world_open(w, script_polite);
    assert_int_equal(guest_hello(w->guest)->instance, 7);
    assert_string_equal(guest_hello(w->guest)->agent_version, "9.9.9");
    world_must_answer(w);
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
    script_answer_one(p);
}

static void test_hello_is_sent_again(void **state)
{
    int64_t began = mono_us();

    world_open(*state, deaf_at_first);
    assert_took(began, 450, 4000);
    world_must_answer(*state);
}

static void silent(struct peer *p)
{
    (void)p;
}

static void test_silent_peer(void **state)
{
    struct err e = ERR_INIT;
    int64_t began = mono_us();

    assert_int_equal(world_try_open(*state, silent, 100, &e), -1);
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_non_null(strstr(e.msg, "cbsnap-agent does not run in the guest"));
    assert_non_null(strstr(e.msg, "systemctl start cbsnap-agent"));
    assert_took(began, 100, 2000);
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
    script_answer_one(p);
}

static void test_waits_to_be_met(void **state)
{
    int64_t began = mono_us();

    world_open(*state, late_to_see_us);
    assert_took(began, 150, 4000);
    world_must_answer(*state);
}

/* Who watches looks after other things between two tries. */
static void test_greet_in_steps(void **state)
{
    struct world *w = *state;
    struct err e = ERR_INIT;
    int fd;

    w->peer = peer_start(deaf_at_first);
    assert_int_equal(port_connect(w->loop, peer_path(w->peer), in_ms(5000), &fd, &e), 0);
    assert_int_equal(guest_begin(&w->guest, w->loop, fd, "port", world_on_event, w, &e), 0);
    assert_int_equal(guest_greet(w->guest, in_ms(50), &e), -1);
    /* busy: on a machine that is, nobody has taken the connection by then */
    assert_true(e.code == ERR_TIMEOUT || e.code == ERR_BUSY);
    e = ERR_INIT;
    assert_int_equal(guest_greet(w->guest, in_ms(5000), &e), 0);
    assert_false(guest_gone(w->guest, &e));
    world_must_answer(w);
}

static void test_cancelled_by_a_signal(void **state)
{
    struct world *w = *state;
    struct err e = ERR_INIT;

    loop_catch_signals(w->loop);
    raise(SIGTERM);
    assert_int_equal(world_try_open(w, silent, 5000, &e), -1);
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

    assert_int_equal(world_try_open(w, other_protocol, 5000, &e), -1);
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

    assert_int_equal(world_try_open(*state, unwilling, 5000, &e), -1);
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_string_equal(e.msg, "in the guest: not today");
}

/* ---- the socket ------------------------------------------------------------------------------ */

static int open_path(struct world *w, const char *path, struct err *e)
{
    return world_connect(w, path, 150, e);
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
        assert_took(began, 150, 2000);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUEST_TEST(test_hello),          GUEST_TEST(test_hello_is_sent_again),
        GUEST_TEST(test_silent_peer),    GUEST_TEST(test_waits_to_be_met),
        GUEST_TEST(test_greet_in_steps), GUEST_TEST(test_cancelled_by_a_signal),
        GUEST_TEST(test_other_protocol), GUEST_TEST(test_agent_refuses),
        GUEST_TEST(test_no_socket),      GUEST_TEST(test_nobody_serves_it),
        GUEST_TEST(test_port_in_use),    GUEST_TEST(test_who_has_the_port),
    };

    return cmocka_run_group_tests_name("guest: connect", tests, NULL, NULL);
}
