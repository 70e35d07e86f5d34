/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Snapshots of a volume or of the whole TSM: make, list, delete, go back to, clone. */
#include "tests/elastistor-sim/backing.h"
#include "tests/elastistor-sim/command.h"
#include "tests/elastistor-sim/view.h"
#include "proto/base/cleanup.h"
#include "proto/base/log.h"

#include <string.h>
#include <time.h>

static bool is_dataset(const struct call *c, const char *id)
{
    return id && strcmp(id, model_estate(&c->sim->model)->dataset_id) == 0;
}

/* Volumes that `id` names: one, or all of the TSM. The caller frees the array. */
static size_t volumes_of(const struct call *c, const char *id, struct volume ***ret)
{
    const struct model *m = &c->sim->model;
    struct volume **list = xcalloc(m->tables[KIND_VOLUME].n, sizeof(*list));
    bool all = is_dataset(c, id);
    struct volume *v;
    size_t i, n = 0;

    MODEL_EACH(m, KIND_VOLUME, i, v)
    if (all || (id && strcmp(v->row.id, id) == 0))
        list[n++] = v;
    *ret = list;
    return n;
}

/* ---- createStorageSnapshot ------------------------------------------------------------------ */

/* Writes dirty data back before the lock is taken, in parallel with other volumes: what is left
 * to the reflink, which may not be interrupted by other commands, is short. */
void prepare_snapshot(struct call *c)
{
    AUTO_FREE struct volume **volumes = NULL;
    AUTO_FREE char **files = NULL;
    size_t n;

    pthread_mutex_lock(&c->sim->model.lock);
    n = volumes_of(c, want(c, "id", NULL), &volumes);
    files = xcalloc(n, sizeof(*files));
    for (size_t i = 0; i < n; i++)
        files[i] = sim_volume_file(c->sim, volumes[i]);
    pthread_mutex_unlock(&c->sim->model.lock);
    for (size_t i = 0; i < n; i++) {
        struct err e = ERR_INIT;

        if (backing_flush(files[i], &e) < 0)
            log_debug("%s", e.msg); /* gone meanwhile: the command will say so */
        free(files[i]);
    }
}

static struct snapshot *snapshot_add(struct call *c, const char *owner, const char *name)
{
    struct model *m = &c->sim->model;
    struct snapshot *sn = model_add(m, KIND_SNAPSHOT);

    STR_SET(sn->row.name, name);
    STR_SET(sn->owner, owner);
    sn->row.simpleid = model_next_simpleid(m);
    id_v3(sn->row.id, "snapshot %s %s %lld", owner, name, (long long)sn->row.simpleid);
    sn->created_s = time(NULL);
    return sn;
}

/* Reflinks of all files, one right after the other; all or none. */
static int reflink_all(const char *name, const char *const *from, const char *const *to, size_t n,
                       struct err *e)
{
    struct timespec began, ended;
    size_t done = 0;
    int rc = 0;

    clock_gettime(CLOCK_MONOTONIC, &began);
    for (; done < n && rc == 0; done++)
        rc = backing_clone(from[done], to[done], e);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    log_info("snapshot '%s' of %zu volumes: %s, from first to last in %lld us", name, n,
             rc == 0 ? "done" : e->msg,
             (long long)((ended.tv_sec - began.tv_sec) * 1000000 +
                         (ended.tv_nsec - began.tv_nsec) / 1000));
    while (rc < 0 && done-- > 0)
        backing_remove(to[done], NULL);
    return rc;
}

static int check_free(struct call *c, struct volume **volumes, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        AUTO_FREE char *path = model_volume_path(&c->sim->model, volumes[i]);

        if (!model_snapshot_of(&c->sim->model, volumes[i]->row.id, name))
            continue;
        reply_fail(&c->reply, 530, "cannot create snapshot '%s@%s': dataset already exists", path,
                   name);
        return -1;
    }
    return 0;
}

static json_t *snapshot_answer(const struct snapshot *sn)
{
    json_t *o = json_object();
    char usn[ID_SIZE], lunusn[ID_SIZE];

    id_bare(usn, sn->row.id);
    id_bare(lunusn, sn->owner);
    put_text(o, "id", "%s", sn->row.id);
    put_text(o, "name", "%s", sn->row.name);
    put_text(o, "usn", "%s", usn);
    put_text(o, "lunusn", "%s", lunusn);
    put_text(o, "lunid", "%s", sn->owner);
    put_bool(o, "scsiEnabled", false);
    return o;
}

