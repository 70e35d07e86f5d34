/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What restore and verify must refuse, ask to be agreed to, or tell; signals. The VM's stop:
 * test-restore-stop.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/unit/host-coordinator/back_world.h"

#define NEWEST_ID "20161104T121500Z-0a0a"

static const struct wanted in_place = {.method = BACK_IN_PLACE};
static const struct wanted switching = {.method = BACK_SWITCH};
static const struct wanted copying = {.method = BACK_COPY};
static const struct wanted verifying = {.method = BACK_VERIFY};
static const struct wanted forced = {.method = BACK_SWITCH, .force = true};
static const struct wanted in_place_forced = {.method = BACK_IN_PLACE, .force = true};

static struct record *the_set(void)
{
    return store_load(w.dir, SET_ID, NULL);
}

/* What libvirt is to define for us then comes from a guest's disk. */
static void an_imported_definition_is_to_be_agreed_to(void **state)
{
    struct record *set = the_set();

    (void)state;
    record_set_text(set, "imported.from", "/mnt/x.json");
    world_expect(world_run_set(set, switching), 3, "was imported");
    set = the_set();
    record_set_text(set, "imported.from", "/mnt/x.json");
    world_expect(world_run_set(set, verifying), 3, "was imported");
    set = the_set();
    record_set_text(set, "imported.from", "/mnt/x.json");
    world_expect(world_run_set(set, forced), 0, NULL);
}

/* ---- signals at every step ------------------------------------------------------------------- */

static struct {
    size_t at, seen;
} sig;

static void signal_at(struct back *b, const char *event)
{
    (void)b, (void)event;
    if (sig.seen++ == sig.at)
        kill(getpid(), SIGTERM);
}

static void a_signal_at_any_step_leaves_one_or_the_other(void **state)
{
    const struct wanted plans[] = {switching, in_place, copying, verifying};

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(plans); n++) {
        bool ended = false;

        for (sig.at = 0; !ended; sig.at++) {
            AUTO_FREE char *what = xasprintf("plan %zu, signal at act %zu", n, sig.at);
            struct tale t;
            const char *problem;

            world_close();
            world_open(true);
            sig.seen = 0;
            w.hook = signal_at;
            t = world_run(plans[n]);
            ended = sig.seen <= sig.at;
            problem = world_ended_wrong(&t);
            if (!problem && t.status == 5 && world_journals() > 0)
                problem = world_recovered_wrong(&t);
            assert_world(problem, what);
            assert_true(!ended || t.status == 0);
        }
        assert_true(sig.at > 15);
    }
}

/* ---- what is newer --------------------------------------------------------------------------- */

static void newer_sets_are_lost_in_place_only_when_agreed_to(void **state)
{
    struct record *newer;

    (void)state;
    world_take_set(NEWER_ID);
    world_expect(world_run(in_place), 3, NEWER_ID);
    assert_true(world_promises(NEWER_ID));
    world_expect(world_run(in_place_forced), 0, NULL);
    newer = store_load(w.dir, NEWER_ID, NULL);
    assert_string_equal(record_text(newer, "verdict"), "void");
    assert_string_equal(record_text(record_at(newer, "volumes", 1), "snapshot.state"), "removed");
    record_free(newer);
    for (size_t n = 0; n < 3; n++)
        assert_false(storage_memory_has(w.array, volume_ids[n], NEWER_ID));
}

/* A removal that fails costs the newest set, and none that it had not come to. */
static void newer_sets_are_lost_one_by_one(void **state)
{
    struct tale t;

    (void)state;
    world_take_set(NEWER_ID);
    world_take_set(NEWEST_ID);
    storage_memory_fault(w.array, MEMORY_REMOVE, "id-log", MEMORY_REFUSES, 1);
    t = world_run(in_place_forced);
    world_expect(t, 4, "remove the newer snapshot '" NEWEST_ID "' of disk 'vdb'");
    assert_false(world_promises(NEWEST_ID));
    assert_true(world_promises(NEWER_ID));
    world_expect(world_run(in_place_forced), 0, NULL);
    assert_false(world_promises(NEWER_ID));
}

