/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-ga's hook, which hears of a loss, and qemu-ga, which may freeze late: what it froze when the
 * freeze had ended is thawed too, also by an agent that is to stop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/unit/guest-agent/session_world.h"

static void test_hook_leaves_after_its_answer(void **state)
{
    struct world *w = *state;

    hold(w, NULL, false);
    session_hook_gone(w->session, w, true);
    assert_int_equal(session_state(w->session), SESSION_LOCKED);
    session_hook_gone(w->session, w, false); /* a later stranger with the same address */
    assert_int_equal(session_state(w->session), SESSION_LOCKED);
    by_hook(w);
    work(w);
    assert_string_equal(w->out.events, "locking locked released ");
}

/* qemu-ga thaws before it runs the hook, so nothing frozen is as it should be. */
static void test_thaw_by_hook_is_no_loss(void **state)
{
    struct world *w = *state;

    hold(w, NULL, false);
    by_hook(w);
    work(w);
    assert_string_equal(w->out.events, "locking locked released ");
    assert_false(w->lost_untold);
    assert_int_equal(w->out.tick_ms, 0);
}

/* Who freezes with no coordinator has only the thaw hook to hear from, and hears once. */
static void test_thaw_hook_hears_of_loss_once(void **state)
{
    struct world *w = *state;

    hold(w, NULL, true);
    fire(w);
    work(w);
    by_hook(w);
    assert_true(w->lost_untold);
    assert_non_null(strstr(w->reason, "lease"));
    by_hook(w);
    assert_false(w->lost_untold);

    /* a run's loss is the host's to tell */
    hold(w, "run", true);
    fire(w);
    work(w);
    by_hook(w);
    assert_false(w->lost_untold);

    /* lost while the thaw waits */
    hold(w, NULL, false);
    w->out.unlock_fails = true;
    by_hook(w);
    work(w);
    assert_true(w->lost_untold);
    by_hook(w);
    assert_false(w->lost_untold);
}

/* ---- what was frozen late ----------------------------------------------------------------------
 */

/* qemu-ga can still be freezing when the lease has ended: what it froze later is thawed too. */
static void test_sweep(void **state)
{
    struct world *w = *state;

    hold(w, NULL, false);
    fire(w);
    work(w);
    assert_int_equal(w->out.tick_ms, 250);
    assert_int_equal(w->out.forgets, 0);
    w->out.fs[0] = FS_FROZEN; /* late */
    w->out.now_us += S / 4;
    session_tick(w->session);
    work(w);
    assert_int_equal(w->out.fs[0], FS_NOT_FROZEN);
    assert_int_equal(w->out.tick_ms, 250);
    /* each late one shows that qemu-ga is still at work: the time counts from there */
    w->out.now_us += 29 * S;
    w->out.fs[0] = FS_FROZEN;
    session_tick(w->session);
    work(w);
    w->out.now_us += 29 * S;
    session_tick(w->session);
    work(w);
    assert_int_equal(w->out.forgets, 0);
    w->out.now_us += 31 * S;
    session_tick(w->session);
    work(w);
    assert_int_equal(w->out.forgets, 1);
    w->out.trace[0] = '\0';
    session_tick(w->session);
    assert_string_equal(w->out.trace, "");

    /* a new freeze ends it, also with a sweep under way */
    hold(w, NULL, false);
    fire(w);
    work(w);
    session_tick(w->session);
    assert_int_equal(w->out.queued, 1);
    hold(w, NULL, true);
    by_person(w);
    work(w);
    assert_true(w->held);
    by_hook(w);
    assert_int_equal(w->out.tick_ms, 0);
    assert_let_go(w);
}

/* Whenever the agent dies, a successor finds that it has to go on: also from before the release,
 * which removes the marker of the freeze. */
static void test_successor_knows_of_the_sweep(void **state)
{
    struct world *w = *state;

    hold(w, NULL, false);
    assert_false(w->out.sweep_due);
    fire(w);
    assert_true(w->out.marker && w->out.sweep_due);
    work(w);
    assert_true(w->out.sweep_due);
    sweep_out(w);
    assert_false(w->out.sweep_due);

    /* ended by the thaw hook, and by the next freeze */
    hold(w, NULL, false);
    fire(w);
    work(w);
    by_hook(w);
    assert_false(w->out.sweep_due);
    hold(w, NULL, false);
    fire(w);
    work(w);
    hold(w, NULL, false);
    assert_false(w->out.sweep_due);
    by_hook(w);
    work(w);
    assert_false(w->out.sweep_due);

    /* a freeze that was refused leaves no marker of its own */
    assert_int_equal(session_prepare(w->session, "gone", 4000, NULL), 0);
    session_host_gone(w->session);
    session_freeze(w->session, on_frozen, w);
    assert_true(w->out.sweep_due);
    sweep_out(w);
    assert_false(w->out.sweep_due);
}

/* A freeze waits for the sweep that is under way: the mounts that it opens take the place of those.
 */
