/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sampling thread; see qos.h. */
#include "tests/elastistor-sim/qos.h"
#include "tests/elastistor-sim/backing.h"
#include "tests/elastistor-sim/pause.h"
#include "proto/base/cleanup.h"
#include "proto/base/log.h"

#include <string.h>

struct target {
    char id[ID_SIZE], iqn[IQN_SIZE];
    char *file;
    char **snapshots;
    size_t n_snapshots;
    int64_t at_ms, ops, bytes, snapshot_bytes;
};

static size_t collect(struct sim *s, struct target **ret)
{
    const struct model *m = &s->model;
    const struct volume *v;
    const struct snapshot *sn;
    struct target *list;
    size_t i, j, n = 0;

    AUTO_LOCK(held, &s->model.lock);
    list = xcalloc(m->tables[KIND_VOLUME].n, sizeof(*list));
    MODEL_EACH(m, KIND_VOLUME, i, v)
    {
        struct target *t = &list[n++];

        STR_SET(t->id, v->row.id);
        STR_SET(t->iqn, v->iqn);
        t->file = sim_volume_file(s, v);
        t->snapshots = xcalloc(m->tables[KIND_SNAPSHOT].n, sizeof(*t->snapshots));
        MODEL_EACH(m, KIND_SNAPSHOT, j, sn)
        if (strcmp(sn->owner, v->row.id) == 0)
            t->snapshots[t->n_snapshots++] = sim_snapshot_file(s, v, sn->row.name);
    }
    *ret = list;
    return n;
}

static void measure(struct sim *s, struct target *t)
{
    struct err e = ERR_INIT;

    for (size_t i = 0; i < t->n_snapshots; i++)
        t->snapshot_bytes += backing_unique(t->snapshots[i]);
    t->at_ms = epoch_ms();
    if (!s->opt.tgt)
        t->bytes = backing_used(t->file); /* written space is all that can be seen */
    else if (iscsi_counters(&s->opt, t->iqn, &t->ops, &t->bytes, &e) < 0)
        log_debug("no counters of %s: %s", t->iqn, e.msg);
}

/* A counter that fell started again: its session ended, or tgtd did. */
static int64_t gained(int64_t now, int64_t before)
{
    return now >= before ? now - before : now;
}

static void keep(struct sim *s, const struct target *t)
{
    struct volume *v;
    struct qos_state *q;
    int64_t ms;

    AUTO_LOCK(held, &s->model.lock);
    v = model_by_id(&s->model, KIND_VOLUME, t->id);
    if (!v)
        return;
    q = &v->qos;
    ms = t->at_ms - q->last_ms;
    if (q->last_ms > 0 && ms > 0) {
        struct qos_sample *sample = &q->samples[q->next];

        sample->at_s = t->at_ms / 1000;
        sample->iops = gained(t->ops, q->last_ops) * 1000 / ms;
        sample->throughput_kbs = gained(t->bytes, q->last_bytes) * 1000 / ms / 1024;
        if (q->set.any && q->set.iops >= 0)
            sample->iops = q->set.iops;
        q->next = (q->next + 1) % QOS_SAMPLES;
        q->n += q->n < QOS_SAMPLES;
    }
    q->last_ms = t->at_ms;
    q->last_ops = t->ops;
    q->last_bytes = t->bytes;
    q->snapshot_bytes = t->snapshot_bytes;
}

static void release(struct target *t)
{
    for (size_t i = 0; i < t->n_snapshots; i++)
        free(t->snapshots[i]);
    free(t->snapshots);
    free(t->file);
}

static void *qos_main(void *arg)
{
    struct sim *s = arg;

    do {
        AUTO_FREE struct target *list = NULL;
        size_t n = collect(s, &list);

        for (size_t i = 0; i < n; i++) {
            measure(s, &list[i]);
            keep(s, &list[i]);
            release(&list[i]);
        }
    } while (pause_ms(s->opt.qos_interval_ms));
    return NULL;
}

int qos_start(struct sim *s, pthread_t *ret_thread, struct err *e)
{
    int rc = pthread_create(ret_thread, NULL, qos_main, s);

    return rc == 0 ? 0 : err_set_sys(e, ERR_IO, rc, "cannot start the sampling thread");
}

void qos_stop(pthread_t thread)
{
    pthread_join(thread, NULL);
}
