/* SPDX-License-Identifier: GPL-2.0-or-later */
/* recover where the world has gone on since the run died; the deaths are test-restore-killed.c's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/unit/host-coordinator/back_late.h"

static const struct wanted in_place = {.method = BACK_IN_PLACE};
static const struct wanted switching = {.method = BACK_SWITCH};

static void all_write(const char *const ids[3], int content)
{
    for (size_t n = 0; n < 3; n++)
        storage_memory_write(w.array, ids[n], content);
}

/* ---- in place -------------------------------------------------------------------------------- */

/* What the VM has written since it was started must not be rolled back: also where an older program
 * wrote the journal, which told of no opening. */
static void what_was_written_since_the_start_stays(void **state)
{
    const char *const events[] = {"begin start", "end start"};

    for (size_t n = 0; n < 2 * ARRAY_SIZE(events); n++) {
        (void)late_teardown(state);
        (void)late_setup(state);
        (void)die_late(in_place, events[n / 2]);
        if (n % 2)
            take_line_out(late.journal, "\"opened\"");
        all_write(volume_ids, 300);
        domain_fake_power("db", n / 2 == 0);
        assert_null(world_recover());
        assert_int_equal(world_content(domain_fake_definition("db")), 300);
        assert_true(domain_fake_runs("db"));
        assert_int_equal(world_journals(), 0);
        assert_int_equal(storage_memory_rollbacks_in_use(w.array), 0);
    }
}

/* Somebody has started it on closed volumes of which one is rolled back: told, and left. */
static void a_vm_on_volumes_half_rolled_back_is_a_persons(void **state)
{
    const char *problem;

    (void)state;
    (void)die_late(in_place, "end roll back");
    storage_memory_allow(w.array, "id-log", "");
    problem = world_recover();
    assert_non_null(problem);
    assert_non_null(strstr(problem, "rolled back in part"));
    assert_int_equal(world_journals(), 1);
    domain_fake_power("db", false);
    assert_null(world_recover());
    assert_int_equal(world_content(domain_fake_definition("db")), SET_CONTENT);
    assert_true(domain_fake_runs("db"));
}

/* Closed and not rolled back, and the list of volumes lacks them for a moment: who might use them
 * stands in the journal alone. */
static void a_volume_that_is_not_listed_is_not_forgotten(void **state)
{
    const char *problem;

    (void)state;
    (void)die_late(in_place, "end fence");
    domain_fake_define("db", w.definition, false);
    all_write(volume_ids, NOW_CONTENT);
    for (size_t n = 0; n < 3; n++)
        storage_memory_allow(w.array, volume_ids[n], "");
    storage_memory_fault(w.array, MEMORY_LIST, NULL, MEMORY_LIES, 1);
    problem = world_recover();
    assert_non_null(problem);
    assert_non_null(strstr(problem, "recover lets 'all' use it again"));
    assert_int_equal(world_journals(), 1);
    assert_false(domain_fake_runs("db"));
    assert_null(world_recover());
    assert_int_equal(world_content(domain_fake_live("db")), NOW_CONTENT);
    assert_int_equal(world_journals(), 0);
}

/* Two of three are rolled back, and the array refuses the third: the VM stays off and its volumes
 * closed, until a recover has finished it. */
static void volumes_half_rolled_back_are_finished_and_not_started(void **state)
{
    struct tale t;

    (void)state;
    storage_memory_fault(w.array, MEMORY_ROLLBACK, "id-log", MEMORY_REFUSES, -1);
    t = world_run(in_place);
    assert_int_equal(t.status, 5);
    assert_int_equal(storage_memory_content(w.array, "id-root"), SET_CONTENT);
    assert_int_equal(storage_memory_content(w.array, "id-log"), NOW_CONTENT);
    for (int n = 0; n < 2; n++) {
        assert_false(domain_fake_runs("db"));
        for (size_t v = 0; v < 3; v++)
            assert_string_equal(storage_memory_access(w.array, volume_ids[v]), "");
        assert_int_equal(world_journals(), 1);
        assert_true(n > 0 || world_recover() != NULL);
    }
    assert_world(world_recovered_wrong(&t), "recovered");
    assert_int_equal(world_content(domain_fake_live("db")), SET_CONTENT);
}

