/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations of the ElastiStor driver, each one or more requests; see elastistor.h. */
#include "host-coordinator/storage/elastistor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host-coordinator/storage/http.h"
#include "host-coordinator/storage/query.h"
#include "host-coordinator/storage/reply.h"
#include "host-coordinator/storage/secret.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

enum command {
    LIST_VOLUMES,
    TAKE_SNAPSHOT,
    LIST_SNAPSHOTS,
    DELETE_SNAPSHOT,
    READ_STATS,
    READ_HISTORY
};

static const struct {
    const char *verb, *answer_key;
    bool changes;    /* something on the array */
    bool repeatable; /* doing it twice is as good as once: a second removal finds nothing left */
} commands[] = {
    [LIST_VOLUMES] = {"listFileSystem", "listFilesystemResponse", false, true},
    [TAKE_SNAPSHOT] = {"createStorageSnapshot", "createStorageSnapshotResponse", true, false},
    [LIST_SNAPSHOTS] = {"listStorageSnapshots", "listDatasetSnapshotsResponse", false, true},
    [DELETE_SNAPSHOT] = {"deleteSnapshot", "deleteSnapshotResponse", true, true},
    [READ_STATS] = {"listFileSystem", "listFilesystemResponse", false, true},
    [READ_HISTORY] = {"monitorFileSystemQoS", "monitorFileSystemResponse", false, true},
};

struct elastistor {
    struct storage base;
    char *name, *url, *host, *api_key;
    int64_t timeout_us;
    struct http *http;
};

struct call;

/* One request of an operation, repeated once at most. */
struct exchange {
    struct call *call;
    struct http_request *http; /* NULL when none is under way */
    enum command command;
    struct volume volume; /* empty for LIST_VOLUMES */
    char *path;           /* of the snapshot, for DELETE_SNAPSHOT */
    bool repeated;
};

/* What an operation is made of; hangs on storage_op.priv until done. */
struct call {
    struct elastistor *array;
    struct storage_op *op;
    int64_t deadline_us;
    char *name; /* of the snapshot, or NULL */
    /* What to do with a good answer: ends the call, or sends the exchange's next request. */
    void (*answered)(struct exchange *x, json_t *answer);
    size_t pending;
    size_t count;
    struct exchange exchanges[];
};

/* ---- calls -------------------------------------------------------------------------------- */

static void call_free(struct call *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->exchanges[i].http)
            http_cancel(c->exchanges[i].http);
        if (c->exchanges[i].volume.id)
            volume_release(&c->exchanges[i].volume);
        free(c->exchanges[i].path);
    }
    free(c->name);
    free(c);
}

/* Ends the operation as op->err says; what is still under way is dropped. */
static void finish(struct call *c)
{
    struct storage_op *op = c->op;

    call_free(c);
    op->priv = NULL;
    op->done = true;
}

static struct call *call_new(struct storage *s, struct storage_op *op, size_t count,
                             int64_t deadline_us,
                             void (*answered)(struct exchange *x, json_t *answer))
{
    struct elastistor *a = (struct elastistor *)s;
    struct call *c = xcalloc(1, sizeof(*c) + count * sizeof(c->exchanges[0]));
    int64_t latest_us = mono_us() + a->timeout_us;

    c->array = a;
    c->op = op;
    c->deadline_us = deadline_us < latest_us ? deadline_us : latest_us;
    c->answered = answered;
    c->count = c->pending = count;
    for (size_t i = 0; i < count; i++)
        c->exchanges[i].call = c;
    op->done = false;
    op->err = ERR_INIT;
    op->unsure = false;
    op->started_us = op->ended_us = 0;
    op->priv = c;
    return c;
}

/* ---- words -------------------------------------------------------------------------------- */

/* "appliance 'east': createStorageSnapshot of volume 'vol01': " before what is in e */
static void name_the_place(const struct exchange *x, struct err *e)
{
    const struct elastistor *a = x->call->array;
    char safe[SAFE_TEXT_MAX];

    if (x->volume.name)
        (void)err_prefix(e, "appliance '%s': %s of volume '%s'", a->name, commands[x->command].verb,
                         safe_text(safe, x->volume.name, a->api_key));
    else
        (void)err_prefix(e, "appliance '%s': %s", a->name, commands[x->command].verb);
}

static int untrusted(const struct elastistor *a, enum http_outcome outcome, const char *words,
                     struct err *e)
{
    if (outcome == HTTP_WRONG_KEY)
        return err_set(e, ERR_CONFIG,
                       "'%s' shows another public key than the 'fingerprint' of [appliance %s]: "
                       "make sure that it is the right machine, then correct the fingerprint",
                       a->host, a->name);
    if (outcome == HTTP_BAD_CA)
        return err_set(e, ERR_CONFIG, "the 'ca' file of [appliance %s] holds no usable certificate",
                       a->name);
    return err_set(e, ERR_CONFIG,
                   "the certificate of '%s' is not trusted: %s: set 'ca' or 'fingerprint' in "
                   "[appliance %s]",
                   a->host, words, a->name);
}

