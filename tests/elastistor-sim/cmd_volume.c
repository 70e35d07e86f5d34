/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands on volumes ("filesystems"), and the two jobs that make and delete them. */
#include "tests/elastistor-sim/backing.h"
#include "tests/elastistor-sim/command.h"
#include "tests/elastistor-sim/jobs.h"
#include "tests/elastistor-sim/view.h"
#include "proto/base/cleanup.h"
#include "proto/base/log.h"

#include <string.h>
#include <strings.h>
#include <time.h>

struct volume *volume_add(struct sim *s, const char *name, const char *mountpoint)
{
    struct model *m = &s->model;
    struct volume *v = model_add(m, KIND_VOLUME);
    AUTO_FREE char *path = NULL;
    char base[IQN_SIZE];

    STR_SET(v->row.name, name);
    path = model_volume_path(m, v);
    v->row.simpleid = model_next_simpleid(m);
    id_v3(v->row.id, "volume %s %lld", path, (long long)v->row.simpleid);
    id_v3(v->service_id, "service %s", v->row.id);
    if (mountpoint)
        STR_SET(v->mountpoint, mountpoint);
    else
        snprintf(v->mountpoint, sizeof(v->mountpoint), "%.60s%.65s", model_estate(m)->row.name,
                 name);
    model_iqn_base(m, base, sizeof(base));
    snprintf(v->iqn, sizeof(v->iqn), "%.80s:%s", base, v->mountpoint);
    STR_SET(v->igroup_id, ((struct row *)model_by_name(m, KIND_IGROUP, "None"))->id);
    STR_SET(v->agroup_id, ((struct row *)model_by_name(m, KIND_AGROUP, "None"))->id);
    STR_SET(v->authmethod, "None");
    STR_SET(v->initialdigest, "Auto");
    STR_SET(v->queuedepth, "32");
    STR_SET(v->physrecordlength, "4k");
    v->workerthreads = 6;
    v->unmap = true;
    v->copies = 1;
    v->revision = 1;
    v->created_s = time(NULL);
    return v;
}

int snapshot_drop(struct sim *s, struct snapshot *sn, struct err *e)
{
    const struct volume *v = model_by_id(&s->model, KIND_VOLUME, sn->owner);
    AUTO_FREE char *file = v ? sim_snapshot_file(s, v, sn->row.name) : NULL;

    if (file && backing_remove(file, e) < 0)
        return -1;
    model_remove(&s->model, KIND_SNAPSHOT, sn);
    return 0;
}

int volume_drop(struct sim *s, struct volume *v, struct err *e)
{
    AUTO_FREE char *file = sim_volume_file(s, v);
    struct group *g = model_by_id(&s->model, KIND_GROUP, v->group_id);

    if (iscsi_remove(&s->opt, v->iqn, e) < 0 || backing_remove(file, e) < 0)
        return -1;
    if (g && model_count_in_group(&s->model, g->row.id) == 1)
        model_remove(&s->model, KIND_GROUP, g); /* gives its IOPS back to the TSM */
    model_remove(&s->model, KIND_VOLUME, v);
    return 0;
}

/* ---- createVolume --------------------------------------------------------------------------- */

static const char *arg(const json_t *args, const char *name)
{
    const char *text = json_string_value(json_object_get(args, name));

    return text ? text : "";
}

static void set_from_args(struct volume *v, const json_t *args)
{
    STR_SET(v->group_id, arg(args, "qosgroupid"));
    STR_SET(v->quota, arg(args, "quotasize"));
    STR_SET(v->protocol, arg(args, "protocoltype"));
    STR_SET(v->compression, arg(args, "compression"));
    STR_SET(v->deduplication, arg(args, "deduplication"));
    STR_SET(v->sync, arg(args, "sync"));
    STR_SET(v->recordsize, arg(args, "recordsize"));
    STR_SET(v->blocklength, arg(args, "blocklength"));
    STR_SET(v->accesstime, arg(args, "accesstime"));
    v->quota_bytes = quota_parse(v->quota);
}