static void signal_at_newer(struct back *b, const char *event)
{
    (void)b;
    if (strcmp(event, "begin newer") == 0)
        kill(getpid(), SIGTERM);
}

static void a_signal_before_the_first_removal_costs_no_set(void **state)
{
    (void)state;
    world_take_set(NEWER_ID);
    w.hook = signal_at_newer;
    world_expect(world_run(in_place_forced), 4, "cancelled");
    assert_true(world_promises(NEWER_ID));
}

static void newer_sets_stay_when_the_vm_is_moved(void **state)
{
    (void)state;
    world_take_set(NEWER_ID);
    world_expect(world_run(switching), 0, NULL);
    assert_true(world_promises(NEWER_ID));
}

static void newer_snapshots_with_clones_are_not_rolled_past(void **state)
{
    struct storage_op op = {.done = false};
    struct volume v = {.id = (char *)"id-log"};
    struct tale t;

    (void)state;
    world_take_set(NEWER_ID);
    w.array->ops->clone(w.array, &v, NEWER_ID, "somebody-s", INT64_MAX, &op);
    assert_int_equal(loop_wait(w.loop, &op.done, INT64_MAX, NULL), 0);
    storage_op_release(&op);
    t = world_run(in_place_forced);
    assert_int_equal(t.status, 3);
    assert_non_null(strstr(t.e.msg, "has clones"));
    assert_true(world_promises(NEWER_ID));
    assert_int_equal(domain_fake_did("db", FAKE_SHUTDOWN), 0);
}

static void newer_snapshots_of_others_are_named(void **state)
{
    (void)state;
    world_snapshot("id-data", "of+nobody");
    world_expect(world_run(in_place), 3, "lab-data@of+nobody");
    world_expect(world_run(in_place_forced), 0, NULL);
    assert_false(storage_memory_has(w.array, "id-data", "of+nobody"));
}

/* ---- another VM than it was ------------------------------------------------------------------ */

/* Puts `text` before the first `before` of the present definition. */
static void change_definition(const char *before, const char *text)
{
    char *at = strstr(w.definition, before);
    char *changed = xasprintf("%.*s%s%s", (int)(at - w.definition), w.definition, text, at);

    free(w.definition);
    w.definition = changed;
    domain_fake_define("db", changed, true);
}

static void a_disk_added_since_is_lost_only_when_agreed_to(void **state)
{
    (void)state;
    change_definition("<channel", "<disk type='file' device='disk'><source file='/var/x.img'/>"
                                  "<target dev='vdd' bus='virtio'/></disk>");
    world_expect(world_run(switching), 3, "disk 'vdd' (/var/x.img) was added");
    world_expect(world_run(in_place), 3, "disk 'vdd'");
    world_expect(world_run(forced), 0, NULL);
    assert_null(strstr(domain_fake_definition("db"), "vdd"));
}

static void a_vm_of_nova_is_moved_only_when_agreed_to(void **state)
{
    (void)state;
    change_definition("<devices>",
                      "<metadata><nova:instance "
                      "xmlns:nova='http://openstack.org/xmlns/libvirt/nova/1.0'/></metadata>");
    world_expect(world_run(switching), 3, "OpenStack");
    world_expect(world_run(forced), 0, NULL);
}

static void a_vm_of_nova_goes_back_in_place(void **state)
{
    (void)state;
    change_definition("<devices>",
                      "<metadata><nova:instance "
                      "xmlns:nova='http://openstack.org/xmlns/libvirt/nova/1.0'/></metadata>");
    world_expect(world_run(in_place), 0, NULL);
}

static void another_vm_of_that_name_is_refused(void **state)
{
    struct record *set = the_set();

    (void)state;
    record_set_text(set, "domain.uuid", "00000000-0000-0000-0000-000000000000");
    world_expect(world_run_set(set, switching), 3, "is another VM");
}

static void a_vm_that_moved_to_other_volumes_is_not_rolled_back(void **state)
{
    (void)state;
    world_expect(world_run(switching), 0, NULL);
    domain_fake_power("db", false);
    w.ran = false;
    {
        struct tale t = world_run(in_place);

        assert_int_equal(t.status, 3);
        assert_non_null(strstr(t.e.msg, "is not volume"));
    }
}

