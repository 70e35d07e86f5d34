/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the appliance makes after it was given up on: something names it, always. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/unit/host-coordinator/back_world.h"

static const struct wanted switching = {.method = BACK_SWITCH};

static int setup(void **state)
{
    (void)state;
    world_open(true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close();
    return 0;
}

/* ---- clones ---------------------------------------------------------------------------------- */

static void signal_at_clone(void *arg, enum memory_command command, const char *volume_id,
                            bool doing)
{
    (void)arg;
    if (command == MEMORY_CLONE && !doing && strcmp(volume_id, "id-data") == 0)
        kill(getpid(), SIGTERM);
}

static void make_clone(const char *volume_id, const char *name)
{
    struct storage_op op = {.done = false};
    struct volume v = {.id = (char *)volume_id};

    storage_memory_latency(w.array, MEMORY_CLONE, 0);
    w.array->ops->clone(w.array, &v, SET_ID, name, INT64_MAX, &op);
    loop_shield(w.loop, true);
    assert_int_equal(loop_wait(w.loop, &op.done, INT64_MAX, NULL), 0);
    storage_op_release(&op);
}

/* The clones are given up on by a signal, and one is made long after it: the journal names it until
 * none can come any more. */
static void a_clone_that_comes_late_is_still_somebody_s(void **state)
{
    const struct wanted plans[] = {switching, {.method = BACK_COPY}, {.method = BACK_VERIFY}};

    for (size_t n = 0; n < ARRAY_SIZE(plans); n++) {
        AUTO_FREE char *name = NULL;
        const char *problem;
        struct tale t;

        (void)teardown(state);
        (void)setup(state);
        w.conf.clone_ms = 600000;
        storage_memory_latency(w.array, MEMORY_CLONE, 300000);
        storage_memory_on(w.array, signal_at_clone, NULL);
        t = world_run(plans[n]);
        storage_memory_on(w.array, NULL, NULL);
        assert_int_equal(t.status, 5);
        assert_non_null(strstr(t.e.msg, "may be left on appliance"));
        assert_world(world_ended_wrong(&t), "given up");
        name = n < 2 ? xasprintf("lab-log-%s", t.run)
                     : xasprintf("%s%s-vdb", BACK_VERIFY_PREFIX, t.run);
        make_clone("id-log", name);
        for (int again = 0; again < 2; again++) {
            problem = world_recover();
            assert_non_null(problem);
            assert_non_null(strstr(problem, "it has not shown; the appliance may make it until"));
            assert_int_equal(storage_memory_volumes(w.array), 3);
            assert_int_equal(world_journals(), 1);
        }
    }
}

/* The VM is as before, and only a clone may still come: another restore does not wait for that, and
 * the recover of the first leaves the VM to it. */
static void a_clone_that_may_come_keeps_no_restore_waiting(void **state)
{
    struct tale first, second;
    AUTO_FREE char *name = NULL;

    (void)state;
    w.conf.clone_ms = 600000;
    storage_memory_latency(w.array, MEMORY_CLONE, 300000);
    storage_memory_on(w.array, signal_at_clone, NULL);
    first = world_run(switching);
    assert_int_equal(first.status, 5);
    storage_memory_on(w.array, NULL, NULL);
    storage_memory_latency(w.array, MEMORY_CLONE, 0);
    loop_free(w.loop); /* the signal was the first one's */
    w.loop = loop_new();
    storage_memory_use(w.array, w.loop);
    second = world_run((struct wanted){.method = BACK_SWITCH, .no_start = true});
    assert_int_equal(second.status, 0);
    name = xasprintf("lab-log-%s", first.run);
    make_clone("id-log", name);
    assert_non_null(world_recover());
    assert_null(storage_memory_id(w.array, name));
    assert_false(domain_fake_runs("db"));
    assert_int_equal(world_content(domain_fake_definition("db")), SET_CONTENT);
}

/* ---- the safety set -------------------------------------------------------------------------- */

static void assert_state(const struct record *r, const char *volume_id, const char *state)
{
    const struct record *volume = record_find(r, "volumes", "id", volume_id);

    assert_non_null(volume);
    assert_string_equal(record_text(volume, "snapshot.state"), state);
}

/* Void, and it names what may yet come; what was seen is gone. */
static void assert_named(const char *set)
{
    struct record *r = store_load(w.dir, set, NULL);

    assert_non_null(r);
    assert_string_equal(record_text(r, "verdict"), "void");
    assert_string_equal(record_text(r, "domain.name"), "db");
    assert_string_equal(record_text(r, "domain.uuid"), DB_UUID);
    assert_state(r, "id-root", "removed");
    assert_state(r, "id-log", "removed");
    assert_state(r, "id-data", "unknown");
    record_free(r);
    assert_false(storage_memory_has(w.array, "id-root", set));
    assert_false(storage_memory_has(w.array, "id-log", set));
}

/* `data` is what the array does with the snapshot of that volume; it is given up on after a second.
 */
static struct tale run_without(enum memory_fault data)
{
    w.conf.clone_ms = 1000;
    storage_memory_fault(w.array, MEMORY_SNAPSHOT, "id-data", data, 1);
    return world_run(switching);
}

static void a_safety_snapshot_that_may_come_has_a_record(void **state)
{
    struct tale t = run_without(MEMORY_HANGS);

    (void)state;
    assert_int_equal(t.status, 4);
    assert_int_equal(world_journals(), 0);
    assert_named(t.run);
}

/* The undo saw one gone, failed at the next, and did not come to the third. */
static struct tale undo_half(void)
{
    struct tale t;

    storage_memory_fault(w.array, MEMORY_REMOVE, "id-log", MEMORY_REFUSES, 1);
    t = run_without(MEMORY_HANGS);
    assert_int_equal(t.status, 5);
    assert_non_null(strstr(t.e.msg, "cbsnap-coord recover"));
    assert_int_equal(world_journals(), 1);
    return t;
}

static void recover_leaves_that_record_too(void **state)
{
    struct tale t = undo_half();

    (void)state;
    assert_null(world_recover());
    assert_int_equal(world_journals(), 0);
    assert_named(t.run);
}

/* The record tells of the VM that was, and of when it was asked for. */
static void so_it_does_when_the_vm_is_gone(void **state)
{
    struct tale t = undo_half();
    struct record *before = store_load(w.dir, t.run, NULL), *after;
    struct domain *d;

    (void)state;
    domain_fake_power("db", false);
    assert_int_equal(domain_fake.open(&d, "", "db", NULL), 0);
    assert_int_equal(domain_fake.undefine(d, NULL), 0);
    domain_fake.close(d);
    assert_null(world_recover());
    assert_named(t.run);
    after = store_load(w.dir, t.run, NULL);
    assert_string_equal(record_text(after, "started"), record_text(before, "started"));
    record_free(after);
    record_free(before);
}

/* Died before its first request, which comes after the record: nothing is looked or waited for. */
static void without_a_record_nothing_was_asked_for(void **state)
{
    struct tale t = undo_half();

    (void)state;
    assert_int_equal(store_remove(w.dir, "db", t.run, NULL), 0);
    w.conf.late_ms = INT_MAX;
    assert_null(world_recover());
    assert_int_equal(world_journals(), 0);
    assert_null(store_load(w.dir, t.run, NULL));
    for (size_t n = 0; n < 3; n++)
        assert_false(storage_memory_has(w.array, volume_ids[n], t.run));
}

/* One that does come while it is looked for is removed, and its record with it. */
static void a_safety_snapshot_that_shows_is_gone(void **state)
{
    struct tale t;

    (void)state;
    w.conf.late_ms = 60000;
    t = run_without(MEMORY_LATE);
    assert_int_equal(t.status, 4);
    assert_null(store_load(w.dir, t.run, NULL));
    for (size_t n = 0; n < 3; n++)
        assert_false(storage_memory_has(w.array, volume_ids[n], t.run));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_clone_that_comes_late_is_still_somebody_s),
        T(a_clone_that_may_come_keeps_no_restore_waiting),
        T(a_safety_snapshot_that_may_come_has_a_record),
        T(recover_leaves_that_record_too),
        T(so_it_does_when_the_vm_is_gone),
        T(without_a_record_nothing_was_asked_for),
        T(a_safety_snapshot_that_shows_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