/* No whole answer came: says why, and whether the array may have acted all the same. */
static int no_answer(const struct exchange *x, const struct http_reply *reply, struct err *e)
{
    const struct elastistor *a = x->call->array;
    const char *unknown =
        reply->sent && commands[x->command].changes ? "; whether it was done is unknown" : "";
    long ms = (long)((reply->ended_us - reply->started_us) / 1000);
    char words[SAFE_TEXT_MAX];

    (void)safe_text(words, reply->reason, a->api_key);
    switch (reply->outcome) {
    case HTTP_TIMED_OUT:
        if (!reply->sent)
            return err_set(e, ERR_TIMEOUT, "no connection to '%s' in %ld ms", a->host, ms);
        return err_set(e, ERR_TIMEOUT, "no answer in %ld ms%s", ms, unknown);
    case HTTP_NO_HOST:
        return err_set(e, ERR_CONFIG, "host '%s' is not known: correct 'url' in [appliance %s]",
                       a->host, a->name);
    case HTTP_NO_CONNECTION:
        return err_set(e, ERR_STORAGE, "cannot connect to '%s': %s", a->host, words);
    case HTTP_UNTRUSTED:
    case HTTP_WRONG_KEY:
    case HTTP_BAD_CA:
        return untrusted(a, reply->outcome, words, e);
    case HTTP_TOO_LARGE:
        return err_set(e, ERR_STORAGE, "the answer is larger than %zu MiB%s", HTTP_BODY_MAX >> 20,
                       unknown);
    case HTTP_MALFORMED:
        return err_set(e, ERR_STORAGE, "the answer is damaged: %s%s", words, unknown);
    case HTTP_BROKEN:
        return err_set(e, ERR_STORAGE, "the connection broke before the answer was whole%s",
                       unknown);
    default:
        return err_set(e, ERR_STORAGE, "the request failed: %s%s", words, unknown);
    }
}

/* ---- exchanges ---------------------------------------------------------------------------- */

static void send_request(struct exchange *x);

static bool worth_repeating(const struct exchange *x, const struct http_reply *reply)
{
    return commands[x->command].repeatable && !x->repeated &&
           (reply->outcome == HTTP_NO_CONNECTION || reply->outcome == HTTP_BROKEN) &&
           mono_us() < x->call->deadline_us;
}

static int open_answer(const struct exchange *x, const struct http_reply *reply, json_t **ret,
                       bool *ret_refused, struct err *e)
{
    const struct elastistor *a = x->call->array;
    const struct reply_source from = {
        .status = reply->status,
        .body = reply->body,
        .body_len = reply->body_len,
        .content_type = reply->content_type,
        .api_key = a->api_key,
    };

    if (reply->outcome != HTTP_ANSWERED)
        return no_answer(x, reply, e);
    if (reply_open(ret, &from, commands[x->command].answer_key, ret_refused, e) == 0)
        return 0;
    if (e->code == ERR_AUTH)
        return err_hint(e, "correct the api_key of [appliance %s] in the credentials file",
                        a->name);
    if (e->code == ERR_CONFIG)
        return err_hint(e, "correct 'url' in [appliance %s]", a->name);
    return -1;
}

static void on_reply(void *arg, const struct http_reply *reply)
{
    struct exchange *x = arg;
    struct call *c = x->call;
    struct storage_op *op = c->op;
    json_t *answer = NULL;
    bool refused = false;

    x->http = NULL;
    if (op->started_us == 0 || reply->started_us < op->started_us)
        op->started_us = reply->started_us;
    op->ended_us = reply->ended_us;
    if (worth_repeating(x, reply)) {
        x->repeated = true;
        send_request(x);
        return;
    }
    if (open_answer(x, reply, &answer, &refused, &op->err) < 0) {
        /* somebody else removed it between our look and our request: what was wanted */
        if (x->command == DELETE_SNAPSHOT && op->err.code == ERR_NOT_FOUND)
            op->err = ERR_INIT;
        else
            name_the_place(x, &op->err);
        /* only the array's own refusal is a sure no */
        op->unsure = err_is_set(&op->err) && reply->sent && !refused;
        finish(c);
        return;
    }
    c->answered(x, answer);
    json_decref(answer);
}

/* Every good answer ends here, with rc as its reader returned. */
static void conclude(struct exchange *x, int rc)
{
    struct call *c = x->call;

    if (rc < 0) {
        name_the_place(x, &c->op->err);
        c->op->unsure = true;
    }
    if (rc < 0 || --c->pending == 0)
        finish(c);
}