int volume_create_work(struct sim *s, const json_t *args, json_t **ret_result, struct err *e)
{
    const char *mountpoint = arg(args, "mountpoint");
    AUTO_FREE char *file = NULL;
    json_t *result;
    struct volume *v;

    if (model_by_name(&s->model, KIND_VOLUME, arg(args, "name")))
        return err_set(e, ERR_REFUSED, "A volume named %s exists", arg(args, "name"));
    if (!model_by_id(&s->model, KIND_GROUP, arg(args, "qosgroupid")))
        return err_set(e, ERR_REFUSED, "Qos group %s is gone", arg(args, "qosgroupid"));
    v = volume_add(s, arg(args, "name"), *mountpoint ? mountpoint : NULL);
    set_from_args(v, args);
    file = sim_volume_file(s, v);
    if (backing_create(file, v->quota_bytes, e) < 0 || sim_export(s, v, e) < 0) {
        backing_remove(file, NULL);
        model_remove(&s->model, KIND_VOLUME, v);
        return -1;
    }
    result = json_object();
    json_object_set_new(result, "success", json_true());
    json_object_set_new(result, "storage", view_storage(s, v));
    *ret_result = result;
    return 0;
}

static const struct {
    const char *name, *otherwise;
} settings[] = {
    {"blocklength", "512B"},  {"recordsize", "16k"}, {"compression", "off"}, {"sync", "always"},
    {"deduplication", "off"}, {"accesstime", "on"},  {"mountpoint", ""},
};

static int check_room(struct call *c, int64_t more)
{
    const struct volume *v;
    int64_t left = model_tsm_pool(&c->sim->model)->size_mib * (INT64_C(1) << 20);
    size_t i;

    MODEL_EACH(&c->sim->model, KIND_VOLUME, i, v)
    left -= v->origin[0] ? 0 : v->quota_bytes; /* clones take nothing beforehand */
    if (more <= left)
        return 0;
    reply_fail(&c->reply, 530, "Quota should not exceed the available quota of the VSM: %lldM",
               (long long)(left >> 20));
    return -1;
}

static int check_create(struct call *c, const char *const value[6])
{
    const struct model *m = &c->sim->model;
    const struct estate *es = model_estate(m);

    if (check_name(c, "volume", value[0]) < 0)
        return -1;
    if (strcmp(value[1], es->tsm_id) != 0 || strcmp(value[2], es->dataset_id) != 0)
        reply_fail(&c->reply, 431, "Unable to find a TSM with id %s and dataset %s", value[1],
                   value[2]);
    else if (!model_by_id(m, KIND_GROUP, value[3]))
        reply_fail(&c->reply, 431, "Unable to find a Qos group with id %s", value[3]);
    else if (quota_parse(value[4]) < 0)
        reply_fail(&c->reply, 431, "Invalid quotasize %s", value[4]);
    else if (strcasecmp(value[5], "ISCSI") != 0)
        reply_fail(&c->reply, 530, "this stand-in has volumes of protocoltype ISCSI only, not %s",
                   value[5]);
    else if (model_by_name(m, KIND_VOLUME, value[0]))
        reply_fail(&c->reply, 530, "A volume named %s exists", value[0]);
    else
        return check_room(c, quota_parse(value[4]));
    return -1;
}

void run_create_volume(struct call *c)
{
    static const char *const needed[6] = {"name",       "tsmid",     "datasetid",
                                          "qosgroupid", "quotasize", "protocoltype"};
    const char *value[6], *mountpoint = want(c, "mountpoint", NULL);
    json_t *args;

    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        value[i] = need(c, "createVolume", needed[i]);
        if (!value[i])
            return;
    }
    if (check_create(c, value) < 0 || (mountpoint && check_mountpoint(c, mountpoint) < 0))
        return;
    args = json_object();
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
        put_text(args, needed[i], "%s", value[i]);
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
        put_text(args, settings[i].name, "%.31s", want(c, settings[i].name, settings[i].otherwise));
    if (mountpoint)
        put_text(args, "mountpoint", "%s", mountpoint);
    jobs_add(c, "createVolume", args);
}

/* ---- deleteFileSystem ----------------------------------------------------------------------- */

static int drop_snapshots(struct sim *s, const struct volume *v, bool force, struct err *e)
{
    AUTO_FREE char *path = model_volume_path(&s->model, v);
    struct snapshot *sn;
    size_t i;

    MODEL_EACH(&s->model, KIND_SNAPSHOT, i, sn)
    {
        if (strcmp(sn->owner, v->row.id) != 0)
            continue;
        if (!force)
            return err_set(e, ERR_REFUSED,
                           "SUGGEST_FORCE_DELETE cannot destroy '%s': filesystem has children",
                           path);
        if (model_count_clones(&s->model, sn) > 0)
            return err_set(e, ERR_REFUSED, "cannot destroy '%s': snapshot %s has dependent clones",
                           path, sn->row.name);
    }
    for (i = s->model.tables[KIND_SNAPSHOT].n; i-- > 0;) {
        sn = s->model.tables[KIND_SNAPSHOT].rows[i];
        if (strcmp(sn->owner, v->row.id) == 0 && snapshot_drop(s, sn, e) < 0)
            return -1;
    }
    return 0;
}

