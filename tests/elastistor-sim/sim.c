/* SPDX-License-Identifier: GPL-2.0-or-later */
/* First start, later starts, and where volumes lie; see sim.h. */
#include "tests/elastistor-sim/sim.h"
#include "tests/elastistor-sim/backing.h"
#include "tests/elastistor-sim/store.h"
#include "proto/base/cleanup.h"
#include "proto/base/log.h"

#include <string.h>
#include <time.h>

char *sim_dataset_dir(const struct sim *s)
{
    AUTO_FREE char *dataset = model_dataset_path(&s->model);

    return xasprintf("%s/pools/%s", s->opt.state_dir, dataset);
}

char *sim_volume_file(const struct sim *s, const struct volume *v)
{
    AUTO_FREE char *dir = sim_dataset_dir(s);

    return xasprintf("%s/%s.img", dir, v->row.name);
}

char *sim_snapshot_file(const struct sim *s, const struct volume *v, const char *snapshot)
{
    AUTO_FREE char *dir = sim_dataset_dir(s);

    return xasprintf("%s/.snapshots/%s@%s.img", dir, v->row.name, snapshot);
}

void sim_describe(const struct sim *s, const struct volume *v, struct iscsi_volume *ret,
                  char path[512], char serial[ID_SIZE])
{
    const struct igroup *ig = model_by_id(&s->model, KIND_IGROUP, v->igroup_id);
    AUTO_FREE char *file = sim_volume_file(s, v);

    snprintf(path, 512, "%s", file);
    id_bare(serial, v->row.id);
    *ret = (struct iscsi_volume){.iqn = v->iqn,
                                 .path = path,
                                 .serial = serial,
                                 .initiators = ig ? ig->initiators : "None",
                                 .addresses = ig ? ig->netmask : "None"};
}

int sim_export(struct sim *s, const struct volume *v, struct err *e)
{
    char path[512], serial[ID_SIZE];
    struct iscsi_volume iv;

    sim_describe(s, v, &iv, path, serial);
    return iscsi_export(&s->opt, &iv, e);
}

int sim_export_all(struct sim *s, struct err *e)
{
    const struct volume *v;
    size_t i;

    MODEL_EACH(&s->model, KIND_VOLUME, i, v)
    if (sim_export(s, v, e) < 0)
        return -1;
    return 0;
}

static void add_igroup(struct sim *s, const char *name)
{
    struct igroup *ig = model_add(&s->model, KIND_IGROUP);

    STR_SET(ig->row.name, name);
    STR_SET(ig->initiators, name);
    STR_SET(ig->netmask, name);
    ig->row.simpleid = model_next_simpleid(&s->model);
    id_v3(ig->row.id, "igroup %s %s", model_estate(&s->model)->row.id, name);
}

static struct pool *add_pool(struct sim *s, const struct pool_option *po)
{
    struct pool *p = model_add(&s->model, KIND_POOL);

    STR_SET(p->row.name, po->name);
    p->row.simpleid = model_next_simpleid(&s->model);
    id_v3(p->row.id, "pool %s %s", model_estate(&s->model)->site_id, po->name);
    p->size_mib = po->size_mib;
    return p;
}

/* The account, its TSM on the first pool, and the objects that every account has. */
static void first_start(struct sim *s)
{
    struct estate *es = model_add(&s->model, KIND_ESTATE);
    struct agroup *ag;
    struct tm tm;
    time_t now = time(NULL);

    STR_SET(es->row.name, s->opt.account);
    STR_SET(es->tsm, s->opt.tsm);
    es->row.simpleid = model_next_simpleid(&s->model);
    es->tsm_simpleid = model_next_simpleid(&s->model);
    id_v4(es->row.id);
    id_v4(es->user_id);
    id_v4(es->site_id);
    id_v4(es->cluster_id);
    id_v3(es->controller_id, "controller %s node1", es->site_id);
    id_v3(es->tsm_id, "tsm %s %s", es->row.id, es->tsm);
    id_v3(es->dataset_id, "dataset %s %s", es->row.id, es->tsm);
    localtime_r(&now, &tm);
    strftime(es->iqn_month, sizeof(es->iqn_month), "%Y-%m", &tm);
    STR_SET(es->pool_id, add_pool(s, &s->opt.pools[0])->row.id);
    add_igroup(s, "ALL");
    add_igroup(s, "None");
    ag = model_add(&s->model, KIND_AGROUP);
    STR_SET(ag->row.name, "None");
    STR_SET(ag->comment, "None");
    ag->row.simpleid = model_next_simpleid(&s->model);
    id_v3(ag->row.id, "agroup %s None", es->row.id);
}

static int check_same(const struct sim *s, struct err *e)
{
    const struct estate *es = model_estate(&s->model);

    if (strcmp(es->row.name, s->opt.account) == 0 && strcmp(es->tsm, s->opt.tsm) == 0)
        return 0;
    return err_set(e, ERR_CONFIG,
                   "state directory '%s' holds account '%s' with TSM '%s', not '%s' with '%s': "
                   "correct the configuration or use another directory",
                   s->opt.state_dir, es->row.name, es->tsm, s->opt.account, s->opt.tsm);
}

static int make_dirs(const struct sim *s, struct err *e)
{
    AUTO_FREE char *dir = sim_dataset_dir(s);
    AUTO_FREE char *snapshots = xasprintf("%s/.snapshots", dir);

    return backing_mkdirs(snapshots, e);
}

int sim_open(struct sim *s, struct err *e)
{
    AUTO_FREE char *pools = xasprintf("%s/pools", s->opt.state_dir);
    bool found;

    if (backing_mkdirs(pools, e) < 0 || backing_probe(pools, &s->reflink, e) < 0 ||
        store_load(&s->model, s->opt.state_dir, &found, e) < 0)
        return -1;
    if (!found)
        first_start(s);
    if (check_same(s, e) < 0)
        return -1;
    for (size_t i = 0; i < s->opt.n_pools; i++)
        if (!model_by_name(&s->model, KIND_POOL, s->opt.pools[i].name))
            add_pool(s, &s->opt.pools[i]);
    STR_SET(model_estate(&s->model)->tsm_ip, s->opt.portal_address);
    model_estate(&s->model)->tsm_iops = s->opt.tsm_iops;
    if (!s->reflink)
        log_warn("no reflinks in '%s': snapshots are sparse copies, not points in time", pools);
    if (make_dirs(s, e) < 0 || store_save(&s->model, s->opt.state_dir, e) < 0 ||
        iscsi_probe(&s->opt, e) < 0)
        return -1;
    return sim_export_all(s, e);
}
