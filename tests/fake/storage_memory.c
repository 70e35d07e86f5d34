/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A storage array in memory; see storage_memory.h. */
#include "tests/fake/storage_memory.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

struct held {
    char *volume_id, *name;
};

struct measured { /* of the volume of the same index */
    struct volume_stats stats;
    struct volume_past *past;
    size_t past_count;
};

struct memory {
    struct storage base;
    struct loop *loop;
    struct volume *volumes;
    struct measured *measured;
    size_t volume_count;
    struct held *held;
    size_t held_count;
    int latency_ms[MEMORY_COMMANDS];
    unsigned requests[MEMORY_COMMANDS], open[MEMORY_COMMANDS];
    struct {
        enum memory_fault kind;
        char *volume_id; /* NULL: any */
        int times;
    } faults[MEMORY_COMMANDS];
};

struct request {
    uv_timer_t timer;
    struct memory *array;
    struct storage_op *op;
    enum memory_command command;
    char *volume_id, *name; /* NULL when the command has none */
    enum memory_fault fault;
    bool late; /* the deadline comes before the answer */
};

/* ---- what it holds ------------------------------------------------------------------------ */

static struct held *find_held(const struct memory *m, const char *volume_id, const char *name)
{
    for (size_t i = 0; i < m->held_count; i++) {
        if (strcmp(m->held[i].volume_id, volume_id) == 0 && strcmp(m->held[i].name, name) == 0)
            return &m->held[i];
    }
    return NULL;
}

static const struct volume *find_volume(const struct memory *m, const char *volume_id)
{
    for (size_t i = 0; i < m->volume_count; i++) {
        if (strcmp(m->volumes[i].id, volume_id) == 0)
            return &m->volumes[i];
    }
    return NULL;
}

static void drop_held(struct memory *m, struct held *h)
{
    free(h->volume_id);
    free(h->name);
    *h = m->held[--m->held_count];
}

bool storage_memory_has(const struct storage *s, const char *volume_id, const char *name)
{
    return find_held((const struct memory *)s, volume_id, name) != NULL;
}

size_t storage_memory_snapshots(const struct storage *s)
{
    return ((const struct memory *)s)->held_count;
}

unsigned storage_memory_requests(const struct storage *s, enum memory_command command)
{
    return ((const struct memory *)s)->requests[command];
}

unsigned storage_memory_open(const struct storage *s, enum memory_command command)
{
    return ((const struct memory *)s)->open[command];
}

static struct measured *measured_of(const struct memory *m, const char *volume_id)
{
    return &m->measured[find_volume(m, volume_id) - m->volumes];
}

/* ---- doing -------------------------------------------------------------------------------- */

static void do_list(struct request *r)
{
    struct memory *m = r->array;
    struct storage_op *op = r->op;

    op->volumes = xcalloc(m->volume_count, sizeof(*op->volumes));
    op->volume_count = m->volume_count;
    for (size_t i = 0; i < m->volume_count; i++)
        volume_copy(&op->volumes[i], &m->volumes[i]);
}

static int do_snapshot(struct request *r, struct err *e)
{
    struct memory *m = r->array;

    if (find_held(m, r->volume_id, r->name))
        return err_set(e, ERR_STORAGE, "snapshot '%s' exists", r->name);
    m->held = xrealloc(m->held, (m->held_count + 1) * sizeof(*m->held));
    m->held[m->held_count++] = (struct held){xstrdup(r->volume_id), xstrdup(r->name)};
    if (r->op)
        r->op->snapshot_id = xasprintf("%s-%s", r->volume_id, r->name);
    return 0;
}

static void do_find(struct request *r)
{
    struct storage_op *op = r->op;

    op->found = find_held(r->array, r->volume_id, r->name) != NULL;
    if (!op->found)
        return;
    op->snapshot_path = xasprintf("pool/%s@%s", r->volume_id, r->name);
    op->snapshot_time = xstrdup("Thu May 12 2016 10:55");
}

static void do_history(struct request *r)
{
    const struct measured *from = measured_of(r->array, r->volume_id);
    struct storage_op *op = r->op;

    op->history = xcalloc(from->past_count, sizeof(*op->history));
    op->history_count = from->past_count;
    for (size_t i = 0; i < from->past_count; i++)
        op->history[i] = (struct volume_past){xstrdup(from->past[i].time), from->past[i].iops};
}

/* With r->op NULL nobody listens any more: only what outlasts the request is done. */
static int act(struct request *r, struct err *e)
{
    struct held *h;

    if (r->volume_id && !find_volume(r->array, r->volume_id))
        return err_set(e, ERR_STORAGE, "there is no volume of id '%s'", r->volume_id);
    if (r->command == MEMORY_SNAPSHOT)
        return do_snapshot(r, e);
    if (r->command == MEMORY_REMOVE && (h = find_held(r->array, r->volume_id, r->name)) != NULL)
        drop_held(r->array, h);
    else if (r->op && r->command == MEMORY_LIST)
        do_list(r);
    else if (r->op && r->command == MEMORY_FIND)
        do_find(r);
    else if (r->op && r->command == MEMORY_STATS)
        r->op->stats = measured_of(r->array, r->volume_id)->stats;
    else if (r->op && r->command == MEMORY_HISTORY)
        do_history(r);
    return 0;
}

static void free_request(uv_handle_t *timer)
{
    struct request *r = timer->data;

    free(r->volume_id);
    free(r->name);
    free(r);
}

