/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fake keeps the contract of domain_ops, and hangs, fails and counts as told, in job threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "host-coordinator/loop/loop.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/fake/domain_fake.h"

static int setup(void **state)
{
    *state = loop_new();
    domain_fake_reset();
    return 0;
}

static int teardown(void **state)
{
    domain_fake_reset();
    loop_free(*state);
    return 0;
}

struct call {
    struct domain *d;
    unsigned count;
};

static int call_freeze(void *arg, struct err *e)
{
    struct call *c = arg;

    return domain_fake.freeze(c->d, &c->count, e);
}

static int call_thaw(void *arg, struct err *e)
{
    struct call *c = arg;

    return domain_fake.thaw(c->d, &c->count, e);
}

static void test_thaw_beside_a_hanging_freeze(void **state)
{
    struct call freeze = {.count = 99}, thaw = {.count = 99};
    struct err e = ERR_INIT;
    bool abandoned = false;
    struct job *hung, *job;

    domain_fake_script(FAKE_FREEZE, (struct fake_act){.hang = true, .fail = ERR_LIBVIRT});
    assert_int_equal(domain_fake.open(&freeze.d, "", "db1", &e), 0);
    thaw.d = freeze.d;
    hung = job_start(*state, call_freeze, &freeze, NULL);
    assert_int_equal(job_wait(*state, hung, mono_us() + 30000, &abandoned, &e), -1);
    assert_true(abandoned);
    job = job_start(*state, call_thaw, &thaw, NULL);
    assert_int_equal(job_wait(*state, job, mono_us() + 5000000, &abandoned, &e), 0);
    assert_int_equal(thaw.count, 3);
    assert_string_equal(domain_fake_log(), "open freeze thaw");
    domain_fake_reset(); /* waits for the freeze, which ends in its error */
    assert_int_equal(freeze.count, 99);
    domain_fake.close(freeze.d);
}

static void count_up(void *arg)
{
    ++*(int *)arg;
}

static void test_acts_in_turn(void **state)
{
    struct domain *d = NULL;
    struct err e = ERR_INIT;
    int hooks = 0;

    (void)state;
    domain_fake_script(FAKE_RUNNING, (struct fake_act){.delay_ms = 20});
    domain_fake_script(FAKE_RUNNING, (struct fake_act){.fail = ERR_REFUSED, .words = "shut off"});
    domain_fake_on(FAKE_RUNNING, count_up, &hooks);
    assert_int_equal(domain_fake.open(&d, "", "db1", &e), 0);
    assert_string_equal(domain_fake.name(d), "db1");
    assert_int_equal(domain_fake_open_count(), 1);
    assert_int_equal(domain_fake.running(d, &e), 0);
    for (int n = 0; n < 3; n++) {
        assert_int_equal(domain_fake.running(d, &e), -1);
        assert_int_equal(e.code, ERR_REFUSED);
        assert_string_equal(e.msg, "shut off");
    }
    assert_int_equal(hooks, 4);
    assert_int_equal(domain_fake_calls(FAKE_RUNNING), 4);
    domain_fake.close(d);
    domain_fake.close(NULL);
    assert_int_equal(domain_fake_open_count(), 0);
}

static void test_results(void **state)
{
    char *targets[] = {(char *)"vda", (char *)"vdb"};
    const struct domain_fs fs[] = {{.mountpoint = (char *)"/mnt/mysql",
                                    .device = (char *)"dm-0",
                                    .fstype = (char *)"xfs",
                                    .targets = targets,
                                    .target_count = 2}};
    const struct disk_writes writes[] = {{.target = "vda", .requests = 7, .bytes = 4096}};
    AUTO_FREE struct disk_writes *w = NULL;
    AUTO_FREE char *xml = NULL;
    struct domain_fs_list list;
    enum agent_freeze status = AGENT_THAWED;
    struct domain *d = NULL;
    size_t count = 0;

    (void)state;
    domain_fake_set_filesystems(fs, 1);
    domain_fake_set_writes(writes, 1);
    domain_fake_set_status(AGENT_FROZEN);
    domain_fake_set_xml("<domain/>");
    assert_int_equal(domain_fake.open(&d, "", "db1", NULL), 0);
    assert_int_equal(domain_fake.filesystems(d, &list, NULL), 0);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].targets[1], "vdb");
    domain_fs_list_release(&list);
    assert_int_equal(domain_fake.writes(d, &w, &count, NULL), 0);
    assert_int_equal(count, 1);
    assert_int_equal(w[0].requests, 7);
    assert_int_equal(domain_fake.agent_status(d, 1, &status, NULL), 0);
    assert_int_equal(status, AGENT_FROZEN);
    assert_int_equal(domain_fake.agent_ping(d, 1, NULL), 0);
    assert_int_equal(domain_fake.xml(d, &xml, NULL), 0);
    assert_string_equal(xml, "<domain/>");
    domain_fake.close(d);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_thaw_beside_a_hanging_freeze),
        TEST(test_acts_in_turn),
        TEST(test_results),
    };

    return cmocka_run_group_tests_name("domain-fake", tests, NULL, NULL);
}
