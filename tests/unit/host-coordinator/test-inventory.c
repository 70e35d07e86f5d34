/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records and array beside each other: what delete and prune may remove, and what is left over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "host-coordinator/back/inventory.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/log.h"
#include "tests/unit/host-coordinator/back_world.h"

#define NOBODYS "20161101T000000Z-aaaa"

static struct {
    struct run run;
    struct inventory inv;
    struct orphan *orphans;
    size_t count;
} i;

static void look(void)
{
    struct err e = ERR_INIT;

    if (inventory_read(&i.inv, &i.run, &e) < 0)
        fail_msg("inventory: %s", e.msg);
    i.count = inventory_orphans(&i.inv, &i.orphans);
}

static void look_away(void)
{
    orphans_release(i.orphans, i.count);
    i.orphans = NULL;
    i.count = 0;
    inventory_release(&i.inv);
}

static void look_again(void)
{
    look_away();
    look();
}

static int setup(void **state)
{
    (void)state;
    world_open(true);
    log_set_level(LOG_LEVEL_ERROR);
    world_take_set(NEWER_ID);
    memset(&i, 0, sizeof(i));
    run_init(&i.run, &w.conf, &domain_fake, w.loop, "", "");
    i.run.storages = world_storages();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    look_away();
    run_release(&i.run);
    world_close();
    return 0;
}

static struct standing judge(const char *id)
{
    struct standing s;

    inventory_judge(&i.inv, inventory_set(&i.inv, id), &s);
    return s;
}

static void change(const char *id, const char *path, const char *value)
{
    struct record *r = store_load(w.dir, id, NULL);

    record_set_text(r, path, value);
    assert_int_equal(store_save(w.dir, "db", id, r, NULL), 0);
    record_free(r);
}

static bool on_array(const char *id)
{
    for (size_t n = 0; n < 3; n++) {
        if (storage_memory_has(w.array, volume_ids[n], id))
            return true;
    }
    return false;
}

static void forget_snapshot(const char *volume_id, const char *name)
{
    struct storage_op op = {.done = false};
    struct volume v = {.id = (char *)volume_id};

    w.array->ops->remove_snapshot(w.array, &v, name, INT64_MAX, &op);
    assert_int_equal(loop_wait(w.loop, &op.done, INT64_MAX, NULL), 0);
    storage_op_release(&op);
}

static void clone_of(const char *volume_id, const char *name, const char *clone)
{
    struct storage_op op = {.done = false};
    struct volume v = {.id = (char *)volume_id};

    w.array->ops->clone(w.array, &v, name, clone, INT64_MAX, &op);
    assert_int_equal(loop_wait(w.loop, &op.done, INT64_MAX, NULL), 0);
    assert_false(err_is_set(&op.err));
    storage_op_release(&op);
}

/* A run that works with a set, or died doing so. */
static void open_journal(const char *run, const char *set)
{
    struct record *r = record_new();
    struct journal *j;

    assert_int_equal(journal_open(&j, w.dir, run, NULL), 0);
    record_set_text(r, "set", set);
    record_set_text(r, "id", run);
    assert_int_equal(journal_write(j, r, false, NULL), 0);
    record_free(r);
    journal_close(j, false);
}

/* ---- judging --------------------------------------------------------------------------------- */

static void whole_sets_are_good_and_nothing_is_left_over(void **state)
{
    (void)state;
    look();
    assert_int_equal(i.inv.set_count, 2);
    assert_int_equal(i.inv.count, 3);
    assert_int_equal(i.count, 0);
    assert_true(judge(SET_ID).good);
    assert_int_equal(judge(SET_ID).present, 3);
    assert_false(judge(SET_ID).clones);
    assert_false(judge(SET_ID).journal);
    assert_null(inventory_set(&i.inv, NOBODYS));
}

static void the_last_good_set_is_known(void **state)
{
    (void)state;
    look();
    assert_false(inventory_last_good(&i.inv, inventory_set(&i.inv, SET_ID)));
    change(NEWER_ID, "verify.result", "different");
    look_again();
    assert_true(inventory_last_good(&i.inv, inventory_set(&i.inv, SET_ID)));
    assert_false(inventory_last_good(&i.inv, inventory_set(&i.inv, NEWER_ID)));
    change(NEWER_ID, "verify.result", "same");
    change(NEWER_ID, "verdict", "void");
    look_again();
    assert_true(inventory_last_good(&i.inv, inventory_set(&i.inv, SET_ID)));
    change(NEWER_ID, "verdict", "crash");
    change(NEWER_ID, "domain.name", "another");
    look_again();
    assert_true(inventory_last_good(&i.inv, inventory_set(&i.inv, SET_ID)));
    change(NEWER_ID, "domain.name", "db");
    forget_snapshot("id-log", NEWER_ID);
    look_again();
    assert_true(inventory_last_good(&i.inv, inventory_set(&i.inv, SET_ID)));
    assert_false(judge(NEWER_ID).good);
    assert_int_equal(judge(NEWER_ID).present, 2);
}

