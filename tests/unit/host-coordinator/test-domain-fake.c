/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fake keeps the contract of domain_ops, and hangs, fails and counts as told, in job threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

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

/* ---- several domains ------------------------------------------------------------------------- */

#define DB1 "<domain><name>db1</name><uuid>11111111-0000-4000-8000-000000000001</uuid></domain>"
#define DB1_MOVED                                                                                  \
    "<domain><name>db1</name><uuid>11111111-0000-4000-8000-000000000001</uuid><os/></domain>"
#define COPY                                                                                       \
    "<domain>\n<name> copy </name><uuid>22222222-0000-4000-8000-000000000002</uuid></domain>"

static enum domain_state state_of(struct domain *d)
{
    enum domain_state s = DOMAIN_OTHER;

    assert_int_equal(domain_fake.state(d, &s, NULL, NULL), 0);
    return s;
}

static bool by_guest(struct domain *d)
{
    enum domain_state s;
    bool by_guest = false;

    assert_int_equal(domain_fake.state(d, &s, &by_guest, NULL), 0);
    return by_guest;
}

/* A definition that is replaced shows at the next start, and not before. */
static void test_estate(void **state)
{
    AUTO_FREE char *live = NULL, *next = NULL, *after = NULL;
    struct domain *d = NULL, *again = NULL;
    struct err e = ERR_INIT;

    (void)state;
    domain_fake_define("db1", DB1, true);
    assert_int_equal(domain_fake.open(&d, "", "nosuch", &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_int_equal(domain_fake.open(&d, "", "11111111-0000-4000-8000-000000000001", &e), 0);
    assert_string_equal(domain_fake.name(d), "db1");
    assert_string_equal(domain_fake.uuid(d), "11111111-0000-4000-8000-000000000001");
    assert_int_equal(domain_fake.define(&again, "", DB1_MOVED, &e), 0);
    assert_int_equal(domain_fake.xml(d, &live, &e), 0);
    assert_string_equal(live, DB1);
    assert_int_equal(domain_fake.definition(again, &next, &e), 0);
    assert_string_equal(next, DB1_MOVED);
    assert_int_equal(domain_fake.start(d, &e), 0); /* it runs */
    assert_int_equal(domain_fake_did("db1", FAKE_START), 0);
    assert_int_equal(domain_fake.undefine(d, &e), -1);
    assert_int_equal(e.code, ERR_REFUSED);
    assert_int_equal(domain_fake.destroy(d, &e), 0);
    assert_int_equal(state_of(d), DOMAIN_OFF);
    assert_int_equal(domain_fake.running(d, &e), -1);
    assert_int_equal(domain_fake.destroy(d, &e), 0);
    assert_int_equal(domain_fake_did("db1", FAKE_DESTROY), 1);
    assert_int_equal(domain_fake.start(d, &e), 0);
    assert_int_equal(domain_fake_did("db1", FAKE_START), 1);
    assert_string_equal(domain_fake_live("db1"), DB1_MOVED);
    domain_fake_power("db1", false);
    assert_int_equal(domain_fake.secret_definition(d, &after, &e), 0);
    assert_int_equal(domain_fake.undefine(d, &e), 0);
    assert_null(domain_fake_definition("db1"));
    assert_int_equal(domain_fake.start(d, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_int_equal(domain_fake_did("db1", FAKE_UNDEFINE), 1);
    assert_string_equal(domain_fake_log(), "open open define xml definition start undefine destroy "
                                           "state running destroy start definition undefine start");
    domain_fake.close(d);
    domain_fake.close(again);
    assert_int_equal(domain_fake_open_count(), 0);
}

static void test_taken(void **state)
{
    struct domain *d = NULL;
    struct err e = ERR_INIT;

    (void)state;
    domain_fake_define("db1", DB1, false);
    assert_int_equal(domain_fake.define(&d, "", "<domain><name>db1</name></domain>", &e), -1);
    assert_int_equal(e.code, ERR_REFUSED);
    assert_int_equal(domain_fake.create(&d, "",
                                        "<domain><name>x</name><uuid>11111111-0000-4000-8000-"
                                        "000000000001</uuid></domain>",
                                        &e),
                     -1);
    assert_int_equal(e.code, ERR_REFUSED);
    assert_string_equal(domain_fake_definition("db1"), DB1);
    assert_null(d);
}

/* A transient domain ends with its creator's last close, however it is looked at meanwhile. */
static void test_transient(void **state)
{
    struct domain *d = NULL, *other = NULL;
    AUTO_FREE char *xml = NULL;
    struct err e = ERR_INIT;

    (void)state;
    domain_fake_define("db1", DB1, true);
    assert_int_equal(domain_fake.create(&d, "", COPY, &e), 0);
    assert_string_equal(domain_fake_live("copy"), COPY);
    assert_int_equal(domain_fake.definition(d, &xml, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_int_equal(domain_fake.open(&other, "", "copy", &e), 0);
    domain_fake.close(domain_fake.hold(d));
    domain_fake.close(other);
    assert_true(domain_fake_runs("copy"));
    domain_fake.close(d);
    assert_false(domain_fake_runs("copy"));
    assert_int_equal(domain_fake.open(&other, "", "copy", &e), -1);
    assert_true(domain_fake_runs("db1"));
    assert_int_equal(domain_fake_did("copy", FAKE_CREATE), 1);
    /* and its name is free again */
    assert_int_equal(domain_fake.create(&d, "", COPY, &e), 0);
    assert_int_equal(domain_fake.destroy(d, &e), 0);
    assert_int_equal(domain_fake.destroy(d, &e), 0);
    assert_int_equal(domain_fake.running(d, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    domain_fake.close(d);
}

static void test_shutdown(void **state)
{
    struct domain *d = NULL;
    struct err e = ERR_INIT;

    (void)state;
    domain_fake_define("db1", DB1, true);
    domain_fake_set_shutdown(DOMAIN_BY_AGENT, FAKE_ABSENT);
    domain_fake_set_shutdown(DOMAIN_BY_ACPI, FAKE_NEVER);
    assert_int_equal(domain_fake.open(&d, "", "db1", &e), 0);
    assert_int_equal(domain_fake.shutdown(d, DOMAIN_BY_AGENT, &e), -1);
    assert_int_equal(e.code, ERR_LIBVIRT);
    assert_int_equal(domain_fake.shutdown(d, DOMAIN_BY_ACPI, &e), 0);
    assert_int_equal(state_of(d), DOMAIN_RUNS);
    domain_fake_set_shutdown(DOMAIN_BY_ACPI, 400);
    assert_int_equal(domain_fake.shutdown(d, DOMAIN_BY_ACPI, &e), 0);
    assert_int_equal(state_of(d), DOMAIN_RUNS);
    for (int n = 0; n < 500 && state_of(d) == DOMAIN_RUNS; n++)
        usleep(10000);
    assert_int_equal(state_of(d), DOMAIN_OFF);
    assert_true(by_guest(d));
    assert_int_equal(domain_fake.shutdown(d, DOMAIN_BY_ACPI, &e), -1);
    assert_int_equal(e.code, ERR_REFUSED);
    domain_fake_power("db1", true);
    domain_fake_set_shutdown(DOMAIN_BY_AGENT, 0);
    assert_int_equal(domain_fake.shutdown(d, DOMAIN_BY_AGENT, &e), 0);
    assert_false(domain_fake_runs("db1"));
    assert_int_equal(domain_fake_did("db1", FAKE_SHUTDOWN), 3);
    domain_fake_power("db1", true);
    domain_fake_migrate("db1");
    assert_int_equal(state_of(d), DOMAIN_AWAY);
    assert_int_equal(domain_fake.start(d, &e), 0);
    assert_int_equal(state_of(d), DOMAIN_RUNS);
    domain_fake_power("db1", false);
    assert_int_equal(state_of(d), DOMAIN_OFF);
    assert_false(by_guest(d));
    domain_fake.close(d);
}

/* Who wakes it up has the QEMU that it was, whatever was defined since; a start of ours boots. */
static void test_saved(void **state)
{
    struct domain *d = NULL, *again = NULL;
    struct err e = ERR_INIT;

    (void)state;
    domain_fake_define("db1", DB1, true);
    assert_int_equal(domain_fake.open(&d, "", "db1", &e), 0);
    domain_fake_save("db1");
    assert_int_equal(state_of(d), DOMAIN_SAVED);
    assert_int_equal(domain_fake.define(&again, "", DB1_MOVED, &e), 0);
    domain_fake_power("db1", true);
    assert_string_equal(domain_fake_live("db1"), DB1);
    domain_fake_save("db1");
    assert_int_equal(domain_fake.start(d, &e), 0);
    assert_string_equal(domain_fake_live("db1"), DB1_MOVED);
    domain_fake_save("db1");
    assert_int_equal(domain_fake.forget_saved(d, &e), 0);
    assert_int_equal(domain_fake.forget_saved(d, &e), 0);
    assert_int_equal(state_of(d), DOMAIN_OFF);
    domain_fake.close(d);
    domain_fake.close(again);
}

/* What a call was told to let fail changes nothing. */
static void test_acts_of_life(void **state)
{
    struct domain *d = NULL, *other = NULL;
    struct domain_host host;
    struct err e = ERR_INIT;

    (void)state;
    domain_fake_define("db1", DB1, false);
    domain_fake_set_host("kvm7", "QEMU 2.0.0", "1.2.2");
    domain_fake_script(FAKE_START, (struct fake_act){.fail = ERR_LIBVIRT, .words = "no memory"});
    domain_fake_script(FAKE_START, (struct fake_act){.delay_ms = 1});
    domain_fake_script(FAKE_DEFINE, (struct fake_act){.fail = ERR_LIBVIRT});
    domain_fake_script(FAKE_CREATE, (struct fake_act){.fail = ERR_LIBVIRT});
    assert_int_equal(domain_fake.open(&d, "", "db1", &e), 0);
    assert_int_equal(domain_fake.start(d, &e), -1);
    assert_string_equal(e.msg, "no memory");
    assert_false(domain_fake_runs("db1"));
    assert_int_equal(domain_fake.start(d, &e), 0);
    assert_true(domain_fake_runs("db1"));
    assert_int_equal(domain_fake.define(&other, "", DB1_MOVED, &e), -1);
    assert_string_equal(domain_fake_definition("db1"), DB1);
    assert_int_equal(domain_fake.create(&other, "", COPY, &e), -1);
    assert_int_equal(domain_fake_did("copy", FAKE_CREATE), 0);
    assert_int_equal(domain_fake.host(d, &host, &e), 0);
    assert_string_equal(host.host, "kvm7");
    assert_string_equal(host.libvirt, "1.2.2");
    domain_host_release(&host);
    assert_null(host.host);
    domain_fake.close(d);
}

/* A test that defines none has the one domain that is always there, as ever. */
static void test_without_estate(void **state)
{
    AUTO_FREE char *xml = NULL;
    struct domain *d = NULL, *copy = NULL;
    struct err e = ERR_INIT;

    (void)state;
    domain_fake_set_xml("<domain/>");
    assert_int_equal(domain_fake.open(&d, "", "any", &e), 0);
    assert_int_equal(state_of(d), DOMAIN_RUNS);
    assert_int_equal(domain_fake.definition(d, &xml, &e), 0);
    assert_string_equal(xml, "<domain/>");
    assert_int_equal(domain_fake.shutdown(d, DOMAIN_BY_ACPI, &e), 0);
    assert_int_equal(domain_fake.destroy(d, &e), 0);
    assert_int_equal(domain_fake.start(d, &e), 0);
    assert_int_equal(domain_fake.undefine(d, &e), 0);
    assert_int_equal(domain_fake.create(&copy, "", COPY, &e), 0);
    assert_true(domain_fake_runs("copy"));
    assert_int_equal(domain_fake.running(d, &e), 0);
    domain_fake.close(d);
    domain_fake_reset();
    domain_fake.close(copy); /* of a round that is over */
    assert_false(domain_fake_runs("copy"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_thaw_beside_a_hanging_freeze),
        TEST(test_acts_in_turn),
        TEST(test_results),
        TEST(test_estate),
        TEST(test_taken),
        TEST(test_transient),
        TEST(test_shutdown),
        TEST(test_saved),
        TEST(test_acts_of_life),
        TEST(test_without_estate),
    };

    return cmocka_run_group_tests_name("domain-fake", tests, NULL, NULL);
}
