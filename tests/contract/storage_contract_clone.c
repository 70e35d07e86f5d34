/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The contract of a storage driver as test cases: clones, and removing volumes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/contract/storage_contract_util.h"

/* ---- clones ------------------------------------------------------------------------------- */

static void test_clone_has_the_snapshots_data_and_is_its_own(void **state)
{
    struct volume clone;
    char *word;

    (void)state;
    put(FIRST, 41);
    take(FIRST, "contract-a");
    put(FIRST, 42);
    make_clone(&clone, FIRST, "contract-a", "contract-c1");
    assert_string_equal(clone.name, "contract-c1");
    assert_string_not_equal(clone.id, FIRST->id);
    assert_true(clone.iqn[0] != '\0');
    assert_string_not_equal(clone.iqn, FIRST->iqn);
    assert_true(listed("contract-c1"));
    word = access_word(&clone);
    assert_string_equal(word, "");
    free(word);
    assert_int_equal(get(&clone), 41);
    put(&clone, 43);
    assert_int_equal(get(FIRST), 42);
    put(FIRST, 44);
    assert_int_equal(get(&clone), 43);
    remove_it(&clone);
    volume_release(&clone);
    assert_false(listed("contract-c1"));
    assert_int_equal(get(FIRST), 44);
}

static void test_clone_of_what_is_absent_makes_nothing(void **state)
{
    struct storage_op op = {.done = false};

    (void)state;
    env.ops->clone(env.array, FIRST, "contract-a", "contract-c1", soon(), &op);
    wait_bad(&op, ERR_NOT_FOUND, ERR_NOT_FOUND);
    assert_false(listed("contract-c1"));
}

static void test_clone_needs_a_name_of_its_own(void **state)
{
    struct storage_op before = {.done = false}, after = {.done = false}, op = {.done = false};

    (void)state;
    take(FIRST, "contract-a");
    list_volumes(&before);
    env.ops->clone(env.array, FIRST, "contract-a", env.volumes[1].name, soon(), &op);
    wait_bad(&op, ERR_STORAGE, ERR_STORAGE);
    list_volumes(&after);
    assert_int_equal(after.volume_count, before.volume_count);
    storage_op_release(&before);
    storage_op_release(&after);
}

static void test_snapshot_with_a_clone_stays(void **state)
{
    struct storage_op op = {.done = false};
    struct volume clone;

    (void)state;
    put(FIRST, 51);
    take(FIRST, "contract-a");
    make_clone(&clone, FIRST, "contract-a", "contract-c1");
    list_first(&op);
    assert_int_equal(labs((long)op.snapshots[place_of(&op, "contract-a")].clones), 1);
    storage_op_release(&op);
    env.ops->remove_snapshot(env.array, FIRST, "contract-a", soon(), &op);
    wait_bad(&op, ERR_STORAGE, ERR_STORAGE);
    assert_true(has(FIRST, "contract-a"));
    assert_int_equal(get(&clone), 51);
    remove_it(&clone);
    volume_release(&clone);
    drop(FIRST, "contract-a");
    assert_false(has(FIRST, "contract-a"));
}

static void test_clones_of_all_volumes_at_once(void **state)
{
    static const char *const names[TRIO] = {"contract-c1", "contract-c2", "contract-c3"};
    struct storage_op ops[TRIO] = {{.done = false}};
    int64_t last_start = 0, first_end = INT64_MAX;

    (void)state;
    for (size_t n = 0; n < TRIO; n++)
        take(&env.volumes[n], "contract-a");
    for (size_t n = 0; n < TRIO; n++)
        env.ops->clone(env.array, &env.volumes[n], "contract-a", names[n], soon(), &ops[n]);
    for (size_t n = 0; n < TRIO; n++) {
        wait_good(&ops[n]);
        assert_string_equal(ops[n].volumes[0].name, names[n]);
        if (ops[n].started_us > last_start)
            last_start = ops[n].started_us;
        if (ops[n].ended_us < first_end)
            first_end = ops[n].ended_us;
    }
    assert_true(last_start < first_end);
    for (size_t n = 0; n < TRIO; n++)
        storage_op_release(&ops[n]);
}

/* ---- removing volumes --------------------------------------------------------------------- */

static void test_removing_a_volume_that_is_absent_succeeds(void **state)
{
    struct volume clone;

    (void)state;
    take(FIRST, "contract-a");
    make_clone(&clone, FIRST, "contract-a", "contract-c1");
    remove_it(&clone);
    remove_it(&clone);
    volume_release(&clone);
    assert_true(listed(FIRST->name));
}

static void test_volume_with_a_snapshot_stays(void **state)
{
    struct storage_op op = {.done = false};
    struct volume clone;

    (void)state;
    put(FIRST, 61);
    take(FIRST, "contract-a");
    make_clone(&clone, FIRST, "contract-a", "contract-c1");
    take(&clone, "contract-b");
    env.ops->remove_volume(env.array, &clone, soon(), &op);
    wait_done(&op);
    assert_false(op.unsure);
    wait_bad(&op, ERR_STORAGE, ERR_STORAGE);
    assert_true(listed("contract-c1"));
    assert_true(has(&clone, "contract-b"));
    assert_int_equal(get(&clone), 61);
    drop(&clone, "contract-b");
    remove_it(&clone);
    volume_release(&clone);
    assert_false(listed("contract-c1"));
}

int storage_contract_run_clone(const char *title)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_CASE(test_clone_has_the_snapshots_data_and_is_its_own),
        CONTRACT_CASE(test_clone_of_what_is_absent_makes_nothing),
        CONTRACT_CASE(test_clone_needs_a_name_of_its_own),
        CONTRACT_CASE(test_snapshot_with_a_clone_stays),
        CONTRACT_CASE(test_clones_of_all_volumes_at_once),
        CONTRACT_CASE(test_removing_a_volume_that_is_absent_succeeds),
        CONTRACT_CASE(test_volume_with_a_snapshot_stays),
    };

    return cmocka_run_group_tests_name(title, tests, list_trio, release_trio);
}
