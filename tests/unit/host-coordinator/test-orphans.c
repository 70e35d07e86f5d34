/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What delete and prune must leave alone: inventory.h against appliances that do not tell all, acts
 * that begin while it looks, and records that came from elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host-coordinator/command/prune.h"
#include "proto/base/clock.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/unit/host-coordinator/back_world.h"

static void quiet_begin(void *arg, const char *what)
{
    (void)arg, (void)what;
}

static void quiet_end(void *arg, const char *what, double ms, const struct err *why)
{
    (void)arg, (void)what, (void)ms, (void)why;
}

static void quiet_note(void *arg, const char *text)
{
    (void)arg, (void)text;
}

static void look(struct run *r, struct inventory *inv)
{
    struct err e = ERR_INIT;

    run_init(r, &w.conf, &domain_fake, w.loop, "", "");
    r->report = (struct run_reporter){.begin = quiet_begin, .end = quiet_end, .note = quiet_note};
    r->storages = xcalloc(1, sizeof(struct storage *));
    r->storages[0] = w.array;
    if (inventory_read(inv, r, &e) < 0)
        fail_msg("%s", e.msg);
}

static void look_away(struct run *r, struct inventory *inv)
{
    inventory_release(inv);
    run_release(r);
}

/* Repairs all; how many orphans there were. */
static size_t repair(void)
{
    struct orphan *orphans;
    struct inventory inv;
    struct err e = ERR_INIT;
    struct run r;
    size_t count;

    look(&r, &inv);
    count = inventory_orphans(&inv, &orphans);
    for (size_t n = 0; n < count; n++) {
        if (orphan_repair(&inv, &orphans[n], &e) < 0)
            fail_msg("%s", e.msg);
    }
    orphans_release(orphans, count);
    look_away(&r, &inv);
    return count;
}

static void change_record(const char *path, const char *value)
{
    struct err e = ERR_INIT;
    struct record *r = store_load(w.dir, SET_ID, &e);

    record_set_text(record_at(r, "volumes", 0), path, value);
    assert_int_equal(store_save(w.dir, "db", SET_ID, r, &e), 0);
    record_free(r);
}

static void a_volume_that_is_not_told_of_costs_no_set(void **state)
{
    struct inventory inv;
    struct standing s;
    struct run r;

    (void)state;
    world_open(true);
    change_record("id", "not-told");
    look(&r, &inv);
    inventory_judge(&inv, inventory_set(&inv, SET_ID), &s);
    assert_int_equal(s.unseen, 1);
    look_away(&r, &inv);
    assert_int_equal(repair(), 1);
    assert_true(world_promises(SET_ID));
    change_record("id", volume_ids[0]);
    assert_int_equal(repair(), 0);
    assert_true(storage_memory_has(w.array, volume_ids[0], SET_ID));
    world_close();
}

/* ---- prune, beside a set of October, and one of November whose log lies on another volume ------
 */

#define CRASH_ID "20161101T101500Z-cccc"

static void change_set(const char *id, const char *path, const char *value)
{
    struct record *r = store_load(w.dir, id, NULL);

    record_set_text(r, path, value);
    assert_int_equal(store_save(w.dir, "db", id, r, NULL), 0);
    record_free(r);
}

static void move_to(const char *id, size_t volume, const char *volume_id)
{
    AUTO_FREE char *path = xasprintf("pool/%s@%s", volume_id, id);
    struct record *r = store_load(w.dir, id, NULL);
    struct record *v = record_at(r, "volumes", volume);

    world_unsnap(record_text(v, "id"), id);
    if (!storage_memory_has(w.array, volume_id, id))
        world_snapshot(volume_id, id);
    record_set_text(v, "id", volume_id);
    record_set_text(v, "snapshot.path", path);
    assert_int_equal(store_save(w.dir, "db", id, r, NULL), 0);
    record_free(r);
}

static void two_months(void)
{
    world_open(true);
    change_set(SET_ID, "started", "2016-10-04T10:15:00.000Z");
    world_take_set(NEWER_ID);
    storage_memory_add(w.array, "id-log-2", "lab-log-2", "");
    move_to(NEWER_ID, 1, "id-log-2");
}

/* How many sets went. */
static size_t prune(enum retain_rule rule, size_t keep)
{
    struct retain_rules rules = {.now_us = wall_us()};
    AUTO_FREE struct retain_set *sets = NULL;
    struct inventory inv;
    struct run r;
    size_t count, removed = 0;

    rules.keep[rule] = keep;
    look(&r, &inv);
    count = prune_describe(&inv, "db", &sets);
    retain_decide(&rules, sets, count);
    for (size_t n = 0; n < count; n++) {
        struct err e = ERR_INIT;

        if (!sets[n].keep && inventory_remove(&inv, inventory_set(&inv, sets[n].id), &e) == 0)
            removed++;
    }
    look_away(&r, &inv);
    return removed;
}

