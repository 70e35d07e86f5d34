/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ElastiStor driver: snapshots, readings, opening and closing; see elastistor.h. */
#include "host-coordinator/storage/elastistor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host-coordinator/storage/access.h"
#include "host-coordinator/storage/calls.h"
#include "host-coordinator/storage/going_back.h"
#include "host-coordinator/storage/reply.h"
#include "host-coordinator/storage/secret.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

/* ---- operations --------------------------------------------------------------------------- */

static const struct query_param no_params[] = {{NULL, NULL}};

static void volumes_answered(struct exchange *x, json_t *answer)
{
    struct storage_op *op = x->call->op;

    conclude(x, reply_volumes(&op->volumes, &op->volume_count, answer, x->call->array->api_key,
                              &op->err));
}

static void list_volumes(struct storage *s, int64_t deadline_us, struct storage_op *op)
{
    struct call *c = call_new(s, op, 1, false, deadline_us, NULL);

    ask(&c->exchanges[0], LIST_VOLUMES, no_params, volumes_answered);
}

static void any_answered(struct exchange *x, json_t *answer)
{
    (void)answer;
    conclude(x, 0);
}

static int look_up(struct exchange *x, json_t *answer, struct reply_snapshot *ret)
{
    struct call *c = x->call;

    return reply_find(ret, answer, c->name, c->array->api_key, &c->op->err);
}

static void prepare_answered(struct exchange *x, json_t *answer)
{
    struct storage_op *op = x->call->op;
    struct reply_snapshot found = {.path = NULL};
    int rc = look_up(x, answer, &found);

    op->found = op->found || found.path;
    free(found.path);
    free(found.time);
    conclude(x, rc);
}

static void prepare(struct storage *s, const struct volume *volumes, size_t count, const char *name,
                    int64_t deadline_us, struct storage_op *op)
{
    struct call *c = call_new(s, op, count > 0 ? count : 1, false, deadline_us, name);

    /* no volumes: one request that needs none, so that it ends like any other */
    if (count == 0)
        ask(&c->exchanges[0], LIST_VOLUMES, no_params, any_answered);
    for (size_t i = 0; i < count; i++) {
        volume_copy(&c->exchanges[i].volume, &volumes[i]);
        ask_by_id(&c->exchanges[i], LIST_SNAPSHOTS, name ? prepare_answered : any_answered);
    }
}

/* An exchange about one volume, or about one snapshot of it (`name`, else NULL). */
static struct exchange *exchange_of(struct storage *s, const struct volume *v, const char *name,
                                    int64_t deadline_us, struct storage_op *op)
{
    struct call *c = call_new(s, op, 1, false, deadline_us, name);

    volume_copy(&c->exchanges[0].volume, v);
    return &c->exchanges[0];
}

static void taken_answered(struct exchange *x, json_t *answer)
{
    struct call *c = x->call;

    conclude(x, reply_taken(&c->op->snapshot_id, answer, &x->volume, c->name, c->array->api_key,
                            &c->op->err));
}

static void snapshot(struct storage *s, const struct volume *v, const char *name,
                     int64_t deadline_us, struct storage_op *op)
{
    const struct query_param params[] = {{"id", v->id}, {"name", name}, {NULL, NULL}};

    ask(exchange_of(s, v, name, deadline_us, op), TAKE_SNAPSHOT, params, taken_answered);
}

static void find_answered(struct exchange *x, json_t *answer)
{
    struct storage_op *op = x->call->op;
    struct reply_snapshot found = {.path = NULL};
    int rc = look_up(x, answer, &found);

    op->found = found.path != NULL;
    op->snapshot_path = found.path;
    op->snapshot_time = found.time;
    conclude(x, rc);
}

static void find_snapshot(struct storage *s, const struct volume *v, const char *name,
                          int64_t deadline_us, struct storage_op *op)
{
    ask_by_id(exchange_of(s, v, name, deadline_us, op), LIST_SNAPSHOTS, find_answered);
}

static void deleted_answered(struct exchange *x, json_t *answer)
{
    conclude(x, reply_deleted(answer, &x->call->op->err));
}

/* The array deletes by path, which only its list tells. */
static void remove_answered(struct exchange *x, json_t *answer)
{
    struct reply_snapshot found = {.path = NULL};
    int rc = look_up(x, answer, &found);
    const struct query_param params[] = {{"id", x->volume.id}, {"path", found.path}, {NULL, NULL}};

    if (found.path)
        ask(x, DELETE_SNAPSHOT, params, deleted_answered);
    else
        conclude(x, rc);
    free(found.path);
    free(found.time);
}

/* Somebody else removed it between our look and our request: what was wanted. */
static bool removed_by_others(struct exchange *x)
{
    if (x->command != DELETE_SNAPSHOT || x->call->op->err.code != ERR_NOT_FOUND)
        return false;
    x->call->op->err = ERR_INIT;
    conclude(x, 0);
    return true;
}

