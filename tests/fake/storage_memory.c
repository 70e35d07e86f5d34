/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A storage array in memory: its requests in time. See storage_memory.h, memory_state.h. */
#include "tests/fake/storage_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/fake/memory_state.h"

struct memory {
    struct storage base;
    struct loop *loop;
    struct memory_state state;
    int latency_ms[MEMORY_COMMANDS];
    unsigned requests[MEMORY_COMMANDS], open[MEMORY_COMMANDS];
    struct {
        enum memory_fault kind;
        char *volume_id; /* NULL: any */
        int times;
    } faults[MEMORY_COMMANDS];
    memory_hook *hook;
    void *hook_arg;
    struct request *under_way;
};

struct request {
    uv_timer_t timer;
    struct request *next; /* under way, of this array */
    struct memory *array;
    struct loop *loop; /* the client's */
    struct storage_op *op;
    struct wish wish;
    enum memory_fault fault;
    bool late; /* the deadline comes before the answer */
};

/* ---- requests ------------------------------------------------------------------------------ */

static void free_request(uv_handle_t *timer)
{
    struct request *r = timer->data;

    free(r->wish.volume_id);
    free(r->wish.name);
    free(r->wish.word);
    free(r);
}

static void end(struct request *r)
{
    struct request **at = &r->array->under_way;

    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    r->array->open[r->wish.command]--;
    if (r->op) {
        r->op->priv = NULL;
        r->op->ended_us = mono_us();
        r->op->done = true;
    }
    uv_close((uv_handle_t *)&r->timer, free_request);
}

static void tell(const struct memory *m, const struct wish *w, bool doing)
{
    if (m->hook)
        m->hook(m->hook_arg, w->command, w->volume_id, doing);
}

static void on_timer(uv_timer_t *timer);

/* With op NULL nobody listens any more. */
static void act(struct request *r, struct storage_op *op, struct err *e)
{
    tell(r->array, &r->wish, true);
    (void)state_act(&r->array->state, &r->wish, op, e);
}

static void lie(struct request *r, struct storage_op *op)
{
    if (r->wish.command != MEMORY_FIND)
        return;
    act(r, op, NULL);
    op->found = !op->found;
    if (op->found)
        op->snapshot_path = xasprintf("pool/%s@%s", r->wish.volume_id, r->wish.name);
}

static bool answers_badly(enum memory_fault f)
{
    return f == MEMORY_DENIES || f == MEMORY_RESETS || f == MEMORY_DROPS || f == MEMORY_GARBAGE;
}

static void answer_badly(struct request *r, struct storage_op *op)
{
    if (r->fault != MEMORY_RESETS)
        act(r, NULL, NULL);
    op->unsure = r->fault != MEMORY_DENIES;
    if (r->fault == MEMORY_DENIES)
        (void)err_set(&op->err, ERR_STORAGE, "refused by order of the test, and done");
    else if (r->fault == MEMORY_GARBAGE)
        (void)err_set(&op->err, ERR_STORAGE, "the answer makes no sense");
    else
        (void)err_set(&op->err, ERR_STORAGE, "the connection was reset");
}

