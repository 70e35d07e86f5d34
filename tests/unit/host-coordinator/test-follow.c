/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Following a VM against scripted guests: who goes first at the port, and what is survived. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <libgen.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host-coordinator/guest/port.h"
#include "host-coordinator/watch/follow.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/fake/domain_fake.h"
#include "tests/fake/peer.h"
#include "tests/in_range.h"
#include "tests/slow.h"

#define UUID "6f1f5b0e-2f6a-4c68-9f0e-0d6b8a1d6c11" /* the fake domain's */

struct world {
    struct loop *loop;
    struct peer *peer;
    struct follow *follow;
    struct config conf;
    char state_dir[64], xml[512];
    struct follow_facts facts; /* as enough() saw them last */
    bool (*enough)(struct world *w);
    int64_t until_us;
    int fd, other, act; /* the test's */
    int64_t at_us;
};

static atomic_uint left; /* clients that have let go of the port */

static bool on_enough(void *arg)
{
    struct world *w = arg;

    if (!w->follow)
        return false;
    follow_facts(w->follow, &w->facts);
    return mono_us() > w->until_us || w->enough(w);
}

static int setup(void **state)
{
    static char channel[] = "org.cbsnap.agent.0";
    struct world *w = xcalloc(1, sizeof(*w));

    w->loop = loop_new();
    w->fd = w->other = -1;
    left = 0;
    (void)snprintf(w->state_dir, sizeof(w->state_dir), "/tmp/cbsnap-follow-XXXXXX");
    assert_non_null(mkdtemp(w->state_dir));
    assert_int_equal(store_prepare(w->state_dir, "db1", NULL), 0);
    w->conf.state_dir = w->state_dir;
    w->conf.channel = channel;
    w->conf.answer_ms = w->conf.libvirt_ms = 5000;
    domain_fake_reset();
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    AUTO_FREE char *command = xasprintf("rm -rf '%s'", w->state_dir);
    const char *problem = NULL;

    follow_free(w->follow);
    loop_free(w->loop);
    if (w->peer)
        problem = peer_stop(w->peer);
    (void)(system(command) + 1);
    domain_fake_reset();
    free(w);
    if (problem)
        print_error("the peer: %s\n", problem);
    return problem ? -1 : 0;
}

static void begin(struct world *w, peer_script *script, bool once)
{
    const struct follow_options options = {
        .conf = &w->conf,
        .ops = &domain_fake,
        .loop = w->loop,
        .uri = "",
        .domain = "db1",
        .once = once,
        .enough = on_enough,
        .arg = w,
    };

    w->peer = peer_start(script);
    (void)snprintf(w->xml, sizeof(w->xml),
                   "<domain><name>db1</name><uuid>" UUID "</uuid><devices><channel type='unix'>"
                   "<source mode='bind' path='%s'/><target type='virtio' "
                   "name='org.cbsnap.agent.0'/></channel></devices></domain>",
                   peer_path(w->peer));
    domain_fake_set_xml(w->xml);
    w->follow = follow_new(&options);
}

/* Follows until `enough` holds; fails after 10 s. */
static void follow_until(struct world *w, bool (*enough)(struct world *w))
{
    struct err e = ERR_INIT;

    w->enough = enough;
    w->until_us = mono_us() + INT64_C(10000000);
    if (follow_run(w->follow, &e) < 0)
        fail_msg("follow: %s", e.msg);
    if (mono_us() > w->until_us)
        fail_msg("waited 10 s in vain; state %d: %s", w->facts.state, w->facts.words);
}

/* ---- the guest's side ------------------------------------------------------------------------ */

static void send_sample(struct peer *p, int64_t at_us, double value)
{
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    Cbsnap__Sample sample = CBSNAP__SAMPLE__INIT;
    uint32_t id = 0;

    MSG_SET(&sample, mono_us, at_us);
    sample.n_id = sample.n_value = 1;
    sample.id = &id;
    sample.value = &value;
    MSG_BODY(&m, sample, SAMPLE, &sample);
    peer_send(p, &m);
}

static void send_names(struct peer *p)
{
    Cbsnap__Name name = CBSNAP__NAME__INIT, *list[] = {&name};
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    Cbsnap__Names names = CBSNAP__NAMES__INIT;
    char text[] = "system.load1";

    MSG_SET(&name, id, 0);
    name.name = text;
    names.n_name = 1;
    names.name = list;
    MSG_BODY(&m, names, NAMES, &names);
    peer_send(p, &m);
}

/* Greets, waits to be asked, and sends two readings. */
static void serve(struct peer *p, uint64_t instance)
{
    peer_greet(p, instance);
    message_free(peer_expect(p, CBSNAP__ENVELOPE__BODY_SUBSCRIBE));
    send_names(p);
    send_sample(p, mono_us() - 1000000, 1);
    send_sample(p, mono_us(), 2);
}

