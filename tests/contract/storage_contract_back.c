/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The contract of a storage driver as test cases: lists, rollback, access, deadlines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "tests/contract/storage_contract_util.h"

/* ---- lists -------------------------------------------------------------------------------- */

static void test_snapshots_are_listed_oldest_first(void **state)
{
    struct storage_op op = {.done = false};
    size_t before;

    (void)state;
    list_first(&op);
    before = op.snapshot_count;
    storage_op_release(&op);
    take(&env.volumes[1], "contract-d");
    /* in neither order of their names */
    take(FIRST, "contract-b");
    take(FIRST, "contract-c");
    take(FIRST, "contract-a");
    list_first(&op);
    assert_int_equal(op.snapshot_count, before + 3);
    assert_int_equal(place_of(&op, "contract-b"), before);
    assert_int_equal(place_of(&op, "contract-c"), before + 1);
    assert_int_equal(place_of(&op, "contract-a"), before + 2);
    for (size_t n = before; n < op.snapshot_count; n++) {
        const char *at = strrchr(op.snapshots[n].path, '@');

        assert_non_null(at);
        assert_string_equal(at + 1, op.snapshots[n].name);
        assert_non_null(op.snapshots[n].time);
        assert_true(op.snapshots[n].clones == 0 || op.snapshots[n].clones == -1);
    }
    storage_op_release(&op);
    assert_null(op.snapshots);
    drop(FIRST, "contract-b");
    list_first(&op);
    assert_int_equal(place_of(&op, "contract-c"), before);
    assert_int_equal(place_of(&op, "contract-a"), before + 1);
    storage_op_release(&op);
}

static void test_free_space_is_told_or_unknown(void **state)
{
    (void)state;
    for (size_t n = 0; n < TRIO; n++)
        assert_true(env.volumes[n].free_bytes >= -1);
}

/* ---- rollback ----------------------------------------------------------------------------- */

static void test_rollback_puts_the_data_back(void **state)
{
    (void)state;
    put(FIRST, 11);
    take(FIRST, "contract-a");
    put(FIRST, 12);
    roll_back(FIRST, "contract-a");
    assert_int_equal(get(FIRST), 11);
    assert_true(has(FIRST, "contract-a"));
    roll_back(FIRST, "contract-a");
    assert_int_equal(get(FIRST), 11);
    /* and not only once: the snapshot is as it was */
    put(FIRST, 13);
    roll_back(FIRST, "contract-a");
    assert_int_equal(get(FIRST), 11);
}

static void test_rollback_to_what_is_absent_changes_nothing(void **state)
{
    struct storage_op op = {.done = false};

    (void)state;
    put(FIRST, 21);
    take(&env.volumes[1], "contract-a");
    env.ops->rollback(env.array, FIRST, "contract-a", soon(), &op);
    wait_bad(&op, ERR_NOT_FOUND, ERR_NOT_FOUND);
    assert_int_equal(get(FIRST), 21);
}

static void test_rollback_past_newer_is_refused_or_destroys_them(void **state)
{
    struct storage_op op = {.done = false};

    (void)state;
    put(FIRST, 31);
    take(FIRST, "contract-a");
    put(FIRST, 32);
    take(FIRST, "contract-b");
    env.ops->rollback(env.array, FIRST, "contract-a", soon(), &op);
    wait_done(&op);
    if (err_is_set(&op.err)) {
        assert_int_equal(op.err.code, ERR_STORAGE);
        assert_false(op.unsure);
        assert_true(has(FIRST, "contract-b"));
        assert_int_equal(get(FIRST), 32);
        drop(FIRST, "contract-b");
        roll_back(FIRST, "contract-a");
    }
    storage_op_release(&op);
    assert_false(has(FIRST, "contract-b"));
    assert_int_equal(get(FIRST), 31);
}

/* ---- access ------------------------------------------------------------------------------- */

static void test_access_is_taken_and_given(void **state)
{
    (void)state;
    let_in(FIRST, "");
    let_in(FIRST, "");
    let_in(FIRST, word_before);
    let_in(FIRST, word_before);
}

static void test_clones_take_their_parents_access(void **state)
{
    struct volume clone;
    char *word;

    (void)state;
    take(FIRST, "contract-a");
    make_clone(&clone, FIRST, "contract-a", "contract-c1");
    let_in(&clone, word_before);
    let_in(&clone, "");
    word = access_word(FIRST);
    assert_string_equal(word, word_before);
    free(word);
    volume_release(&clone);
}

