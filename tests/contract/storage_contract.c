/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The contract of a storage driver as test cases: snapshots and readings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "tests/contract/storage_contract_util.h"
#include "tests/in_range.h"

static void test_volumes_are_told_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < TRIO; i++) {
        const struct volume *v = &env.volumes[i];

        assert_true(v->id[0] && v->name[0]);
        assert_non_null(v->iqn);
        assert_non_null(v->group);
        assert_null(strchr(v->serial, '-'));
        assert_true(v->size_bytes >= 0);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(v->id, env.volumes[j].id);
    }
}

static void test_a_snapshot_comes_and_goes(void **state)
{
    (void)state;
    assert_false(has(&env.volumes[0], "contract-a"));
    take(&env.volumes[0], "contract-a");
    assert_true(has(&env.volumes[0], "contract-a"));
    assert_false(has(&env.volumes[0], "contract-b"));
    assert_false(has(&env.volumes[1], "contract-a"));
    take(&env.volumes[0], "contract-b");
    drop(&env.volumes[0], "contract-a");
    assert_false(has(&env.volumes[0], "contract-a"));
    assert_true(has(&env.volumes[0], "contract-b"));
}

static void test_removing_what_is_absent_succeeds(void **state)
{
    (void)state;
    drop(&env.volumes[0], "contract-a");
    take(&env.volumes[0], "contract-a");
    drop(&env.volumes[0], "contract-a");
    drop(&env.volumes[0], "contract-a");
}

static void test_all_volumes_at_once(void **state)
{
    struct storage_op ops[TRIO] = {{.done = false}};
    int64_t last_start = 0, first_end = INT64_MAX;

    (void)state;
    for (size_t i = 0; i < TRIO; i++)
        env.array->ops->snapshot(env.array, &env.volumes[i], "contract-a", soon(), &ops[i]);
    for (size_t i = 0; i < TRIO; i++) {
        wait_good(&ops[i]);
        if (ops[i].started_us > last_start)
            last_start = ops[i].started_us;
        if (ops[i].ended_us < first_end)
            first_end = ops[i].ended_us;
    }
    assert_true(last_start < first_end);
    for (size_t i = 0; i < TRIO; i++) {
        storage_op_release(&ops[i]);
        assert_true(has(&env.volumes[i], "contract-a"));
    }
}

static void test_a_name_is_taken_once(void **state)
{
    struct storage_op op = {.done = false};

    (void)state;
    take(&env.volumes[0], "contract-a");
    env.array->ops->snapshot(env.array, &env.volumes[0], "contract-a", soon(), &op);
    wait_done(&op);
    assert_int_equal(op.err.code, ERR_STORAGE);
    storage_op_release(&op);
    assert_true(has(&env.volumes[0], "contract-a"));
}

static void test_past_deadline_is_told_and_not_acted_on(void **state)
{
    struct storage_op op = {.done = false};

    (void)state;
    env.array->ops->snapshot(env.array, &env.volumes[0], "contract-a", mono_us() - SECOND, &op);
    assert_false(op.done);
    wait_done(&op);
    assert_int_equal(op.err.code, ERR_TIMEOUT);
    storage_op_release(&op);
    assert_false(has(&env.volumes[0], "contract-a"));
}

static void test_deadline_is_kept(void **state)
{
    struct storage_op op = {.done = false};
    int64_t began = mono_us();

    (void)state;
    env.array->ops->snapshot(env.array, &env.volumes[0], "contract-a", began + 5000, &op);
    wait_done(&op);
    assert_int_equal(op.err.code, ERR_TIMEOUT);
    assert_int_in_range(mono_us() - began, 4000, SECOND);
    storage_op_release(&op);
}

static void test_cancelled_is_done_at_once(void **state)
{
    struct storage_op op = {.done = false}, early = {.done = false};
    struct err e = ERR_INIT;
    bool never = false;

    (void)state;
    env.array->ops->find_snapshot(env.array, &env.volumes[0], "contract-a", mono_us() - 1, &early);
    storage_cancel(env.array, &early);
    assert_true(early.done);
    assert_int_equal(early.err.code, ERR_CANCELLED);
    storage_op_release(&early);
    env.array->ops->snapshot(env.array, &env.volumes[0], "contract-a", soon(), &op);
    (void)loop_wait(env.loop, &never, mono_us() + 5000, &e);
    assert_false(op.done);
    storage_cancel(env.array, &op);
    assert_true(op.done);
    assert_int_equal(op.err.code, ERR_CANCELLED);
    storage_cancel(env.array, &op);
    assert_int_equal(op.err.code, ERR_CANCELLED);
    /* whatever came of it, the array goes on working, and nothing touches the op any more */
    (void)loop_wait(env.loop, &never, mono_us() + SECOND / 2, &e);
    assert_int_equal(op.err.code, ERR_CANCELLED);
    storage_op_release(&op);
    (void)has(&env.volumes[1], "contract-a");
}

static void test_prepare_changes_nothing(void **state)
{
    struct storage_op op = {.done = false};

    (void)state;
    env.array->ops->prepare(env.array, env.volumes, TRIO, NULL, soon(), &op);
    assert_false(op.done);
    wait_good(&op);
    storage_op_release(&op);
    for (size_t i = 0; i < TRIO; i++)
        assert_false(has(&env.volumes[i], "contract-a"));
    env.array->ops->prepare(env.array, NULL, 0, "contract-a", soon(), &op);
    wait_good(&op);
    assert_false(op.found);
    storage_op_release(&op);
}