static void no_room(bool none)
{
    struct rlimit limit;

    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = none ? 1 : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void no_room_from_define_to_unfence(struct back *b, const char *event)
{
    (void)b;
    if (strcmp(event, "end define") == 0)
        no_room(true);
    else if (strcmp(event, "end unfence") == 0)
        no_room(false);
}

/* What a recover would not know of would be rolled back with all that was written since. */
static void volumes_are_opened_only_when_that_is_written_down(void **state)
{
    struct tale t;

    (void)state;
    w.hook = no_room_from_define_to_unfence;
    t = world_run(in_place);
    assert_int_equal(t.status, 5);
    assert_non_null(strstr(t.e.msg, "cannot be written down"));
    assert_false(domain_fake_runs("db"));
    for (size_t v = 0; v < 3; v++)
        assert_string_equal(storage_memory_access(w.array, volume_ids[v]), "");
    assert_int_equal(world_journals(), 1);
    assert_world(world_recovered_wrong(&t), "recovered");
    assert_int_equal(world_content(domain_fake_live("db")), SET_CONTENT);
}

static void a_snapshot_that_is_gone_meanwhile_is_told(void **state)
{
    const char *problem;

    (void)state;
    (void)die_late(in_place, "end roll back");
    domain_fake_power("db", false);
    world_unsnap("id-log", SET_ID);
    problem = world_recover();
    assert_non_null(problem);
    assert_non_null(strstr(problem, "no snapshot"));
    assert_int_equal(world_journals(), 1);
}

/* ---- moved ----------------------------------------------------------------------------------- */

/* Its definition was replaced and somebody started the VM from the old one before, or libvirt did
 * it late: it serves from its old volumes, and stays there. */
static void a_vm_that_runs_on_its_old_volumes_stays_there(void **state)
{
    const struct wanted not_started = {.method = BACK_SWITCH, .no_start = true};
    struct tale t;
    char *moved;

    (void)state;
    t = die_late(not_started, "end define");
    moved = xstrdup(domain_fake_definition("db"));
    domain_fake_define("db", w.definition, true);
    /* define() of a running domain changes what the next start takes, and not its QEMU */
    {
        struct domain *d;

        assert_int_equal(domain_fake.define(&d, "", moved, NULL), 0);
        domain_fake.close(d);
    }
    free(moved);
    assert_null(world_recover());
    assert_string_equal(domain_fake_definition("db"), w.definition);
    assert_int_equal(world_content(domain_fake_live("db")), NOW_CONTENT);
    t.as = switching;
    assert_world(world_wrong(&t), "recovered");
    assert_int_equal(storage_memory_volumes(w.array), 3);
}

/* Died before it had told of itself. It names the safety set that there is, and none else. */
static void a_restore_is_told_with_the_safety_set_that_it_took(void **state)
{
    for (int n = 0; n < 2; n++) {
        const struct wanted wanted = {.method = BACK_SWITCH, .no_safety = n == 0};
        const struct record *told;
        struct record *set;
        struct tale t;

        (void)late_teardown(state);
        (void)late_setup(state);
        t = die_late(wanted, "end define");
        set = store_load(w.dir, SET_ID, NULL);
        record_clear(set, "restores");
        assert_int_equal(store_save(w.dir, "db", SET_ID, set, NULL), 0);
        record_free(set);
        assert_null(world_recover());
        set = store_load(w.dir, SET_ID, NULL);
        told = record_at(set, "restores", 0);
        assert_string_equal(record_text(told, "id"), t.run);
        assert_true(wanted.no_safety == !record_text(told, "safety"));
        assert_true(wanted.no_safety == !world_promises(t.run));
        record_free(set);
    }
}

static void a_vm_that_was_moved_and_is_off_is_started(void **state)
{
    (void)state;
    (void)die_late(switching, "end define");
    domain_fake_power("db", false);
    assert_null(world_recover());
    assert_int_equal(world_content(domain_fake_live("db")), SET_CONTENT);
}

/* It was started, then something failed, and it cannot be ended: it runs from the clones, so they
 * and its definition are its own until somebody has looked. */
static void a_vm_that_cannot_be_ended_keeps_what_it_runs_from(void **state)
{
    struct tale t;

    (void)state;
    domain_fake_script(FAKE_XML, (struct fake_act){.fail = ERR_NONE}); /* of the one that ran */
    domain_fake_script(FAKE_XML, (struct fake_act){.fail = ERR_LIBVIRT});
    domain_fake_script(FAKE_DESTROY, (struct fake_act){.fail = ERR_LIBVIRT});
    t = world_run(switching);
    assert_int_equal(t.status, 5);
    assert_non_null(strstr(t.e.msg, "could not be ended"));
    assert_world(world_wrong(&t), "before recover");
    assert_int_equal(world_content(domain_fake_live("db")), SET_CONTENT);
    assert_int_equal(world_content(domain_fake_definition("db")), SET_CONTENT);
    assert_world(world_recovered_wrong(&t), "recovered");
    assert_true(world_promises(t.run)); /* the safety set */
}

static void a_vm_that_is_gone_is_told(void **state)
{
    const char *problem;

    (void)state;
    (void)die_late(switching, "end define");
    forget("db");
    problem = world_recover();
    assert_non_null(problem);
    assert_non_null(strstr(problem, "'db' is gone"));
    assert_int_equal(world_journals(), 1);
    assert_int_equal(storage_memory_volumes(w.array), 6);
}

/* ---- killed while the guest was waited for --------------------------------------------------- */

static void keep_this_journal(void *arg)
{
    struct store_names ids = {.count = 0};
    AUTO_FREE char *command = NULL;

    (void)arg;
    if (journal_names(&ids, w.dir, NULL) < 0 || ids.count != 1)
        abort(); /* this is libvirt's thread */
    (void)snprintf(late.journal, sizeof(late.journal), "%s/journal/%s.jsonl", w.dir, ids.names[0]);
    command = xasprintf("cp '%s' '%s'", late.journal, late.kept);
    if (system(command) != 0)
        abort();
    store_names_release(&ids);
}

/* It was asked, and goes off when nobody waits for it any more. */
static void a_guest_that_was_asked_is_waited_for(void **state)
{
    const struct wanted plans[] = {switching, in_place};

    for (size_t n = 0; n < ARRAY_SIZE(plans); n++) {
        const char *problem;

        (void)late_teardown(state);
        (void)late_setup(state);
        domain_fake_on(FAKE_SHUTDOWN, keep_this_journal, NULL);
        (void)world_run(plans[n]);
        assert_int_equal(rename(late.kept, late.journal), 0);
        domain_fake_define("db", w.definition, true);
        problem = world_recover();
        assert_non_null(problem);
        assert_non_null(strstr(problem, "may do so until"));
        assert_int_equal(world_journals(), 1);
        domain_fake_power("db", false);
        assert_null(world_recover());
        assert_true(domain_fake_runs("db"));
        assert_int_equal(world_journals(), 0);
    }
}

/* Nobody would live to see that it is over. */
static void a_guest_that_was_asked_in_the_far_future_is_let_be(void **state)
{
    FILE *f;

    (void)state;
    (void)die_late(switching, "begin stop");
    f = fopen(late.journal, "ae");
    assert_true(f && fputs("{\"asked_wall_us\":9223372036854775807}\n", f) >= 0);
    (void)fclose(f);
    domain_fake_define("db", w.definition, true);
    assert_null(world_recover());
    assert_int_equal(world_journals(), 0);
}

/* Likewise of a clone that such a clock has asked for. */
static void a_clone_of_the_far_future_is_let_be(void **state)
{
    const struct wanted verifying = {.method = BACK_VERIFY};
    FILE *f;

    (void)state;
    (void)die_late(verifying, "begin clone");
    f = fopen(late.journal, "ae");
    assert_true(f && fprintf(f,
                             "{\"clones\":[{\"target\":\"vda\",\"name\":\"cbsnap-verify-x-vda\","
                             "\"until_wall_us\":%lld}]}\n",
                             (long long)(wall_us() + INT64_C(70) * 365 * 86400 * 1000000)) >= 0);
    (void)fclose(f);
    assert_null(world_recover());
    assert_int_equal(world_journals(), 0);
}

static void no_room_in_stop(struct back *b, const char *event)
{
    (void)b;
    if (strstr(event, " stop"))
        no_room(strcmp(event, "begin stop") == 0);
}

/* What a recover would not know of might go off when nobody waits for it any more. */
static void a_guest_is_asked_only_when_that_is_written_down(void **state)
{
    struct tale t;

    (void)state;
    w.hook = no_room_in_stop;
    t = world_run(switching);
    assert_int_equal(t.status, 4);
    assert_non_null(strstr(t.e.msg, "cannot write the journal"));
    assert_int_equal(domain_fake_did("db", FAKE_SHUTDOWN), 0);
    assert_world(world_ended_wrong(&t), "no room");
}

/* ---- migrated away, or saved ----------------------------------------------------------------- */

/* It had run, and another host has it by now: started here, it would run twice. */
static void a_vm_that_was_migrated_away_is_not_started(void **state)
{
    const struct {
        struct wanted wanted;
        const char *at, *words;
    } cases[] = {
        {switching, "end stop", "domain 'db' is as before, and was migrated away"},
        {in_place, "end stop", "domain 'db' is as before, and was migrated away"},
        {switching, "end define",
         "domain 'db' is what set " SET_ID " says, and was migrated away; verify the set, or look "
         "at it"},
    };

    for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
        unsigned starts;

        (void)late_teardown(state);
        (void)late_setup(state);
        (void)die_late(cases[n].wanted, cases[n].at);
        starts = domain_fake_did("db", FAKE_START);
        domain_fake_migrate("db");
        expect_recovered(cases[n].words);
        assert_int_equal(domain_fake_did("db", FAKE_START), starts);
    }
}

