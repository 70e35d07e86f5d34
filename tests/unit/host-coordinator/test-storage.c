/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The drivers' table, and the array in memory against the contract of all drivers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "proto/base/clock.h"
#include "tests/contract/storage_contract.h"
#include "tests/fake/storage_memory.h"

#define SECOND INT64_C(1000000)

static void test_unknown_driver_names_the_known(void **state)
{
    const struct storage_conf conf = {.name = "east", .driver = "tape"};
    struct storage *s = NULL;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(storage_open(&s, &conf, NULL, &e), -1);
    assert_null(s);
    assert_int_equal(e.code, ERR_CONFIG);
    assert_non_null(strstr(e.msg, "'tape'"));
    assert_non_null(strstr(e.msg, "[appliance east]"));
    assert_non_null(strstr(e.msg, "'elastistor'"));
}

static void test_volume_copies_are_their_own(void **state)
{
    char id[] = "id", name[] = "name", none[] = "";
    const struct volume from = {.id = id,
                                .name = name,
                                .iqn = none,
                                .serial = none,
                                .group = none,
                                .size_bytes = 42,
                                .free_bytes = -1};
    struct volume to;

    (void)state;
    volume_copy(&to, &from);
    id[0] = 'x';
    assert_string_equal(to.id, "id");
    assert_int_equal(to.size_bytes, 42);
    assert_int_equal(to.free_bytes, -1);
    volume_release(&to);
    assert_null(to.id);
}

/* The fake's own promises: a mute array does what it never answers. */
static void test_memory_faults(void **state)
{
    struct loop *l = loop_new();
    struct storage *s = storage_memory_new(l);
    struct storage_op op = {.done = false};
    struct err e = ERR_INIT;
    char id[] = "v-1", text[] = "";
    const struct volume v = {.id = id, .name = text, .iqn = text, .serial = text, .group = text};

    (void)state;
    storage_memory_add(s, "v-1", "one", "");
    storage_memory_fault(s, MEMORY_SNAPSHOT, "v-1", MEMORY_HANGS, 1);
    s->ops->snapshot(s, &v, "n", mono_us() + 10000, &op);
    assert_int_equal(loop_wait(l, &op.done, mono_us() + SECOND, &e), 0);
    assert_int_equal(op.err.code, ERR_TIMEOUT);
    assert_false(storage_memory_has(s, "v-1", "n"));
    storage_op_release(&op);
    storage_memory_fault(s, MEMORY_SNAPSHOT, NULL, MEMORY_MUTE, 1);
    s->ops->snapshot(s, &v, "n", mono_us() + 10000, &op);
    assert_int_equal(loop_wait(l, &op.done, mono_us() + SECOND, &e), 0);
    assert_int_equal(op.err.code, ERR_TIMEOUT);
    assert_true(storage_memory_has(s, "v-1", "n"));
    storage_op_release(&op);
    storage_memory_fault(s, MEMORY_REMOVE, "v-1", MEMORY_REFUSES, -1);
    s->ops->remove_snapshot(s, &v, "n", mono_us() + SECOND, &op);
    assert_int_equal(loop_wait(l, &op.done, mono_us() + SECOND, &e), 0);
    assert_int_equal(op.err.code, ERR_STORAGE);
    assert_int_equal(storage_memory_snapshots(s), 1);
    assert_int_equal(storage_memory_requests(s, MEMORY_SNAPSHOT), 2);
    storage_op_release(&op);
    storage_close(s);
    loop_free(l);
}

/* A mute array clones, gives access and removes too; what it holds can be seen. */
static void test_memory_goes_back(void **state)
{
    struct loop *l = loop_new();
    struct storage *s = storage_memory_new(l);
    struct storage_op op = {.done = false};
    struct err e = ERR_INIT;
    char id[] = "v-1", text[] = "";
    const struct volume v = {.id = id, .name = text, .iqn = text, .serial = text, .group = text};

    (void)state;
    storage_memory_add(s, "v-1", "one", "");
    storage_memory_free(s, "v-1", 5);
    assert_string_equal(storage_memory_access(s, "v-1"), "all");
    s->ops->snapshot(s, &v, "n", mono_us() + SECOND, &op);
    assert_int_equal(loop_wait(l, &op.done, mono_us() + SECOND, &e), 0);
    storage_op_release(&op);
    storage_memory_fault(s, MEMORY_CLONE, "v-1", MEMORY_MUTE, 1);
    s->ops->clone(s, &v, "n", "two", mono_us() + 10000, &op);
    assert_int_equal(loop_wait(l, &op.done, mono_us() + SECOND, &e), 0);
    assert_true(op.err.code == ERR_TIMEOUT && op.unsure);
    assert_null(op.volumes);
    storage_op_release(&op);
    assert_int_equal(storage_memory_volumes(s), 2);
    assert_non_null(storage_memory_id(s, "two"));
    assert_string_equal(storage_memory_access(s, storage_memory_id(s, "two")), "");
    s->ops->rollback(s, &v, "n", mono_us() + SECOND, &op);
    assert_int_equal(loop_wait(l, &op.done, mono_us() + SECOND, &e), 0);
    storage_op_release(&op);
    assert_int_equal(storage_memory_rollbacks_in_use(s), 1);
    s->ops->list_volumes(s, mono_us() + SECOND, &op);
    assert_int_equal(loop_wait(l, &op.done, mono_us() + SECOND, &e), 0);
    assert_int_equal(op.volumes[0].free_bytes, 5);
    storage_op_release(&op);
    assert_true(storage_memory_exists(s, "v-1"));
    assert_false(storage_memory_exists(s, "v-2"));
    storage_close(s);
    loop_free(l);
}

static void write_memory(void *arg, const struct volume *v, int content)
{
    storage_memory_write(arg, v->id, content);
}

static int read_memory(void *arg, const struct volume *v)
{
    return storage_memory_content(arg, v->id);
}

static int run_contract(void)
{
    struct loop *l = loop_new();
    struct storage *s = storage_memory_new(l);
    int failed;

    storage_memory_add(s, "a1-00", "root", "iqn.2016-05.acme.vsm1:root");
    storage_memory_add(s, "a1-01", "log", "iqn.2016-05.acme.vsm1:log");
    storage_memory_add(s, "a1-02", "data", "");
    storage_memory_latency(s, MEMORY_SNAPSHOT, 500); /* beside 5 ms of waiting */
    storage_memory_latency(s, MEMORY_CLONE, 50);
    failed = storage_contract_run(&(struct storage_contract){.title = "storage contract: memory",
                                                             .loop = l,
                                                             .array = s,
                                                             .write = write_memory,
                                                             .read = read_memory,
                                                             .arg = s});
    storage_close(s);
    loop_free(l);
    return failed;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_driver_names_the_known),
        cmocka_unit_test(test_volume_copies_are_their_own),
        cmocka_unit_test(test_memory_faults),
        cmocka_unit_test(test_memory_goes_back),
    };
    int failed = cmocka_run_group_tests_name("storage", tests, NULL, NULL);

    return failed + run_contract();
}
