/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests of the ElastiStor driver and what becomes of them; see calls.h. */
#include "host-coordinator/storage/calls.h"

#include <stdlib.h>

#include "host-coordinator/storage/reply.h"
#include "host-coordinator/storage/secret.h"
#include "host-coordinator/storage/words.h"
#include "proto/base/buf.h"
#include "proto/base/clock.h"

static const struct {
    const char *verb, *answer_key;
    bool changes;    /* something on the array */
    bool repeatable; /* doing it twice is as good as once: a second removal finds nothing left */
    bool slow;       /* not bound by timeout_ms in a slow call */
} commands[] = {
    [LIST_VOLUMES] = {"listFileSystem", "listFilesystemResponse", false, true, false},
    [TAKE_SNAPSHOT] = {"createStorageSnapshot", "createStorageSnapshotResponse", true, false,
                       false},
    [LIST_SNAPSHOTS] = {"listStorageSnapshots", "listDatasetSnapshotsResponse", false, true, false},
    [DELETE_SNAPSHOT] = {"deleteSnapshot", "deleteSnapshotResponse", true, true, false},
    [READ_STATS] = {"listFileSystem", "listFilesystemResponse", false, true, false},
    [READ_HISTORY] = {"monitorFileSystemQoS", "monitorFileSystemResponse", false, true, false},
    [ROLL_BACK] = {"rollbackToSnapshot", "rollbacktoshotresponse", true, true, true},
    [MAKE_CLONE] = {"cloneDatasetSnapshot", "cloneDatasetSnapshot", true, false, true},
    /* the job of a second one would find no volume, and fail */
    [DELETE_VOLUME] = {"deleteFileSystem", "deleteFileSystemResponse", true, false, false},
    [QUERY_JOB] = {"queryAsyncJobResult", "queryasyncjobresultresponse", false, true, false},
    [LIST_GROUPS] = {"listiSCSIInitiator", "listInitiatorsResponse", false, true, false},
    [READ_SERVICE] = {"listVolumeiSCSIService", "listVolumeiSCSIServiceResponse", false, true,
                      false},
    [SET_GROUP] = {"updateVolumeiSCSIService", "updatingvolumeiscsidetails", true, true, false},
};

/* ---- calls -------------------------------------------------------------------------------- */

static void free_timer(uv_handle_t *timer)
{
    free(timer);
}

static void forget_params(struct exchange *x)
{
    for (size_t i = 0; i < EXCHANGE_PARAMS; i++) {
        free(x->values[i]);
        x->values[i] = NULL;
    }
}

static void call_free(struct call *c)
{
    for (size_t i = 0; i < c->count; i++) {
        struct exchange *x = &c->exchanges[i];

        if (x->http)
            http_cancel(x->http);
        if (x->volume.id)
            volume_release(&x->volume);
        forget_params(x);
    }
    if (c->timer)
        uv_close((uv_handle_t *)c->timer, free_timer);
    free(c->back.clone);
    free(c->back.word);
    free(c->back.account);
    free(c->back.nobody);
    free(c->back.wanted);
    free(c->back.job);
    free(c->name);
    free(c);
}

void call_end(struct call *c)
{
    struct storage_op *op = c->op;

    call_free(c);
    op->priv = NULL;
    op->done = true;
}

