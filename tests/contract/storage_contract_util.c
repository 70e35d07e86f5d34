/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations that must succeed, and the cleaning up; see storage_contract_util.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "tests/contract/storage_contract_util.h"

#define MARK "contract-"

struct contract_env env;
char *word_before;

int64_t soon(void)
{
    return mono_us() + 20 * SECOND;
}

void wait_done(struct storage_op *op)
{
    struct err e = ERR_INIT;

    if (loop_wait(env.loop, &op->done, mono_us() + 30 * SECOND, &e) < 0)
        fail_msg("the operation was never done: %s", e.msg);
}

void wait_good(struct storage_op *op)
{
    wait_done(op);
    if (err_is_set(&op->err))
        fail_msg("%s", op->err.msg);
    assert_true(op->ended_us >= op->started_us && op->started_us > 0);
}

void wait_bad(struct storage_op *op, enum err_code code, enum err_code or_code)
{
    wait_done(op);
    if (op->err.code != code && op->err.code != or_code)
        fail_msg("ended with code %d: %s", op->err.code, op->err.msg);
    assert_true(op->err.msg[0] != '\0');
    storage_op_release(op);
}

void take(const struct volume *v, const char *name)
{
    struct storage_op op = {.done = false};

    env.array->ops->snapshot(env.array, v, name, soon(), &op);
    assert_false(op.done);
    wait_good(&op);
    storage_op_release(&op);
}

bool has(const struct volume *v, const char *name)
{
    struct storage_op op = {.done = false};
    bool found;

    env.array->ops->find_snapshot(env.array, v, name, soon(), &op);
    assert_false(op.done);
    wait_good(&op);
    found = op.found;
    if (found) {
        const char *at = strrchr(op.snapshot_path, '@');

        assert_non_null(at);
        assert_string_equal(at + 1, name);
        assert_true(op.snapshot_time[0] != '\0');
    } else {
        assert_null(op.snapshot_path);
    }
    storage_op_release(&op);
    assert_null(op.snapshot_path);
    return found;
}

void drop(const struct volume *v, const char *name)
{
    struct storage_op op = {.done = false};

    env.array->ops->remove_snapshot(env.array, v, name, soon(), &op);
    assert_false(op.done);
    wait_good(&op);
    storage_op_release(&op);
}

void put(const struct volume *v, int content)
{
    env.c->write(env.c->arg, v, content);
}

int get(const struct volume *v)
{
    return env.c->read(env.c->arg, v);
}

void roll_back(const struct volume *v, const char *name)
{
    struct storage_op op = {.done = false};

    env.ops->rollback(env.array, v, name, soon(), &op);
    assert_false(op.done);
    wait_good(&op);
    storage_op_release(&op);
}

/* The caller releases *ret. */
void make_clone(struct volume *ret, const struct volume *v, const char *name, const char *clone)
{
    struct storage_op op = {.done = false};

    env.ops->clone(env.array, v, name, clone, soon(), &op);
    assert_false(op.done);
    wait_good(&op);
    assert_int_equal(op.volume_count, 1);
    volume_copy(ret, &op.volumes[0]);
    storage_op_release(&op);
    assert_null(op.volumes);
}

void remove_it(const struct volume *v)
{
    struct storage_op op = {.done = false};

    env.ops->remove_volume(env.array, v, soon(), &op);
    assert_false(op.done);
    wait_good(&op);
    storage_op_release(&op);
}

/* The caller frees it. */
char *access_word(const struct volume *v)
{
    struct storage_op op = {.done = false};
    char *word;

    env.ops->access(env.array, v, soon(), &op);
    assert_false(op.done);
    wait_good(&op);
    assert_non_null(op.access);
    word = strdup(op.access);
    storage_op_release(&op);
    assert_null(op.access);
    return word;
}

void let_in(const struct volume *v, const char *word)
{
    struct storage_op op = {.done = false};
    char *now;

    env.ops->set_access(env.array, v, word, soon(), &op);
    assert_false(op.done);
    wait_good(&op);
    storage_op_release(&op);
    now = access_word(v);
    assert_string_equal(now, word);
    free(now);
}

void list_volumes(struct storage_op *op)
{
    env.ops->list_volumes(env.array, soon(), op);
    wait_good(op);
}

bool listed(const char *name)
{
    struct storage_op op = {.done = false};
    bool found = false;

    list_volumes(&op);
    for (size_t n = 0; n < op.volume_count; n++)
        found = found || strcmp(op.volumes[n].name, name) == 0;
    storage_op_release(&op);
    return found;
}

size_t place_of(const struct storage_op *op, const char *name)
{
    for (size_t n = 0; n < op->snapshot_count; n++) {
        if (strcmp(op->snapshots[n].name, name) == 0)
            return n;
    }
    return SIZE_MAX;
}

void list_first(struct storage_op *op)
{
    env.ops->list_snapshots(env.array, FIRST, soon(), op);
    assert_false(op->done);
    wait_good(op);
}

int list_trio(void **state)
{
    struct storage_op op = {.done = false};

    (void)state;
    env.array->ops->list_volumes(env.array, soon(), &op);
    wait_good(&op);
    assert_true(op.volume_count >= TRIO);
    for (size_t i = 0; i < TRIO; i++)
        volume_copy(&env.volumes[i], &op.volumes[i]);
    storage_op_release(&op);
    return 0;
}

int release_trio(void **state)
{
    (void)state;
    for (size_t i = 0; i < TRIO; i++)
        volume_release(&env.volumes[i]);
    return 0;
}

static bool marked(const char *name)
{
    return strncmp(name, MARK, strlen(MARK)) == 0;
}

static void drop_marked(const struct volume *v)
{
    struct storage_op op = {.done = false};

    env.ops->list_snapshots(env.array, v, soon(), &op);
    wait_good(&op);
    for (size_t n = op.snapshot_count; n-- > 0;) {
        if (marked(op.snapshots[n].name))
            drop(v, op.snapshots[n].name);
    }
    storage_op_release(&op);
}

/* Volumes first, for a snapshot that has clones stays; the newest first, for clones of clones. */
int clean_up(void **state)
{
    struct storage_op list = {.done = false}, op = {.done = false};

    (void)state;
    env.ops->list_volumes(env.array, soon(), &list);
    wait_good(&list);
    for (size_t n = list.volume_count; n-- > 0;) {
        if (!marked(list.volumes[n].name))
            continue;
        drop_marked(&list.volumes[n]);
        env.ops->remove_volume(env.array, &list.volumes[n], soon(), &op);
        wait_good(&op);
        storage_op_release(&op);
    }
    storage_op_release(&list);
    for (size_t n = 0; n < TRIO; n++)
        drop_marked(&env.volumes[n]);
    return 0;
}

int remember(void **state)
{
    (void)state;
    word_before = access_word(FIRST);
    assert_true(word_before[0] != '\0');
    return 0;
}

int restore(void **state)
{
    let_in(FIRST, word_before);
    free(word_before);
    return clean_up(state);
}
