/* SPDX-License-Identifier: GPL-2.0-or-later */
/* recover of a restore onto clones: whose disks they are by now, and that a list which lacks
 * something is no proof that it is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/unit/host-coordinator/back_late.h"

static const struct wanted switching = {.method = BACK_SWITCH};
static const struct wanted copying = {.method = BACK_COPY};

static void expect_left(const char *words)
{
    const char *problem = world_recover();

    assert_non_null(problem);
    if (!strstr(problem, words))
        fail_msg("'%s' is not in '%s'", words, problem);
    assert_int_equal(world_journals(), 1);
    assert_int_equal(storage_memory_volumes(w.array), 6);
}

/* The VM serves from the clones, and the array's list of volumes lacks them for a while: they are
 * its disks, and the record names them. */
static void a_list_that_is_short_costs_no_vm_its_disks(void **state)
{
    struct record *set;
    struct tale t;

    (void)state;
    t = die_late(switching, "end start");
    set = store_load(w.dir, SET_ID, NULL);
    record_clear(set, "restores");
    assert_int_equal(store_save(w.dir, "db", SET_ID, set, NULL), 0);
    record_free(set);
    storage_memory_fault(w.array, MEMORY_LIST, NULL, MEMORY_LIES, 4);
    assert_null(world_recover());
    assert_int_equal(world_content(domain_fake_live("db")), SET_CONTENT);
    assert_true(world_promises(t.run)); /* the safety set */
    set = store_load(w.dir, SET_ID, NULL);
    for (size_t n = 0; n < 3; n++) {
        const struct record *v = record_at(record_at(set, "restores", 0), "volumes", n);

        assert_true(storage_memory_exists(w.array, record_text(v, "id")));
        assert_non_null(record_text(v, "iqn"));
    }
    record_free(set);
}

/* The same disks, as volumes of a pool of libvirt's. */
static char *pool_definition(void)
{
    struct buf text = BUF_INIT;

    buf_addf(&text, "<domain type='kvm'><name>db</name><uuid>%s</uuid><devices>", DB_UUID);
    for (int n = 0; n < 3; n++)
        buf_addf(&text,
                 "<disk type='volume' device='disk'><source pool='p' volume='unit:0:0:%d'/>"
                 "<target dev='vd%c'/></disk>",
                 n, 'a' + n);
    buf_addf(&text, "</devices></domain>");
    return buf_steal(&text);
}

/* Whether they are the clones nobody can tell who does not know the pool: a person looks. Once the
 * VM plainly has its old disks, what is left goes. */
static void disks_that_cannot_be_told_are_a_persons(void **state)
{
    AUTO_FREE char *pool = pool_definition();
    struct tale t;

    (void)state;
    t = die_late(switching, "end define");
    domain_fake_define("db", pool, false);
    expect_left("the disks in its definition");
    domain_fake_define("db", pool, true);
    domain_fake_redefine("db", w.definition);
    expect_left("the disks in its live XML");
    domain_fake_save("db");
    expect_left("its memory is saved");
    domain_fake_define("db", w.definition, false);
    domain_fake_migrate("db");
    expect_left("it was migrated away");
    assert_true(world_promises(t.run)); /* the safety set */
    domain_fake_define("db", w.definition, true);
    assert_null(world_recover());
    assert_int_equal(world_content(domain_fake_live("db")), NOW_CONTENT);
    assert_int_equal(storage_memory_volumes(w.array), 3);
    assert_false(world_has_record(t.run));
}

/* ---- what is left goes, listed or not ------------------------------------------------------- */

static void lists_are_short(struct back *b, const char *event)
{
    (void)b;
    if (strcmp(event, "begin undo clone") == 0)
        storage_memory_fault(w.array, MEMORY_LIST, NULL, MEMORY_LIES, -1);
}

/* No other record or journal would name them. */
static void clones_that_are_not_listed_go_all_the_same(void **state)
{
    struct tale t;

    (void)state;
    w.hook = lists_are_short;
    domain_fake_script(FAKE_DEFINE, (struct fake_act){.fail = ERR_LIBVIRT});
    t = world_run(switching);
    world_heal();
    assert_int_equal(t.status, 4);
    assert_int_equal(storage_memory_volumes(w.array), 3);
    (void)die_late(copying, "begin define");
    forget("copy");
    storage_memory_fault(w.array, MEMORY_LIST, NULL, MEMORY_LIES, -1);
    expect_recovered("no domain 'copy' was made, and its clones are gone");
    world_heal();
    assert_int_equal(storage_memory_volumes(w.array), 3);
}