static void a_name_that_is_taken_is_refused(void **state)
{
    struct tale t;

    (void)state;
    domain_fake_define("copy", "<domain><name>copy</name></domain>", false);
    t = world_run(copying);
    assert_int_equal(t.status, 3);
    assert_non_null(strstr(t.e.msg, "there is a domain 'copy' already"));
    assert_string_equal(domain_fake_definition("copy"), "<domain><name>copy</name></domain>");
    assert_int_equal(storage_memory_volumes(w.array), 3);
}

static void take_the_safety_sets_name(struct back *b, const char *event)
{
    if (strcmp(event, "begin safety") == 0)
        world_snapshot("id-log", b->run.set);
}

/* Of an older run, with the same second and the same random number in its id. */
static void a_snapshot_of_the_safety_sets_name_is_not_removed(void **state)
{
    struct tale t;

    (void)state;
    w.hook = take_the_safety_sets_name;
    t = world_run(switching);
    world_expect_exit(t, 4, "which is not this run's");
    assert_true(storage_memory_has(w.array, "id-log", t.run));
    assert_false(world_has_record(t.run));
    world_unsnap("id-log", t.run);
    assert_world(world_ended_wrong(&t), "refused");
}

static void a_vm_that_another_run_has_is_left_alone(void **state)
{
    int fd;

    (void)state;
    assert_int_equal(store_prepare(w.dir, "db", NULL), 0);
    assert_int_equal(store_lock(w.dir, DB_UUID, &fd, NULL), 0);
    world_expect(world_run(switching), 3, "another run has this VM");
    close(fd);
}

/* ---- another set than it was ----------------------------------------------------------------- */

static void a_set_that_is_not_whole_is_refused(void **state)
{
    const struct wanted plans[] = {switching, in_place, copying, verifying};

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(plans); n++) {
        struct record *set = the_set();

        record_set_text(set, "verdict", "void");
        world_expect(world_run_set(set, plans[n]), 3, "is void: by order of the test");
        set = the_set();
        record_set_text(record_at(set, "volumes", 1), "snapshot.name", "gone");
        world_expect(world_run_set(set, plans[n]), 3, "has no snapshot 'gone' any more");
        set = the_set();
        record_set_text(record_at(set, "volumes", 2), "id", "id-gone");
        world_expect(world_run_set(set, plans[n]), 3, "is no more on appliance");
        set = the_set();
        record_set_text(record_at(set, "volumes", 0), "snapshot.path", "pool/other@x");
        world_expect(world_run_set(set, plans[n]), 3, "in the record of set");
        set = the_set();
        record_set_text(record_at(set, "volumes", 0), "appliance", "other");
        world_expect(world_run_set(set, plans[n]), 2, "which coord.conf does not name");
    }
    assert_int_equal(domain_fake_did("db", FAKE_SHUTDOWN), 0);
}

static void a_pool_that_is_full_is_refused(void **state)
{
    (void)state;
    storage_memory_free(w.array, "id-log", 0);
    world_expect(world_run(switching), 3, "no room left for volume 'lab-log'");
    world_expect(world_run(copying), 3, "no room left");
}

/* Nobody would know to whom it is to be opened again. */
static void a_volume_that_is_closed_is_not_closed_again(void **state)
{
    struct tale t;

    (void)state;
    storage_memory_allow(w.array, "id-log", "");
    t = world_run(in_place);
    assert_int_equal(t.status, 3);
    assert_int_equal(domain_fake_did("db", FAKE_SHUTDOWN), 0);
    assert_non_null(strstr(t.e.msg, "volume 'lab-log' (disk 'vdb') may be used by nobody"));
    assert_int_equal(storage_memory_requests(w.array, MEMORY_SET_ACCESS), 0);
    assert_int_equal(world_journals(), 0);
    storage_memory_allow(w.array, "id-log", "all");
    assert_world(world_ended_wrong(&t), t.e.msg);
}