static void test_freeze_waits_for_the_last_sweep(void **state)
{
    struct world *w = *state;
    struct session_job *last;

    hold(w, NULL, false);
    fire(w);
    work(w);
    session_tick(w->session);
    last = run_job(w);
    w->out.trace[0] = '\0';
    session_freeze(w->session, on_frozen, w);
    assert_int_equal(session_state(w->session), SESSION_LOCKING);
    assert_int_equal(w->out.queued, 0);
    session_job_done(last);
    assert_int_equal(w->out.queued, 1);
    work(w);
    assert_true(w->frozen_ok);
    assert_int_equal(session_state(w->session), SESSION_LOCKED);
    by_hook(w);
    work(w);
    assert_string_equal(w->out.trace, "enter take thaw unlock disarm leave ");

    /* called off while it waits */
    hold(w, NULL, false);
    fire(w);
    work(w);
    session_tick(w->session);
    session_freeze(w->session, on_frozen, w);
    by_person(w);
    w->out.trace[0] = '\0';
    work(w);
    assert_int_equal(w->frozen_code, ERR_CANCELLED);
    assert_null(strstr(w->out.trace, "unlock")); /* never granted */
    assert_let_go(w);
}

/* The worker may still be at the last of a sweep that has ended: its mounts serve the next one. */
static void test_refused_while_the_last_sweep_runs(void **state)
{
    struct world *w = *state;
    struct session_job *last;

    hold(w, NULL, false);
    fire(w);
    work(w);
    session_tick(w->session);
    last = run_job(w); /* thaws, and the loop does not know yet */
    by_hook(w);
    assert_int_equal(session_prepare(w->session, "gone", 4000, NULL), 0);
    session_host_gone(w->session);
    session_freeze(w->session, on_frozen, w);
    assert_int_equal(w->frozen_code, ERR_REFUSED);
    assert_int_equal(w->out.opens, 0);
    assert_int_equal(w->out.forgets, 0);
    session_job_done(last);
    assert_int_equal(w->out.forgets, 0);
    assert_int_equal(w->out.tick_ms, 250);
    sweep_out(w);
    assert_int_equal(w->out.forgets, 1);
    assert_let_go(w);
}

/* Nor does an agent that is to stop leave while qemu-ga can still be freezing, unless the thaw hook
 * says that it is over, or time runs out. */
static void test_stop_waits_for_sweep(void **state)
{
    struct world *w = *state;

    hold(w, NULL, false);
    by_signal(w);
    work(w);
    assert_int_equal(session_state(w->session), SESSION_IDLE);
    assert_int_equal(w->stopped_calls, 0);
    w->out.fs[0] = FS_FROZEN; /* late */
    session_tick(w->session);
    work(w);
    assert_int_equal(w->out.fs[0], FS_NOT_FROZEN);
    assert_int_equal(w->stopped_calls, 0);
    w->out.now_us += 14 * S;
    w->out.fs[0] = FS_FROZEN; /* no reason to outlast what systemd allows */
    session_tick(w->session);
    work(w);
    assert_int_equal(w->stopped_calls, 0);
    w->out.now_us += 2 * S;
    session_tick(w->session);
    work(w);
    assert_int_equal(w->stopped_calls, 1);
    assert_int_equal(w->out.forgets, 1);
    assert_true(w->out.sweep_due); /* by the successor */
}

/* What was over before the agent ends is no work for its successor. */
static void test_stop_at_the_end_of_a_sweep(void **state)
{
    struct world *w = *state;

    hold(w, NULL, false);
    fire(w);
    work(w);
    w->out.now_us += 20 * S;
    by_signal(w);
    assert_int_equal(w->stopped_calls, 0);
    w->out.now_us += 11 * S;
    session_tick(w->session);
    work(w);
    assert_int_equal(w->stopped_calls, 1);
    assert_false(w->out.sweep_due);
}

static void test_thaw_hook_lets_the_agent_stop(void **state)
{
    struct world *w = *state;

    hold(w, NULL, false);
    by_signal(w);
    work(w);
    by_hook(w);
    assert_int_equal(w->stopped_calls, 1);
    assert_false(w->out.sweep_due);
}

static void test_no_freeze_while_stopping(void **state)
{
    struct world *w = *state;

    hold(w, NULL, true);
    by_signal(w);
    session_freeze(w->session, on_frozen, w);
    assert_int_equal(w->frozen_code, ERR_CANCELLED);
    work(w);
    session_freeze(w->session, on_frozen, w);
    assert_int_equal(w->frozen_code, ERR_CANCELLED);
    sweep_out(w);
    assert_int_equal(w->stopped_calls, 1);
    assert_let_go(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_hook_leaves_after_its_answer),
        WORLD_TEST(test_thaw_by_hook_is_no_loss),
        WORLD_TEST(test_thaw_hook_hears_of_loss_once),
        WORLD_TEST(test_sweep),
        WORLD_TEST(test_successor_knows_of_the_sweep),
        WORLD_TEST(test_freeze_waits_for_the_last_sweep),
        WORLD_TEST(test_refused_while_the_last_sweep_runs),
        WORLD_TEST(test_stop_waits_for_sweep),
        WORLD_TEST(test_stop_at_the_end_of_a_sweep),
        WORLD_TEST(test_thaw_hook_lets_the_agent_stop),
        WORLD_TEST(test_no_freeze_while_stopping),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