static bool is_taken(size_t count, const char *name)
{
    struct storage_op op = {.done = false};
    bool found;

    env.array->ops->prepare(env.array, env.volumes, count, name, soon(), &op);
    wait_good(&op);
    found = op.found;
    storage_op_release(&op);
    return found;
}

static void test_prepare_tells_a_name_that_is_taken(void **state)
{
    (void)state;
    /* not contract-a: one that was given up on before may show at any time */
    take(&env.volumes[1], "contract-b");
    assert_false(is_taken(TRIO, "contract-c"));
    take(&env.volumes[1], "contract-c");
    assert_true(is_taken(TRIO, "contract-c"));
    assert_false(is_taken(1, "contract-c")); /* of another volume than was asked about */
    assert_false(is_taken(TRIO, NULL));
}

static void test_readings_are_sane_or_absent(void **state)
{
    (void)state;
    for (size_t i = 0; i < TRIO; i++) {
        struct storage_op op = {.done = false};
        const struct volume_stats *s = &op.stats;

        env.array->ops->stats(env.array, &env.volumes[i], soon(), &op);
        assert_false(op.done);
        wait_good(&op);
        assert_true(!s->has_iops || s->iops >= 0);
        assert_true(!s->has_throughput || s->throughput_kb_s >= 0);
        assert_true(!s->has_latency || s->latency >= 0);
        assert_true(!s->has_throttle || s->throttle >= 0);
        assert_true(!s->has_used || s->used_bytes >= 0);
        storage_op_release(&op);
        env.array->ops->history(env.array, &env.volumes[i], soon(), &op);
        assert_false(op.done);
        wait_good(&op);
        assert_true(op.history_count <= STORAGE_HISTORY_MAX);
        for (size_t n = 0; n < op.history_count; n++)
            assert_true(op.history[n].time && op.history[n].iops >= 0);
        storage_op_release(&op);
        assert_null(op.history);
    }
}

static void test_readings_of_an_unknown_volume_are_an_error(void **state)
{
    struct storage_op ops[2] = {{.done = false}};
    struct volume v;

    (void)state;
    volume_copy(&v, &env.volumes[0]);
    free(v.id);
    v.id = strdup("00000000-0000-3000-8000-000000000000");
    env.array->ops->stats(env.array, &v, soon(), &ops[0]);
    env.array->ops->history(env.array, &v, soon(), &ops[1]);
    for (size_t i = 0; i < 2; i++) {
        wait_done(&ops[i]);
        assert_true(ops[i].err.code == ERR_STORAGE || ops[i].err.code == ERR_NOT_FOUND);
        assert_false(ops[i].stats.has_iops);
        storage_op_release(&ops[i]);
    }
    volume_release(&v);
}

static void test_unknown_volume_is_an_error(void **state)
{
    struct storage_op op = {.done = false};
    struct volume v;

    (void)state;
    volume_copy(&v, &env.volumes[0]);
    free(v.id);
    v.id = strdup("00000000-0000-3000-8000-000000000000");
    env.array->ops->snapshot(env.array, &v, "contract-a", soon(), &op);
    wait_done(&op);
    assert_true(op.err.code == ERR_STORAGE || op.err.code == ERR_NOT_FOUND);
    assert_true(op.err.msg[0] != '\0');
    storage_op_release(&op);
    volume_release(&v);
}

static void test_closing_accepts_null(void **state)
{
    (void)state;
    storage_close(NULL);
    env.array->ops->close(NULL);
}

int storage_contract_run(const struct storage_contract *c)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_volumes_are_told_apart, clean_up),
        cmocka_unit_test_teardown(test_a_snapshot_comes_and_goes, clean_up),
        cmocka_unit_test_teardown(test_removing_what_is_absent_succeeds, clean_up),
        cmocka_unit_test_teardown(test_all_volumes_at_once, clean_up),
        cmocka_unit_test_teardown(test_a_name_is_taken_once, clean_up),
        cmocka_unit_test_teardown(test_past_deadline_is_told_and_not_acted_on, clean_up),
        cmocka_unit_test_teardown(test_deadline_is_kept, clean_up),
        cmocka_unit_test_teardown(test_cancelled_is_done_at_once, clean_up),
        cmocka_unit_test_teardown(test_prepare_changes_nothing, clean_up),
        cmocka_unit_test_teardown(test_prepare_tells_a_name_that_is_taken, clean_up),
        cmocka_unit_test_teardown(test_readings_are_sane_or_absent, clean_up),
        cmocka_unit_test_teardown(test_readings_of_an_unknown_volume_are_an_error, clean_up),
        cmocka_unit_test_teardown(test_unknown_volume_is_an_error, clean_up),
        cmocka_unit_test_teardown(test_closing_accepts_null, clean_up),
    };

    env = (struct contract_env){.c = c, .loop = c->loop, .array = c->array, .ops = c->array->ops};
    return cmocka_run_group_tests_name(c->title, tests, list_trio, release_trio) +
           storage_contract_run_back(c->title) + storage_contract_run_clone(c->title);
}