/* The rows of what was made; the TSM's own dataset has a snapshot too when it was recursive. */
static void add_rows(struct call *c, struct volume **volumes, size_t n, const char *id,
                     const char *name)
{
    struct snapshot *sn = NULL;

    for (size_t i = 0; i < n; i++) {
        sn = snapshot_add(c, volumes[i]->row.id, name);
        sn->quota_bytes = volumes[i]->quota_bytes;
        STR_SET(sn->quota, volumes[i]->quota);
    }
    if (is_dataset(c, id))
        sn = snapshot_add(c, id, name);
    c->changed = true;
    reply_object(&c->reply, "StorageSnapshot", snapshot_answer(sn));
}

/* One volume's reflink may have to wait for its dirty pages: others need not wait for it. */
static void snapshot_volume(struct call *c, struct volume *v, const char *name)
{
    struct model *m = &c->sim->model;
    AUTO_FREE char *from = sim_volume_file(c->sim, v);
    AUTO_FREE char *to = sim_snapshot_file(c->sim, v, name);
    struct err e = ERR_INIT;
    int rc;

    v->busy = true;
    pthread_mutex_unlock(&m->lock);
    rc = reflink_all(name, (const char *const *)&from, (const char *const *)&to, 1, &e);
    pthread_mutex_lock(&m->lock);
    v->busy = false;
    pthread_cond_broadcast(&m->idle);
    if (rc < 0)
        reply_fail(&c->reply, 530, "%s", e.msg);
    else
        add_rows(c, &v, 1, v->row.id, name);
}

/* Under the lock: no other command may come between the volumes. */
static void snapshot_dataset(struct call *c, const char *id, struct volume **volumes, size_t n,
                             const char *name)
{
    AUTO_FREE char **from = xcalloc(n, sizeof(*from));
    AUTO_FREE char **to = xcalloc(n, sizeof(*to));
    struct err e = ERR_INIT;

    for (size_t i = 0; i < n; i++) {
        from[i] = sim_volume_file(c->sim, volumes[i]);
        to[i] = sim_snapshot_file(c->sim, volumes[i], name);
    }
    if (reflink_all(name, (const char *const *)from, (const char *const *)to, n, &e) < 0)
        reply_fail(&c->reply, 530, "%s", e.msg);
    else
        add_rows(c, volumes, n, id, name);
    for (size_t i = 0; i < n; i++) {
        free(from[i]);
        free(to[i]);
    }
}

void run_create_snapshot(struct call *c)
{
    const char *id = need(c, "createStorageSnapshot", "id");
    const char *name = id ? need(c, "createStorageSnapshot", "name") : NULL;
    AUTO_FREE struct volume **volumes = NULL;
    size_t n;

    if (!name || check_name(c, "snapshot", name) < 0)
        return;
    model_wait_idle(&c->sim->model, is_dataset(c, id) ? NULL : id);
    n = volumes_of(c, id, &volumes);
    if (n == 0 && !is_dataset(c, id)) {
        reply_fail(&c->reply, 431, "Unable to find a volume with id %s", id);
        return;
    }
    if (is_dataset(c, id) && model_snapshot_of(&c->sim->model, id, name)) {
        reply_fail(&c->reply, 530, "cannot create snapshot '%s': dataset already exists", name);
        return;
    }
    if (check_free(c, volumes, n, name) < 0)
        return;
    if (is_dataset(c, id))
        snapshot_dataset(c, id, volumes, n, name);
    else
        snapshot_volume(c, volumes[0], name);
}

/* ---- listStorageSnapshots ------------------------------------------------------------------- */

struct listed {
    char id[ID_SIZE];
    char *file; /* NULL: the TSM's dataset, which has no data of its own */
    int64_t used, refer;
};

static size_t collect(struct call *c, const char *owner, struct listed **ret)
{
    const struct model *m = &c->sim->model;
    const struct volume *v = model_by_id(m, KIND_VOLUME, owner);
    struct listed *list = xcalloc(m->tables[KIND_SNAPSHOT].n, sizeof(*list));
    const char *name = want(c, "name", NULL);
    const struct snapshot *sn;
    size_t i, n = 0;

    MODEL_EACH(m, KIND_SNAPSHOT, i, sn)
    {
        if (strcmp(sn->owner, owner) != 0 || (name && strcmp(name, sn->row.name) != 0))
            continue;
        STR_SET(list[n].id, sn->row.id);
        list[n++].file = v ? sim_snapshot_file(c->sim, v, sn->row.name) : NULL;
    }
    *ret = list;
    return n;
}

