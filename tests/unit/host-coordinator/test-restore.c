/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The whole of restore and verify when all goes well; see back_world.h. */
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

static const struct wanted plans[] = {
    {.method = BACK_SWITCH},
    {.method = BACK_SWITCH, .no_safety = true},
    {.method = BACK_SWITCH, .no_start = true},
    {.method = BACK_IN_PLACE},
    {.method = BACK_IN_PLACE, .no_start = true},
    {.method = BACK_COPY},
    {.method = BACK_COPY, .no_start = true},
    {.method = BACK_VERIFY},
};

static void every_plan_ends_as_it_says(void **state)
{
    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(plans) * 2; n++) {
        struct tale t;

        world_open(n % 2 == 0);
        t = world_run(plans[n / 2]);
        if (t.status != 0)
            fail_msg("plan %zu: exit status %d: %s", n / 2, t.status, t.e.msg);
        assert_world(world_ended_wrong(&t), "a plan");
        assert_true(plans[n / 2].no_start || t.compared >= 6);
        assert_int_equal(domain_fake_open_count(), 0);
        world_close();
    }
}

static void kill_us(void *arg)
{
    (void)arg;
    kill(getpid(), SIGTERM);
}

/* The signal waits for libvirt's answer: cut off, nobody would know which definition holds. */
static void a_signal_while_libvirt_defines_is_undone_whole(void **state)
{
    struct tale t;

    (void)state;
    world_open(true);
    domain_fake_on(FAKE_DEFINE, kill_us, NULL);
    domain_fake_script(FAKE_DEFINE, (struct fake_act){.delay_ms = 50});
    t = world_run((struct wanted){.method = BACK_SWITCH});
    assert_int_equal(t.status, 4);
    assert_world(world_ended_wrong(&t), "a signal");
    assert_int_equal(domain_fake_did("db", FAKE_DEFINE), 2);
    world_close();
}

/* ---- an undo --------------------------------------------------------------------------------- */

static struct {
    size_t removals, while_off, untold;
} undone;

/* The VM has to serve by then, and the journal to say that it is nobody's business any more. */
static void look_at_removal(void *arg, enum memory_command command, const char *volume_id,
                            bool doing)
{
    struct store_names ids = {.count = 0};
    struct record *journal;

    (void)arg, (void)volume_id;
    if (doing || (command != MEMORY_REMOVE_VOLUME && command != MEMORY_REMOVE))
        return;
    assert_int_equal(journal_names(&ids, w.dir, NULL), 0);
    assert_int_equal(ids.count, 1);
    journal = journal_read(w.dir, ids.names[0], NULL);
    undone.removals++;
    undone.while_off += !domain_fake_runs("db");
    undone.untold += !record_bool(journal, "vm_as_before");
    record_free(journal);
    store_names_release(&ids);
}

/* An array that is not well takes as long to remove something as it likes. */
static void the_vm_serves_before_what_was_made_is_removed(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        memset(&undone, 0, sizeof(undone));
        world_open(true);
        storage_memory_on(w.array, look_at_removal, NULL);
        if (late) {
            domain_fake_script(FAKE_START, (struct fake_act){.fail = ERR_LIBVIRT});
            domain_fake_script(FAKE_START, (struct fake_act){.delay_ms = 0});
        } else {
            storage_memory_fault(w.array, MEMORY_CLONE, "id-log", MEMORY_REFUSES, -1);
        }
        world_expect(world_run((struct wanted){.method = BACK_SWITCH}), 4, NULL);
        storage_memory_on(w.array, NULL, NULL);
        assert_int_equal(undone.removals, late ? 6 : 5); /* clones, and the safety set's */
        assert_int_equal(undone.while_off, 0);
        assert_int_equal(undone.untold, 0);
        world_close();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_plan_ends_as_it_says),
        cmocka_unit_test(a_signal_while_libvirt_defines_is_undone_whole),
        cmocka_unit_test(the_vm_serves_before_what_was_made_is_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