/* What is not listed may be there all the same. */
static void a_set_that_is_not_all_listed_may_be_the_last_good_one(void **state)
{
    (void)state;
    change(NEWER_ID, "verdict", "void");
    storage_memory_fault(w.array, MEMORY_LIST_SNAPSHOTS, "id-log", MEMORY_LIES, 1);
    look();
    assert_false(judge(SET_ID).good);
    assert_true(inventory_last_good(&i.inv, inventory_set(&i.inv, SET_ID)));
    assert_false(inventory_last_good(&i.inv, inventory_set(&i.inv, NEWER_ID)));
    change(NEWER_ID, "verdict", "application");
    look_again();
    assert_false(inventory_last_good(&i.inv, inventory_set(&i.inv, SET_ID)));
}

/* ---- removing -------------------------------------------------------------------------------- */

static void a_set_is_removed_whole(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    look();
    assert_int_equal(inventory_remove(&i.inv, inventory_set(&i.inv, SET_ID), &e), 0);
    assert_false(on_array(SET_ID));
    assert_false(world_has_record(SET_ID));
    assert_true(world_promises(NEWER_ID));
    assert_true(on_array(NEWER_ID));
}

static void a_set_in_use_stays(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    clone_of("id-log", SET_ID, "somebody-s");
    look();
    assert_int_equal(inventory_remove(&i.inv, inventory_set(&i.inv, SET_ID), &e), -1);
    assert_int_equal(e.code, ERR_REFUSED);
    assert_non_null(strstr(e.msg, "has clones"));
    open_journal("20161104T120000Z-0001", NEWER_ID);
    look_again();
    e = ERR_INIT;
    assert_int_equal(inventory_remove(&i.inv, inventory_set(&i.inv, NEWER_ID), &e), -1);
    assert_int_equal(e.code, ERR_REFUSED);
    assert_non_null(strstr(e.msg, "cbsnap-coord recover"));
    assert_true(world_promises(SET_ID) && world_promises(NEWER_ID));
    for (size_t n = 0; n < 3; n++)
        assert_true(storage_memory_has(w.array, volume_ids[n], SET_ID));
}

