/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The account and its TSM as JSON, with their nested arrays of text; see view.h. */
#include "tests/elastistor-sim/view.h"
#include "tests/elastistor-sim/backing.h"
#include "proto/base/cleanup.h"

#include <inttypes.h>
#include <string.h>

#define MIB (INT64_C(1) << 20)

/* KB/s by convention: IOPS times the block size of 4 KB */
#define TSM_BLOCK_KB 4

static int64_t quota_sum_mib(const struct sim *s)
{
    const struct volume *v;
    int64_t sum = 0;
    size_t i;

    MODEL_EACH(&s->model, KIND_VOLUME, i, v)
    sum += v->quota_bytes / MIB;
    return sum;
}

static int64_t used_sum_mib(const struct sim *s)
{
    const struct volume *v;
    int64_t sum = 0;
    size_t i;

    MODEL_EACH(&s->model, KIND_VOLUME, i, v)
    {
        AUTO_FREE char *file = sim_volume_file(s, v);

        sum += backing_used(file);
    }
    return sum / MIB;
}

static void put_flags(json_t *o, bool iscsi)
{
    put_text(o, "nfs", iscsi ? "false" : "null");
    put_text(o, "cifs", iscsi ? "false" : "null");
    put_text(o, "iscsi", iscsi ? "true" : "null");
    put_text(o, "fc", iscsi ? "false" : "null");
}

static json_t *bucket_map(const struct sim *s)
{
    const struct estate *es = model_estate(&s->model);
    AUTO_FREE char *path = model_dataset_path(&s->model);
    json_t *o = json_object();

    put_text(o, "clusterid", "%s", es->cluster_id);
    put_text(o, "type", "bucket");
    put_flags(o, false);
    put_text(o, "id", "%s", es->dataset_id);
    put_text(o, "poolid", "%s", es->pool_id);
    put_text(o, "quota", "%" PRId64 "M", model_tsm_pool(&s->model)->size_mib);
    put_text(o, "numericquota", "%" PRId64 ".0", model_tsm_pool(&s->model)->size_mib);
    put_text(o, "tsmid", "%s", es->tsm_id);
    put_text(o, "name", "%s%s", es->row.name, es->tsm);
    put_text(o, "path", "%s", path);
    put_text(o, "controllerid", "%s", es->controller_id);
    return o;
}

static json_t *volume_map(const struct sim *s, const struct volume *v)
{
    const struct estate *es = model_estate(&s->model);
    const struct group *g = model_by_id(&s->model, KIND_GROUP, v->group_id);
    AUTO_FREE char *path = model_volume_path(&s->model, v);
    AUTO_FREE char *file = sim_volume_file(s, v);
    int64_t used = backing_used(file) / MIB, total = v->quota_bytes / MIB;
    json_t *o = json_object();

    put_text(o, "id", "%s", v->row.id);
    put_text(o, "name", "%s", v->row.name);
    put_text(o, "path", "%s", path);
    put_text(o, "type", "volume");
    put_text(o, "tsmid", "%s", es->tsm_id);
    put_text(o, "tsmId", "%s", es->tsm_id);
    put_text(o, "parentId", "%s", es->dataset_id);
    put_text(o, "poolid", "%s", es->pool_id);
    put_text(o, "controllerid", "%s", es->controller_id);
    put_text(o, "clusterid", "%s", es->cluster_id);
    put_text(o, "groupid", "%s", v->group_id);
    put_text(o, "mountpoint", "%s", v->mountpoint);
    put_text(o, "quota", "%s", v->quota);
    put_text(o, "numericquota", "%" PRId64 ".0", v->quota_bytes / MIB);
    put_text(o, "iops", "%" PRId64, g ? g->iops : 0);
    put_text(o, "throughput", "%" PRId64, g ? g->throughput : 0);
    put_text(o, "latency", "%" PRId64, g ? g->latency_ms : 0);
    put_text(o, "usedspace", "%" PRId64, used);
    put_text(o, "availspace", "%" PRId64, total > used ? total - used : 0);
    put_text(o, "totalspace", "%" PRId64, total);
    put_flags(o, true);
    return o;
}