static void test_access_of_an_unknown_word_is_refused(void **state)
{
    struct storage_op op = {.done = false};
    char *word;

    (void)state;
    env.ops->set_access(env.array, FIRST, "contract-nobody", soon(), &op);
    wait_done(&op);
    assert_false(op.unsure);
    wait_bad(&op, ERR_STORAGE, ERR_NOT_FOUND);
    word = access_word(FIRST);
    assert_string_equal(word, word_before);
    free(word);
}

/* ---- all of them -------------------------------------------------------------------------- */

enum { ROLLBACK, CLONE, REMOVE_VOLUME, SET_ACCESS, LIST_SNAPSHOTS, ACCESS, KINDS };

static void begin(int kind, const struct volume *v, int64_t deadline_us, struct storage_op *op)
{
    if (kind == ROLLBACK)
        env.ops->rollback(env.array, v, "contract-a", deadline_us, op);
    else if (kind == CLONE)
        env.ops->clone(env.array, v, "contract-a", "contract-c1", deadline_us, op);
    else if (kind == REMOVE_VOLUME)
        env.ops->remove_volume(env.array, v, deadline_us, op);
    else if (kind == SET_ACCESS)
        env.ops->set_access(env.array, v, "", deadline_us, op);
    else if (kind == LIST_SNAPSHOTS)
        env.ops->list_snapshots(env.array, v, deadline_us, op);
    else
        env.ops->access(env.array, v, deadline_us, op);
    assert_false(op->done);
}

static void expect_untouched(int content)
{
    char *word = access_word(FIRST);

    assert_string_equal(word, word_before);
    free(word);
    assert_int_equal(get(FIRST), content);
    assert_true(listed(FIRST->name));
    assert_false(listed("contract-c1"));
}

static void test_past_deadlines_are_told_and_not_acted_on(void **state)
{
    (void)state;
    put(FIRST, 71);
    take(FIRST, "contract-a");
    put(FIRST, 72);
    for (int kind = 0; kind < KINDS; kind++) {
        struct storage_op op = {.done = false};

        begin(kind, FIRST, mono_us() - SECOND, &op);
        wait_bad(&op, ERR_TIMEOUT, ERR_TIMEOUT);
    }
    expect_untouched(72);
}

static void test_what_is_cancelled_is_done_at_once(void **state)
{
    struct err e = ERR_INIT;
    bool never = false;

    (void)state;
    put(FIRST, 81);
    take(FIRST, "contract-a");
    for (int kind = 0; kind < KINDS; kind++) {
        struct storage_op op = {.done = false};

        begin(kind, FIRST, mono_us() - 1, &op);
        storage_cancel(env.array, &op);
        assert_true(op.done);
        assert_int_equal(op.err.code, ERR_CANCELLED);
        (void)loop_wait(env.loop, &never, mono_us() + 10000, &e);
        assert_int_equal(op.err.code, ERR_CANCELLED);
        storage_op_release(&op);
    }
    expect_untouched(81);
}

static void test_unknown_volumes_are_errors_but_gone(void **state)
{
    struct volume v;

    (void)state;
    volume_copy(&v, FIRST);
    free(v.id);
    v.id = strdup("00000000-0000-3000-8000-000000000000");
    for (int kind = 0; kind < KINDS; kind++) {
        struct storage_op op = {.done = false};

        begin(kind, &v, soon(), &op);
        /* an array may have an empty list for what it does not know */
        if (kind == LIST_SNAPSHOTS || kind == REMOVE_VOLUME)
            wait_done(&op);
        if (kind == REMOVE_VOLUME)
            assert_int_equal(op.err.code, ERR_NONE);
        if (kind == LIST_SNAPSHOTS || kind == REMOVE_VOLUME)
            storage_op_release(&op);
        else
            wait_bad(&op, ERR_STORAGE, ERR_NOT_FOUND);
    }
    volume_release(&v);
    assert_true(listed(FIRST->name));
}

int storage_contract_run_back(const char *title)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_CASE(test_snapshots_are_listed_oldest_first),
        CONTRACT_CASE(test_free_space_is_told_or_unknown),
        CONTRACT_CASE(test_rollback_puts_the_data_back),
        CONTRACT_CASE(test_rollback_to_what_is_absent_changes_nothing),
        CONTRACT_CASE(test_rollback_past_newer_is_refused_or_destroys_them),
        CONTRACT_CASE(test_access_is_taken_and_given),
        CONTRACT_CASE(test_clones_take_their_parents_access),
        CONTRACT_CASE(test_access_of_an_unknown_word_is_refused),
        CONTRACT_CASE(test_past_deadlines_are_told_and_not_acted_on),
        CONTRACT_CASE(test_what_is_cancelled_is_done_at_once),
        CONTRACT_CASE(test_unknown_volumes_are_errors_but_gone),
    };

    return cmocka_run_group_tests_name(title, tests, list_trio, release_trio);
}