static void end(struct request *r)
{
    r->array->open[r->command]--;
    if (r->op) {
        r->op->priv = NULL;
        r->op->ended_us = mono_us();
        r->op->done = true;
    }
    uv_close((uv_handle_t *)&r->timer, free_request);
}

static void on_timer(uv_timer_t *timer)
{
    struct request *r = timer->data;
    struct storage_op *op = r->op;

    if (r->late) {
        op->unsure = true;
        (void)err_set(&op->err, ERR_TIMEOUT, "no answer in %lld ms",
                      (long long)(mono_us() - op->started_us) / 1000);
        r->op = NULL;
        if (r->fault == MEMORY_MUTE)
            (void)act(r, NULL);
        r->op = op;
    } else if (r->fault == MEMORY_REFUSES) {
        (void)err_set(&op->err, ERR_STORAGE, "refused by order of the test");
    } else {
        (void)act(r, &op->err);
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

static void start(struct storage *s, enum memory_command command, const char *volume_id,
                  const char *name, int64_t deadline_us, struct storage_op *op)
{
    struct memory *m = (struct memory *)s;
    struct request *r = xcalloc(1, sizeof(*r));
    int64_t left_ms = (deadline_us - mono_us()) / 1000;
    int64_t wait_ms = m->latency_ms[command];

    m->requests[command]++;
    m->open[command]++;
    *r = (struct request){.array = m, .op = op, .command = command};
    r->volume_id = volume_id ? xstrdup(volume_id) : NULL;
    r->name = name ? xstrdup(name) : NULL;
    r->fault = take_fault(m, command, volume_id);
    if (r->fault == MEMORY_HANGS || r->fault == MEMORY_MUTE || wait_ms >= left_ms) {
        r->late = true;
        wait_ms = left_ms > 0 ? left_ms : 0;
    }
    if (r->fault == MEMORY_REFUSES)
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

/* ---- the table ---------------------------------------------------------------------------- */

static void list_volumes(struct storage *s, int64_t deadline_us, struct storage_op *op)
{
    start(s, MEMORY_LIST, NULL, NULL, deadline_us, op);
}

static void prepare(struct storage *s, const struct volume *volumes, size_t count,
                    int64_t deadline_us, struct storage_op *op)
{
    (void)volumes, (void)count;
    start(s, MEMORY_PREPARE, NULL, NULL, deadline_us, op);
}

static void snapshot(struct storage *s, const struct volume *v, const char *name,
                     int64_t deadline_us, struct storage_op *op)
{
    start(s, MEMORY_SNAPSHOT, v->id, name, deadline_us, op);
}

static void find_snapshot(struct storage *s, const struct volume *v, const char *name,
                          int64_t deadline_us, struct storage_op *op)
{
    start(s, MEMORY_FIND, v->id, name, deadline_us, op);
}

static void remove_snapshot(struct storage *s, const struct volume *v, const char *name,
                            int64_t deadline_us, struct storage_op *op)
{
    start(s, MEMORY_REMOVE, v->id, name, deadline_us, op);
}

static void stats(struct storage *s, const struct volume *v, int64_t deadline_us,
                  struct storage_op *op)
{
    start(s, MEMORY_STATS, v->id, NULL, deadline_us, op);
}

static void history(struct storage *s, const struct volume *v, int64_t deadline_us,
                    struct storage_op *op)
{
    start(s, MEMORY_HISTORY, v->id, NULL, deadline_us, op);
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
    for (size_t i = 0; i < m->volume_count; i++) {
        volume_release(&m->volumes[i]);
        for (size_t n = 0; n < m->measured[i].past_count; n++)
            free(m->measured[i].past[n].time);
        free(m->measured[i].past);
    }
    free(m->measured);
    while (m->held_count > 0)
        drop_held(m, &m->held[0]);
    for (size_t i = 0; i < ARRAY_SIZE(m->faults); i++)
        free(m->faults[i].volume_id);
    free(m->volumes);
    free(m->held);
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

void storage_memory_add(struct storage *s, const char *id, const char *name, const char *iqn)
{
    struct memory *m = (struct memory *)s;
    char *serial = xstrdup(id), *to = serial;

    for (const char *from = id; *from; from++) {
        if (*from != '-')
            *to++ = *from;
    }
    *to = '\0';
    m->volumes = xrealloc(m->volumes, (m->volume_count + 1) * sizeof(*m->volumes));
    m->measured = xrealloc(m->measured, (m->volume_count + 1) * sizeof(*m->measured));
    m->measured[m->volume_count] = (struct measured){.past = NULL};
    m->volumes[m->volume_count++] = (struct volume){
        .id = xstrdup(id),
        .name = xstrdup(name),
        .iqn = xstrdup(iqn),
        .serial = serial,
        .group = xstrdup("memory"),
        .size_bytes = INT64_C(1) << 30,
    };
}

void storage_memory_measure(struct storage *s, const char *volume_id,
                            const struct volume_stats *measured)
{
    measured_of((struct memory *)s, volume_id)->stats = *measured;
}

void storage_memory_remember(struct storage *s, const char *volume_id, const char *time,
                             double iops)
{
    struct measured *to = measured_of((struct memory *)s, volume_id);

    to->past = xrealloc(to->past, (to->past_count + 1) * sizeof(*to->past));
    to->past[to->past_count++] = (struct volume_past){xstrdup(time), iops};
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