int volume_delete_work(struct sim *s, const json_t *args, json_t **ret_result, struct err *e)
{
    struct volume *v;
    bool force = strcasecmp(arg(args, "forcedelete"), "true") == 0;

    model_wait_idle(&s->model, arg(args, "id"));
    v = model_by_id(&s->model, KIND_VOLUME, arg(args, "id"));
    if (!v)
        return err_set(e, ERR_NOT_FOUND, "volume %s is gone", arg(args, "id"));
    if (drop_snapshots(s, v, force, e) < 0 || volume_drop(s, v, e) < 0)
        return -1;
    *ret_result = json_object();
    return 0;
}

void run_delete_volume(struct call *c)
{
    struct volume *v = need_volume(c, "deleteFileSystem", "id");
    json_t *args;

    if (!v)
        return;
    args = json_object();
    put_text(args, "id", "%s", v->row.id);
    put_text(args, "forcedelete", "%s", want(c, "forcedelete", "false"));
    jobs_add(c, "deleteFileSystem", args);
}

/* ---- the synchronous ones ------------------------------------------------------------------- */

void run_list_volume(struct call *c)
{
    const char *id = want(c, "id", NULL), *tsm = want(c, "tsmid", NULL);
    json_t *list = json_array();
    const struct volume *v;
    size_t i;

    MODEL_EACH(&c->sim->model, KIND_VOLUME, i, v)
    if ((!id || strcmp(id, v->row.id) == 0) &&
        (!tsm || strcmp(tsm, model_estate(&c->sim->model)->tsm_id) == 0))
        json_array_append_new(list, view_volume(c->sim, v));
    reply_list(&c->reply, "filesystem", list);
}

/* Shrinking would throw data away under a running initiator: refused, as by every client. */
static int resize(struct call *c, struct volume *v, const char *quota)
{
    AUTO_FREE char *file = sim_volume_file(c->sim, v);
    int64_t bytes = quota_parse(quota);
    char path[512], serial[ID_SIZE];
    struct iscsi_volume iv;
    struct err e = ERR_INIT;

    if (bytes < v->quota_bytes || strlen(quota) >= sizeof(v->quota)) {
        reply_fail(&c->reply, bytes < 0 ? 431 : 530, "Invalid quotasize %s", quota);
        return -1;
    }
    if (check_room(c, bytes - v->quota_bytes) < 0)
        return -1;
    if (backing_resize(file, bytes, &e) < 0) {
        reply_fail(&c->reply, 530, "%s", e.msg);
        return -1;
    }
    v->quota_bytes = bytes;
    STR_SET(v->quota, quota);
    sim_describe(c->sim, v, &iv, path, serial);
    /* an initiator that is logged in sees the new size after it logs in again */
    if (iscsi_resize(&c->sim->opt, &iv, &e) < 0)
        log_warn("volume %s: %s", v->row.name, e.msg);
    return 0;
}

void run_update_volume(struct call *c)
{
    struct volume *v, next;
    const char *quota = want(c, "quotasize", NULL), *readonly = want(c, "readonly", NULL);
    json_t *list;

    model_wait_idle(&c->sim->model, want(c, "id", ""));
    v = need_volume(c, "updateFileSystem", "id");
    if (!v)
        return;
    next = *v;
    if (want_field(c, "compression", next.compression, sizeof(next.compression)) < 0 ||
        want_field(c, "deduplication", next.deduplication, sizeof(next.deduplication)) < 0 ||
        want_field(c, "sync", next.sync, sizeof(next.sync)) < 0 ||
        want_number(c, "noofcopies", &next.copies) < 0)
        return;
    if (readonly)
        next.readonly = strcasecmp(readonly, "true") == 0 || strcasecmp(readonly, "on") == 0;
    next.revision++;
    if (quota && resize(c, &next, quota) < 0)
        return;
    *v = next;
    c->changed = true;
    list = json_array();
    json_array_append_new(list, view_volume(c->sim, v));
    reply_list(&c->reply, "filesystem", list);
}

void run_monitor_volume(struct call *c)
{
    const struct volume *v = need_volume(c, "monitorFileSystemQoS", "id");
    json_t *list;

    if (!v)
        return;
    list = json_array();
    for (size_t i = 0; i < v->qos.n; i++) {
        size_t at = (v->qos.next + QOS_SAMPLES - v->qos.n + i) % QOS_SAMPLES;

        json_array_append_new(list, view_qos_sample(v, &v->qos.samples[at]));
    }
    reply_list(&c->reply, "monitorFilesystemQoS", list);
}
