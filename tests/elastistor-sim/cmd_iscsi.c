/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands on a volume's iSCSI service row, initiator groups and CHAP groups. */
#include "tests/elastistor-sim/command.h"
#include "tests/elastistor-sim/view.h"
#include "proto/base/cleanup.h"

#include <string.h>
#include <strings.h>

void run_list_service(struct call *c)
{
    const char *id = need(c, "listVolumeiSCSIService", "storageid");
    const struct volume *v = model_by_id(&c->sim->model, KIND_VOLUME, id);
    json_t *list;

    if (!id)
        return;
    list = json_array();
    if (v)
        json_array_append_new(list, view_service(v));
    reply_list(&c->reply, "iSCSIService", list);
}

static struct volume *need_service(struct call *c)
{
    const char *id = need(c, "updateVolumeiSCSIService", "id");
    struct volume *v;
    size_t i;

    if (!id)
        return NULL;
    MODEL_EACH(&c->sim->model, KIND_VOLUME, i, v)
    if (strcmp(v->service_id, id) == 0)
        return v;
    reply_fail(&c->reply, 431, "Unable to find an iSCSI service with id %s", id);
    return NULL;
}

static int read_service(struct call *c, struct volume *v)
{
    const char *ig = want(c, "igid", v->igroup_id), *ag = want(c, "authgroupid", v->agroup_id);
    const char *unmap = want(c, "unmap", NULL);

    if (!model_by_id(&c->sim->model, KIND_IGROUP, ig)) {
        reply_fail(&c->reply, 431, "Unable to find an initiator group with id %s", ig);
        return -1;
    }
    if (!model_by_id(&c->sim->model, KIND_AGROUP, ag)) {
        reply_fail(&c->reply, 431, "Unable to find an auth group with id %s", ag);
        return -1;
    }
    STR_SET(v->igroup_id, ig);
    STR_SET(v->agroup_id, ag);
    if (unmap)
        v->unmap = strcasecmp(unmap, "true") == 0;
    return want_field(c, "authmethod", v->authmethod, sizeof(v->authmethod)) < 0 ||
                   want_field(c, "initialdigest", v->initialdigest, sizeof(v->initialdigest)) < 0 ||
                   want_field(c, "queuedepth", v->queuedepth, sizeof(v->queuedepth)) < 0 ||
                   want_field(c, "physrecordlength", v->physrecordlength,
                              sizeof(v->physrecordlength)) < 0 ||
                   want_number(c, "workerthreads", &v->workerthreads) < 0
               ? -1
               : 0;
}

void run_update_service(struct call *c)
{
    struct volume *v = need_service(c), before;
    struct err e = ERR_INIT;

    if (!v)
        return;
    before = *v;
    if (read_service(c, v) < 0) {
        *v = before;
        return;
    }
    if (sim_export(c->sim, v, &e) < 0) {
        *v = before;
        reply_fail(&c->reply, 530, "%s", e.msg);
        return;
    }
    c->changed = true;
    reply_object(&c->reply, "viscsioptions", view_service(v));
}

/* ---- groups of the account ------------------------------------------------------------------ */

/* 0, or answers: an unknown account gives an empty list where a list was asked for. */
static int need_account(struct call *c, const char *command, const char *item)
{
    const char *id = need(c, command, "accountid");

    if (!id)
        return -1;
    if (strcmp(id, model_estate(&c->sim->model)->row.id) == 0)
        return 0;
    if (item)
        reply_list(&c->reply, item, json_array());
    else
        reply_fail(&c->reply, 431, "Unable to find an account with id %s", id);
    return -1;
}

void run_list_igroup(struct call *c)
{
    const struct igroup *ig;
    json_t *list;
    size_t i;

    if (need_account(c, "listiSCSIInitiator", "initiator") < 0)
        return;
    list = json_array();
    MODEL_EACH(&c->sim->model, KIND_IGROUP, i, ig)
    json_array_append_new(list, view_igroup(c->sim, ig));
    reply_list(&c->reply, "initiator", list);
}