static json_t *group_map(const struct group *g)
{
    json_t *o = json_object();

    put_text(o, "id", "%s", g->row.id);
    put_text(o, "name", "%s", g->row.name);
    put_text(o, "iops", "%" PRId64, g->iops);
    put_text(o, "throughput", "%" PRId64, g->throughput);
    put_text(o, "latency", "%" PRId64, g->latency_ms);
    put_text(o, "memlimit", "0");
    put_text(o, "networkspeed", "0");
    return o;
}

static json_t *tsm_map(const struct sim *s)
{
    const struct estate *es = model_estate(&s->model);
    json_t *o = json_object();

    put_text(o, "id", "%s", es->tsm_id);
    put_text(o, "name", "%s", es->tsm);
    put_text(o, "ipaddress", "%s", es->tsm_ip);
    put_text(o, "poolid", "%s", es->pool_id);
    put_text(o, "iops", "%" PRId64, es->tsm_iops);
    return o;
}

/* Absent when there is nothing in it. */
static void put_volumes(const struct sim *s, json_t *o, const char *name)
{
    json_t *list = json_array();
    const struct volume *v;
    size_t i;

    MODEL_EACH(&s->model, KIND_VOLUME, i, v)
    json_array_append_new(list, volume_map(s, v));
    if (json_array_size(list) > 0)
        json_object_set(o, name, list);
    json_decref(list);
}

static void put_groups(const struct sim *s, json_t *o, const char *name)
{
    json_t *list = json_array();
    const struct group *g;
    size_t i;

    MODEL_EACH(&s->model, KIND_GROUP, i, g)
    json_array_append_new(list, group_map(g));
    if (json_array_size(list) > 0)
        json_object_set(o, name, list);
    json_decref(list);
}

static void put_one(json_t *o, const char *name, json_t *item)
{
    json_t *list = json_array();

    json_array_append_new(list, item);
    json_object_set_new(o, name, list);
}

static void put_sums(const struct sim *s, json_t *o)
{
    const struct volume *v;
    int64_t iops = 0, throughput = 0;
    size_t i;

    MODEL_EACH(&s->model, KIND_VOLUME, i, v)
    if (v->qos.n > 0) {
        const struct qos_sample *q = &v->qos.samples[(v->qos.next + QOS_SAMPLES - 1) % QOS_SAMPLES];

        iops += q->iops;
        throughput += q->throughput_kbs;
    }
    put_int(o, "currentThroughput", throughput);
    put_int(o, "currentIOPS", iops);
    put_int(o, "currentLatency", 0);
    put_int(o, "currentThrottle", 0);
}

static void put_quotas(const struct sim *s, json_t *o, const char *available)
{
    double size = (double)model_tsm_pool(&s->model)->size_mib;
    double taken = (double)quota_sum_mib(s);

    put_float(o, "numericquota", size);
    put_float(o, "currentnumericquota", taken);
    put_float(o, available, size - taken);
}

json_t *view_account(const struct sim *s)
{
    const struct estate *es = model_estate(&s->model);
    int64_t used = model_used_iops(&s->model);
    json_t *o = json_object();
    char iqn[IQN_SIZE];

    model_iqn_base(&s->model, iqn, sizeof(iqn));
    *strrchr(iqn, '.') = 0; /* the TSM's, without the TSM */
    put_text(o, "id", "%s", es->row.id);
    put_text(o, "name", "%s", es->row.name);
    put_int(o, "simpleid", es->row.simpleid);
    put_text(o, "description", "None");
    put_text(o, "iqnname", "%s", iqn);
    put_int(o, "availIOPS", es->tsm_iops - used);
    put_int(o, "totaliops", es->tsm_iops);
    put_int(o, "usedIOPS", used);
    put_volumes(s, o, "volumes");
    put_one(o, "storageBuckets", bucket_map(s));
    put_one(o, "tsms", tsm_map(s));
    put_groups(s, o, "qosgroups");
    put_volumes(s, o, "filesystemslist");
    put_volumes(s, o, "volumeslist");
    put_int(o, "currentUsedSpace", used_sum_mib(s));
    put_int(o, "currentAvailableSpace", quota_sum_mib(s) - used_sum_mib(s));
    put_sums(s, o);
    put_quotas(s, o, "currentavailablequota");
    put_int(o, "revisionnumber", 1);
    return o;
}

