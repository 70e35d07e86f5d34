/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the appliances still have of a set; requests for all of its volumes at once. See back.h. */
#include "host-coordinator/back/back.h"
#include "host-coordinator/back/inventory.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#include <string.h>

/* ---- requests -------------------------------------------------------------------------------- */

struct wait {
    struct back *b;
    bool *taken; /* by volume: has a request under way */
};

static bool all_done(void *arg)
{
    const struct wait *w = arg;

    for (size_t n = 0; n < w->b->count; n++) {
        if (w->taken[n] && !w->b->volumes[n].op.done)
            return false;
    }
    return true;
}

/* Told once for all volumes: the first failure, which is most often everybody's. */
static int first_failure(struct back *b, const bool *taken, const char *what, struct err *e)
{
    for (size_t n = 0; n < b->count; n++) {
        struct back_volume *v = &b->volumes[n];

        if (!taken[n] || !err_is_set(&v->op.err))
            continue;
        *e = v->op.err;
        return err_prefix(e, "%s (disk '%s')", what, v->target);
    }
    return 0;
}

int back_all(struct back *b, back_request *start, int patience_ms, const char *what, struct err *e)
{
    int64_t deadline = mono_in_ms(patience_ms);
    AUTO_FREE bool *taken = xcalloc(b->count ? b->count : 1, sizeof(*taken));
    struct wait wait = {.b = b, .taken = taken};
    struct err why = ERR_INIT;

    for (size_t n = 0; n < b->count; n++) {
        storage_op_release(&b->volumes[n].op);
        taken[n] = start(b, &b->volumes[n], deadline);
    }
    if (loop_wait_until(b->run.loop, all_done, &wait, deadline + 1000000, &why) < 0) {
        for (size_t n = 0; n < b->count; n++) {
            if (taken[n])
                storage_cancel(b->volumes[n].storage, &b->volumes[n].op);
        }
        *e = why;
        return err_prefix(e, "%s", what);
    }
    return first_failure(b, taken, what, e);
}

int back_patience_ms(const struct back *b)
{
    int patience = 0;

    for (size_t n = 0; n < b->count; n++)
        patience = b->volumes[n].timeout_ms > patience ? b->volumes[n].timeout_ms : patience;
    return patience;
}

int back_wait(struct back *b, struct back_volume *v, int64_t deadline_us, struct err *e)
{
    return storage_wait(b->run.loop, v->storage, &v->op, deadline_us, e);
}

/* ---- finding the volumes --------------------------------------------------------------------- */

static int find_appliance(struct back *b, struct back_volume *v, const char *name, struct err *e)
{
    const struct config *conf = b->run.conf;

    for (size_t n = 0; n < conf->appliance_count; n++) {
        if (strcmp(conf->appliances[n].name, name) != 0)
            continue;
        v->storage = b->run.storages[n];
        v->appliance = conf->appliances[n].name;
        v->timeout_ms = conf->appliances[n].timeout_ms;
        return 0;
    }
    return err_set(e, ERR_CONFIG,
                   "set '%s' has volumes on appliance '%s', which coord.conf does not name; add "
                   "[appliance %s]",
                   b->id, name, name);
}

static int read_volumes(struct back *b, struct err *e)
{
    size_t count = record_count(b->set, "volumes");

    if (count == 0)
        return err_set(e, ERR_REFUSED, "the record of set '%s' names no volumes", b->id);
    b->volumes = xcalloc(count, sizeof(*b->volumes));
    b->count = count;
    for (size_t n = 0; n < count; n++) {
        const struct record *rec = record_at(b->set, "volumes", n);
        const char *appliance = record_text(rec, "appliance");
        struct back_volume *v = &b->volumes[n];

        v->target = record_text(rec, "target");
        v->at = -1;
        if (!v->target || !appliance || !record_text(rec, "id"))
            return err_set(e, ERR_REFUSED, "volume %zu in the record of set '%s' is not described",
                           n + 1, b->id);
        if (find_appliance(b, v, appliance, e) < 0)
            return -1;
    }
    return 0;
}

/* By the appliance's own id: a volume of the same name may be another one. */
static void match_listed(struct back *b, const struct storage *s, const struct storage_op *listed)
{
    for (size_t n = 0; n < b->count; n++) {
        struct back_volume *v = &b->volumes[n];
        const char *id = record_text(record_at(b->set, "volumes", n), "id");

        for (size_t i = 0; i < listed->volume_count && v->storage == s && !v->listed; i++) {
            if (strcmp(listed->volumes[i].id, id) != 0)
                continue;
            volume_copy(&v->volume, &listed->volumes[i]);
            v->listed = true;
        }
    }
}

static int list_appliance(struct back *b, size_t n, struct err *e)
{
    struct storage *s = b->run.storages[n];
    struct storage_op op = {.done = false};
    int64_t deadline = mono_in_ms(b->run.conf->appliances[n].timeout_ms);
    int rc;

    s->ops->list_volumes(s, deadline, &op);
    rc = storage_wait(b->run.loop, s, &op, deadline, e);
    if (rc == 0)
        match_listed(b, s, &op);
    storage_op_release(&op);
    return rc;
}