void run_add_igroup(struct call *c)
{
    struct model *m = &c->sim->model;
    struct igroup *ig, next = {.netmask = "ALL"};
    const char *name;

    if (need_account(c, "addiSCSIInitiator", NULL) < 0)
        return;
    name = need(c, "addiSCSIInitiator", "name");
    if (!name || !need(c, "addiSCSIInitiator", "initiatorgroup") ||
        check_name(c, "initiator group", name) < 0 ||
        want_field(c, "initiatorgroup", next.initiators, sizeof(next.initiators)) < 0 ||
        want_field(c, "netmask", next.netmask, sizeof(next.netmask)) < 0)
        return;
    if (model_by_name(m, KIND_IGROUP, name)) {
        reply_fail(&c->reply, 530, "An initiator group named %s exists", name);
        return;
    }
    STR_SET(next.row.name, name);
    next.row.simpleid = model_next_simpleid(m);
    id_v3(next.row.id, "igroup %s %lld", name, (long long)next.row.simpleid);
    ig = model_add(m, KIND_IGROUP);
    *ig = next;
    c->changed = true;
    /* the inner key was never captured; this is the list's */
    reply_object(&c->reply, "initiator", view_igroup(c->sim, ig));
}

void run_delete_igroup(struct call *c)
{
    struct model *m = &c->sim->model;
    const char *id = need(c, "deleteiSCSIInitiator", "id");
    struct igroup *ig = model_by_id(m, KIND_IGROUP, id);
    const struct volume *v;
    size_t i;

    if (!id)
        return;
    if (!ig) {
        reply_fail(&c->reply, 431, "Unable to find an initiator group with id %s", id);
        return;
    }
    MODEL_EACH(m, KIND_VOLUME, i, v)
    if (strcmp(v->igroup_id, id) == 0) {
        reply_fail(&c->reply, 530, "initiator group %s is in use by volume %s", ig->row.name,
                   v->row.name);
        return;
    }
    if (strcmp(ig->row.name, "ALL") == 0 || strcmp(ig->row.name, "None") == 0) {
        reply_fail(&c->reply, 530, "initiator group %s is built in", ig->row.name);
        return;
    }
    model_remove(m, KIND_IGROUP, ig);
    c->changed = true;
    reply_success(&c->reply);
}

void run_list_agroup(struct call *c)
{
    const struct agroup *ag;
    json_t *list;
    size_t i;

    if (need_account(c, "listiSCSIAuthGroup", "authgroup") < 0)
        return;
    list = json_array();
    MODEL_EACH(&c->sim->model, KIND_AGROUP, i, ag)
    json_array_append_new(list, view_agroup(ag));
    reply_list(&c->reply, "authgroup", list);
}

void run_list_auser(struct call *c)
{
    const struct agroup *ag;
    const char *id;
    json_t *list;

    if (need_account(c, "listiSCSIAuthUser", "authuser") < 0)
        return;
    id = need(c, "listiSCSIAuthUser", "authgroupid");
    if (!id)
        return;
    ag = model_by_id(&c->sim->model, KIND_AGROUP, id);
    list = json_array();
    if (ag && ag->user_id[0])
        json_array_append_new(list, view_auser(c->sim, ag));
    reply_list(&c->reply, "authuser", list);
}

void run_add_agroup(struct call *c)
{
    struct model *m = &c->sim->model;
    struct agroup *ag, next = {.comment = "None"};
    const char *name;

    if (need_account(c, "addiSCSIAuthGroup", NULL) < 0)
        return;
    name = need(c, "addiSCSIAuthGroup", "name");
    if (!name || check_name(c, "auth group", name) < 0 ||
        !need(c, "addiSCSIAuthGroup", "chapusername") ||
        want_field(c, "comment", next.comment, sizeof(next.comment)) < 0 ||
        want_field(c, "chapusername", next.chapuser, sizeof(next.chapuser)) < 0 ||
        want_field(c, "chappassword", next.chappassword, sizeof(next.chappassword)) < 0 ||
        want_field(c, "mutualchapusername", next.mutualuser, sizeof(next.mutualuser)) < 0 ||
        want_field(c, "mutualchappassword", next.mutualpassword, sizeof(next.mutualpassword)) < 0)
        return;
    STR_SET(next.row.name, name);
    next.row.simpleid = model_next_simpleid(m);
    id_v3(next.row.id, "agroup %s %lld", name, (long long)next.row.simpleid);
    id_v3(next.user_id, "auser %s", next.row.id);
    ag = model_add(m, KIND_AGROUP);
    *ag = next;
    c->changed = true;
    reply_object(&c->reply, "authgroup", view_agroup(ag));
}