static void remove_snapshot(struct storage *s, const struct volume *v, const char *name,
                            int64_t deadline_us, struct storage_op *op)
{
    struct exchange *x = exchange_of(s, v, name, deadline_us, op);

    x->call->refused = removed_by_others;
    ask_by_id(x, LIST_SNAPSHOTS, remove_answered);
}

static void stats_answered(struct exchange *x, json_t *answer)
{
    struct storage_op *op = x->call->op;

    conclude(x, reply_stats(&op->stats, answer, x->volume.id, &op->err));
}

static void stats(struct storage *s, const struct volume *v, int64_t deadline_us,
                  struct storage_op *op)
{
    ask_by_id(exchange_of(s, v, NULL, deadline_us, op), READ_STATS, stats_answered);
}

static void history_answered(struct exchange *x, json_t *answer)
{
    struct storage_op *op = x->call->op;

    conclude(x, reply_history(&op->history, &op->history_count, answer, x->call->array->api_key,
                              &op->err));
}

static void history(struct storage *s, const struct volume *v, int64_t deadline_us,
                    struct storage_op *op)
{
    ask_by_id(exchange_of(s, v, NULL, deadline_us, op), READ_HISTORY, history_answered);
}

static void cancel(struct storage *s, struct storage_op *op)
{
    struct call *c = op->priv;

    if (!c)
        return;
    (void)err_set(&op->err, ERR_CANCELLED, "appliance '%s': the request was taken back",
                  ((struct elastistor *)s)->name);
    op->unsure = true;
    call_end(c);
}

/* ---- opening ------------------------------------------------------------------------------ */

static int check_conf(const struct storage_conf *conf, char **ret_host, struct err *e)
{
    AUTO_FREE char *host = NULL;
    const char *why = NULL;

    if (!(host = http_url_host(conf->url, &why)))
        return err_set(e, ERR_CONFIG,
                       "the 'url' of [appliance %s] %s: write https://HOST/client/api", conf->name,
                       why);
    if (!api_key_valid(conf->api_key))
        return err_set(e, ERR_CONFIG,
                       "appliance '%s' has no usable API key: write 'api_key = ...' below "
                       "[appliance %s] in the credentials file",
                       conf->name, conf->name);
    if (conf->fingerprint[0] && !fingerprint_valid(conf->fingerprint))
        return err_set(e, ERR_CONFIG,
                       "the 'fingerprint' of [appliance %s] is malformed: write sha256// and the "
                       "44 base64 characters of the public key's hash",
                       conf->name);
    if (conf->ca[0] && access(conf->ca, R_OK) < 0)
        return err_set_sys(e, ERR_CONFIG, errno, "cannot read 'ca' file '%s' of [appliance %s]",
                           conf->ca, conf->name);
    if (conf->timeout_ms <= 0)
        return err_set(e, ERR_CONFIG, "the 'timeout_ms' of [appliance %s] must be above 0",
                       conf->name);
    *ret_host = STEAL_PTR(host);
    return 0;
}

static int open_array(struct storage **ret, const struct storage_conf *conf, struct loop *loop,
                      struct err *e)
{
    const struct http_conf trust = {.ca = conf->ca, .fingerprint = conf->fingerprint};
    AUTO_FREE char *host = NULL;
    struct http *http;
    struct elastistor *a;

    if (check_conf(conf, &host, e) < 0)
        return -1;
    if (http_new(&http, loop_uv(loop), &trust, e) < 0)
        return err_prefix(e, "appliance '%s'", conf->name);
    a = xcalloc(1, sizeof(*a));
    a->base.ops = &elastistor_ops;
    a->name = xstrdup(conf->name);
    a->url = xstrdup(conf->url);
    a->host = STEAL_PTR(host);
    a->api_key = xstrdup(conf->api_key);
    a->timeout_us = (int64_t)conf->timeout_ms * 1000;
    a->http = http;
    a->uv = loop_uv(loop);
    *ret = &a->base;
    return 0;
}

static void close_array(struct storage *s)
{
    struct elastistor *a = (struct elastistor *)s;

    if (!a)
        return;
    http_free(a->http);
    free(a->name);
    free(a->url);
    free(a->host);
    text_wipe(a->api_key);
    free(a);
}

const struct storage_ops elastistor_ops = {
    .name = "elastistor",
    .open = open_array,
    .close = close_array,
    .list_volumes = list_volumes,
    .prepare = prepare,
    .snapshot = snapshot,
    .find_snapshot = find_snapshot,
    .remove_snapshot = remove_snapshot,
    .list_snapshots = elastistor_list_snapshots,
    .rollback = elastistor_rollback,
    .clone = elastistor_clone,
    .remove_volume = elastistor_remove_volume,
    .access = elastistor_access,
    .set_access = elastistor_set_access,
    .stats = stats,
    .history = history,
    .cancel = cancel,
};