static bool ask_snapshots(struct back *b, struct back_volume *v, int64_t deadline_us)
{
    (void)b;
    if (v->listed)
        v->storage->ops->list_snapshots(v->storage, &v->volume, deadline_us, &v->op);
    return v->listed;
}

static const char *snapshot_name(const struct back *b, size_t n)
{
    const char *name = record_text(record_at(b->set, "volumes", n), "snapshot.name");

    return name ? name : b->id;
}

static void keep_snapshots(struct back *b)
{
    for (size_t n = 0; n < b->count; n++) {
        struct back_volume *v = &b->volumes[n];

        if (!v->listed)
            continue;
        v->snapshots = STEAL_PTR(v->op.snapshots);
        v->snapshot_count = v->op.snapshot_count;
        v->op.snapshot_count = 0;
        for (size_t i = 0; i < v->snapshot_count; i++) {
            if (strcmp(v->snapshots[i].name, snapshot_name(b, n)) == 0)
                v->at = (long)i;
        }
    }
}

int step_back_storage(void *back, struct err *e)
{
    struct back *b = back;

    if (run_open_storages(&b->run, e) < 0 || read_volumes(b, e) < 0)
        return -1;
    for (size_t n = 0; n < b->run.conf->appliance_count; n++) {
        if (list_appliance(b, n, e) < 0)
            return -1;
    }
    if (back_all(b, ask_snapshots, back_patience_ms(b), "list the snapshots", e) < 0)
        return -1;
    keep_snapshots(b);
    return 0;
}

int back_check_whole(const struct back *b, struct err *e)
{
    for (size_t n = 0; n < b->count; n++) {
        const struct back_volume *v = &b->volumes[n];
        const struct record *rec = record_at(b->set, "volumes", n);
        const char *path = record_text(rec, "snapshot.path");

        if (!v->listed)
            return err_set(e, ERR_NOT_FOUND,
                           "volume '%s' (disk '%s') of set '%s' is no more on appliance '%s'",
                           record_text(rec, "name") ?: "?", v->target, b->id, v->appliance);
        if (v->at < 0)
            return err_set(e, ERR_NOT_FOUND,
                           "volume '%s' (disk '%s') has no snapshot '%s' any more on appliance "
                           "'%s'",
                           v->volume.name, v->target, snapshot_name(b, n), v->appliance);
        if (path && strcmp(path, v->snapshots[v->at].path) != 0)
            return err_set(e, ERR_REFUSED,
                           "snapshot '%s' of disk '%s' is '%s' on the appliance and '%s' in the "
                           "record of set '%s'",
                           snapshot_name(b, n), v->target, v->snapshots[v->at].path, path, b->id);
    }
    return 0;
}

bool back_has_disk(const struct back *b, const char *target)
{
    for (size_t n = 0; n < b->count; n++) {
        if (strcmp(b->volumes[n].target, target) == 0)
            return true;
    }
    return false;
}

int step_whole(void *back, struct err *e)
{
    return step_back_storage(back, e) < 0 ? -1 : back_check_whole(back, e);
}

static bool ask_access(struct back *b, struct back_volume *v, int64_t deadline_us)
{
    (void)b;
    v->storage->ops->access(v->storage, &v->volume, deadline_us, &v->op);
    return true;
}

int back_read_access(struct back *b, struct err *e)
{
    if (back_all(b, ask_access, back_patience_ms(b), "ask who may use a volume", e) < 0)
        return -1;
    for (size_t n = 0; n < b->count; n++) {
        struct back_volume *v = &b->volumes[n];

        free(v->access);
        v->access = xstrdup(v->op.access ? v->op.access : "");
    }
    return 0;
}

/* ---- what is newer --------------------------------------------------------------------------- */

static bool has(char **texts, size_t count, const char *text)
{
    for (size_t n = 0; n < count; n++) {
        if (strcmp(texts[n], text) == 0)
            return true;
    }
    return false;
}

size_t back_newer(const struct back *b, char ***ret)
{
    size_t count = 0;
    char **list = NULL;

    for (size_t n = 0; n < b->count; n++) {
        const struct back_volume *v = &b->volumes[n];

        for (size_t i = (size_t)(v->at + 1); v->at >= 0 && i < v->snapshot_count; i++) {
            const char *name = v->snapshots[i].name;
            char *text = inventory_is_id(name, strlen(name))
                             ? xstrdup(name)
                             : xasprintf("%s@%s", v->volume.name, name);

            if (has(list, count, text)) {
                free(text);
                continue;
            }
            list = xrealloc(list, (count + 1) * sizeof(*list));
            list[count++] = text;
        }
    }
    *ret = list;
    return count;
}