/* The VM has all disks of the set as they were. */
static void a_disk_that_was_added_is_no_clone(void **state)
{
    char *at = strstr(w.definition, "</devices>");
    AUTO_FREE char *more = xasprintf("%.*s<disk type='file' device='disk'><source file='/tmp/x'/>"
                                     "<target dev='vdx'/></disk>%s",
                                     (int)(at - w.definition), w.definition, at);

    (void)state;
    (void)die_late(switching, "begin define");
    domain_fake_define("db", more, false);
    assert_null(world_recover());
    assert_true(domain_fake_runs("db"));
    assert_int_equal(storage_memory_volumes(w.array), 3);
}

/* ---- a copy ---------------------------------------------------------------------------------- */

/* virsh domrename, and start. */
static void rename_copy(void)
{
    char *definition = xstrdup(domain_fake_definition("copy"));
    char *name = strstr(definition, "<name>copy<");

    assert_non_null(name);
    memcpy(name, "<name>prod<", strlen("<name>prod<"));
    forget("copy");
    domain_fake_define("prod", definition, true);
    free(definition);
}

static void a_copy_that_was_renamed_keeps_its_disks(void **state)
{
    const char *const events[] = {"end define", "begin certify"};

    for (size_t n = 0; n < ARRAY_SIZE(events); n++) {
        (void)late_teardown(state);
        (void)late_setup(state);
        (void)die_late(copying, events[n]);
        rename_copy();
        expect_recovered("domain 'prod' is what set " SET_ID " says");
        assert_int_equal(world_content(domain_fake_live("prod")), SET_CONTENT);
    }
}

/* Its new name's owner has it off. */
static void a_copy_that_was_renamed_is_not_started(void **state)
{
    (void)state;
    (void)die_late(copying, "end define");
    rename_copy();
    domain_fake_power("prod", false);
    expect_recovered("domain 'prod' is what set " SET_ID " says");
    assert_false(domain_fake_runs("prod"));
    assert_int_equal(world_content(domain_fake_definition("prod")), SET_CONTENT);
}

/* Migrated, say, and undefined here; or renamed, and made by a program that noted no UUID. */
static void a_copy_that_is_gone_keeps_its_disks(void **state)
{
    const struct wanted off = {.method = BACK_COPY, .no_start = true};

    for (int n = 0; n < 3; n++) {
        (void)late_teardown(state);
        (void)late_setup(state);
        (void)die_late(n == 0 ? off : copying, "begin start");
        if (n < 2)
            forget("copy");
        else
            rename_copy();
        if (n == 2)
            take_line_out(late.journal, "\"to_uuid\"");
        expect_left("another host may have it");
        expect_left("remove on the appliance those that nobody uses, then the journal");
    }
}

/* It could not be taken back, and then somebody else did so: why, nobody knows here. One that was
 * taken back takes its clones with it. */
static void a_copy_that_was_taken_back_is_no_riddle(void **state)
{
    struct tale t;

    for (int n = 0; n < 3; n++) {
        (void)late_teardown(state);
        (void)late_setup(state);
        domain_fake_script(FAKE_START, (struct fake_act){.fail = ERR_LIBVIRT});
        if (n == 0)
            domain_fake_script(FAKE_UNDEFINE, (struct fake_act){.fail = ERR_LIBVIRT});
        else
            storage_memory_fault(w.array, MEMORY_REMOVE_VOLUME, NULL, MEMORY_REFUSES, -1);
        t = world_run(copying);
        assert_int_equal(t.status, 5);
        world_heal();
        if (n == 0) {
            forget("copy");
            expect_left("another host may have it");
        } else {
            if (n == 2) { /* by a program that noted neither */
                (void)snprintf(late.journal, sizeof(late.journal), "%s/journal/%s.jsonl", w.dir,
                               t.run);
                take_line_out(late.journal, "copy_forgotten");
                take_line_out(late.journal, "to_uuid");
            }
            expect_recovered("no domain 'copy' was made, and its clones are gone");
        }
    }
    assert_int_equal(storage_memory_volumes(w.array), 3);
}

/* What is called so now is somebody else's. */
static void another_vm_of_the_copy_s_name_is_not_the_copy(void **state)
{
    (void)state;
    (void)die_late(copying, "begin certify");
    rename_copy();
    take_line_out(late.journal, "\"to_uuid\"");
    domain_fake_define("copy", "<domain><name>copy</name></domain>", false);
    expect_left("domain 'copy' may use the clones");
    assert_int_equal(world_content(domain_fake_live("prod")), SET_CONTENT);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, late_setup, late_teardown)
    const struct CMUnitTest tests[] = {
        T(a_list_that_is_short_costs_no_vm_its_disks),
        T(disks_that_cannot_be_told_are_a_persons),
        T(clones_that_are_not_listed_go_all_the_same),
        T(a_disk_that_was_added_is_no_clone),
        T(a_copy_that_was_renamed_keeps_its_disks),
        T(a_copy_that_was_renamed_is_not_started),
        T(a_copy_that_is_gone_keeps_its_disks),
        T(a_copy_that_was_taken_back_is_no_riddle),
        T(another_vm_of_the_copy_s_name_is_not_the_copy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
