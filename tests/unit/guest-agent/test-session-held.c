/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Was it held until it was let go, and whoever asks or waits: what is it told? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/unit/guest-agent/session_world.h"

static void release_by_run(struct world *w)
{
    session_release(w->session, "run", true, session_epoch(w->session), on_ended, w);
    work(w);
}

static void test_held(void **state)
{
    struct world *w = *state;

    hold(w, "run", true);
    release_by_run(w);
    assert_true(w->held);
    assert_int_equal(w->ended_epoch, 5);
    assert_int_equal(w->out.kept_epoch, 6);
    assert_string_equal(w->out.events, "locking locked released ");
    assert_string_equal(w->out.trace, "enter take thaw unlock disarm leave ");
    assert_int_equal(w->out.tick_ms, 0); /* qemu-ga had finished: nothing to sweep up after */
    assert_int_equal(w->out.forgets, 1);
}

/* Writers do not wait for one disk that holds its filesystem up; that it was held is found out. */
static void test_unlock_does_not_wait_for_a_disk(void **state)
{
    struct world *w = *state;

    hold(w, "run", true);
    w->out.thaw_waits = true;
    release_by_run(w);
    assert_string_equal(w->out.trace, "enter take thaw unlock thawed disarm leave ");
    assert_true(w->held);
    assert_let_go(w);
}

/* After a probe exactly those count that were frozen then. */
static void test_probe_decides(void **state)
{
    struct world *w = *state;

    hold(w, "run", true);
    w->out.fs[0] = FS_UNABLE;
    assert_int_equal(session_probe(w->session, on_probed, w), 0);
    work(w);
    assert_int_equal(w->probed_calls, 1);
    release_by_run(w);
    assert_true(w->held);

    hold(w, "run", true);
    assert_int_equal(session_probe(w->session, on_probed, w), 0);
    work(w);
    w->out.fs[2] = FS_NOT_FROZEN; /* somebody thawed it */
    release_by_run(w);
    assert_false(w->held);
    assert_non_null(strstr(w->reason, "/mnt/mysqldata"));
}

static void test_count_decides(void **state)
{
    struct world *w = *state;

    hold(w, "run", true);
    w->out.fs[1] = FS_NOT_FROZEN;
    release_by_run(w);
    assert_false(w->held);
    assert_non_null(strstr(w->reason, "2 filesystems"));
    assert_non_null(strstr(w->reason, "frozen 3"));
}

/* Nobody could have frozen it: qemu-ga goes by the path, too. */
static void test_a_covered_one_decides(void **state)
{
    struct world *w = *state;

    hold(w, "run", true);
    w->out.fs[0] = FS_COVERED;
    release_by_run(w);
    assert_false(w->held);
    assert_non_null(strstr(w->reason, "was not frozen: another filesystem is mounted over it"));
}

/* Neither frozen nor not frozen, says the kernel: then it is not known to have been. */
static void test_a_thaw_that_fails_decides(void **state)
{
    struct world *w = *state;

    hold(w, NULL, true);
    w->out.thaw_fails = true;
    by_person(w);
    work(w);
    assert_false(w->held);
    assert_non_null(strstr(w->reason, "/mnt/mysql"));
}

static void test_unlock_decides(void **state)
{
    struct world *w = *state;

    hold(w, "run", true);
    w->out.unlock_fails = true;
    release_by_run(w);
    assert_false(w->held);
    assert_string_equal(w->reason, "the lock was lost");
    assert_string_equal(w->out.events, "locking locked lost ");
}

/* The watchdog fires while the release is on its way: the set is not consistent. */
static void test_lease_during_release(void **state)
{
    struct world *w = *state;

    hold(w, "run", true);
    session_release(w->session, "run", true, 5, on_ended, w);
    fire(w);
    work(w);
    assert_false(w->held);
    assert_non_null(strstr(w->reason, "lease of 4000 ms"));
}

static void test_second_release_did_not_hold(void **state)
{
    struct world *w = *state;
    struct world other = {.ended_calls = 0};

    hold(w, "run", true);
    session_release(w->session, "run", true, 5, on_ended, w);
    session_release(w->session, "run", true, 5, on_ended, &other);
    work(w);
    assert_true(w->held);
    assert_int_equal(other.ended_calls, 1);
    assert_false(other.held);
    session_release(w->session, "run", true, 5, on_ended, &other);
    assert_int_equal(other.ended_calls, 2);
    assert_false(other.held);
    assert_non_null(strstr(other.reason, "epoch 5 had ended already (host)"));
}

/* ---- who asks, who waits -----------------------------------------------------------------------
 */

static void test_gone_waiter_is_not_called(void **state)
{
    struct world *w = *state;

    hold(w, "run", true);
    by_host(w);
    session_forget_caller(w->session, w);
    work(w);
    assert_int_equal(w->ended_calls, 0);
    assert_let_go(w);
}

static void test_probe_only_while_held(void **state)
{
    struct world *w = *state;

    assert_int_equal(session_probe(w->session, on_probed, w), -1);
    hold(w, "run", true);
    assert_int_equal(session_probe(w->session, on_probed, w), 0);
    /* the end comes while the probe waits: both are answered */
    by_host(w);
    work(w);
    assert_int_equal(w->probed_calls, 1);
    assert_int_equal(w->ended_calls, 1);
    assert_let_go(w);
}

static void test_state_tells(void **state)
{
    struct world *w = *state;
    struct session_view v;

    hold(w, "run", true);
    w->out.now_us += S;
    session_probe(w->session, on_probed, w);
    work(w);
    session_describe(w->session, &v);
    assert_int_equal(v.state.state, CBSNAP__SESSION_STATE__STATE_FROZEN);
    assert_true(v.state.lock_held);
    assert_string_equal(v.state.run_id, "run");
    assert_int_equal(v.state.lease_left_ms, 3000);
    assert_string_equal(v.state.position->binlog_file, "bin.000001");
    assert_int_equal(v.state.n_mount, MOUNTS);
    assert_true(v.state.mount[1]->has_frozen && v.state.mount[1]->frozen);
    session_view_release(&v);
    by_person(w);
    work(w);
    session_describe(w->session, &v);
    assert_false(v.state.lock_held);
    assert_int_equal(v.state.epoch, 6);
    assert_string_equal(v.state.last_end->cause, "person");
    assert_int_equal(v.state.last_end->epoch, 5);
    session_view_release(&v);
}

static void test_recovered(void **state)
{
    struct world *w = *state;

    session_recovered(w->session, "", "the predecessor died");
    assert_int_equal(session_epoch(w->session), 6);
    assert_int_equal(w->out.kept_epoch, 6);
    by_hook(w);
    assert_true(w->lost_untold);
    assert_non_null(strstr(w->reason, "predecessor died"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_held),
        WORLD_TEST(test_unlock_does_not_wait_for_a_disk),
        WORLD_TEST(test_probe_decides),
        WORLD_TEST(test_count_decides),
        WORLD_TEST(test_a_covered_one_decides),
        WORLD_TEST(test_a_thaw_that_fails_decides),
        WORLD_TEST(test_unlock_decides),
        WORLD_TEST(test_lease_during_release),
        WORLD_TEST(test_second_release_did_not_hold),
        WORLD_TEST(test_gone_waiter_is_not_called),
        WORLD_TEST(test_probe_only_while_held),
        WORLD_TEST(test_state_tells),
        WORLD_TEST(test_recovered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