void run_list_snapshot(struct call *c)
{
    struct model *m = &c->sim->model;
    const char *id = need(c, "listStorageSnapshots", "id");
    AUTO_FREE struct listed *list = NULL;
    json_t *array;
    size_t n;

    if (!id)
        return;
    n = collect(c, id, &list);
    /* walking the extents of many files takes longer than others should wait */
    pthread_mutex_unlock(&m->lock);
    for (size_t i = 0; i < n; i++) {
        list[i].used = list[i].file ? backing_unique(list[i].file) : 0;
        list[i].refer = list[i].file ? backing_used(list[i].file) : 0;
        free(list[i].file);
    }
    pthread_mutex_lock(&m->lock);
    array = json_array();
    for (size_t i = 0; i < n; i++) {
        const struct snapshot *sn = model_by_id(m, KIND_SNAPSHOT, list[i].id);

        if (sn)
            json_array_append_new(array, view_snapshot(c->sim, sn, list[i].used, list[i].refer));
    }
    reply_list(&c->reply, "snapshot", array);
}

/* ---- deleteSnapshot ------------------------------------------------------------------------- */

/* The part after @ of `path`, if what is before is the dataset of `id`; else NULL. */
static const char *name_in_path(const struct call *c, const char *id, const char *path)
{
    const struct volume *v = model_by_id(&c->sim->model, KIND_VOLUME, id);
    AUTO_FREE char *dataset = NULL;
    size_t n;

    if (!v && !is_dataset(c, id))
        return NULL;
    dataset = v ? model_volume_path(&c->sim->model, v) : model_dataset_path(&c->sim->model);
    n = strlen(dataset);
    return strncmp(path, dataset, n) == 0 && path[n] == '@' ? path + n + 1 : NULL;
}

/* Snapshots of that name of the volume, or of the dataset and everything below it. */
static size_t snapshots_of(const struct call *c, const char *id, const char *name,
                           struct snapshot ***ret)
{
    const struct model *m = &c->sim->model;
    struct snapshot **list = xcalloc(m->tables[KIND_SNAPSHOT].n, sizeof(*list));
    bool all = is_dataset(c, id);
    struct snapshot *sn;
    size_t i, n = 0;

    MODEL_EACH(m, KIND_SNAPSHOT, i, sn)
    if (name && strcmp(sn->row.name, name) == 0 && (all || strcmp(sn->owner, id) == 0))
        list[n++] = sn;
    *ret = list;
    return n;
}

