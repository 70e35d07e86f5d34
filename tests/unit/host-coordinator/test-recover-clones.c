/* SPDX-License-Identifier: GPL-2.0-or-later */
/* recover of a restore onto clones: whose disks they are by now, and that a list which lacks
 * something is no proof that it is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/unit/host-coordinator/back_late.h"

static const struct wanted switching = {.method = BACK_SWITCH};

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

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, late_setup, late_teardown)
    const struct CMUnitTest tests[] = {
        T(a_list_that_is_short_costs_no_vm_its_disks),
        T(disks_that_cannot_be_told_are_a_persons),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