struct call *call_new(struct storage *s, struct storage_op *op, size_t count, bool slow,
                      int64_t deadline_us, const char *name)
{
    struct elastistor *a = (struct elastistor *)s;
    struct call *c = xcalloc(1, sizeof(*c) + count * sizeof(c->exchanges[0]));
    int64_t latest_us = mono_us() + a->timeout_us;

    c->array = a;
    c->op = op;
    c->deadline_us = slow || deadline_us < latest_us ? deadline_us : latest_us;
    c->name = name ? xstrdup(name) : NULL;
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

static void on_pause_over(uv_timer_t *timer)
{
    struct exchange *x = timer->data;

    x->call->paused(x);
}

void call_pause(struct exchange *x, int64_t ms, void (*then)(struct exchange *x))
{
    struct call *c = x->call;
    /* rounded up, and libuv rounds down: at the deadline it is past, not just before */
    int64_t left_ms = (c->deadline_us - mono_us()) / 1000 + 2;

    if (!c->timer) {
        c->timer = xcalloc(1, sizeof(*c->timer));
        (void)uv_timer_init(c->array->uv, c->timer);
        c->timer->data = x;
    }
    if (left_ms < ms)
        ms = left_ms > 0 ? left_ms : 0;
    c->paused = then;
    uv_update_time(c->array->uv);
    (void)uv_timer_start(c->timer, on_pause_over, (uint64_t)ms, 0);
}

void call_place(struct exchange *x)
{
    words_place(x->call->array, commands[x->command].verb, &x->volume, &x->call->op->err);
}

void fail_call(struct exchange *x, bool unsure)
{
    struct call *c = x->call;

    call_place(x);
    c->op->unsure = unsure;
    call_end(c);
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
                       enum reply_refusal *ret_refusal, struct err *e)
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
        return words_no_answer(a, reply, commands[x->command].changes, e);
    if (reply_open(ret, &from, commands[x->command].answer_key, ret_refusal, e) == 0)
        return 0;
    if (e->code == ERR_CONFIG)
        return err_hint(e, "correct the api_key of [appliance %s] in the credentials file",
                        a->name);
    if (*ret_refusal == REPLY_NOT_IN)
        return err_hint(e, "is it being restarted? else correct 'url' in [appliance %s]", a->name);
    return -1;
}

static void on_reply(void *arg, const struct http_reply *reply)
{
    struct exchange *x = arg;
    struct call *c = x->call;
    struct storage_op *op = c->op;
    json_t *answer = NULL;
    enum reply_refusal refusal = REPLY_UNSURE;

    x->http = NULL;
    if (op->started_us == 0 || reply->started_us < op->started_us)
        op->started_us = reply->started_us;
    op->ended_us = reply->ended_us;
    if (worth_repeating(x, reply)) {
        x->repeated = true;
        send_request(x);
        return;
    }
    if (open_answer(x, reply, &answer, &refusal, &op->err) < 0) {
        bool may_be_done = commands[x->command].changes && reply->sent && refusal == REPLY_UNSURE;

        /* only the array's own refusal tells of what it has */
        if (refusal != REPLY_REFUSED || !c->refused || !c->refused(x))
            fail_call(x, c->begun || may_be_done);
        return;
    }
    x->answered(x, answer);
    json_decref(answer);
}

void conclude(struct exchange *x, int rc)
{
    struct call *c = x->call;

    if (rc < 0)
        fail_call(x, c->begun || commands[x->command].changes);
    else if (--c->pending == 0)
        call_end(c);
}

static void send_request(struct exchange *x)
{
    struct call *c = x->call;
    struct elastistor *a = c->array;
    struct query_param params[EXCHANGE_PARAMS + 1];
    int64_t deadline_us = c->deadline_us, own_us = mono_us() + a->timeout_us;
    struct buf url = BUF_INIT;
    size_t n = 0;

    for (; n < EXCHANGE_PARAMS && x->values[n]; n++)
        params[n] = (struct query_param){x->names[n], x->values[n]};
    params[n] = (struct query_param){NULL, NULL};
    if (!commands[x->command].slow && own_us < deadline_us)
        deadline_us = own_us;
    query_build(&url, a->url, commands[x->command].verb, a->api_key, params);
    x->http = http_get(a->http, buf_text(&url), !commands[x->command].repeatable, deadline_us,
                       on_reply, x);
    buf_wipe(&url);
}

void ask(struct exchange *x, enum command command, const struct query_param *params,
         answered_fn *answered)
{
    forget_params(x);
    for (size_t n = 0; n < EXCHANGE_PARAMS && params[n].name; n++) {
        x->names[n] = params[n].name;
        x->values[n] = xstrdup(params[n].value);
    }
    x->command = command;
    x->answered = answered;
    x->repeated = false;
    send_request(x);
}

void ask_by_id(struct exchange *x, enum command command, answered_fn *answered)
{
    ask(x, command, (const struct query_param[]){{"id", x->volume.id}, {NULL, NULL}}, answered);
}
