/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Volumes, QoS groups, iSCSI rows, snapshots, jobs as JSON; see view.h. */
#include "tests/elastistor-sim/view.h"
#include "tests/elastistor-sim/backing.h"
#include "proto/base/cleanup.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define MIB (INT64_C(1) << 20)

/* configurationstate is "init" for a while after creation */
#define INIT_SECONDS 5

void time_text(char ret[32], int64_t at_s)
{
    time_t t = (time_t)at_s;
    struct tm tm;

    localtime_r(&t, &tm);
    strftime(ret, 32, "%Y-%m-%d %H:%M:%S", &tm);
}

void zfs_units(char ret[32], int64_t bytes)
{
    double n = (double)bytes;
    const char *unit = " KMGTP";

    while (n >= 1024 && unit[1]) {
        n /= 1024;
        unit++;
    }
    if (*unit == ' ') {
        snprintf(ret, 32, "%" PRId64, bytes);
        return;
    }
    /* as many digits as fit in five characters, none for whole numbers: zfs_nicenum() */
    for (int digits = n == (double)(int64_t)n ? 0 : 2; digits >= 0; digits--)
        if (snprintf(ret, 32, "%.*f%c", digits, n, *unit) <= 5)
            return;
}

static const struct qos_sample *last_sample(const struct volume *v)
{
    static const struct qos_sample none;

    if (v->qos.n == 0)
        return &none;
    return &v->qos.samples[(v->qos.next + QOS_SAMPLES - 1) % QOS_SAMPLES];
}

static void put_current(json_t *o, int64_t throughput, int64_t iops, const struct qos_set *set)
{
    static const struct qos_set none;

    if (!set || !set->any)
        set = &none;
    put_int(o, "currentThroughput",
            set->any && set->throughput_kbs >= 0 ? set->throughput_kbs : throughput);
    put_int(o, "currentIOPS", set->any && set->iops >= 0 ? set->iops : iops);
    /* nothing that the stand-in can measure; the appliance's units are unknown too */
    put_int(o, "currentLatency", set->latency > 0 ? set->latency : 0);
    put_int(o, "currentThrottle", set->throttle > 0 ? set->throttle : 0);
}

json_t *view_qos_sample(const struct volume *v, const struct qos_sample *q)
{
    json_t *o = json_object();
    char text[32];

    time_text(text, q->at_s);
    put_text(o, "id", "%s", v->row.id);
    put_text(o, "name", "%s", v->row.name);
    put_text(o, "iops", "%" PRId64, q->iops);
    put_text(o, "throughput", "%" PRId64, q->throughput_kbs);
    put_text(o, "timestamp", "%s", text);
    return o;
}

json_t *view_group(const struct sim *s, const struct group *g, bool with_status)
{
    const struct estate *es = model_estate(&s->model);
    int64_t iops = 0, throughput = 0;
    const struct volume *v;
    json_t *o = json_object();
    size_t i;

    MODEL_EACH(&s->model, KIND_VOLUME, i, v)
    if (strcmp(v->group_id, g->row.id) == 0) {
        iops += last_sample(v)->iops;
        throughput += last_sample(v)->throughput_kbs;
    }
    put_text(o, "id", "%s", g->row.id);
    put_text(o, "name", "%s", g->row.name);
    put_text(o, "tsmid", "%s", es->tsm_id);
    put_text(o, "controllerid", "%s", es->controller_id);
    put_text(o, "poolid", "%s", es->pool_id);
    put_text(o, "parentid", "%s", es->dataset_id);
    put_text(o, "tsmName", "%s", es->tsm);
    put_text(o, "offlinenodes", "%s", "");
    put_text(o, "sitename", "site1");
    put_text(o, "clustername", "ha1");
    put_text(o, "controllerName", "node1");
    put_text(o, "clusterstatus", "Online");
    put_current(o, throughput, iops, NULL);
    put_text(o, "iopsvalue", "(%" PRId64 "/%" PRId64 ")", iops, g->iops);
    put_text(o, "throughputvalue", "(%" PRId64 "/%" PRId64 ")", throughput, g->throughput);
    put_text(o, "iops", "%" PRId64, g->iops);
    put_text(o, "iopscontrol", g->iops_control ? "true" : "false");
    put_text(o, "throughput", "%" PRId64, g->throughput);
    put_text(o, "tpcontrol", g->tp_control ? "true" : "false");
    put_text(o, "blocksize", "%s", g->block_size);
    put_text(o, "latency", "%" PRId64, g->latency_ms);
    put_bool(o, "graceallowed", g->grace);
    put_text(o, "type", "1");
    put_int(o, "revisionnumber", 0);
    put_text(o, "managedstate", "Available");
    if (with_status)
        put_text(o, "status", "Online");
    put_text(o, "configurationstate", model_count_in_group(&s->model, g->row.id) ? "sync" : "init");
    put_int(o, "standardproviops", 0);
    put_int(o, "operatingblocksize", 0);
    put_int(o, "operatingcachehit", 0);
    put_int(o, "operatingiops", 0);
    put_int(o, "standardoperatingiops", 0);
    return o;
}