void run_delete_snapshot(struct call *c)
{
    const char *id = need(c, "deleteSnapshot", "id");
    const char *path = want(c, "path", NULL), *name = want(c, "name", NULL);
    AUTO_FREE struct snapshot **list = NULL;
    struct err e = ERR_INIT;
    json_t *o;
    size_t n;

    if (!id || (!path && !name && !need(c, "deleteSnapshot", "path")))
        return;
    n = snapshots_of(c, id, path ? name_in_path(c, id, path) : name, &list);
    if (n == 0) {
        /* ZFS's own message, newline included */
        reply_fail(&c->reply, 431,
                   "could not find any snapshots to destroy; check snapshot names.\n");
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (model_count_clones(&c->sim->model, list[i]) > 0) {
            reply_fail(&c->reply, 530, "cannot destroy '%s': snapshot has dependent clones",
                       list[i]->row.name);
            return;
        }
    c->changed = true;
    for (size_t i = 0; i < n; i++)
        if (snapshot_drop(c->sim, list[i], &e) < 0) {
            reply_fail(&c->reply, 530, "%s", e.msg);
            return;
        }
    o = json_object();
    put_text(o, "status", "success");
    reply_object(&c->reply, "DeleteSnapshot", o);
}

/* ---- rollbackToSnapshot --------------------------------------------------------------------- */

/* The volume's snapshots after `sn`, newest first, as far as they have no clones. */
static int drop_newer(struct call *c, const struct volume *v, const struct snapshot *sn)
{
    const struct table *t = &c->sim->model.tables[KIND_SNAPSHOT];
    bool destroy = c->sim->opt.rollback == ROLLBACK_DESTROY;
    int64_t after = sn->row.simpleid;
    struct err e = ERR_INIT;

    for (size_t i = t->n; i-- > 0;) {
        struct snapshot *newer = t->rows[i];

        if (strcmp(newer->owner, v->row.id) != 0 || newer->row.simpleid <= after)
            continue;
        if (!destroy || model_count_clones(&c->sim->model, newer) > 0) {
            reply_fail(&c->reply, 530,
                       "cannot rollback to '%s': more recent snapshots or clones exist: %s",
                       sn->row.name, newer->row.name);
            return -1;
        }
        if (snapshot_drop(c->sim, newer, &e) < 0) {
            reply_fail(&c->reply, 530, "%s", e.msg);
            return -1;
        }
        c->changed = true;
    }
    return 0;
}

static struct volume *idle_volume(struct call *c, const char *command)
{
    model_wait_idle(&c->sim->model, want(c, "id", ""));
    return need_volume(c, command, "id");
}

void run_rollback(struct call *c)
{
    struct volume *v = idle_volume(c, "rollbackToSnapshot");
    const char *path = v ? need(c, "rollbackToSnapshot", "path") : NULL;
    const char *name = path ? name_in_path(c, v->row.id, path) : NULL;
    struct snapshot *sn = name ? model_snapshot_of(&c->sim->model, v->row.id, name) : NULL;
    AUTO_FREE char *from = sn ? sim_snapshot_file(c->sim, v, name) : NULL;
    AUTO_FREE char *to = v ? sim_volume_file(c->sim, v) : NULL;
    struct err e = ERR_INIT;

    if (!path)
        return;
    if (!sn) {
        reply_fail(&c->reply, 431, "cannot open '%s': dataset does not exist", path);
        return;
    }
    if (drop_newer(c, v, sn) < 0)
        return;
    if (backing_restore(from, to, &e) < 0) {
        reply_fail(&c->reply, 530, "%s", e.msg);
        return;
    }
    v->quota_bytes = sn->quota_bytes;
    STR_SET(v->quota, sn->quota);
    v->revision++;
    c->changed = true;
    reply_object(&c->reply, "Rollback", json_object());
}

/* ---- cloneDatasetSnapshot ------------------------------------------------------------------- */

/* A clone has its parent's settings and shares its QoS group, but not its access list. */
static struct volume *clone_add(struct call *c, const struct volume *parent,
                                const struct snapshot *sn, const char *name)
{
    struct volume *v = volume_add(c->sim, name, want(c, "mountpoint", NULL));

    if (c->sim->opt.open_clones)
        STR_SET(v->igroup_id,
                ((struct row *)model_by_name(&c->sim->model, KIND_IGROUP, "ALL"))->id);
    STR_SET(v->origin, sn->row.id);
    STR_SET(v->group_id, parent->group_id);
    STR_SET(v->protocol, parent->protocol);
    STR_SET(v->compression, parent->compression);
    STR_SET(v->deduplication, parent->deduplication);
    STR_SET(v->sync, parent->sync);
    STR_SET(v->recordsize, parent->recordsize);
    STR_SET(v->blocklength, parent->blocklength);
    STR_SET(v->accesstime, parent->accesstime);
    STR_SET(v->quota, sn->quota);
    v->quota_bytes = sn->quota_bytes;
    v->copies = parent->copies;
    return v;
}

static void make_clone(struct call *c, const struct volume *parent, const struct snapshot *sn,
                       const char *name)
{
    AUTO_FREE char *from = sim_snapshot_file(c->sim, parent, sn->row.name);
    AUTO_FREE char *to = NULL;
    struct volume *v = clone_add(c, parent, sn, name);
    struct err e = ERR_INIT;

    to = sim_volume_file(c->sim, v);
    if (backing_clone(from, to, &e) < 0 || sim_export(c->sim, v, &e) < 0) {
        backing_remove(to, NULL);
        model_remove(&c->sim->model, KIND_VOLUME, v);
        reply_fail(&c->reply, 530, "Failed to create clone: %s", e.msg);
        return;
    }
    c->changed = true;
    reply_object(&c->reply, "filesystem", view_volume(c->sim, v));
}

void run_clone(struct call *c)
{
    struct volume *v = need_volume(c, "cloneDatasetSnapshot", "id");
    const char *path = v ? need(c, "cloneDatasetSnapshot", "path") : NULL;
    const char *clone = path ? need(c, "cloneDatasetSnapshot", "clonename") : NULL;
    const char *mountpoint = want(c, "mountpoint", NULL), *name;
    const struct snapshot *sn;

    if (!clone || check_name(c, "clone", clone) < 0 ||
        (mountpoint && check_mountpoint(c, mountpoint) < 0))
        return;
    name = name_in_path(c, v->row.id, path);
    sn = name ? model_snapshot_of(&c->sim->model, v->row.id, name) : NULL;
    if (!sn)
        reply_fail(&c->reply, 530, "Failed to create clone due to timeout.");
    else if (model_by_name(&c->sim->model, KIND_VOLUME, clone))
        reply_fail(&c->reply, 530, "A volume named %s exists", clone);
    else
        make_clone(c, v, sn, clone);
}