/* libvirt-guests has saved it when the host went down, say: a start of ours would be a boot. */
static void a_vm_whose_memory_was_saved_is_not_started(void **state)
{
    (void)state;
    (void)die_late(switching, "end stop");
    domain_fake_define("db", w.definition, true);
    domain_fake_save("db");
    expect_recovered("domain 'db' is as before, and its memory is saved: virsh start goes on with "
                     "it");
    domain_fake_power("db", true);
    assert_int_equal(world_content(domain_fake_live("db")), NOW_CONTENT);
}

/* ---- who else is there ----------------------------------------------------------------------- */

static void a_live_run_is_left_alone(void **state)
{
    struct journal *j;
    struct recovery r;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(journal_open(&j, w.dir, SET_ID, NULL), 0);
    assert_int_equal(recover_journal(&w.conf, &domain_fake, w.loop, "", SET_ID, world_storages(),
                                     (struct run_reporter){.arg = NULL}, &r, &e),
                     -1);
    assert_int_equal(e.code, ERR_BUSY);
    recovery_release(&r);
    journal_close(j, false);
    assert_int_equal(world_journals(), 1);
    /* and one that died before it had written what it is about has begun nothing */
    assert_null(world_recover());
    assert_int_equal(world_journals(), 0);
    assert_true(world_promises(SET_ID));
}