static void put_volume_identity(const struct sim *s, json_t *o, const struct volume *v)
{
    const struct estate *es = model_estate(&s->model);
    const struct igroup *ig = model_by_id(&s->model, KIND_IGROUP, v->igroup_id);

    put_text(o, "id", "%s", v->row.id);
    put_text(o, "name", "%s", v->row.name);
    put_int(o, "simpleid", v->row.simpleid);
    put_text(o, "type", "volume");
    put_int(o, "revisionnumber", v->revision);
    put_text(o, "path", "%s", v->iqn); /* the IQN, not the ZFS path, for block volumes */
    put_text(o, "initiatorgroup", "%s", ig ? ig->row.name : "None");
    put_text(o, "clusterid", "%s", es->cluster_id);
    put_text(o, "clusterstatus", "Online");
    put_text(o, "Tsmid", "%s", es->tsm_id);
    put_text(o, "tsmType", "1");
    put_text(o, "tsmCifsAuth", "user");
    put_text(o, "accountid", "%s", es->row.id);
    put_text(o, "poolid", "%s", es->pool_id);
    put_text(o, "controllerid", "%s", es->controller_id);
    put_text(o, "groupid", "%s", v->group_id);
    put_text(o, "parentid", "%s", es->dataset_id);
}

static void put_volume_settings(json_t *o, const struct volume *v)
{
    put_text(o, "compression", "%s", v->compression);
    put_text(o, "sync", "%s", v->sync);
    put_int(o, "noofcopies", v->copies);
    put_text(o, "recordsize", "%s", v->recordsize);
    put_text(o, "quota", "%s", v->quota);
    put_text(o, "unicode", "off");
    put_text(o, "casesensitivity", "sensitive");
    put_bool(o, "readonly", v->readonly);
    put_bool(o, "nfsenabled", false);
    put_bool(o, "cifsenabled", false);
    put_bool(o, "iscsienabled", true);
    put_bool(o, "fcenabled", false);
}

static void put_volume_usage(const struct sim *s, json_t *o, const struct volume *v)
{
    AUTO_FREE char *file = sim_volume_file(s, v);
    int64_t used = backing_used(file), total = v->quota_bytes / MIB;

    put_int(o, "currentUsedSpace", used / MIB);
    put_int(o, "currentAvailableSpace", total > used / MIB ? total - used / MIB : 0);
    put_int(o, "currentTotalSpace", total);
    put_int(o, "currentUsedByDataset", used / MIB);
    put_int(o, "currentUsedBySnapshots", v->qos.snapshot_bytes / MIB);
    put_int(o, "currentReferenced", used / MIB);
    put_current(o, last_sample(v)->throughput_kbs, last_sample(v)->iops, &v->qos.set);
    put_float(o, "numericquota", (double)v->quota_bytes / (double)MIB);
}

static void put_volume_place(const struct sim *s, json_t *o, const struct volume *v)
{
    const struct estate *es = model_estate(&s->model);

    put_text(o, "status", "Online");
    put_text(o, "managedstate", "Available");
    put_text(o, "configurationstate", time(NULL) - v->created_s < INIT_SECONDS ? "init" : "sync");
    put_text(o, "tsmName", "%s", es->tsm);
    put_text(o, "ipaddress", "%s", es->tsm_ip);
    put_text(o, "sitename", "site1");
    put_text(o, "clustername", "ha1");
    put_text(o, "controllerName", "node1");
    put_text(o, "hapoolname", "%s", model_tsm_pool(&s->model)->row.name);
    put_bool(o, "hapoolgrace", true);
    put_bool(o, "tsmgrace", true);
    put_text(o, "tsmcontrolgrace", "false");
    put_text(o, "accountname", "%s", es->row.name);
}

