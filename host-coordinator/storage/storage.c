/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The array of drivers, and what all drivers share; see storage.h. */
#include "host-coordinator/storage/storage.h"

#include <stdlib.h>
#include <string.h>

#include "host-coordinator/storage/elastistor.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

static const struct storage_ops *const drivers[] = {
    &elastistor_ops,
};

static int unknown_driver(const struct storage_conf *conf, struct err *e)
{
    struct buf known = BUF_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
        buf_addf(&known, "%s'%s'", i > 0 ? ", " : "", drivers[i]->name);
    (void)err_set(e, ERR_CONFIG,
                  "appliance '%s' has the unknown driver '%s': set 'driver' in [appliance %s] to "
                  "one of %s",
                  conf->name, conf->driver, conf->name, buf_text(&known));
    buf_release(&known);
    return -1;
}

int storage_open(struct storage **ret, const struct storage_conf *conf, struct loop *loop,
                 struct err *e)
{
    for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
        if (strcmp(drivers[i]->name, conf->driver) == 0)
            return drivers[i]->open(ret, conf, loop, e);
    }
    return unknown_driver(conf, e);
}

void storage_close(struct storage *s)
{
    if (s)
        s->ops->close(s);
}

void storage_cancel(struct storage *s, struct storage_op *op)
{
    if (!op->done)
        s->ops->cancel(s, op);
}

int storage_wait(struct loop *loop, struct storage *s, struct storage_op *op, int64_t deadline_us,
                 struct err *e)
{
    if (loop_wait(loop, &op->done, deadline_us + 1000000, e) < 0) {
        storage_cancel(s, op);
        return -1;
    }
    if (!err_is_set(&op->err))
        return 0;
    if (e)
        *e = op->err;
    return -1;
}

int storage_has_snapshot(struct loop *loop, struct storage *s, const struct volume *v,
                         const char *name, int timeout_ms, bool *ret, struct err *e)
{
    int64_t deadline = mono_in_ms(timeout_ms);
    struct storage_op op = {.done = false};
    int rc;

    s->ops->find_snapshot(s, v, name, deadline, &op);
    rc = storage_wait(loop, s, &op, deadline, e);
    *ret = op.found;
    storage_op_release(&op);
    return rc;
}

int storage_remove_seen(struct loop *loop, struct storage *s, const struct volume *v,
                        const char *name, int remove_ms, int find_ms, struct err *e)
{
    int64_t deadline = mono_in_ms(remove_ms);
    struct storage_op op = {.done = false};
    bool there = false;
    int rc;

    s->ops->remove_snapshot(s, v, name, deadline, &op);
    rc = storage_wait(loop, s, &op, deadline, e);
    storage_op_release(&op);
    if (rc < 0 || storage_has_snapshot(loop, s, v, name, find_ms, &there, e) < 0)
        return -1;
    if (!there)
        return 0;
    return err_set(e, ERR_LOOK,
                   "the appliance said that it removed snapshot '%s' of volume '%s', and still "
                   "lists it",
                   name, v->name);
}

void volume_release(struct volume *v)
{
    free(v->id);
    free(v->name);
    free(v->iqn);
    free(v->serial);
    free(v->group);
    *v = (struct volume){.id = NULL};
}

void volume_copy(struct volume *to, const struct volume *from)
{
    *to = (struct volume){
        .id = xstrdup(from->id),
        .name = xstrdup(from->name),
        .iqn = xstrdup(from->iqn),
        .serial = xstrdup(from->serial),
        .group = xstrdup(from->group),
        .size_bytes = from->size_bytes,
        .free_bytes = from->free_bytes,
    };
}

void volume_snapshot_release(struct volume_snapshot *s)
{
    free(s->name);
    free(s->path);
    free(s->time);
    *s = (struct volume_snapshot){.name = NULL};
}

void storage_op_release(struct storage_op *op)
{
    for (size_t i = 0; i < op->volume_count; i++)
        volume_release(&op->volumes[i]);
    free(op->volumes);
    for (size_t i = 0; i < op->snapshot_count; i++)
        volume_snapshot_release(&op->snapshots[i]);
    free(op->snapshots);
    free(op->access);
    for (size_t i = 0; i < op->history_count; i++)
        free(op->history[i].time);
    free(op->history);
    free(op->snapshot_path);
    free(op->snapshot_time);
    free(op->snapshot_id);
    *op = (struct storage_op){.done = false};
}