static void a_vm_that_another_run_has_waits(void **state)
{
    const char *problem;
    int fd;

    (void)state;
    (void)die_late(switching, "end stop");
    assert_int_equal(store_lock(w.dir, DB_UUID, &fd, NULL), 0);
    problem = world_recover();
    assert_non_null(problem);
    assert_non_null(strstr(problem, "another run has this VM"));
    assert_int_equal(world_journals(), 1);
    close(fd);
}

static void expect_refused(struct wanted wanted)
{
    struct tale t = world_run(wanted);

    assert_int_equal(t.status, 3);
    assert_non_null(strstr(t.e.msg, "is not over: cbsnap-coord recover"));
    assert_int_equal(world_journals(), 1);
}

/* Behind a fence that only the dead run's journal can open. */
static void a_restore_waits_for_the_recover_of_one_in_place(void **state)
{
    (void)state;
    (void)die_late(in_place, "end fence");
    domain_fake_define("db", w.definition, false);
    all_write(volume_ids, NOW_CONTENT);
    for (size_t n = 0; n < 3; n++)
        storage_memory_allow(w.array, volume_ids[n], "");
    expect_refused(in_place);
    expect_refused(switching);
    assert_null(world_recover());
    assert_int_equal(world_content(domain_fake_live("db")), NOW_CONTENT);
    assert_int_equal(world_run(in_place).status, 0);
}

/* The VM serves from clones that only the dead run's journal names. */
static void a_restore_waits_for_the_recover_of_one_onto_clones(void **state)
{
    (void)state;
    (void)die_late(switching, "end start");
    expect_refused((struct wanted){.method = BACK_SWITCH, .no_safety = true});
    assert_null(world_recover());
    assert_int_equal(world_content(domain_fake_live("db")), SET_CONTENT);
}

static void what_leaves_the_vm_alone_is_not_waited_for(void **state)
{
    (void)state;
    (void)die_late((struct wanted){.method = BACK_VERIFY}, "end clone");
    assert_int_equal(world_run(switching).status, 0);
    assert_int_equal(world_journals(), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, late_setup, late_teardown)
    const struct CMUnitTest tests[] = {
        T(what_was_written_since_the_start_stays),
        T(a_vm_on_volumes_half_rolled_back_is_a_persons),
        T(a_volume_that_is_not_listed_is_not_forgotten),
        T(volumes_half_rolled_back_are_finished_and_not_started),
        T(volumes_are_opened_only_when_that_is_written_down),
        T(a_snapshot_that_is_gone_meanwhile_is_told),
        T(a_vm_that_runs_on_its_old_volumes_stays_there),
        T(a_restore_is_told_with_the_safety_set_that_it_took),
        T(a_vm_that_was_moved_and_is_off_is_started),
        T(a_vm_that_cannot_be_ended_keeps_what_it_runs_from),
        T(a_vm_that_is_gone_is_told),
        T(a_guest_that_was_asked_is_waited_for),
        T(a_guest_that_was_asked_in_the_far_future_is_let_be),
        T(a_clone_of_the_far_future_is_let_be),
        T(a_guest_is_asked_only_when_that_is_written_down),
        T(a_vm_that_was_migrated_away_is_not_started),
        T(a_vm_whose_memory_was_saved_is_not_started),
        T(a_live_run_is_left_alone),
        T(a_vm_that_another_run_has_waits),
        T(a_restore_waits_for_the_recover_of_one_in_place),
        T(a_restore_waits_for_the_recover_of_one_onto_clones),
        T(what_leaves_the_vm_alone_is_not_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
