/* SPDX-License-Identifier: GPL-2.0-or-later */
/* recover of a snapshot's journal: its set is whole, or its snapshots go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/unit/host-coordinator/back_world.h"

static const struct wanted switching = {.method = BACK_SWITCH};

static void leave_snapshot_journal(const char *verdict, bool with_record)
{
    struct record *r = store_load(w.dir, SET_ID, NULL);
    struct journal *j;

    record_set_text(r, "verdict", "void");
    assert_int_equal(journal_open(&j, w.dir, SET_ID, NULL), 0);
    assert_int_equal(journal_write(j, r, true, NULL), 0);
    journal_step(j, "snapshots", "begin", true);
    journal_close(j, false);
    record_set_text(r, "verdict", verdict);
    assert_int_equal(store_save(w.dir, "db", SET_ID, r, NULL), 0);
    if (!with_record)
        assert_int_equal(store_remove(w.dir, "db", SET_ID, NULL), 0);
    record_free(r);
}

static void snapshots_of_a_set_that_did_not_come_to_be_go(void **state)
{
    for (int with_record = 0; with_record < 2; with_record++) {
        struct record *r;

        (void)world_teardown(state);
        (void)world_setup(state);
        leave_snapshot_journal("void", with_record);
        storage_memory_fault(w.array, MEMORY_REMOVE, "id-log", MEMORY_REFUSES, 1);
        assert_non_null(world_recover());
        assert_int_equal(world_journals(), 1);
        assert_null(world_recover());
        assert_int_equal(world_journals(), 0);
        assert_int_equal(storage_memory_snapshots(w.array), 0);
        r = store_load(w.dir, SET_ID, NULL);
        assert_string_equal(record_text(r, "verdict"), "void");
        assert_string_equal(record_text(record_at(r, "volumes", 2), "snapshot.state"), "removed");
        record_free(r);
    }
}

static void a_set_that_is_whole_stays(void **state)
{
    (void)state;
    leave_snapshot_journal("application", true);
    assert_null(world_recover());
    assert_int_equal(world_journals(), 0);
    assert_int_equal(storage_memory_snapshots(w.array), 3);
    assert_true(world_promises(SET_ID));
}

static void a_dead_snapshot_does_not_keep_the_vm_from_going_back(void **state)
{
    (void)state;
    leave_snapshot_journal("application", true);
    assert_int_equal(world_run(switching).status, 0);
}

/* The record was put in place, the disk failed then, and the run removed what it had taken. */
static void a_set_that_lacks_a_snapshot_is_not_believed(void **state)
{
    struct record *r;

    (void)state;
    leave_snapshot_journal("application", true);
    world_unsnap("id-log", SET_ID);
    assert_null(world_recover());
    assert_int_equal(world_journals(), 0);
    assert_int_equal(storage_memory_snapshots(w.array), 0);
    r = store_load(w.dir, SET_ID, NULL);
    assert_string_equal(record_text(r, "verdict"), "void");
    assert_non_null(strstr(record_text_at(r, "reasons", 0), "are gone"));
    assert_string_equal(record_text(record_at(r, "volumes", 1), "snapshot.state"), "removed");
    record_free(r);
}

/* An appliance that does not tell of a volume must not cost a set that is promised. */
static void a_set_with_a_volume_that_is_not_told_of_waits(void **state)
{
    struct record *r = store_load(w.dir, SET_ID, NULL);
    const char *problem;

    (void)state;
    record_set_text(record_at(r, "volumes", 1), "id", "id-elsewhere");
    assert_int_equal(store_save(w.dir, "db", SET_ID, r, NULL), 0);
    record_free(r);
    leave_snapshot_journal("application", true);
    problem = world_recover();
    assert_non_null(problem);
    assert_non_null(strstr(problem, "cannot be told"));
    assert_int_equal(world_journals(), 1);
    assert_int_equal(storage_memory_snapshots(w.array), 3);
    assert_true(world_promises(SET_ID));
}

/* What the dead run asked for shows after 50 ms on two volumes, on the third after the next look:
 * each is told by its own path, not by that of another snapshot of its volume. */
static void late_snapshots_are_told_by_their_own_paths(void **state)
{
    struct storage_op ops[3] = {{.done = false}};
    struct record *r;

    (void)state;
    r = store_load(w.dir, SET_ID, NULL);
    for (size_t n = 0; n < 3; n++) {
        record_clear(record_at(r, "volumes", n), "snapshot.path");
        world_unsnap(volume_ids[n], SET_ID);
    }
    assert_int_equal(store_save(w.dir, "db", SET_ID, r, NULL), 0);
    record_free(r);
    leave_snapshot_journal("void", true);
    world_snapshot("id-root", "of+nobody");
    w.conf.late_ms = 60000;
    for (size_t n = 0; n < 3; n++) {
        struct volume v = {.id = (char *)volume_ids[n]};

        storage_memory_latency(w.array, MEMORY_SNAPSHOT, n < 2 ? 50 : 500);
        w.array->ops->snapshot(w.array, &v, SET_ID, INT64_MAX, &ops[n]);
    }
    assert_null(world_recover());
    r = store_load(w.dir, SET_ID, NULL);
    for (size_t n = 0; n < 3; n++) {
        AUTO_FREE char *path = xasprintf("pool/%s@%s", volume_ids[n], SET_ID);
        const struct record *v = record_at(r, "volumes", n);

        assert_string_equal(record_text(v, "snapshot.path"), path);
        assert_string_equal(record_text(v, "snapshot.state"), "removed");
        assert_false(storage_memory_has(w.array, volume_ids[n], SET_ID));
        storage_op_release(&ops[n]);
    }
    assert_true(storage_memory_has(w.array, "id-root", "of+nobody"));
    record_free(r);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(snapshots_of_a_set_that_did_not_come_to_be_go),
        T(a_set_that_is_whole_stays),
        T(a_dead_snapshot_does_not_keep_the_vm_from_going_back),
        T(a_set_that_lacks_a_snapshot_is_not_believed),
        T(a_set_with_a_volume_that_is_not_told_of_waits),
        T(late_snapshots_are_told_by_their_own_paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