/* Until the client leaves. Whoever follows only looks: nothing else may come. */
static void only_reads(struct peer *p)
{
    Cbsnap__Envelope *m;

    while ((m = peer_receive(p))) {
        if (m->body_case == CBSNAP__ENVELOPE__BODY_STATE_QUERY)
            peer_answer_state(p, m);
        else if (m->body_case != CBSNAP__ENVELOPE__BODY_HELLO &&
                 m->body_case != CBSNAP__ENVELOPE__BODY_SUBSCRIBE)
            peer_fail(p, "who only looks sent body %d", (int)m->body_case);
        message_free(m);
    }
}

static bool live(struct world *w)
{
    return w->facts.state == FOLLOW_LIVE && w->facts.readings >= 2;
}

static bool more_readings(struct world *w)
{
    return w->facts.readings >= 3; /* the second guest repeats some of the past */
}

static void good(struct peer *p)
{
    serve(p, 7);
    only_reads(p);
    left++;
}

static void twice(struct peer *p)
{
    good(p);
    if (peer_next(p))
        good(p);
}

static void test_follows(void **state)
{
    struct world *w = *state;

    begin(w, good, false);
    follow_until(w, live);
    assert_string_equal(w->facts.agent, "9.9.9");
    assert_true(w->facts.newest_us > 0 && mono_us() - w->facts.newest_us < 5000000);
    assert_int_equal(series_count(w->facts.series), 1);
}

/* ---- others go first ------------------------------------------------------------------------- */

/* Takes the lock when live; gives it back when that was noticed. */
static bool run_comes_and_goes(struct world *w)
{
    if (w->act == 0 && live(w)) {
        assert_int_equal(store_lock(w->state_dir, UUID, &w->fd, NULL), 0);
        w->at_us = mono_us();
        w->act = 1;
    } else if (w->act == 1 && left > 0) {
        assert_int_equal(w->facts.state, FOLLOW_RUN);
        w->at_us = mono_us() - w->at_us;
        w->act = 2;
    } else if (w->act == 2) {
        close(w->fd);
        w->act = 3;
    }
    return w->act == 3 && w->facts.state == FOLLOW_LIVE && more_readings(w);
}

static void test_a_run_goes_first(void **state)
{
    struct world *w = *state;

    begin(w, twice, false);
    follow_until(w, run_comes_and_goes);
    assert_int_in_range(w->at_us, 0,
                        1000000 * slowness()); /* a tenth of a second on an idle machine */
}

static void after_a_waiter(struct peer *p)
{
    good(p);
    if (!peer_next(p)) /* who waited */
        return;
    only_reads(p);
    if (peer_next(p))
        good(p);
}

static bool waiter_comes_and_goes(struct world *w)
{
    if (w->act == 0 && live(w)) {
        /* not port_connect(): it would run the loop from within a callback */
        struct domain *d;

        domain_fake_set_channel(peer_path(w->peer));
        assert_int_equal(domain_fake.open(&d, "", "db1", NULL), 0);
        assert_int_equal(domain_fake.channel(d, "", &w->other, NULL), 0);
        domain_fake.close(d);
        domain_fake_set_channel(NULL);
        w->act = 1;
    } else if (w->act == 1 && port_state(w->other) == PORT_ACCEPTED) {
        close(w->other);
        w->act = 2;
    }
    return w->act == 2 && w->facts.state == FOLLOW_LIVE && more_readings(w);
}

static void test_who_waits_goes_first(void **state)
{
    struct world *w = *state;

    begin(w, after_a_waiter, false);
    follow_until(w, waiter_comes_and_goes);
}

/* A channel through a remote libvirt shows nobody who waits: it is let go now and then. */
static void test_remote_takes_turns(void **state)
{
    struct world *w = *state;
    int64_t began_us = mono_us();

    begin(w, twice, false);
    domain_fake_set_channel(peer_path(w->peer));
    follow_until(w, more_readings);
    assert_true(mono_us() - began_us >= FOLLOW_HOLD_MS * 1000);
    assert_true(domain_fake_calls(FAKE_CHANNEL) == 2);
}

/* From now on we are somebody to whom the domain's socket is shut, as QEMU's are to all but root.
 */
static void shut_socket(struct world *w)
{
    AUTO_FREE char *peer = xstrdup(peer_path(w->peer));
    AUTO_FREE char *command =
        xasprintf("mkdir -m 0 '%s/shut' && { [ $(id -u) -ne 0 ] || { chown -R 65534 '%s' && "
                  "chmod 755 '%s' && chmod 777 '%s'; }; }",
                  w->state_dir, w->state_dir, dirname(peer), peer_path(w->peer));

    assert_int_equal(system(command), 0);
    (void)snprintf(w->xml, sizeof(w->xml),
                   "<domain><name>db1</name><uuid>" UUID "</uuid><devices><channel type='unix'>"
                   "<source mode='bind' path='%s/shut/port'/><target type='virtio' "
                   "name='org.cbsnap.agent.0'/></channel></devices></domain>",
                   w->state_dir);
    if (geteuid() == 0)
        assert_int_equal(seteuid(65534), 0);
}

