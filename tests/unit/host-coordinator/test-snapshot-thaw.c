/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `snapshot` lets the guest go: of a freeze or a thaw that fails, is late or hangs, is somebody
 * else's, or is cut short by a signal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/in_range.h"
#include "tests/slow.h"
#include "tests/unit/host-coordinator/take_world.h"

static void a_freeze_that_fails_or_is_late_is_let_go(void **state)
{
    struct outcome out;

    (void)state;
    domain_fake_script(FAKE_FREEZE, (struct fake_act){.fail = ERR_FREEZE, .words = "hook failed"});
    out = take();
    assert_clean_failure(&out, "hook failed");

    world_again();
    w.conf.freeze_ms = 1000 * (int)slowness(); /* qemu-ga is asked within it: when busy, too */
    domain_fake_script(FAKE_FREEZE, (struct fake_act){.delay_ms = w.conf.freeze_ms + 1500});
    out = take();
    assert_clean_failure(&out, "no answer");
    /* what may have come before it undid nothing */
    assert_int_equal(domain_fake_calls(FAKE_THAW), 2);
}

/* nobody can say whether qemu-ga still freezes: a person must look, and is told what to run */
static void a_freeze_that_hangs_needs_a_person(void **state)
{
    (void)state;
    for (int thaw_hangs = 0; thaw_hangs <= 1; thaw_hangs++) {
        struct outcome out;

        if (thaw_hangs)
            world_again();
        w.freeze_hangs = true;
        domain_fake_script(FAKE_FREEZE, (struct fake_act){.hang = true});
        domain_fake_script(FAKE_THAW, (struct fake_act){.hang = thaw_hangs});
        out = take();
        assert_void(&out, 5, "run cbsnap-coord thaw db");
        assert_domain_closed();
    }
}

/* So it is when the connection breaks: the answer is lost, the freeze may come. The agent is to
 * refuse it then, so it is not told that none will come. */
static void a_freeze_whose_answer_is_lost_needs_a_person(void **state)
{
    struct outcome out;

    (void)state;
    domain_fake_script(FAKE_FREEZE, (struct fake_act){.fail = ERR_LIBVIRT});
    domain_fake_script(FAKE_THAW, (struct fake_act){.fail = ERR_LIBVIRT});
    out = take_with(AGENT_NEVER_ASKED);
    assert_void(&out, 5, "run cbsnap-coord thaw db");
    assert_int_equal(w.releases_of_none, 0);
    assert_domain_closed();

    world_again();
    domain_fake_script(FAKE_FREEZE, (struct fake_act){.fail = ERR_LIBVIRT});
    out = take_with(AGENT_NEVER_ASKED);
    assert_void(&out, 4, "the fake says no");
    assert_int_equal(w.releases_of_none, 1);
}

/* One way could not, the other did not answer: nobody may call this VM thawed. */
static void a_filesystem_that_stays_frozen_needs_a_person(void **state)
{
    struct outcome out;

    (void)state;
    domain_fake_script(FAKE_THAW, (struct fake_act){.fail = ERR_LIBVIRT});
    out = take_with(AGENT_CANNOT_THAW);
    assert_void(&out, 5, "run cbsnap-coord thaw db");
    assert_non_null(strstr(out.e.msg, "'/mnt/data' was not thawed"));
}

static void qemu_ga_that_cannot_be_told_does_not_spoil_a_held_set(void **state)
{
    struct outcome out;

    (void)state;
    domain_fake_script(FAKE_THAW, (struct fake_act){.fail = ERR_LIBVIRT});
    out = take();
    assert_good(&out);
    assert_int_equal(out.snapshots, 3);
}

/* qemu-ga says frozen, and the agent's last freeze failed: another backup is at work. */
static void somebody_elses_freeze_is_not_thawed(void **state)
{
    struct outcome out;

    (void)state;
    domain_fake_set_status(AGENT_FROZEN);
    w.last_end = CBSNAP__FREEZE_EVENT__KIND__LOCK_FAILED;
    w.has_last_end = true;
    out = take();
    assert_refused(&out, "");

    world_again();
    domain_fake_set_status(AGENT_FROZEN);
    w.last_end = CBSNAP__FREEZE_EVENT__KIND__LOST;
    w.has_last_end = true;
    /* as the real one: "guest-get-fsinfo has been disabled" until it is thawed */
    domain_fake_script(FAKE_FILESYSTEMS, (struct fake_act){.fail = ERR_LIBVIRT});
    out = take();
    assert_good(&out);
    assert_int_equal(domain_fake_calls(FAKE_THAW), 2);
}

/* The others are not waited for while writers wait: they end, and are removed, after the thaw. */
static void a_failed_snapshot_ends_the_stall_at_once(void **state)
{
    const int others_ms = 3000 * (int)slowness();
    struct outcome out;

    (void)state;
    storage_memory_fault(w.array, MEMORY_SNAPSHOT, "id-log", MEMORY_REFUSES, 1);
    storage_memory_latency(w.array, MEMORY_SNAPSHOT, others_ms);
    out = take();
    assert_clean_failure(&out, "volume 'log'");
    assert_true(w.released_us - w.locked_us < others_ms * INT64_C(1000));
}

/* Before the freeze a signal touches nothing; from then on the guest is let go and the set is void.
 */
static void a_signal_at_any_moment_lets_the_guest_go(void **state)
{
    (void)state;
    for (int at = SIGNAL_PREPARE; at < SIGNAL_COUNT; at++) {
        struct outcome out;
        bool frozen = at >= SIGNAL_FREEZE;

        if (at > SIGNAL_PREPARE)
            world_again();
        w.signal_at = (enum signal_moment)at;
        storage_memory_latency(w.array, MEMORY_FIND, 50);
        storage_memory_latency(w.array, MEMORY_SNAPSHOT, 200);
        out = take();
        assert_int_equal(out.status, at < SIGNAL_CRITICAL ? 3 : 4);
        assert_int_equal(out.e.code, ERR_CANCELLED);
        assert_int_equal(domain_fake_calls(FAKE_FREEZE), frozen);
        /* once more behind a freeze that was not answered yet */
        assert_int_in_range(domain_fake_calls(FAKE_THAW), frozen, frozen + (at == SIGNAL_FREEZE));
        assert_int_equal(w.releases, at > SIGNAL_PREPARE); /* which is when it is only looked at */
        assert_false(w.locked);
        assert_int_equal(out.snapshots, 0);
        assert_int_equal(out.record, at >= SIGNAL_CRITICAL);
        assert_domain_closed();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TAKE_TEST(a_freeze_that_fails_or_is_late_is_let_go),
        TAKE_TEST(a_freeze_that_hangs_needs_a_person),
        TAKE_TEST(a_freeze_whose_answer_is_lost_needs_a_person),
        TAKE_TEST(a_filesystem_that_stays_frozen_needs_a_person),
        TAKE_TEST(qemu_ga_that_cannot_be_told_does_not_spoil_a_held_set),
        TAKE_TEST(somebody_elses_freeze_is_not_thawed),
        TAKE_TEST(a_failed_snapshot_ends_the_stall_at_once),
        TAKE_TEST(a_signal_at_any_moment_lets_the_guest_go),
    };

    return cmocka_run_group_tests_name("snapshot: thaw", tests, NULL, NULL);
}
