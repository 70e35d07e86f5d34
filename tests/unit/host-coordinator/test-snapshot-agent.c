/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `snapshot` with an agent that lies, dies, restarts, talks or says nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/base/cleanup.h"
#include "tests/unit/host-coordinator/take_world.h"

/* /boot/efi: no server file is on it, and the witness watches its disk as well */
static void a_filesystem_that_cannot_be_frozen_is_no_hindrance(void **state)
{
    struct outcome out;

    (void)state;
    out = take_with(AGENT_BOOT_VFAT);
    assert_good(&out);
}

static void whatever_the_agent_does_wrong_makes_the_set_void(void **state)
{
    static const struct {
        enum agent_fault fault;
        const char *words;
    } cases[] = {
        {AGENT_LOCK_REFUSED, "domain 'db': in the guest: by order of the test"},
        {AGENT_NEVER_ASKED, "never asked the agent for the lock"},
        {AGENT_OLD_EPOCH, "never asked the agent for the lock"},
        {AGENT_NOT_FROZEN, "'/mnt/log' of domain 'db' is not frozen"},
        {AGENT_LOCK_GONE, "does not hold the server's lock"},
        {AGENT_LETS_GO, "the guest let go"},
        {AGENT_NOT_HELD, "not held, by order of the test"},
        {AGENT_MUTE_AT_END, "did not confirm"},
        {AGENT_HIDES_MOUNTS, "does not confirm that filesystem '/mnt/data' is frozen"},
        {AGENT_GIVES_NO_REASON, "gives no reason"},
        {AGENT_NO_POSITION, "no position"},
        {AGENT_ODD_EPOCH, "not held until the thaw"},
        {AGENT_RESTARTS, "restarted during the freeze"},
    };

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
        struct outcome out;

        if (n > 0)
            world_again();
        if (cases[n].fault == AGENT_LETS_GO || cases[n].fault == AGENT_RESTARTS)
            storage_memory_latency(w.array, MEMORY_SNAPSHOT, 400);
        out = take_with(cases[n].fault);
        assert_clean_failure(&out, cases[n].words);
    }
}

/* The link is gone, so libvirt alone thaws; whether all was held, nobody can say. */
static void an_agent_whose_port_closes_makes_the_set_void(void **state)
{
    struct outcome out;

    (void)state;
    storage_memory_latency(w.array, MEMORY_SNAPSHOT, 400);
    out = take_with(AGENT_DIES);
    assert_void(&out, 4, "");
    assert_int_equal(domain_fake_calls(FAKE_THAW), 1);
}

/* As of a port that has lost the news of somebody who left while the VM was paused. */
static void a_port_that_is_mute_is_opened_anew(void **state)
{
    struct outcome out;

    (void)state;
    w.conf.answer_ms = 6000; /* half of it is given to the first: on a busy machine too */
    out = take_with(AGENT_LATER);
    assert_good(&out);
}

/* Nothing was frozen yet: there is nothing to let go. */
static void an_agent_that_restarts_before_the_freeze_is_not_frozen(void **state)
{
    struct outcome out;

    (void)state;
    storage_memory_latency(w.array, MEMORY_PREPARE, 200);
    out = take_with(AGENT_RESTARTS_EARLY);
    assert_void(&out, 4, "restarted after it had prepared");
    assert_int_equal(domain_fake_calls(FAKE_FREEZE), 0);
    world_await(&w.subscriptions, 2);
    assert_int_equal(w.subscriptions, 2);
}

static void a_flood_of_log_lines_changes_nothing(void **state)
{
    struct outcome out;

    (void)state;
    storage_memory_latency(w.array, MEMORY_SNAPSHOT, 300);
    out = take_with(AGENT_TALKS);
    assert_good(&out);
    assert_int_equal(out.log_lines, 200);
}

static void a_write_while_frozen_is_witnessed(void **state)
{
    struct outcome out;

    (void)state;
    out = take_with(AGENT_WRITES);
    assert_clean_failure(&out, "disk 'vdb' was written to while frozen: 1 requests, 512 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TAKE_TEST(a_filesystem_that_cannot_be_frozen_is_no_hindrance),
        TAKE_TEST(whatever_the_agent_does_wrong_makes_the_set_void),
        TAKE_TEST(an_agent_whose_port_closes_makes_the_set_void),
        TAKE_TEST(a_port_that_is_mute_is_opened_anew),
        TAKE_TEST(an_agent_that_restarts_before_the_freeze_is_not_frozen),
        TAKE_TEST(a_flood_of_log_lines_changes_nothing),
        TAKE_TEST(a_write_while_frozen_is_witnessed),
    };

    return cmocka_run_group_tests_name("snapshot: agent", tests, NULL, NULL);
}
