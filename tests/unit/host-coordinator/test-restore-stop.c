/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VM is to be off for a restore: its guest does not go, or goes late; others start it, have it
 * elsewhere, or save its memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/cleanup.h"
#include "tests/unit/host-coordinator/back_world.h"

static const struct wanted in_place = {.method = BACK_IN_PLACE};
static const struct wanted switching = {.method = BACK_SWITCH};
static const struct wanted copying = {.method = BACK_COPY};
static const struct wanted forced = {.method = BACK_SWITCH, .force = true};
static const struct wanted in_place_forced = {.method = BACK_IN_PLACE, .force = true};

/* ---- the guest does not go ------------------------------------------------------------------- */

/* It stays up for now, and may go off later; recover knows of it. */
static struct tale ask_in_vain(struct wanted wanted)
{
    struct tale t;

    w.conf.stop_ms = 20;
    domain_fake_set_shutdown(DOMAIN_BY_AGENT, FAKE_NEVER);
    domain_fake_set_shutdown(DOMAIN_BY_ACPI, FAKE_NEVER);
    t = world_run(wanted);
    world_expect(t, 5, "domain 'db' was asked to shut down and may still do so");
    assert_non_null(strstr(t.e.msg, "did not shut down in 20 ms"));
    assert_true(domain_fake_runs("db"));
    assert_int_equal(world_journals(), 1);
    return t;
}

static void a_guest_that_stays_up_is_left_alone(void **state)
{
    (void)state;
    ask_in_vain(switching);
    assert_int_equal(domain_fake_did("db", FAKE_SHUTDOWN), 2);
    assert_int_equal(domain_fake_did("db", FAKE_DESTROY), 0);
}

/* Nobody asked it, so it stays up. */
static void a_guest_that_cannot_be_asked_is_as_before(void **state)
{
    (void)state;
    domain_fake_set_shutdown(DOMAIN_BY_AGENT, FAKE_ABSENT);
    domain_fake_set_shutdown(DOMAIN_BY_ACPI, FAKE_ABSENT);
    world_expect(world_run(switching), 4, "did not shut down");
}

/* It goes off after all, when nobody waits for it any more. */
static void a_guest_that_goes_off_late_is_started_by_recover(void **state)
{
    const struct wanted plans[] = {switching, in_place};

    for (size_t n = 0; n < ARRAY_SIZE(plans); n++) {
        struct tale t;

        (void)world_teardown(state);
        (void)world_setup(state);
        t = ask_in_vain(plans[n]);
        domain_fake_power("db", false);
        assert_world(world_recovered_wrong(&t), "it was off");
        assert_int_equal(domain_fake_did("db", FAKE_START), 1);
    }
}

/* While it may still go off its journal stays, and a person is told; then it is over. */
static void a_guest_that_never_goes_off_is_let_be_by_recover(void **state)
{
    const struct wanted plans[] = {switching, in_place};

    for (size_t n = 0; n < ARRAY_SIZE(plans); n++) {
        struct tale t;
        const char *problem;

        (void)world_teardown(state);
        (void)world_setup(state);
        t = ask_in_vain(plans[n]);
        w.conf.stop_ms = 3600000;
        problem = world_recover();
        assert_non_null(problem);
        assert_non_null(strstr(problem, "was asked to shut down and may do so until"));
        assert_int_equal(world_journals(), 1);
        w.conf.stop_ms = 0;
        assert_null(world_recover());
        t.status = 4;
        assert_world(world_ended_wrong(&t), "it runs");
    }
}

/* Who wants it off has no need to wait: also when it has gone off meanwhile. */
static void another_restore_goes_on_with_a_guest_that_was_asked(void **state)
{
    const struct wanted not_started = {.method = BACK_SWITCH, .no_start = true};
    const struct {
        struct wanted first, second;
        bool off;
    } cases[] = {
        {switching, forced, false},     {switching, switching, true},
        {in_place, switching, true},    {switching, in_place, true},
        {switching, not_started, true}, {switching, not_started, false},
    };

    for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
        (void)world_teardown(state);
        (void)world_setup(state);
        (void)ask_in_vain(cases[n].first);
        domain_fake_power("db", !cases[n].off);
        if (!cases[n].second.force)
            domain_fake_set_shutdown(DOMAIN_BY_AGENT, 0);
        world_expect(world_run(cases[n].second), 0, NULL);
        assert_null(world_recover());
        assert_true(domain_fake_runs("db") == !cases[n].second.no_start);
    }
}