static void a_short_list_of_snapshots_costs_no_set(void **state)
{
    (void)state;
    two_months();
    storage_memory_fault(w.array, MEMORY_LIST_SNAPSHOTS, "id-log", MEMORY_LIES, 1);
    assert_int_equal(prune(RETAIN_MONTHLY, 12), 0);
    assert_true(world_promises(SET_ID) && world_promises(NEWER_ID));
    for (size_t n = 0; n < 3; n++)
        assert_true(storage_memory_has(w.array, volume_ids[n], SET_ID));
    assert_int_equal(prune(RETAIN_LAST, 1), 1); /* told of, it goes by the rules as ever */
    assert_false(world_has_record(SET_ID));
    world_close();
}

/* One of a crash stays as long as an older good set does, which is not told of now. */
static void a_short_list_of_snapshots_costs_no_crash_set(void **state)
{
    (void)state;
    two_months();
    world_take_set(CRASH_ID);
    change_set(CRASH_ID, "verdict", "crash");
    change_set(CRASH_ID, "started", "2016-11-01T10:15:00.000Z");
    move_to(CRASH_ID, 1, "id-log-2");
    storage_memory_fault(w.array, MEMORY_LIST_SNAPSHOTS, "id-log", MEMORY_LIES, 1);
    assert_int_equal(prune(RETAIN_MONTHLY, 12), 0);
    assert_true(world_promises(CRASH_ID) && world_promises(SET_ID));
    world_close();
}

/* One that has really lost a snapshot goes once --orphans --repair has made its record say so. */
static void a_set_that_is_lost_goes_when_that_is_told(void **state)
{
    (void)state;
    two_months();
    world_unsnap("id-log", SET_ID);
    assert_int_equal(prune(RETAIN_LAST, 1), 0);
    assert_true(world_promises(SET_ID));
    assert_true(repair() > 0);
    assert_false(world_promises(SET_ID));
    assert_int_equal(prune(RETAIN_LAST, 1), 1);
    assert_false(world_has_record(SET_ID));
    world_close();
}

static void a_repair_looks_again(void **state)
{
    (void)state;
    world_open(true);
    storage_memory_fault(w.array, MEMORY_LIST_SNAPSHOTS, "id-log", MEMORY_LIES, 1);
    assert_int_equal(repair(), 1);
    assert_true(world_promises(SET_ID));
    assert_int_equal(repair(), 0);
    for (size_t n = 0; n < 3; n++)
        assert_true(storage_memory_has(w.array, volume_ids[n], SET_ID));
    world_close();
}

static struct journal *verifying;

static void end_verification(const char *id)
{
    if (!verifying)
        return;
    change_set(id, "verify.result", "same");
    journal_close(STEAL_PTR(verifying), true);
}

static void begin_verification(const char *id)
{
    struct record *head = record_new();

    assert_int_equal(journal_open(&verifying, w.dir, "20161104T120000Z-1234", NULL), 0);
    record_set_text(head, "act", "verify");
    record_set_text(head, "set", id);
    assert_int_equal(journal_write(verifying, head, true, NULL), 0);
    record_free(head);
}

static void on_list(void *arg, enum memory_command command, const char *volume_id, bool doing)
{
    (void)arg, (void)volume_id;
    if (command == MEMORY_LIST_SNAPSHOTS && doing)
        end_verification(SET_ID);
}

/* A verification ends while prune looks: its word is in the record only after that was read. */
static void the_newest_verified_set_stays(void **state)
{
    (void)state;
    two_months();
    begin_verification(SET_ID);
    storage_memory_on(w.array, on_list, NULL);
    assert_int_equal(prune(RETAIN_LAST, 1), 0);
    assert_null(verifying);
    storage_memory_on(w.array, NULL, NULL);
    assert_true(world_promises(SET_ID));
    assert_int_equal(prune(RETAIN_LAST, 1), 0); /* and it is known to be the newest verified one */
    world_close();
}

/* It begins and ends while others are being removed. */
static void what_was_verified_since_is_not_removed(void **state)
{
    struct inventory inv;
    struct err e = ERR_INIT;
    struct run r;

    (void)state;
    two_months();
    look(&r, &inv);
    begin_verification(SET_ID);
    end_verification(SET_ID);
    assert_int_equal(inventory_remove(&inv, inventory_set(&inv, SET_ID), &e), -1);
    assert_int_equal(e.code, ERR_REFUSED);
    assert_int_equal(inventory_remove(&inv, inventory_set(&inv, NEWER_ID), &e), 0);
    look_away(&r, &inv);
    assert_true(world_promises(SET_ID));
    world_close();
}

/* ---- what else is not theirs ------------------------------------------------------------------
 */

