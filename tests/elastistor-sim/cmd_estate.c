/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands on the account, its TSM, pools, QoS groups and jobs. */
#include "tests/elastistor-sim/command.h"
#include "tests/elastistor-sim/pause.h"
#include "tests/elastistor-sim/view.h"

#include <string.h>
#include <strings.h>

static json_t *one(json_t *item)
{
    json_t *list = json_array();

    json_array_append_new(list, item);
    return list;
}

static bool is_or_absent(const struct call *c, const char *param, const char *value)
{
    return strcmp(want(c, param, value), value) == 0;
}

void run_list_account(struct call *c)
{
    reply_list(&c->reply, "account", one(view_account(c->sim)));
}

void run_list_tsm(struct call *c)
{
    const struct estate *es = model_estate(&c->sim->model);
    bool ours = is_or_absent(c, "accountid", es->row.id) && is_or_absent(c, "id", es->tsm_id) &&
                is_or_absent(c, "ipaddress", es->tsm_ip);

    reply_list(&c->reply, "listTsm", ours ? one(view_tsm(c->sim)) : json_array());
}

void run_list_pool(struct call *c)
{
    bool ours = is_or_absent(c, "controllerid", model_estate(&c->sim->model)->controller_id);
    json_t *list = json_array();
    const struct pool *p;
    size_t i;

    MODEL_EACH(&c->sim->model, KIND_POOL, i, p)
    if (ours && is_or_absent(c, "id", p->row.id))
        json_array_append_new(list, view_pool(c->sim, p));
    reply_list(&c->reply, "hapool", list);
}

void run_list_capabilities(struct call *c)
{
    json_t *o = json_object();

    put_text(o, "cloudByteVersion", "1.4.0.897");
    reply_object(&c->reply, "capability", o);
}

void run_query_job(struct call *c)
{
    const char *id = need(c, "queryAsyncJobResult", "jobid");
    const struct job *j = model_by_id(&c->sim->model, KIND_JOB, id);

    if (!id)
        return;
    if (j)
        reply_plain(&c->reply, view_job(c->sim, j, epoch_ms()));
    else
        reply_fail(&c->reply, 431, "Unable to find a job with id %s", id);
}

/* ---- QoS groups ----------------------------------------------------------------------------- */

static int read_flag(struct call *c, const char *param, bool *ret)
{
    const char *value = want(c, param, NULL);

    if (!value)
        return 0;
    if (strcasecmp(value, "true") != 0 && strcasecmp(value, "false") != 0) {
        reply_fail(&c->reply, 431, "API parameter %s must be true or false", param);
        return -1;
    }
    *ret = strcasecmp(value, "true") == 0;
    return 0;
}

static int read_group(struct call *c, struct group *g)
{
    return want_number(c, "iops", &g->iops) < 0 || want_number(c, "latency", &g->latency_ms) < 0 ||
                   want_number(c, "throughput", &g->throughput) < 0 ||
                   read_flag(c, "graceallowed", &g->grace) < 0 ||
                   read_flag(c, "iopscontrol", &g->iops_control) < 0 ||
                   read_flag(c, "tpcontrol", &g->tp_control) < 0 ||
                   want_field(c, "blocksize", g->block_size, sizeof(g->block_size)) < 0
               ? -1
               : 0;
}

/* The TSM must have the IOPS that a group asks for beyond those it has already. */
static int charge(struct call *c, int64_t more)
{
    int64_t left = model_estate(&c->sim->model)->tsm_iops - model_used_iops(&c->sim->model);

    if (more <= left)
        return 0;
    reply_fail(&c->reply, 530,
               "Failed to provision Qos group due to : [IOPS] : Iops value should not exceed "
               "VSM's available IOPS: %lld",
               (long long)left);
    return -1;
}

/* The server appends account and TSM to the name asked for. */
static int name_group(struct call *c, const char *name, struct group *g)
{
    const struct model *m = &c->sim->model;
    const struct estate *es = model_estate(m);
    const struct group *same;

    if (check_name(c, "QoS group", name) < 0)
        return -1;
    snprintf(g->row.name, sizeof(g->row.name), "%s%.30s%.30s", name, es->row.name, es->tsm);
    same = model_by_name(m, KIND_GROUP, g->row.name);
    if (!same || model_count_in_group(m, same->row.id) == 0)
        return 0;
    reply_fail(&c->reply, 530,
               "Failed to provision Qos group due to : a volume with the same name exists: %s",
               name);
    return -1;
}

void run_add_group(struct call *c)
{
    struct model *m = &c->sim->model;
    struct group g = {.iops_control = true, .latency_ms = 15}, *added;
    const char *tsm = need(c, "addQosGroup", "tsmid");
    const char *name = tsm ? need(c, "addQosGroup", "name") : NULL;

    STR_SET(g.block_size, "4k");
    if (!name || read_group(c, &g) < 0)
        return;
    if (strcmp(tsm, model_estate(m)->tsm_id) != 0) {
        reply_fail(&c->reply, 431, "Unable to find a TSM with id %s", tsm);
        return;
    }
    if (name_group(c, name, &g) < 0 || charge(c, g.iops) < 0)
        return;
    g.row.simpleid = model_next_simpleid(m);
    id_v3(g.row.id, "group %s %lld", g.row.name, (long long)g.row.simpleid);
    added = model_add(m, KIND_GROUP);
    *added = g;
    c->changed = true;
    reply_object(&c->reply, "qosgroup", view_group(c->sim, added, false));
}

static struct group *need_group(struct call *c, const char *command)
{
    const char *id = need(c, command, "id");
    struct group *g = model_by_id(&c->sim->model, KIND_GROUP, id);

    if (id && !g)
        reply_fail(&c->reply, 431, "Unable to find a Qos group with id %s", id);
    return g;
}

void run_update_group(struct call *c)
{
    struct group *g = need_group(c, "updateQosGroup"), next;

    if (!g)
        return;
    next = *g;
    if (read_group(c, &next) < 0 || charge(c, next.iops - g->iops) < 0)
        return;
    *g = next;
    c->changed = true;
    reply_list(&c->reply, "qosgroup", one(view_group(c->sim, g, true)));
}

void run_list_group(struct call *c)
{
    json_t *list = json_array();
    const struct group *g;
    size_t i;

    MODEL_EACH(&c->sim->model, KIND_GROUP, i, g)
    json_array_append_new(list, view_group(c->sim, g, true));
    reply_list(&c->reply, "qosgroup", list);
}

void run_delete_group(struct call *c)
{
    struct group *g = need_group(c, "deleteQosGroup");

    if (!g)
        return;
    if (model_count_in_group(&c->sim->model, g->row.id) > 0) {
        reply_fail(&c->reply, 530, "Qos group %s has volumes", g->row.name);
        return;
    }
    model_remove(&c->sim->model, KIND_GROUP, g);
    c->changed = true;
    reply_success(&c->reply);
}
