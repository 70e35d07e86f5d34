/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking the lock: refused, granted too late, for how long, and whose the freeze is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/guest-agent/session_world.h"

static void test_lock_refused(void **state)
{
    struct world *w = *state;

    w->out.lock_fails = true;
    session_freeze(w->session, on_frozen, w);
    work(w);
    assert_false(w->frozen_ok);
    assert_int_equal(w->frozen_code, ERR_LOCK);
    assert_string_equal(w->out.events, "locking lock-failed ");
    assert_string_equal(w->out.trace, "enter take disarm leave ");
    assert_int_equal(session_epoch(w->session), 5);
    assert_let_go(w);
}

static void test_granted_too_late(void **state)
{
    struct world *w = *state;

    w->out.fires_at_grant = true;
    session_freeze(w->session, on_frozen, w);
    work(w);
    assert_int_equal(w->frozen_code, ERR_LOST);
    assert_string_equal(w->out.events, "locking lock-failed ");
    assert_string_equal(w->out.trace, "enter take unlock disarm leave ");
    w->out.fires_at_grant = false;
    assert_let_go(w);
}

static void test_no_marker_no_lock(void **state)
{
    struct world *w = *state;

    w->out.enter_fails = true;
    session_freeze(w->session, on_frozen, w);
    work(w);
    assert_int_equal(w->frozen_code, ERR_IO);
    assert_string_equal(w->out.trace, "enter ");
    assert_let_go(w);
}

static void test_hanging_watchdog_refuses(void **state)
{
    struct world *w = *state;

    w->out.hangs = true;
    session_freeze(w->session, on_frozen, w);
    work(w);
    assert_int_equal(w->frozen_code, ERR_BUSY);
    assert_string_equal(w->out.trace, "enter leave ");
    assert_let_go(w);
}

static void test_second_freeze_is_busy(void **state)
{
    struct world *w = *state;

    hold(w, NULL, false);
    session_freeze(w->session, on_frozen, w);
    assert_int_equal(w->frozen_calls, 2);
    assert_int_equal(w->frozen_code, ERR_BUSY);
    assert_int_equal(session_state(w->session), SESSION_LOCKED);
    assert_int_equal(session_prepare(w->session, "run", 0, NULL), -1);
    by_hook(w);
    work(w);
    assert_let_go(w);
}

static void test_lease_lengths(void **state)
{
    struct world *w = *state;
    uint32_t left;

    hold(w, NULL, false);
    assert_int_equal(w->out.armed_until - w->out.now_us, 60 * S);
    by_hook(w);
    work(w);
    hold(w, "run", false);
    assert_int_equal(w->out.armed_until - w->out.now_us, 4 * S);
    w->out.now_us += 3 * S;
    assert_int_equal(session_renew(w->session, "run", 6, -1, &left, NULL), 0);
    assert_int_equal(w->out.armed_until - w->out.now_us, 4 * S);
    assert_int_equal(left, 4000);
    assert_int_equal(session_state(w->session), SESSION_LOCKED); /* not told of frozen ones */
    by_person(w);
    work(w);
    assert_int_equal(session_prepare(w->session, "run", SESSION_LEASE_MAX_MS + 1, NULL), -1);
    assert_int_equal(session_prepare(w->session, "run", 0, NULL), 0);
    session_freeze(w->session, on_frozen, w);
    work(w);
    assert_int_equal(w->out.armed_until - w->out.now_us, 10 * S);
    by_person(w);
    work(w);
}

/* ---- whose it is -------------------------------------------------------------------------------
 */

/* A dead coordinator's preparation must not claim a later virsh domfsfreeze. */
static void test_preparation_expires(void **state)
{
    struct world *w = *state;
    struct session_view v;

    assert_int_equal(session_prepare(w->session, "run", 4000, NULL), 0);
    w->out.now_us += 61 * S;
    hold(w, NULL, false);
    session_describe(w->session, &v);
    assert_null(v.state.run_id);
    assert_int_equal(w->out.armed_until - w->out.now_us, 60 * S);
    session_view_release(&v);
    by_hook(w);
    work(w);
}

/* The coordinator died after Prepare: what comes next may be its freeze, which nobody would thaw.
 */
static void test_host_gone_refuses_one_freeze(void **state)
{
    struct world *w = *state;
    struct session_view v;

    assert_int_equal(session_prepare(w->session, "run", 4000, NULL), 0);
    session_host_gone(w->session);
    session_freeze(w->session, on_frozen, w);
    assert_int_equal(w->frozen_calls, 1);
    assert_int_equal(w->frozen_code, ERR_REFUSED);
    work(w);
    assert_let_go(w);
    /* a runner that ignores it freezes all the same, and is swept up after */
    assert_int_equal(w->out.opens, 1);
    outside_freeze(&w->out);
    session_tick(w->session);
    work(w);
    assert_int_not_equal(w->out.tick_ms, 0);
    /* a second one is somebody else's */
    hold(w, NULL, false);
    session_describe(w->session, &v);
    assert_null(v.state.run_id);
    assert_int_equal(w->out.armed_until - w->out.now_us, 60 * S);
    session_view_release(&v);
    by_hook(w);
    work(w);
}

/* One that is back has not died, and one whose freeze has not come for ten minutes never will. */
static void test_host_gone_and_back(void **state)
{
    struct world *w = *state;

    assert_int_equal(session_prepare(w->session, "run", 4000, NULL), 0);
    session_host_gone(w->session);
    assert_int_equal(session_prepare(w->session, "other", 4000, NULL), 0);
    hold(w, NULL, false);
    by_hook(w);
    work(w);
    assert_int_equal(session_prepare(w->session, "run", 4000, NULL), 0);
    session_host_gone(w->session);
    w->out.now_us += 601 * S;
    hold(w, NULL, false);
    by_hook(w);
    work(w);
}

static void test_release_forgets_preparation(void **state)
{
    struct world *w = *state;
    struct session_view v;

    assert_int_equal(session_prepare(w->session, "run", 4000, NULL), 0);
    /* that its freeze of epoch 5 has not come yet does not mean that it will not */
    by_host(w);
    assert_int_equal(w->ended_calls, 1);
    assert_false(w->held);
    session_freeze(w->session, on_frozen, w);
    assert_int_equal(w->frozen_code, ERR_REFUSED);
    assert_int_equal(session_prepare(w->session, "run", 4000, NULL), 0);
    session_release(w->session, "run", false, 0, on_ended, w);
    hold(w, NULL, false);
    session_describe(w->session, &v);
    assert_null(v.state.run_id);
    session_view_release(&v);
    by_hook(w);
    work(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_lock_refused),          WORLD_TEST(test_granted_too_late),
        WORLD_TEST(test_no_marker_no_lock),     WORLD_TEST(test_hanging_watchdog_refuses),
        WORLD_TEST(test_second_freeze_is_busy), WORLD_TEST(test_lease_lengths),
        WORLD_TEST(test_preparation_expires),   WORLD_TEST(test_host_gone_refuses_one_freeze),
        WORLD_TEST(test_host_gone_and_back),    WORLD_TEST(test_release_forgets_preparation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