/* And if it fails, the VM is as before the first: it runs. */
static void another_restore_that_fails_starts_it_again(void **state)
{
    (void)state;
    (void)ask_in_vain(switching);
    domain_fake_power("db", false);
    storage_memory_fault(w.array, MEMORY_CLONE, "id-log", MEMORY_REFUSES, 1);
    world_expect(world_run(switching), 4, NULL);
    assert_int_equal(domain_fake_did("db", FAKE_START), 1);
    assert_int_equal(domain_fake_did("db", FAKE_SHUTDOWN), 2);
}

static void another_restore_that_is_refused_leaves_that_to_recover(void **state)
{
    (void)state;
    (void)ask_in_vain(switching);
    storage_memory_free(w.array, "id-log", 0);
    assert_int_equal(world_run(switching).status, 3);
    assert_int_equal(world_journals(), 1);
    domain_fake_power("db", false);
    assert_null(world_recover());
    assert_true(domain_fake_runs("db"));
}

static void a_guest_that_stays_up_is_ended_by_force(void **state)
{
    struct tale t;
    struct record *safety;

    (void)state;
    w.conf.stop_ms = 20;
    domain_fake_set_shutdown(DOMAIN_BY_AGENT, FAKE_NEVER);
    domain_fake_set_shutdown(DOMAIN_BY_ACPI, FAKE_NEVER);
    t = world_run(forced);
    world_expect(t, 0, NULL);
    assert_int_equal(domain_fake_did("db", FAKE_DESTROY), 1);
    safety = store_load(w.dir, t.run, NULL);
    assert_string_equal(record_text(safety, "verdict"), "crash");
    record_free(safety);
}

static void a_guest_without_qemu_ga_is_asked_by_acpi(void **state)
{
    struct tale t;
    struct record *safety;

    (void)state;
    domain_fake_set_shutdown(DOMAIN_BY_AGENT, FAKE_ABSENT);
    domain_fake_set_shutdown(DOMAIN_BY_ACPI, 20);
    t = world_run(switching);
    world_expect(t, 0, NULL);
    safety = store_load(w.dir, t.run, NULL);
    assert_string_equal(record_text(safety, "verdict"), "filesystem");
    assert_string_equal(record_text(safety, "safety_of"), SET_ID);
    record_free(safety);
}

static void pull_the_plug(void *arg)
{
    (void)arg;
    domain_fake_power("db", false);
}

/* While the guest was waited for, somebody ended it: what its volumes hold is a crash's. */
static void a_guest_that_is_ended_while_it_goes_down_was_not_clean(void **state)
{
    struct tale t;
    struct record *safety;

    (void)state;
    domain_fake_on(FAKE_SHUTDOWN, pull_the_plug, NULL);
    t = world_run(switching);
    world_expect(t, 0, NULL);
    safety = store_load(w.dir, t.run, NULL);
    assert_string_equal(record_text(safety, "verdict"), "crash");
    assert_string_equal(record_text_at(safety, "reasons", 0),
                        "the VM was off, but libvirt has not seen its guest shut down");
    record_free(safety);
}

/* The signal comes while the guest is on its way down: it must not stay there. */
static void kill_us(void *arg)
{
    (void)arg;
    kill(getpid(), SIGTERM);
}

static void a_signal_while_the_guest_goes_down_starts_it_again(void **state)
{
    (void)state;
    domain_fake_set_shutdown(DOMAIN_BY_AGENT, 150);
    domain_fake_on(FAKE_SHUTDOWN, kill_us, NULL);
    world_expect(world_run(switching), 4, "cancelled");
    assert_int_equal(domain_fake_did("db", FAKE_SHUTDOWN), 1);
    assert_int_equal(domain_fake_did("db", FAKE_START), 1);
}