static void put_volume_qos(const struct sim *s, json_t *o, const struct volume *v)
{
    const struct group *g = model_by_id(&s->model, KIND_GROUP, v->group_id);
    int64_t left = model_estate(&s->model)->tsm_iops - model_used_iops(&s->model);

    put_text(o, "groupname", "%s", g ? g->row.name : "");
    put_text(o, "iops", "%" PRId64, g ? g->iops : 0);
    put_text(o, "blocksize", "%s", g ? g->block_size : "4k");
    put_text(o, "throughput", "%" PRId64, g ? g->throughput : 0);
    put_text(o, "latency", "%" PRId64, g ? g->latency_ms : 0);
    put_bool(o, "graceallowed", g && g->grace);
    put_text(o, "offlinenodes", "%s", "");
    put_text(o, "tpcontrol", g && g->tp_control ? "true" : "false");
    put_text(o, "iopscontrol", g && g->iops_control ? "true" : "false");
    put_text(o, "tsmAvailIops", "%" PRId64, left);
    put_text(o, "tsmAvailTput", "%" PRId64, left * 4);
    put_text(o, "iqnname", "%s", v->iqn);
    put_text(o, "mountpoint", "%s", v->mountpoint);
    put_text(o, "pooltakeover", "noTakeOver");
    put_text(o, "blocklength", "%s", v->blocklength);
    put_text(o, "volumeaccessible", "true");
    put_int(o, "minrecommendedvolblocksize", 0);
    put_text(o, "accesstime", "%s", v->accesstime);
    put_int(o, "localschedulecount", 0);
}

json_t *view_volume(const struct sim *s, const struct volume *v)
{
    json_t *o = json_object();

    put_volume_identity(s, o, v);
    put_volume_settings(o, v);
    put_volume_usage(s, o, v);
    put_volume_place(s, o, v);
    put_volume_qos(s, o, v);
    return o;
}

json_t *view_storage(const struct sim *s, const struct volume *v)
{
    static const char *const zero[] = {
        "currentUsedSpace", "currentAvailableSpace", "currentTotalSpace", "currentThroughput",
        "currentIOPS",      "currentLatency",        "currentThrottle",
    };
    const struct estate *es = model_estate(&s->model);
    AUTO_FREE char *path = model_volume_path(&s->model, v);
    json_t *o = json_object();

    put_text(o, "id", "%s", v->row.id);
    put_text(o, "name", "%s", v->row.name);
    put_int(o, "simpleid", v->row.simpleid);
    put_text(o, "compression", "%s", v->compression);
    put_text(o, "sync", "%s", v->sync);
    put_int(o, "noofcopies", v->copies);
    put_text(o, "recordsize", "%s", v->recordsize);
    put_text(o, "quota", "%s", v->quota);
    put_text(o, "path", "%s", path);
    put_text(o, "tsmid", "%s", es->tsm_id);
    put_text(o, "poolid", "%s", es->pool_id);
    put_text(o, "mountpoint", "%s", v->mountpoint);
    for (size_t i = 0; i < ARRAY_SIZE(zero); i++)
        put_int(o, zero[i], 0); /* not sampled yet when the job ends */
    put_text(o, "tsmName", "%s", es->tsm);
    put_text(o, "hapoolname", "%s", model_tsm_pool(&s->model)->row.name);
    put_int(o, "revisionnumber", 0);
    put_text(o, "blocklength", "%s", v->blocklength);
    put_bool(o, "nfsenabled", false);
    put_bool(o, "cifsenabled", false);
    put_bool(o, "iscsienabled", true);
    put_bool(o, "fcenabled", false);
    put_bool(o, "backupqosgroupenabled", false);
    return o;
}

json_t *view_service(const struct volume *v)
{
    json_t *o = json_object();
    char usn[ID_SIZE];

    id_bare(usn, v->row.id);
    put_text(o, "id", "%s", v->service_id);
    put_text(o, "volume_id", "%s", v->row.id);
    put_text(o, "ag_id", "%s", v->agroup_id);
    put_text(o, "ig_id", "%s", v->igroup_id);
    put_text(o, "iqnname", "%s", v->iqn);
    put_text(o, "authmethod", "%s", v->authmethod);
    put_bool(o, "status", true);
    put_text(o, "usn", "%s", usn);
    put_text(o, "initialdigest", "%s", v->initialdigest);
    put_text(o, "queuedepth", "%s", v->queuedepth);
    put_int(o, "inqproduct", 0);
    put_int(o, "inqrevision", 0);
    put_text(o, "blocklength", "%s", v->blocklength);
    put_int(o, "workerthreads", v->workerthreads);
    put_bool(o, "unmap", v->unmap);
    put_bool(o, "wzero", false);
    put_text(o, "physrecordlength", "%s", v->physrecordlength);
    put_text(o, "ats", "false");
    put_text(o, "xcopy", "false");
    return o;
}

