/* SPDX-License-Identifier: GPL-2.0-or-later */
/* recover of a snapshot's journal: its set is whole, or its snapshots go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/unit/host-coordinator/back_world.h"

static const struct wanted switching = {.method = BACK_SWITCH};

static void leave_journal(const struct record *announced)
{
    struct journal *j;

    assert_int_equal(journal_open(&j, w.dir, SET_ID, NULL), 0);
    assert_int_equal(journal_write(j, announced, true, NULL), 0);
    journal_step(j, "critical", "begin", true);
    journal_step(j, "snapshots", "begin", true);
    journal_close(j, false);
}

static void leave_event(const char *step, const char *event)
{
    struct journal *j;

    assert_int_equal(journal_open(&j, w.dir, SET_ID, NULL), 0);
    journal_step(j, step, event, true);
    journal_close(j, false);
}

static void leave_snapshot_journal(const char *verdict, bool with_record)
{
    struct record *r = store_load(w.dir, SET_ID, NULL);

    record_set_text(r, "verdict", "void");
    leave_journal(r);
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

static const char *state_of(const char *volume_id)
{
    static char text[32];
    struct record *r = store_load(w.dir, SET_ID, NULL);
    const struct record *v = record_find(r, "volumes", "id", volume_id);

    (void)snprintf(text, sizeof(text), "%s", record_text(v, "snapshot.state") ?: "none");
    record_free(r);
    return text;
}

/* The record was put in place, the disk failed then, and the run removed what it had taken. What of
 * it is not seen may be gone, or just not told of. */
static void a_set_that_its_run_was_removing_is_not_believed(void **state)
{
    struct record *r;

    (void)state;
    leave_snapshot_journal("application", true);
    leave_event("critical", "undo");
    world_unsnap("id-log", SET_ID);
    assert_null(world_recover());
    assert_int_equal(world_journals(), 0);
    assert_int_equal(storage_memory_snapshots(w.array), 0);
    r = store_load(w.dir, SET_ID, NULL);
    assert_string_equal(record_text(r, "verdict"), "void");
    assert_non_null(strstr(record_text_at(r, "reasons", 0), "are gone"));
    record_free(r);
    assert_string_equal(state_of("id-root"), "removed");
    assert_string_equal(state_of("id-log"), "unknown");
}

/* It is whole; only its journal was not gone yet when its host lost power, and a list is short. */
static void a_published_set_survives_a_short_list(void **state)
{
    const char *problem;

    (void)state;
    leave_snapshot_journal("application", true);
    leave_event("publish", "begin");
    storage_memory_fault(w.array, MEMORY_LIST_SNAPSHOTS, "id-log", MEMORY_LIES, 1);
    problem = world_recover();
    assert_non_null(problem);
    assert_non_null(strstr(problem, "cannot be told"));
    assert_int_equal(world_journals(), 1);
    assert_int_equal(storage_memory_snapshots(w.array), 3);
    assert_true(world_promises(SET_ID));
    assert_null(world_recover());
    assert_int_equal(world_journals(), 0);
    assert_int_equal(storage_memory_snapshots(w.array), 3);
    assert_true(world_promises(SET_ID));
}

/* The run could not remove all of what its record names, and one of it is not listed now. */
static void what_is_not_listed_is_not_called_removed(void **state)
{
    struct record *r = store_load(w.dir, SET_ID, NULL);

    (void)state;
    record_set_text(record_at(r, "volumes", 0), "snapshot.state", "removed");
    record_set_text(record_at(r, "volumes", 1), "snapshot.state", "unknown");
    assert_int_equal(store_save(w.dir, "db", SET_ID, r, NULL), 0);
    record_free(r);
    leave_snapshot_journal("void", true);
    world_unsnap("id-root", SET_ID);
    storage_memory_fault(w.array, MEMORY_LIST_SNAPSHOTS, "id-log", MEMORY_LIES, 1);
    storage_memory_fault(w.array, MEMORY_FIND, "id-log", MEMORY_LIES, -1);
    assert_null(world_recover());
    assert_string_equal(state_of("id-root"), "removed");
    assert_string_equal(state_of("id-log"), "unknown");
    assert_string_equal(state_of("id-data"), "removed");
}

/* A recover saw it, and removed it before it died. */
static void what_a_dead_recover_saw_is_removed(void **state)
{
    (void)state;
    leave_snapshot_journal("void", true);
    storage_memory_fault(w.array, MEMORY_REMOVE, "id-log", MEMORY_REFUSES, 1);
    assert_non_null(world_recover());
    assert_string_equal(state_of("id-root"), "none");
    assert_false(storage_memory_has(w.array, "id-root", SET_ID));
    assert_null(world_recover());
    assert_string_equal(state_of("id-root"), "removed");
    assert_string_equal(state_of("id-log"), "removed");
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
        T(a_set_that_its_run_was_removing_is_not_believed),
        T(a_published_set_survives_a_short_list),
        T(what_is_not_listed_is_not_called_removed),
        T(what_a_dead_recover_saw_is_removed),
        T(a_set_with_a_volume_that_is_not_told_of_waits),
        T(late_snapshots_are_told_by_their_own_paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