/* Who is in libvirt's group and not root goes through libvirt, and is as blind there. */
static void test_a_shut_socket_is_reached_through_libvirt(void **state)
{
    struct world *w = *state;
    uid_t me = geteuid();
    int64_t began_us = mono_us();

    begin(w, twice, false);
    domain_fake_set_relay(peer_path(w->peer));
    shut_socket(w);
    follow_until(w, more_readings);
    assert_int_equal(seteuid(me), 0);
    assert_true(mono_us() - began_us >= FOLLOW_HOLD_MS * 1000);
    assert_true(domain_fake_calls(FAKE_CHANNEL) == 2);
}

static bool other_watch_leaves(struct world *w)
{
    if (w->act == 0 && w->facts.state == FOLLOW_TURN) {
        assert_non_null(strstr(w->facts.words, "another watch has this VM (process "));
        close(w->fd);
        w->act = 1;
    }
    return w->act == 1 && live(w);
}

static void test_one_watch_at_a_time(void **state)
{
    struct world *w = *state;

    assert_int_equal(store_look(w->state_dir, UUID, &w->fd, NULL), 0);
    assert_int_equal(store_watch(w->fd, NULL), 0);
    begin(w, good, false);
    follow_until(w, other_watch_leaves);
}

/* ---- what is survived ------------------------------------------------------------------------ */

static void reboots(struct peer *p)
{
    serve(p, 7);
    peer_set_boot(p, "99999999-2222-3333-4444-555555555555");
    peer_hello(p, 8, 0);
    for (Cbsnap__Envelope *m; (m = peer_receive(p)); message_free(m)) {
        if (m->body_case == CBSNAP__ENVELOPE__BODY_HELLO)
            peer_hello(p, 8, m->id);
        if (m->body_case == CBSNAP__ENVELOPE__BODY_SUBSCRIBE) {
            send_names(p);
            send_sample(p, 5000000, 3); /* its clock began anew */
        }
    }
}

static bool one_of_the_new_boot(struct world *w)
{
    return w->facts.rebooted_us && w->facts.readings > 0;
}

static void test_reboot_begins_anew(void **state)
{
    struct world *w = *state;
    const struct point *p;

    begin(w, reboots, false);
    follow_until(w, one_of_the_new_boot);
    assert_int_equal(series_points(w->facts.series, 0, INT64_MIN, INT64_MAX, &p), 1);
    assert_true(p[0].value == 3);
}

static void ends_and_comes_back(struct peer *p)
{
    serve(p, 7);
    peer_close(p);
    if (peer_next(p))
        good(p);
}

static bool back_again(struct world *w)
{
    w->act |= w->facts.state == FOLLOW_AWAY;
    return w->act && live(w);
}

static void test_qemu_ends(void **state)
{
    struct world *w = *state;

    begin(w, ends_and_comes_back, false);
    follow_until(w, back_again);
    assert_true(domain_fake_calls(FAKE_OPEN) >= 2); /* looked up anew: its sockets are others */
}

/* ---- once ------------------------------------------------------------------------------------ */

static int once(struct world *w, peer_script *script, struct err *e)
{
    begin(w, script, true);
    w->enough = live;
    w->until_us = mono_us() + INT64_C(10000000);
    return follow_run(w->follow, e);
}

static void test_once(void **state)
{
    struct err e = ERR_INIT;

    assert_int_equal(once(*state, good, &e), 0);
}

static void test_once_does_not_wait_for_a_run(void **state)
{
    struct world *w = *state;
    struct err e = ERR_INIT;

    assert_int_equal(store_lock(w->state_dir, UUID, &w->fd, NULL), 0);
    assert_int_equal(once(w, NULL, &e), -1);
    assert_int_equal(e.code, ERR_BUSY);
    assert_non_null(strstr(e.msg, "a run has the VM: process "));
    close(w->fd);
}

static void silent(struct peer *p)
{
    only_reads(p);
}

static void test_once_without_an_agent(void **state)
{
    struct err e = ERR_INIT;

    assert_int_equal(once(*state, silent, &e), -1);
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_non_null(strstr(e.msg, "cbsnap-agent does not run in the guest"));
}

static void test_no_such_domain(void **state)
{
    struct world *w = *state;
    struct err e = ERR_INIT;

    domain_fake_script(FAKE_OPEN, (struct fake_act){.fail = ERR_NOT_FOUND});
    begin(w, NULL, false);
    w->enough = live;
    w->until_us = mono_us() + INT64_C(10000000);
    assert_int_equal(follow_run(w->follow, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_follows),
        TEST(test_a_run_goes_first),
        TEST(test_who_waits_goes_first),
        TEST(test_remote_takes_turns),
        TEST(test_a_shut_socket_is_reached_through_libvirt),
        TEST(test_one_watch_at_a_time),
        TEST(test_reboot_begins_anew),
        TEST(test_qemu_ends),
        TEST(test_once),
        TEST(test_once_does_not_wait_for_a_run),
        TEST(test_once_without_an_agent),
        TEST(test_no_such_domain),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("follow", tests, NULL, NULL);
}