/* Its clones would serve nobody: no guest is shut down to find that out. */
static void a_volume_that_is_closed_is_not_cloned(void **state)
{
    const struct wanted plans[] = {switching, copying, verifying};

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(plans); n++) {
        struct tale t;

        storage_memory_allow(w.array, "id-log", "");
        t = world_run(plans[n]);
        storage_memory_allow(w.array, "id-log", "all");
        world_expect(t, 3, "volume 'lab-log' (disk 'vdb') may be used by nobody, so its clone");
        assert_int_equal(storage_memory_requests(w.array, MEMORY_CLONE), 0);
    }
    assert_int_equal(domain_fake_did("db", FAKE_SHUTDOWN), 0);
}

/* ---- what came back -------------------------------------------------------------------------- */

static void what_differs_is_told_by_the_exit_status(void **state)
{
    const struct wanted plans[] = {switching, in_place, copying, verifying};

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(plans); n++) {
        world_close();
        world_open(true);
        w.agent = AGENT_OTHER;
        world_expect(world_run(plans[n]), 6, NULL);
        world_close();
        world_open(true);
        w.agent = AGENT_NEVER_READY;
        w.conf.recovery_ms = 30;
        world_expect(world_run(plans[n]), 6, NULL);
    }
}

static void data_that_is_broken_is_told(void **state)
{
    struct record *set;

    (void)state;
    w.agent = AGENT_BAD_DATA;
    world_expect(world_run(verifying), 6, NULL);
    set = the_set();
    assert_string_equal(record_text(record_at(set, "verify.differences", 0), "what"),
                        "shop.orders");
    record_free(set);
}

/* A VM that serves already is not taken down because nobody could ask it. */
static void without_an_answer_the_vm_runs_and_a_person_must_look(void **state)
{
    const struct wanted plans[] = {switching, in_place, copying};
    const enum agent_mode modes[] = {AGENT_SILENT, AGENT_DIES};

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(plans) * ARRAY_SIZE(modes); n++) {
        const struct wanted *plan = &plans[n / 2];
        const char *why = NULL;
        struct record *set;
        struct tale t;

        world_close();
        world_open(true);
        w.agent = modes[n % 2];
        w.conf.boot_ms = 50;
        t = world_run(*plan);
        world_expect(t, 5, "was not proven");
        assert_int_equal(world_journals(), 0);
        assert_int_equal(world_standing(plan->method == BACK_COPY ? "copy" : "db", &why),
                         STANDS_SET);
        assert_true(domain_fake_runs(plan->method == BACK_COPY ? "copy" : "db"));
        set = the_set();
        assert_string_equal(record_text(record_at(set, "restores", 0), "result"), "not compared");
        record_free(set);
    }
}

static void a_verification_without_an_answer_fails_and_leaves_nothing(void **state)
{
    (void)state;
    w.agent = AGENT_SILENT;
    w.conf.boot_ms = 50;
    world_expect(world_run(verifying), 4, NULL);
    assert_int_equal(storage_memory_volumes(w.array), 3);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(an_imported_definition_is_to_be_agreed_to),
        T(a_signal_at_any_step_leaves_one_or_the_other),
        T(newer_sets_are_lost_in_place_only_when_agreed_to),
        T(newer_sets_are_lost_one_by_one),
        T(a_signal_before_the_first_removal_costs_no_set),
        T(newer_sets_stay_when_the_vm_is_moved),
        T(newer_snapshots_with_clones_are_not_rolled_past),
        T(newer_snapshots_of_others_are_named),
        T(a_disk_added_since_is_lost_only_when_agreed_to),
        T(a_vm_of_nova_is_moved_only_when_agreed_to),
        T(a_vm_of_nova_goes_back_in_place),
        T(another_vm_of_that_name_is_refused),
        T(a_vm_that_moved_to_other_volumes_is_not_rolled_back),
        T(a_name_that_is_taken_is_refused),
        T(a_snapshot_of_the_safety_sets_name_is_not_removed),
        T(a_vm_that_another_run_has_is_left_alone),
        T(a_set_that_is_not_whole_is_refused),
        T(a_pool_that_is_full_is_refused),
        T(a_volume_that_is_closed_is_not_closed_again),
        T(a_volume_that_is_closed_is_not_cloned),
        T(what_differs_is_told_by_the_exit_status),
        T(data_that_is_broken_is_told),
        T(without_an_answer_the_vm_runs_and_a_person_must_look),
        T(a_verification_without_an_answer_fails_and_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