/* Nobody waits for it any more, and its op may be gone. */
static void go_on_alone(struct request *r)
{
    r->op->ended_us = mono_us();
    r->op->priv = NULL;
    r->op->done = true;
    r->op = NULL;
    (void)uv_timer_start(&r->timer, on_timer, MEMORY_SLOW_MS, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct request *r = timer->data;
    struct storage_op *op = r->op;

    if (!op) {
        act(r, NULL, NULL);
        end(r);
        return;
    }
    if (r->late) {
        op->unsure = true;
        (void)err_set(&op->err, ERR_TIMEOUT, "no answer in %lld ms",
                      (long long)(mono_us() - op->started_us) / 1000);
        if (r->fault == MEMORY_LATE) {
            go_on_alone(r);
            return;
        }
        if (r->fault == MEMORY_MUTE)
            act(r, NULL, NULL);
    } else if (r->fault == MEMORY_REFUSES) {
        (void)err_set(&op->err, ERR_STORAGE, "refused by order of the test");
    } else if (r->fault == MEMORY_LIES) {
        lie(r, op);
    } else if (answers_badly(r->fault)) {
        answer_badly(r, op);
    } else {
        act(r, op, &op->err);
    }
    end(r);
}

static enum memory_fault take_fault(struct memory *m, enum memory_command command,
                                    const char *volume_id)
{
    const char *only = m->faults[command].volume_id;

    if (m->faults[command].times == 0 || (only && (!volume_id || strcmp(only, volume_id) != 0)))
        return MEMORY_NO_FAULT;
    if (m->faults[command].times > 0)
        m->faults[command].times--;
    return m->faults[command].kind;
}

static char *copy(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

/* `w` borrows its strings. */
static void start(struct storage *s, struct wish w, int64_t deadline_us, struct storage_op *op)
{
    struct memory *m = (struct memory *)s;
    struct request *r = xcalloc(1, sizeof(*r));
    int64_t left_ms = (deadline_us - mono_us()) / 1000;
    int64_t wait_ms = m->latency_ms[w.command];

    m->requests[w.command]++;
    m->open[w.command]++;
    tell(m, &w, false);
    *r = (struct request){.array = m, .loop = m->loop, .op = op, .next = m->under_way};
    m->under_way = r;
    r->wish = (struct wish){w.command, copy(w.volume_id), copy(w.name), copy(w.word)};
    r->fault = take_fault(m, w.command, w.volume_id);
    if (r->fault == MEMORY_SLOW)
        wait_ms += MEMORY_SLOW_MS;
    if (r->fault == MEMORY_HANGS || r->fault == MEMORY_MUTE || r->fault == MEMORY_LATE ||
        wait_ms >= left_ms) {
        r->late = true;
        wait_ms = left_ms > 0 ? left_ms : 0;
    }
    if (r->fault == MEMORY_REFUSES || answers_badly(r->fault))
        wait_ms = 0;
    op->done = false;
    op->err = ERR_INIT;
    op->unsure = false;
    op->started_us = mono_us();
    op->priv = r;
    (void)uv_timer_init(loop_uv(m->loop), &r->timer);
    r->timer.data = r;
    uv_update_time(loop_uv(m->loop));
    (void)uv_timer_start(&r->timer, on_timer, (uint64_t)wait_ms, 0);
}

static void start_one(struct storage *s, enum memory_command command, const struct volume *v,
                      const char *name, const char *word, int64_t deadline_us,
                      struct storage_op *op)
{
    start(s, (struct wish){command, v->id, (char *)name, (char *)word}, deadline_us, op);
}

/* ---- the table ---------------------------------------------------------------------------- */

static void list_volumes(struct storage *s, int64_t deadline_us, struct storage_op *op)
{
    start(s, (struct wish){.command = MEMORY_LIST}, deadline_us, op);
}

static void prepare(struct storage *s, const struct volume *volumes, size_t count, const char *name,
                    int64_t deadline_us, struct storage_op *op)
{
    const struct memory *m = (const struct memory *)s;

    for (size_t i = 0; i < count && name; i++)
        op->found = op->found || state_held(&m->state, volumes[i].id, name);
    start(s, (struct wish){.command = MEMORY_PREPARE}, deadline_us, op);
}

static void snapshot(struct storage *s, const struct volume *v, const char *name,
                     int64_t deadline_us, struct storage_op *op)
{
    start_one(s, MEMORY_SNAPSHOT, v, name, NULL, deadline_us, op);
}

static void find_snapshot(struct storage *s, const struct volume *v, const char *name,
                          int64_t deadline_us, struct storage_op *op)
{
    start_one(s, MEMORY_FIND, v, name, NULL, deadline_us, op);
}

static void remove_snapshot(struct storage *s, const struct volume *v, const char *name,
                            int64_t deadline_us, struct storage_op *op)
{
    start_one(s, MEMORY_REMOVE, v, name, NULL, deadline_us, op);
}

static void list_snapshots(struct storage *s, const struct volume *v, int64_t deadline_us,
                           struct storage_op *op)
{
    start_one(s, MEMORY_LIST_SNAPSHOTS, v, NULL, NULL, deadline_us, op);
}

static void rollback(struct storage *s, const struct volume *v, const char *name,
                     int64_t deadline_us, struct storage_op *op)
{
    start_one(s, MEMORY_ROLLBACK, v, name, NULL, deadline_us, op);
}

static void clone_snapshot(struct storage *s, const struct volume *v, const char *name,
                           const char *clone, int64_t deadline_us, struct storage_op *op)
{
    start_one(s, MEMORY_CLONE, v, name, clone, deadline_us, op);
}

static void remove_volume(struct storage *s, const struct volume *v, int64_t deadline_us,
                          struct storage_op *op)
{
    start_one(s, MEMORY_REMOVE_VOLUME, v, NULL, NULL, deadline_us, op);
}

static void access_of(struct storage *s, const struct volume *v, int64_t deadline_us,
                      struct storage_op *op)
{
    start_one(s, MEMORY_ACCESS, v, NULL, NULL, deadline_us, op);
}

static void set_access(struct storage *s, const struct volume *v, const char *word,
                       int64_t deadline_us, struct storage_op *op)
{
    start_one(s, MEMORY_SET_ACCESS, v, NULL, word, deadline_us, op);
}

static void stats(struct storage *s, const struct volume *v, int64_t deadline_us,
                  struct storage_op *op)
{
    start_one(s, MEMORY_STATS, v, NULL, NULL, deadline_us, op);
}

static void history(struct storage *s, const struct volume *v, int64_t deadline_us,
                    struct storage_op *op)
{
    start_one(s, MEMORY_HISTORY, v, NULL, NULL, deadline_us, op);
}

static void cancel(struct storage *s, struct storage_op *op)
{
    struct request *r = op->priv;

    (void)s;
    if (!r)
        return;
    op->unsure = true;
    (void)err_set(&op->err, ERR_CANCELLED, "the request was taken back");
    (void)uv_timer_stop(&r->timer);
    end(r);
}

static int open_memory(struct storage **ret, const struct storage_conf *conf, struct loop *loop,
                       struct err *e)
{
    (void)conf, (void)e;
    *ret = storage_memory_new(loop);
    return 0;
}

static void close_memory(struct storage *s)
{
    struct memory *m = (struct memory *)s;

    if (!m)
        return;
    state_release(&m->state);
    for (size_t i = 0; i < ARRAY_SIZE(m->faults); i++)
        free(m->faults[i].volume_id);
    free(m);
}

const struct storage_ops storage_memory_ops = {
    .name = "memory",
    .open = open_memory,
    .close = close_memory,
    .list_volumes = list_volumes,
    .prepare = prepare,
    .snapshot = snapshot,
    .find_snapshot = find_snapshot,
    .remove_snapshot = remove_snapshot,
    .list_snapshots = list_snapshots,
    .rollback = rollback,
    .clone = clone_snapshot,
    .remove_volume = remove_volume,
    .access = access_of,
    .set_access = set_access,
    .stats = stats,
    .history = history,
    .cancel = cancel,
};

/* ---- for the test ------------------------------------------------------------------------- */

struct storage *storage_memory_new(struct loop *loop)
{
    struct memory *m = xcalloc(1, sizeof(*m));

    m->base.ops = &storage_memory_ops;
    m->loop = loop;
    return &m->base;
}

void storage_memory_use(struct storage *s, struct loop *loop)
{
    ((struct memory *)s)->loop = loop;
}

static struct memory_state *state_of(const struct storage *s)
{
    return &((struct memory *)s)->state;
}

/* A test that asks about what is not there is wrong: said at once, not by a crash. */
static struct disk *disk_of(const struct storage *s, const char *volume_id)
{
    struct disk *d = state_disk(state_of(s), volume_id);

    if (d)
        return d;
    fprintf(stderr, "the array in memory has no volume '%s'\n", volume_id);
    abort();
}

void storage_memory_add(struct storage *s, const char *id, const char *name, const char *iqn)
{
    state_allow(state_of(s), state_add(state_of(s), id, name, iqn), "all");
}

void storage_memory_measure(struct storage *s, const char *volume_id,
                            const struct volume_stats *measured)
{
    disk_of(s, volume_id)->stats = *measured;
}

void storage_memory_remember(struct storage *s, const char *volume_id, const char *time,
                             double iops)
{
    struct disk *to = disk_of(s, volume_id);

    to->past = xrealloc(to->past, (to->past_count + 1) * sizeof(*to->past));
    to->past[to->past_count++] = (struct volume_past){xstrdup(time), iops};
}

void storage_memory_free(struct storage *s, const char *volume_id, int64_t free_bytes)
{
    disk_of(s, volume_id)->volume.free_bytes = free_bytes;
}

void storage_memory_allow(struct storage *s, const char *volume_id, const char *access)
{
    state_allow(state_of(s), disk_of(s, volume_id), access);
}

void storage_memory_write(struct storage *s, const char *volume_id, int content)
{
    disk_of(s, volume_id)->content = content;
}

void storage_memory_latency(struct storage *s, enum memory_command command, int ms)
{
    ((struct memory *)s)->latency_ms[command] = ms;
}

void storage_memory_fault(struct storage *s, enum memory_command command, const char *volume_id,
                          enum memory_fault fault, int times)
{
    struct memory *m = (struct memory *)s;

    free(m->faults[command].volume_id);
    m->faults[command].volume_id = volume_id ? xstrdup(volume_id) : NULL;
    m->faults[command].kind = fault;
    m->faults[command].times = fault == MEMORY_NO_FAULT ? 0 : times;
}

void storage_memory_on(struct storage *s, memory_hook *hook, void *arg)
{
    ((struct memory *)s)->hook = hook;
    ((struct memory *)s)->hook_arg = arg;
}

void storage_memory_desert(struct storage *s, bool done)
{
    struct memory *m = (struct memory *)s;
    struct request **at = &m->under_way, *r;

    while ((r = *at)) {
        if (r->loop == m->loop) { /* its successor's */
            at = &r->next;
            continue;
        }
        *at = r->next;
        m->open[r->wish.command]--;
        if (done && r->fault == MEMORY_NO_FAULT)
            act(r, NULL, NULL);
    }
}

const char *storage_memory_command_name(enum memory_command command)
{
    static const char *const names[MEMORY_COMMANDS] = {
        [MEMORY_LIST] = "list",
        [MEMORY_PREPARE] = "prepare",
        [MEMORY_SNAPSHOT] = "snapshot",
        [MEMORY_FIND] = "find",
        [MEMORY_REMOVE] = "remove",
        [MEMORY_STATS] = "stats",
        [MEMORY_HISTORY] = "history",
        [MEMORY_LIST_SNAPSHOTS] = "list-snapshots",
        [MEMORY_ROLLBACK] = "rollback",
        [MEMORY_CLONE] = "clone",
        [MEMORY_REMOVE_VOLUME] = "remove-volume",
        [MEMORY_ACCESS] = "access",
        [MEMORY_SET_ACCESS] = "set-access",
    };

    return names[command];
}

/* ---- what it holds ------------------------------------------------------------------------ */

int storage_memory_content(const struct storage *s, const char *volume_id)
{
    return disk_of(s, volume_id)->content;
}

const char *storage_memory_access(const struct storage *s, const char *volume_id)
{
    return disk_of(s, volume_id)->access;
}

bool storage_memory_exists(const struct storage *s, const char *volume_id)
{
    return state_disk(state_of(s), volume_id) != NULL;
}

const char *storage_memory_id(const struct storage *s, const char *name)
{
    const struct memory_state *m = state_of(s);

    for (size_t i = 0; i < m->disk_count; i++) {
        if (strcmp(m->disks[i].volume.name, name) == 0)
            return m->disks[i].volume.id;
    }
    return NULL;
}

size_t storage_memory_volumes(const struct storage *s)
{
    return state_of(s)->disk_count;
}

bool storage_memory_has(const struct storage *s, const char *volume_id, const char *name)
{
    return state_held(state_of(s), volume_id, name) != NULL;
}

size_t storage_memory_snapshots(const struct storage *s)
{
    return state_of(s)->held_count;
}

unsigned storage_memory_rollbacks_in_use(const struct storage *s)
{
    return state_of(s)->rollbacks_in_use;
}

unsigned storage_memory_requests(const struct storage *s, enum memory_command command)
{
    return ((const struct memory *)s)->requests[command];
}

unsigned storage_memory_open(const struct storage *s, enum memory_command command)
{
    return ((const struct memory *)s)->open[command];
}