json_t *view_snapshot(const struct sim *s, const struct snapshot *sn, int64_t used, int64_t refer)
{
    AUTO_FREE char *path = model_snapshot_path(&s->model, sn);
    json_t *o = json_object();
    char text[32], used_text[32], refer_text[32];
    time_t t = (time_t)sn->created_s;
    struct tm tm;

    localtime_r(&t, &tm);
    strftime(text, sizeof(text), "%a %b %d %Y %H:%M", &tm);
    zfs_units(used_text, used);
    zfs_units(refer_text, refer);
    put_text(o, "name", "%s", sn->row.name);
    put_text(o, "path", "%s", path);
    put_text(o, "availMem", "-");
    put_text(o, "usedMem", "%s", used_text);
    put_text(o, "refer", "%s", refer_text);
    put_text(o, "mountpoint", "-");
    put_text(o, "timestamp", "%s", text);
    put_int(o, "clones", (int64_t)model_count_clones(&s->model, sn));
    put_text(o, "poolTakeOver", "noTakeOver");
    put_text(o, "managedstate", "Available");
    put_text(o, "type", "instant");
    return o;
}

json_t *view_igroup(const struct sim *s, const struct igroup *ig)
{
    const struct volume *v;
    json_t *o = json_object();
    int64_t n = 0;
    size_t i;

    MODEL_EACH(&s->model, KIND_VOLUME, i, v)
    n += strcmp(v->igroup_id, ig->row.id) == 0;
    put_text(o, "id", "%s", ig->row.id);
    put_text(o, "accountid", "%s", model_estate(&s->model)->row.id);
    put_text(o, "name", "%s", ig->row.name);
    put_text(o, "netmask", "%s", ig->netmask);
    put_text(o, "initiatorgroup", "%s", ig->initiators);
    put_int(o, "volumecount", n);
    return o;
}

json_t *view_agroup(const struct agroup *ag)
{
    json_t *o = json_object();

    put_text(o, "id", "%s", ag->row.id);
    put_text(o, "name", "%s", ag->row.name);
    put_text(o, "comment", "%s", ag->comment);
    return o;
}

json_t *view_auser(const struct sim *s, const struct agroup *ag)
{
    json_t *o = json_object();

    put_text(o, "id", "%s", ag->user_id);
    put_text(o, "accountid", "%s", model_estate(&s->model)->row.id);
    put_text(o, "authgroupid", "%s", ag->row.id);
    put_text(o, "chapusername", "%s", ag->chapuser);
    put_text(o, "chappassword", "%s", ag->chappassword);
    put_text(o, "mutualchapusername", "%s", ag->mutualuser);
    put_text(o, "mutualchappassword", "%s", ag->mutualpassword);
    return o;
}

json_t *view_pool(const struct sim *s, const struct pool *p)
{
    const struct estate *es = model_estate(&s->model);
    json_t *o = json_object();

    put_text(o, "id", "%s", p->row.id);
    put_text(o, "name", "%s", p->row.name);
    put_int(o, "simpleid", p->row.simpleid);
    put_text(o, "siteid", "%s", es->site_id);
    put_text(o, "clusterid", "%s", es->cluster_id);
    put_text(o, "controllerid", "%s", es->controller_id);
    put_text(o, "controllerName", "node1");
    put_text(o, "status", "ONLINE");
    put_int(o, "currentTotalSpace", p->size_mib);
    put_text(o, "totaliops", "%" PRId64, es->tsm_iops);
    put_text(o, "managedstate", "Available");
    return o;
}

static void put_job_result(json_t *o, const struct job *j)
{
    json_t *result = j->result ? json_loads(j->result, 0, NULL) : NULL;

    if (!result)
        result = json_object();
    put_text(o, "jobresulttype", "object");
    json_object_set_new(o, "jobresult", result);
}

/* "DeleteFileSystem" of deleteFileSystem */
static void put_job_class(json_t *o, const struct job *j)
{
    put_text(o, "cmd", "com.cloudbyte.api.commands.%c%sCmd", j->command[0] - 'a' + 'A',
             j->command + 1);
}

json_t *view_job(const struct sim *s, const struct job *j, int64_t now_ms)
{
    const struct estate *es = model_estate(&s->model);
    bool deletion = strcmp(j->command, "deleteFileSystem") == 0;
    json_t *o = json_object();
    char text[32];

    time_text(text, j->created_s);
    put_text(o, "accountid", "%s", es->row.id);
    put_text(o, "userid", "%s", es->user_id);
    put_job_class(o, j);
    /* a running job tells its progress only from some point on */
    if (j->status == JOB_DONE)
        put_text(o, "msg", deletion ? "Deleted Successfully" : "5");
    else if (j->status == JOB_RUNNING && j->due_ms != JOB_NEVER &&
             now_ms - j->started_ms > (j->due_ms - j->started_ms) / 2)
        put_text(o, "msg", "1");
    put_int(o, "jobstatus", j->status);
    put_int(o, "jobprocstatus", 0);
    put_int(o, "jobresultcode", j->status == JOB_FAILED ? 530 : 0);
    if (j->status != JOB_RUNNING)
        put_job_result(o, j);
    put_text(o, "created", "%s", text);
    put_text(o, "jobid", "%s", j->row.id);
    return o;
}
