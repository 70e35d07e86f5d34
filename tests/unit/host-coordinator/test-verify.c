/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The throw-away VM of a verification: gone whatever happens, also while libvirt still hangs. */
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

static const struct wanted verifying = {.method = BACK_VERIFY};

static bool lives(const struct tale *t)
{
    AUTO_FREE char *name = xasprintf("%s%s", BACK_VERIFY_PREFIX, t->run);

    return domain_fake_live(name) != NULL;
}

/* libvirt has started it and does not answer: nobody has told us of a domain. */
static void one_that_was_started_without_a_word_is_found_by_its_name(void **state)
{
    struct tale t;

    (void)state;
    w.conf.libvirt_ms = 500; /* for what hangs; the others have it all on a busy machine */
    domain_fake_script(FAKE_CREATE, (struct fake_act){.mute = true});
    t = world_run(verifying);
    assert_int_equal(t.status, 4);
    assert_false(lives(&t));
    assert_int_equal(storage_memory_volumes(w.array), 3);
    world_heal();
    assert_world(world_ended_wrong(&t), "verify");
}

/* Then the end of the connection ends it. */
static void one_that_cannot_be_ended_goes_with_the_connection(void **state)
{
    struct tale t;

    (void)state;
    domain_fake_script(FAKE_DESTROY, (struct fake_act){.fail = ERR_LIBVIRT});
    t = world_run(verifying);
    assert_int_equal(t.status, 0);
    assert_false(lives(&t));
    assert_world(world_ended_wrong(&t), "verify");
}

static void what_it_found_is_in_the_record(void **state)
{
    struct tale t;
    struct record *set;

    (void)state;
    t = world_run(verifying);
    assert_int_equal(t.status, 0);
    set = store_load(w.dir, SET_ID, NULL);
    assert_string_equal(record_text(set, "verify.result"), "same");
    assert_string_equal(record_text(set, "verify.id"), t.run);
    assert_string_equal(record_text(set, "verdict"), "application");
    assert_int_equal(record_count(set, "verify.compared"), 9); /* seven, and tables and files */
    record_free(set);
    t = world_run(verifying); /* again: the newer replaces the older */
    assert_int_equal(t.status, 0);
    set = store_load(w.dir, SET_ID, NULL);
    assert_string_equal(record_text(set, "verify.id"), t.run);
    record_free(set);
}

/* A slip of the pen, most often: it says nothing about the set, which is what it was before. */
static void a_table_that_is_not_there_is_no_difference(void **state)
{
    const struct wanted slip = {.method = BACK_VERIFY, .tables = "shop.a, " ABSENT_TABLE};
    struct record *set;

    (void)state;
    world_expect(world_run(verifying), 0, NULL);
    world_expect(world_run(slip), 4, "there is no table 'shop.ordres' in its copy");
    set = store_load(w.dir, SET_ID, NULL);
    assert_string_equal(record_text(set, "verify.result"), "same");
    record_free(set);
    w.agent = AGENT_OTHER; /* what differs is told in any case */
    world_expect(world_run(slip), 6, NULL);
    set = store_load(w.dir, SET_ID, NULL);
    assert_true(record_has_text(set, "verify.notes",
                                "no data was read: there is no table '" ABSENT_TABLE "'"));
    record_free(set);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(one_that_was_started_without_a_word_is_found_by_its_name),
        T(one_that_cannot_be_ended_goes_with_the_connection),
        T(what_it_found_is_in_the_record),
        T(a_table_that_is_not_there_is_no_difference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