static void a_set_on_an_unknown_appliance_stays(void **state)
{
    struct record *r = store_load(w.dir, SET_ID, NULL);
    struct err e = ERR_INIT;

    (void)state;
    record_set_text(record_at(r, "volumes", 1), "appliance", "elsewhere");
    assert_int_equal(store_save(w.dir, "db", SET_ID, r, NULL), 0);
    record_free(r);
    look();
    assert_int_equal(inventory_remove(&i.inv, inventory_set(&i.inv, SET_ID), &e), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    assert_true(on_array(SET_ID));
}

static void a_removal_that_was_interrupted_can_be_asked_for_again(void **state)
{
    const enum memory_fault faults[] = {MEMORY_REFUSES, MEMORY_HANGS, MEMORY_MUTE};

    for (size_t n = 0; n < 3 * ARRAY_SIZE(faults); n++) {
        struct err e = ERR_INIT;
        struct record *r;

        (void)teardown(state);
        (void)setup(state);
        world_hurry_array(faults[n / 3] != MEMORY_REFUSES);
        look();
        storage_memory_fault(w.array, MEMORY_REMOVE, volume_ids[n % 3], faults[n / 3], 1);
        assert_int_equal(inventory_remove(&i.inv, inventory_set(&i.inv, SET_ID), &e), -1);
        assert_true(err_is_set(&e));
        assert_false(world_promises(SET_ID)); /* since before the first snapshot went */
        assert_true(world_has_record(SET_ID));
        world_hurry_array(false);
        look_again();
        e = ERR_INIT;
        storage_memory_fault(w.array, MEMORY_REMOVE, "id-data", MEMORY_REFUSES, 1);
        assert_int_equal(inventory_remove(&i.inv, inventory_set(&i.inv, SET_ID), &e), -1);
        r = store_load(w.dir, SET_ID, NULL);
        assert_int_equal(record_count(r, "reasons"), 1); /* told once */
        record_free(r);
        look_again();
        e = ERR_INIT;
        assert_int_equal(inventory_remove(&i.inv, inventory_set(&i.inv, SET_ID), &e), 0);
        assert_false(on_array(SET_ID));
        assert_false(world_has_record(SET_ID));
    }
}

/* ---- left over ------------------------------------------------------------------------------- */

static void repair_all(size_t expected, enum orphan_kind kind)
{
    struct err e = ERR_INIT;

    look_again();
    assert_int_equal(i.count, expected);
    for (size_t n = 0; n < i.count; n++) {
        assert_int_equal(i.orphans[n].kind, kind);
        if (orphan_repair(&i.inv, &i.orphans[n], &e) < 0)
            fail_msg("%s: %s", i.orphans[n].text, e.msg);
    }
    look_again();
}

static void snapshots_of_no_record_go_and_others_stay(void **state)
{
    (void)state;
    world_snapshot("id-root", NOBODYS);
    world_snapshot("id-data", NOBODYS);
    world_snapshot("id-data", "nightly");
    world_snapshot("id-data", "20161101T000000Z-AAAA");
    repair_all(2, ORPHAN_SNAPSHOT);
    assert_int_equal(i.count, 0);
    assert_false(on_array(NOBODYS));
    assert_true(storage_memory_has(w.array, "id-data", "nightly"));
    assert_true(storage_memory_has(w.array, "id-data", "20161101T000000Z-AAAA"));
    assert_true(on_array(SET_ID) && on_array(NEWER_ID));
}

static void snapshots_of_a_void_set_go(void **state)
{
    (void)state;
    change(SET_ID, "verdict", "void");
    repair_all(3, ORPHAN_SNAPSHOT);
    assert_false(on_array(SET_ID));
}

static void what_a_journal_names_stays(void **state)
{
    (void)state;
    open_journal(NOBODYS, NOBODYS);
    world_snapshot("id-root", NOBODYS);
    clone_of("id-log", SET_ID, "cbsnap-verify-" NOBODYS "-vdb");
    look();
    assert_int_equal(i.count, 0);
}

static void a_record_without_its_snapshots_says_so(void **state)
{
    (void)state;
    forget_snapshot("id-log", SET_ID);
    look();
    assert_int_equal(i.count, 1);
    repair_all(1, ORPHAN_RECORD);
    assert_false(world_promises(SET_ID));
    assert_true(world_promises(NEWER_ID));
    repair_all(2, ORPHAN_SNAPSHOT); /* what is left of it is nobody's now */
    assert_int_equal(i.count, 0);
    assert_false(on_array(SET_ID));
}

static void clones_of_a_verification_that_is_over_go(void **state)
{
    (void)state;
    clone_of("id-log", SET_ID, "cbsnap-verify-" NOBODYS "-vdb");
    clone_of("id-log", SET_ID, "lab-log-" NOBODYS);
    look();
    assert_true(judge(SET_ID).clones);
    repair_all(1, ORPHAN_VOLUME);
    assert_int_equal(i.count, 0);
    assert_null(storage_memory_id(w.array, "cbsnap-verify-" NOBODYS "-vdb"));
    assert_non_null(storage_memory_id(w.array, "lab-log-" NOBODYS));
}

static void with_a_record_that_cannot_be_read_no_snapshot_is_nobodys(void **state)
{
    AUTO_FREE char *path = xasprintf("%s/records/db/%s.json", w.dir, SET_ID);
    FILE *f = fopen(path, "we");

    (void)state;
    w.tampered = true;
    assert_true(fputs("{ cut", f) >= 0 && fclose(f) == 0);
    world_snapshot("id-root", NOBODYS);
    log_set_level(LOG_LEVEL_ERROR);
    look();
    assert_int_equal(i.inv.unreadable, 1);
    assert_int_equal(i.count, 0);
    assert_true(on_array(SET_ID));
}

/* The picture was taken while a run was at work, and the run has ended well since. */
static void a_set_that_was_finished_meanwhile_is_somebodys(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    change(SET_ID, "verdict", "void"); /* as announced */
    look();
    assert_int_equal(i.count, 3);
    change(SET_ID, "verdict", "application");
    for (size_t n = 0; n < i.count; n++)
        assert_int_equal(orphan_repair(&i.inv, &i.orphans[n], &e), 0);
    for (size_t n = 0; n < 3; n++)
        assert_true(storage_memory_has(w.array, volume_ids[n], SET_ID));
    orphans_release(i.orphans, i.count);
    i.count = inventory_orphans(&i.inv, &i.orphans); /* of the same old picture */
    assert_int_equal(i.count, 0);
}

/* Removed by somebody else meanwhile: it does not come back as a void record. */
static void a_record_that_is_gone_meanwhile_stays_gone(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    forget_snapshot("id-log", SET_ID);
    look();
    assert_int_equal(i.count, 1);
    assert_int_equal(store_remove(w.dir, "db", SET_ID, NULL), 0);
    assert_int_equal(orphan_repair(&i.inv, &i.orphans[0], &e), 0);
    assert_false(world_has_record(SET_ID));
}

static void an_array_that_does_not_answer_gives_no_picture(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    storage_memory_fault(w.array, MEMORY_LIST_SNAPSHOTS, "id-log", MEMORY_REFUSES, 1);
    assert_int_equal(inventory_read(&i.inv, &i.run, &e), -1);
    assert_int_equal(e.code, ERR_STORAGE);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(whole_sets_are_good_and_nothing_is_left_over),
        T(the_last_good_set_is_known),
        T(a_set_that_is_not_all_listed_may_be_the_last_good_one),
        T(a_set_is_removed_whole),
        T(a_set_in_use_stays),
        T(a_set_on_an_unknown_appliance_stays),
        T(a_removal_that_was_interrupted_can_be_asked_for_again),
        T(snapshots_of_no_record_go_and_others_stay),
        T(snapshots_of_a_void_set_go),
        T(what_a_journal_names_stays),
        T(a_record_without_its_snapshots_says_so),
        T(clones_of_a_verification_that_is_over_go),
        T(with_a_record_that_cannot_be_read_no_snapshot_is_nobodys),
        T(a_set_that_was_finished_meanwhile_is_somebodys),
        T(a_record_that_is_gone_meanwhile_stays_gone),
        T(an_array_that_does_not_answer_gives_no_picture),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