static void a_signal_while_the_guest_stays_up_leaves_it_to_recover(void **state)
{
    struct tale t;

    (void)state;
    w.conf.stop_ms = 20;
    domain_fake_set_shutdown(DOMAIN_BY_AGENT, FAKE_NEVER);
    domain_fake_on(FAKE_SHUTDOWN, kill_us, NULL);
    t = world_run(switching);
    world_expect(t, 5, "may still do so");
    assert_int_equal(domain_fake_did("db", FAKE_SHUTDOWN), 1);
    domain_fake_power("db", false);
    assert_world(world_recovered_wrong(&t), "it was off");
}

/* ---- somebody starts it ---------------------------------------------------------------------- */

static const char *started_at;

static void start_at(struct back *b, const char *event)
{
    (void)b;
    if (strcmp(event, started_at) == 0)
        domain_fake_power("db", true);
}

/* It serves from its old volumes: they and it are left, and nothing is said of it that is not so.
 */
static void a_vm_that_somebody_starts_meanwhile_keeps_what_it_has(void **state)
{
    const struct wanted not_started = {.method = BACK_SWITCH, .no_start = true};
    const struct {
        struct wanted wanted;
        const char *at;
    } cases[] = {
        {switching, "end stop"},        {switching, "begin define"},
        {not_started, "begin define"},  {in_place_forced, "end stop"},
        {in_place_forced, "end newer"},
    };

    for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
        (void)world_teardown(state);
        (void)world_setup(state);
        world_take_set(NEWER_ID);
        started_at = cases[n].at;
        w.hook = start_at;
        world_expect(world_run(cases[n].wanted), 4, "somebody else started domain 'db'");
        assert_int_equal(domain_fake_did("db", FAKE_DESTROY), 0);
        assert_int_equal(world_content(domain_fake_live("db")), NOW_CONTENT);
        assert_true(n == 4 || world_promises(NEWER_ID));
        /* what was taken of it then is no set to be safe with */
        assert_true(n > 0 || storage_memory_requests(w.array, MEMORY_CLONE) == 0);
    }
}

static void a_vm_that_somebody_starts_from_the_set_is_left_running(void **state)
{
    (void)state;
    started_at = "end define";
    w.hook = start_at;
    world_expect(world_run(switching), 0, NULL);
    assert_int_equal(domain_fake_did("db", FAKE_START), 0);
}

/* ---- another host has it --------------------------------------------------------------------- */

static void migrate(void)
{
    domain_fake_migrate("db");
    w.ran = false; /* on this host, which is all that the observer sees */
}

static void migrate_at(struct back *b, const char *event)
{
    (void)b;
    if (strcmp(event, started_at) == 0)
        migrate();
}

static void expect_not_started(struct tale t, int status)
{
    t.ran = false;
    world_expect(t, status, "domain 'db' was migrated away");
    assert_int_equal(domain_fake_did("db", FAKE_START), 0);
    assert_int_equal(world_content(domain_fake_definition("db")), NOW_CONTENT);
}

/* It would run twice, or on volumes that are rolled back under it; force changes nothing of that.
 */
static void a_vm_that_was_migrated_away_is_refused(void **state)
{
    const struct wanted plans[] = {switching, forced, in_place, in_place_forced};

    (void)state;
    migrate();
    for (size_t n = 0; n < ARRAY_SIZE(plans); n++)
        expect_not_started(world_run(plans[n]), 3);
    world_expect(world_run(copying), 0, NULL);
}

static void a_vm_that_is_migrated_away_meanwhile_is_left_there(void **state)
{
    const struct wanted plans[] = {switching, forced, in_place, in_place_forced};

    for (size_t n = 0; n < ARRAY_SIZE(plans); n++) {
        (void)world_teardown(state);
        (void)world_setup(state);
        domain_fake_set_shutdown(DOMAIN_BY_AGENT, FAKE_NEVER);
        started_at = "begin stop";
        w.hook = migrate_at;
        expect_not_started(world_run(plans[n]), 4);
        assert_int_equal(domain_fake_did("db", FAKE_DESTROY), 0);
    }
}