static void put_tsm_place(const struct sim *s, json_t *o)
{
    const struct estate *es = model_estate(&s->model);
    int64_t left = es->tsm_iops - model_used_iops(&s->model);

    put_text(o, "id", "%s", es->tsm_id);
    put_int(o, "simpleid", es->tsm_simpleid);
    put_text(o, "name", "%s", es->tsm);
    put_text(o, "ipaddress", "%s", es->tsm_ip);
    put_text(o, "accountname", "%s", es->row.name);
    put_text(o, "sitename", "site1");
    put_text(o, "clustername", "ha1");
    put_text(o, "controllerName", "node1");
    put_text(o, "controlleripaddress", "%s", es->tsm_ip);
    put_text(o, "clusterstatus", "Online");
    put_text(o, "hapoolstatus", "ONLINE");
    put_text(o, "hapoolname", "%s", model_tsm_pool(&s->model)->row.name);
    put_int(o, "hapoolavailiops", left);
    put_bool(o, "hapoolgrace", true);
    put_int(o, "hapoolavailtput", left * TSM_BLOCK_KB);
    put_int(o, "poollatency", 15);
    put_text(o, "accountid", "%s", es->row.id);
    put_text(o, "controllerid", "%s", es->controller_id);
    put_text(o, "poolid", "%s", es->pool_id);
    put_text(o, "datasetid", "%s", es->dataset_id);
    put_one(o, "storageBuckets", bucket_map(s));
    put_volumes(s, o, "volumes");
    put_volumes(s, o, "filesystemslist");
    put_groups(s, o, "qosgrouplist");
}

static void put_tsm_limits(const struct sim *s, json_t *o)
{
    const struct estate *es = model_estate(&s->model);
    int64_t used = model_used_iops(&s->model), left = es->tsm_iops - used;

    put_text(o, "iops", "%" PRId64, es->tsm_iops);
    put_text(o, "availIOPS", "%" PRId64, left);
    put_text(o, "availThroughput", "%" PRId64, left * TSM_BLOCK_KB);
    put_text(o, "usedIOPS", "%" PRId64, used);
    put_text(o, "usedThroughput", "%" PRId64, used * TSM_BLOCK_KB);
    put_text(o, "throughput", "%" PRId64, es->tsm_iops * TSM_BLOCK_KB);
    put_text(o, "latency", "15");
    put_bool(o, "graceallowed", true);
    put_quotas(s, o, "availablequota");
    put_text(o, "blocksize", "%d", TSM_BLOCK_KB);
}

json_t *view_tsm(const struct sim *s)
{
    json_t *o = json_object();
    char iqn[IQN_SIZE];

    model_iqn_base(&s->model, iqn, sizeof(iqn));
    put_tsm_place(s, o);
    put_int(o, "currentUsedSpace", used_sum_mib(s));
    put_int(o, "currentAvailableSpace", quota_sum_mib(s) - used_sum_mib(s));
    put_int(o, "currentTotalSpace", quota_sum_mib(s));
    put_sums(s, o);
    put_text(o, "tpcontrol", "true");
    put_text(o, "iopscontrol", "true");
    put_text(o, "gracecontrol", "false");
    put_tsm_limits(s, o);
    put_text(o, "type", "1");
    put_text(o, "iqnname", "%s", iqn);
    put_text(o, "interfaceName", "em0");
    put_int(o, "revisionnumber", 0);
    put_text(o, "status", "Online");
    put_text(o, "subnet", "16");
    put_text(o, "managedstate", "Available");
    put_text(o, "configurationstate", "sync");
    put_text(o, "offlinenodes", "%s", "");
    put_text(o, "pooltakeover", "noTakeOver");
    put_text(o, "totalprovisionquota", "%" PRId64, model_tsm_pool(&s->model)->size_mib);
    put_text(o, "haNodeStatus", "Available");
    put_bool(o, "ispooltakeoveronpartialfailure", true);
    put_text(o, "cifsauthentication", "user");
    put_int(o, "minrecommendedvolblocksize", 0);
    return o;
}
