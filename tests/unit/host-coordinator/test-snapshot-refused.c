/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `snapshot` before the freeze: what refuses it untouched, and what the policy waits for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host-coordinator/policy/policy.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/slow.h"
#include "tests/unit/host-coordinator/take_world.h"

static void what_is_wrong_beforehand_is_refused_untouched(void **state)
{
    static const struct {
        enum agent_fault fault;
        const char *words;
    } cases[] = {
        {AGENT_BUSY_BEFORE, "frozen or locked already"},
        {AGENT_HOOK_DISABLED, "qemu-ga runs without a hook"},
        {AGENT_NO_SERVER, "domain 'db': in the guest: cannot log in as 'root'"},
        {AGENT_HOSTILE, "without an epoch"},
        {AGENT_TOO_MANY, "10000 mounts"},
    };

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
        struct outcome out;

        if (n > 0)
            world_again();
        out = take_with(cases[n].fault);
        assert_refused(&out, cases[n].words);
        assert_int_equal(w.releases, 0);
        assert_false(out.record);
    }
}

static void an_appliance_that_fails_beforehand_touches_nothing(void **state)
{
    struct outcome out;

    (void)state;
    storage_memory_fault(w.array, MEMORY_PREPARE, NULL, MEMORY_REFUSES, -1);
    out = take();
    assert_refused(&out, "");
    assert_false(out.record);
}

static void take_its_name(void *arg, const char *what)
{
    struct storage_op op = {.done = false};
    struct volume log = {.id = (char *)"id-log"};

    (void)arg;
    if (strcmp(what, "warm") != 0)
        return;
    w.array->ops->snapshot(w.array, &log, w.run_id, INT64_MAX, &op);
    assert_int_equal(loop_wait(w.loop, &op.done, INT64_MAX, NULL), 0);
    storage_op_release(&op);
}

static void say_nothing(void *arg, const char *what, double ms, const struct err *why)
{
    (void)arg, (void)what, (void)ms, (void)why;
}

static void note_nothing(void *arg, const char *text)
{
    (void)arg, (void)text;
}

/* An older run had the same id, by the second and a random number of 16 bits. */
static void a_snapshot_of_the_same_name_is_not_removed(void **state)
{
    static const struct run_reporter report = {
        .begin = take_its_name, .end = say_nothing, .note = note_nothing};
    struct outcome out;

    (void)state;
    w.report = &report;
    out = take();
    assert_int_equal(out.status, 3);
    assert_non_null(strstr(out.e.msg, "which is not this run's"));
    assert_int_equal(out.snapshots, 1);
    assert_false(out.record);
    assert_int_equal(domain_fake_calls(FAKE_FREEZE), 0);
}

static void a_state_dir_that_cannot_be_written_is_refused(void **state)
{
    AUTO_FREE char *records = xasprintf("%s/records", w.dir);
    FILE *f = fopen(records, "w");
    struct outcome out;

    (void)state;
    assert_non_null(f);
    fclose(f);
    out = take();
    assert_refused(&out, "records");
    assert_int_equal(unlink(records), 0);
}

static void two_runs_on_one_vm_the_second_is_refused(void **state)
{
    struct err e = ERR_INIT;
    struct outcome out;
    int fd;

    (void)state;
    assert_int_equal(store_prepare(w.dir, "db", &e), 0);
    assert_int_equal(store_lock(w.dir, domain_fake.uuid(NULL), &fd, &e), 0);
    out = take();
    close(fd);
    assert_refused(&out, "");
    assert_int_equal(out.e.code, ERR_BUSY);
}

/* A look at the domain of several calls, given up in the middle: the thread goes on to the next
 * call after the run has closed its domain. */
static void a_look_that_is_given_up_keeps_its_domain(void **state)
{
    struct outcome out;

    (void)state;
    w.conf.libvirt_ms = 2 * SOON_MS * (int)slowness();
    domain_fake_script(FAKE_XML, (struct fake_act){.hang = true});
    out = take();
    assert_refused(&out, "");
    assert_false(out.record);
    assert_int_equal(domain_fake_open_count(), 1);
    assert_domain_closed();
    assert_int_equal(domain_fake_calls(FAKE_FILESYSTEMS), 1);
}

/* ---- the policy ---- */

static void add_rule(const char *text)
{
    struct err e = ERR_INIT;

    w.conf.policy = w.conf.policy ? w.conf.policy : policy_new();
    assert_int_equal(policy_add(w.conf.policy, POLICY_REFUSE, text, 1, NULL, &e), 0);
}

static void a_refusal_touches_nothing_and_leaves_its_record(void **state)
{
    struct outcome out;

    (void)state;
    w.tells_load = true;
    w.conf.before_ms = 100;
    add_rule("system.load1 > 8");
    out = take();
    assert_refused(&out, "system.load1 > 8");
    assert_true(out.record);
    assert_string_equal(out.verdict, "void");
    assert_int_equal(out.findings, 1);
}

/* The newest reading decides, and its time comes while the run waits. */
static void a_calm_moment_is_waited_for(void **state)
{
    struct outcome out;

    (void)state;
    w.tells_load = w.calms = true;
    w.conf.before_ms = 100;
    w.conf.wait_ms = 10000;
    add_rule("system.load1 > 8");
    out = take();
    assert_good(&out);
    assert_true(out.waited);
}

/* Somebody attaches another volume while the run waits: the set would name the old one. */
static void disks_that_change_while_it_waits_refuse_the_run(void **state)
{
    AUTO_FREE char *other = world_xml("elsewhere");
    struct outcome out;

    (void)state;
    w.tells_load = w.calms = true;
    w.conf.before_ms = 100;
    w.conf.wait_ms = 10000;
    w.swapped_xml = other;
    add_rule("system.load1 > 8");
    out = take();
    assert_refused(&out, "was changed since the run began");
}

/* A rule without readings is told, and refuses only where that was asked for. */
static void what_cannot_be_decided_is_noted_or_refused(void **state)
{
    struct outcome out;

    (void)state;
    add_rule("repl.lag > 5");
    out = take();
    assert_good(&out);
    assert_int_equal(out.findings, 1);

    world_again();
    add_rule("repl.lag > 5");
    w.conf.absent_refuses = true;
    out = take();
    assert_refused(&out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TAKE_TEST(what_is_wrong_beforehand_is_refused_untouched),
        TAKE_TEST(an_appliance_that_fails_beforehand_touches_nothing),
        TAKE_TEST(a_snapshot_of_the_same_name_is_not_removed),
        TAKE_TEST(a_state_dir_that_cannot_be_written_is_refused),
        TAKE_TEST(two_runs_on_one_vm_the_second_is_refused),
        TAKE_TEST(a_look_that_is_given_up_keeps_its_domain),
        TAKE_TEST(a_refusal_touches_nothing_and_leaves_its_record),
        TAKE_TEST(a_calm_moment_is_waited_for),
        TAKE_TEST(disks_that_change_while_it_waits_refuse_the_run),
        TAKE_TEST(what_cannot_be_decided_is_noted_or_refused),
    };

    return cmocka_run_group_tests_name("snapshot: refused", tests, NULL, NULL);
}