static void send_request(struct exchange *x)
{
    struct call *c = x->call;
    struct elastistor *a = c->array;
    struct query_param params[4];
    struct buf url = BUF_INIT;
    size_t n = 0;

    if (x->volume.id)
        params[n++] = (struct query_param){"id", x->volume.id};
    if (x->command == TAKE_SNAPSHOT)
        params[n++] = (struct query_param){"name", c->name};
    if (x->command == DELETE_SNAPSHOT)
        params[n++] = (struct query_param){"path", x->path};
    params[n] = (struct query_param){NULL, NULL};
    query_build(&url, a->url, commands[x->command].verb, a->api_key, params);
    x->http = http_get(a->http, buf_text(&url), !commands[x->command].repeatable, c->deadline_us,
                       on_reply, x);
    buf_wipe(&url);
}

/* ---- operations --------------------------------------------------------------------------- */

static void volumes_answered(struct exchange *x, json_t *answer)
{
    struct storage_op *op = x->call->op;

    conclude(x, reply_volumes(&op->volumes, &op->volume_count, answer, x->call->array->api_key,
                              &op->err));
}

static void list_volumes(struct storage *s, int64_t deadline_us, struct storage_op *op)
{
    struct call *c = call_new(s, op, 1, deadline_us, volumes_answered);

    c->exchanges[0].command = LIST_VOLUMES;
    send_request(&c->exchanges[0]);
}

static void any_answered(struct exchange *x, json_t *answer)
{
    (void)answer;
    conclude(x, 0);
}

static void prepare(struct storage *s, const struct volume *volumes, size_t count,
                    int64_t deadline_us, struct storage_op *op)
{
    struct call *c = call_new(s, op, count > 0 ? count : 1, deadline_us, any_answered);

    /* no volumes: one request that needs none, so that it ends like any other */
    c->exchanges[0].command = LIST_VOLUMES;
    for (size_t i = 0; i < count; i++) {
        c->exchanges[i].command = LIST_SNAPSHOTS;
        volume_copy(&c->exchanges[i].volume, &volumes[i]);
    }
    for (size_t i = 0; i < c->count; i++)
        send_request(&c->exchanges[i]);
}

/* Starts one request about one volume, or about one snapshot of it (`name`, else NULL). */
static void start_one(struct storage *s, const struct volume *v, const char *name,
                      enum command command, int64_t deadline_us, struct storage_op *op,
                      void (*answered)(struct exchange *x, json_t *answer))
{
    struct call *c = call_new(s, op, 1, deadline_us, answered);

    c->name = name ? xstrdup(name) : NULL;
    c->exchanges[0].command = command;
    volume_copy(&c->exchanges[0].volume, v);
    send_request(&c->exchanges[0]);
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
    start_one(s, v, name, TAKE_SNAPSHOT, deadline_us, op, taken_answered);
}

static int look_up(struct exchange *x, json_t *answer, struct reply_snapshot *ret)
{
    struct call *c = x->call;

    return reply_find(ret, answer, c->name, c->array->api_key, &c->op->err);
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
    start_one(s, v, name, LIST_SNAPSHOTS, deadline_us, op, find_answered);
}

/* The array deletes by path, which only its list tells. */
static void remove_answered(struct exchange *x, json_t *answer)
{
    struct reply_snapshot found = {.path = NULL};

    if (x->command == DELETE_SNAPSHOT) {
        conclude(x, reply_deleted(answer, &x->call->op->err));
        return;
    }
    if (look_up(x, answer, &found) < 0 || !found.path) {
        conclude(x, err_is_set(&x->call->op->err) ? -1 : 0);
        return;
    }
    x->command = DELETE_SNAPSHOT;
    x->path = found.path;
    x->repeated = false;
    free(found.time);
    send_request(x);
}

static void remove_snapshot(struct storage *s, const struct volume *v, const char *name,
                            int64_t deadline_us, struct storage_op *op)
{
    start_one(s, v, name, LIST_SNAPSHOTS, deadline_us, op, remove_answered);
}

static void stats_answered(struct exchange *x, json_t *answer)
{
    struct storage_op *op = x->call->op;

    conclude(x, reply_stats(&op->stats, answer, x->volume.id, &op->err));
}

static void stats(struct storage *s, const struct volume *v, int64_t deadline_us,
                  struct storage_op *op)
{
    start_one(s, v, NULL, READ_STATS, deadline_us, op, stats_answered);
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
    start_one(s, v, NULL, READ_HISTORY, deadline_us, op, history_answered);
}

static void cancel(struct storage *s, struct storage_op *op)
{
    struct call *c = op->priv;

    if (!c)
        return;
    (void)err_set(&op->err, ERR_CANCELLED, "appliance '%s': the request was taken back",
                  ((struct elastistor *)s)->name);
    op->unsure = true;
    finish(c);
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
    .stats = stats,
    .history = history,
    .cancel = cancel,
};