/* ---- its memory is saved --------------------------------------------------------------------- */

static void save(void *arg)
{
    (void)arg;
    domain_fake_save("db");
    w.ran = false;
}

/* Its memory is that of a guest with the present disks: nobody is to have it go on with others. */
static void a_vm_whose_memory_is_saved_is_refused(void **state)
{
    const struct wanted plans[] = {
        switching,
        in_place,
        {.method = BACK_IN_PLACE, .no_start = true},
    };

    (void)state;
    save(NULL);
    for (size_t n = 0; n < ARRAY_SIZE(plans); n++)
        world_expect(world_run(plans[n]), 3, "its memory is saved");
    assert_int_equal(domain_fake_calls(FAKE_FORGET_SAVED), 0);
    world_expect(world_run(copying), 0, NULL);
    domain_fake_power("db", true);
    assert_int_equal(world_content(domain_fake_live("db")), NOW_CONTENT);
}

/* Also where we do not start it: whoever does, boots. */
static void its_memory_is_thrown_away_when_agreed_to(void **state)
{
    const struct wanted plans[] = {
        forced,
        in_place_forced,
        {.method = BACK_SWITCH, .force = true, .no_start = true},
        {.method = BACK_IN_PLACE, .force = true, .no_start = true},
    };

    for (size_t n = 0; n < ARRAY_SIZE(plans); n++) {
        struct record *safety;
        struct tale t;

        (void)world_teardown(state);
        (void)world_setup(state);
        save(NULL);
        t = world_run(plans[n]);
        world_expect(t, 0, NULL);
        domain_fake_power("db", true);
        assert_int_equal(world_content(domain_fake_live("db")), SET_CONTENT);
        safety = plans[n].method == BACK_SWITCH ? store_load(w.dir, t.run, NULL) : NULL;
        assert_true(!safety || strcmp(record_text(safety, "verdict"), "crash") == 0);
        record_free(safety);
    }
}

/* It ran when we came. It is not off, and not ours to start: that would throw its memory away. */
static void a_vm_that_somebody_saves_meanwhile_stays_saved(void **state)
{
    const struct wanted plans[] = {switching, forced, in_place};

    for (size_t n = 0; n < ARRAY_SIZE(plans); n++) {
        (void)world_teardown(state);
        (void)world_setup(state);
        domain_fake_on(FAKE_SHUTDOWN, save, NULL);
        world_expect(world_run(plans[n]), 4, "the memory of domain 'db' was saved meanwhile");
        assert_int_equal(domain_fake_did("db", FAKE_START), 0);
        domain_fake_power("db", true);
        assert_int_equal(world_content(domain_fake_live("db")), NOW_CONTENT);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(a_guest_that_stays_up_is_left_alone),
        T(a_guest_that_cannot_be_asked_is_as_before),
        T(a_guest_that_goes_off_late_is_started_by_recover),
        T(a_guest_that_never_goes_off_is_let_be_by_recover),
        T(another_restore_goes_on_with_a_guest_that_was_asked),
        T(another_restore_that_fails_starts_it_again),
        T(another_restore_that_is_refused_leaves_that_to_recover),
        T(a_guest_that_stays_up_is_ended_by_force),
        T(a_guest_without_qemu_ga_is_asked_by_acpi),
        T(a_guest_that_is_ended_while_it_goes_down_was_not_clean),
        T(a_signal_while_the_guest_goes_down_starts_it_again),
        T(a_signal_while_the_guest_stays_up_leaves_it_to_recover),
        T(a_vm_that_somebody_starts_meanwhile_keeps_what_it_has),
        T(a_vm_that_somebody_starts_from_the_set_is_left_running),
        T(a_vm_that_was_migrated_away_is_refused),
        T(a_vm_that_is_migrated_away_meanwhile_is_left_there),
        T(a_vm_whose_memory_is_saved_is_refused),
        T(its_memory_is_thrown_away_when_agreed_to),
        T(a_vm_that_somebody_saves_meanwhile_stays_saved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