/* Lists that were cut short once: what is all there again is not removed bit by bit. */
static void a_set_that_came_back_stays(void **state)
{
    struct err e = ERR_INIT;
    struct record *r;

    (void)state;
    world_open(true);
    change_record("snapshot.name", "not-told");
    assert_true(repair() > 0);
    assert_false(world_promises(SET_ID));
    r = store_load(w.dir, SET_ID, &e);
    record_set_text(record_at(r, "volumes", 0), "snapshot.name", SET_ID);
    assert_int_equal(store_save(w.dir, "db", SET_ID, r, &e), 0);
    record_free(r);
    assert_int_equal(repair(), 0);
    for (size_t n = 0; n < 3; n++)
        assert_true(storage_memory_has(w.array, volume_ids[n], SET_ID));
    world_close();
}

static void a_volume_of_a_like_name_is_nobodys_clone(void **state)
{
    (void)state;
    world_open(true);
    storage_memory_add(w.array, "notes", BACK_VERIFY_PREFIX "notes", "");
    storage_memory_add(w.array, "left", BACK_VERIFY_PREFIX SET_ID "-vda", "");
    assert_int_equal(repair(), 1);
    assert_true(storage_memory_exists(w.array, "notes"));
    assert_false(storage_memory_exists(w.array, "left"));
    world_close();
}

static void a_record_does_not_remove_another_sets_snapshot(void **state)
{
    struct inventory inv;
    struct err e = ERR_INIT;
    struct run r;

    (void)state;
    world_open(true);
    world_take_set(NEWER_ID);
    change_record("snapshot.name", NEWER_ID);
    look(&r, &inv);
    assert_int_equal(inventory_remove(&inv, inventory_set(&inv, SET_ID), &e), -1);
    assert_int_equal(e.code, ERR_REFUSED);
    look_away(&r, &inv);
    assert_true(storage_memory_has(w.array, volume_ids[0], NEWER_ID));
    assert_true(world_promises(SET_ID));
    world_close();
}

static void a_set_of_a_crash_stands_in_for_no_other(void **state)
{
    struct inventory inv;
    struct err e = ERR_INIT;
    struct record *r;
    struct run run;

    (void)state;
    world_open(true);
    world_take_set(NEWER_ID);
    r = store_load(w.dir, NEWER_ID, &e);
    record_set_text(r, "verdict", "crash");
    assert_int_equal(store_save(w.dir, "db", NEWER_ID, r, &e), 0);
    record_free(r);
    look(&run, &inv);
    assert_true(inventory_last_good(&inv, inventory_set(&inv, SET_ID)));
    assert_false(inventory_last_good(&inv, inventory_set(&inv, NEWER_ID)));
    look_away(&run, &inv);
    world_close();
}

static void what_was_removed_is_no_orphan(void **state)
{
    struct orphan *orphans;
    struct inventory inv;
    struct err e = ERR_INIT;
    struct run r;

    (void)state;
    world_open(true);
    world_take_set(NEWER_ID);
    look(&r, &inv);
    assert_int_equal(inventory_remove(&inv, inventory_set(&inv, SET_ID), &e), 0);
    assert_int_equal(inventory_orphans(&inv, &orphans), 0);
    orphans_release(orphans, 0);
    look_away(&r, &inv);
    assert_false(world_has_record(SET_ID));
    world_close();
}

/* A verification that began after we had looked. */
static void a_journal_of_later_forbids_to_remove(void **state)
{
    struct journal *journal;
    struct record *head = record_new();
    struct inventory inv;
    struct err e = ERR_INIT;
    struct run r;

    (void)state;
    world_open(true);
    look(&r, &inv);
    assert_int_equal(journal_open(&journal, w.dir, NEWER_ID, &e), 0);
    record_set_text(head, "act", "verify");
    record_set_text(head, "set", SET_ID);
    assert_int_equal(journal_write(journal, head, true, NULL), 0);
    assert_int_equal(inventory_remove(&inv, inventory_set(&inv, SET_ID), &e), -1);
    assert_int_equal(e.code, ERR_REFUSED);
    journal_close(journal, true);
    record_free(head);
    look_away(&r, &inv);
    assert_true(world_promises(SET_ID));
    world_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_volume_that_is_not_told_of_costs_no_set),
        cmocka_unit_test(a_short_list_of_snapshots_costs_no_set),
        cmocka_unit_test(a_short_list_of_snapshots_costs_no_crash_set),
        cmocka_unit_test(a_set_that_is_lost_goes_when_that_is_told),
        cmocka_unit_test(a_repair_looks_again),
        cmocka_unit_test(the_newest_verified_set_stays),
        cmocka_unit_test(what_was_verified_since_is_not_removed),
        cmocka_unit_test(a_set_that_came_back_stays),
        cmocka_unit_test(a_volume_of_a_like_name_is_nobodys_clone),
        cmocka_unit_test(a_record_does_not_remove_another_sets_snapshot),
        cmocka_unit_test(a_set_of_a_crash_stands_in_for_no_other),
        cmocka_unit_test(what_was_removed_is_no_orphan),
        cmocka_unit_test(a_journal_of_later_forbids_to_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
