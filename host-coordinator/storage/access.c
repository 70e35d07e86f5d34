/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Telling and setting who may use a volume: account, groups, service, and back; see access.h. */
#include "host-coordinator/storage/access.h"

#include <stdlib.h>
#include <string.h>

#include "host-coordinator/storage/reply.h"
#include "proto/base/buf.h"

static void ask_service(struct exchange *x, answered_fn *answered)
{
    const struct query_param params[] = {{"storageid", x->volume.id}, {NULL, NULL}};

    ask(x, READ_SERVICE, params, answered);
}

static int read_service(struct exchange *x, json_t *answer, struct reply_service *ret)
{
    struct call *c = x->call;

    return reply_service(ret, answer, x->volume.id, c->array->api_key, &c->op->err);
}

/* ---- setting ------------------------------------------------------------------------------ */

/* The array said that it did it: only what it tells when asked counts. */
static void read_back(struct exchange *x, json_t *answer)
{
    struct call *c = x->call;
    struct reply_service found = {.id = NULL};
    int rc = read_service(x, answer, &found);

    if (rc == 0 && strcmp(found.group, c->back.wanted) != 0)
        rc = err_set(&c->op->err, ERR_STORAGE,
                     "was changed to initiator group '%s', and still has '%s'", c->back.wanted,
                     found.group);
    free(found.id);
    free(found.group);
    if (rc < 0)
        conclude(x, rc);
    else
        c->back.then(x);
}

static void set_answered(struct exchange *x, json_t *answer)
{
    struct call *c = x->call;

    if (reply_service_set(answer, &c->op->err) < 0) {
        conclude(x, -1);
        return;
    }
    c->begun = c->begun || c->back.access_is_all;
    ask_service(x, read_back);
}

/*
 * Asked for even if it is so already: a change whose outcome is unknown may have reached the
 * array's database and not the node that serves the volume. A new clone has no such past.
 */
static void set_group(struct exchange *x, const struct reply_service *service)
{
    struct going_back *b = &x->call->back;
    const struct query_param params[] = {{"id", service->id}, {"igid", b->wanted}, {NULL, NULL}};

    if (b->clone && strcmp(service->group, b->wanted) == 0)
        b->then(x);
    else
        ask(x, SET_GROUP, params, set_answered);
}

/* ---- finding ------------------------------------------------------------------------------ */

static void service_answered(struct exchange *x, json_t *answer)
{
    struct call *c = x->call;
    struct reply_service found = {.id = NULL};
    int rc = read_service(x, answer, &found);

    if (rc == 0 && c->back.wanted) {
        set_group(x, &found);
    } else {
        if (rc == 0)
            c->op->access = xstrdup(strcmp(found.group, c->back.nobody) == 0 ? "" : found.group);
        conclude(x, rc);
    }
    free(found.id);
    free(found.group);
}

static void groups_answered(struct exchange *x, json_t *answer)
{
    struct call *c = x->call;
    struct going_back *b = &c->back;
    bool listed = false;
    int rc = reply_groups(&b->nobody, &listed, answer, b->word, c->array->api_key, &c->op->err);

    if (rc == 0 && b->word && *b->word && !listed)
        rc = err_set(&c->op->err, ERR_STORAGE, "the account has no initiator group of id '%.64s'",
                     b->word);
    if (rc < 0) {
        conclude(x, rc);
        return;
    }
    if (b->word)
        b->wanted = xstrdup(*b->word ? b->word : b->nobody);
    ask_service(x, service_answered);
}

static void ask_groups(struct exchange *x)
{
    const struct query_param params[] = {{"accountid", x->call->back.account}, {NULL, NULL}};

    ask(x, LIST_GROUPS, params, groups_answered);
}

static void account_answered(struct exchange *x, json_t *answer)
{
    struct call *c = x->call;

    if (reply_account(&c->back.account, answer, &x->volume, c->array->api_key, &c->op->err) < 0)
        conclude(x, -1);
    else
        ask_groups(x);
}

static void ask_account(struct exchange *x)
{
    if (x->call->back.account)
        ask_groups(x);
    else
        ask_by_id(x, LIST_VOLUMES, account_answered);
}

/* ---- operations --------------------------------------------------------------------------- */

void access_take(struct exchange *x, void (*then)(struct exchange *x))
{
    x->call->back.word = xstrdup("");
    x->call->back.then = then;
    ask_account(x);
}

static struct exchange *new_exchange(struct storage *s, const struct volume *v, int64_t deadline_us,
                                     struct storage_op *op)
{
    struct call *c = call_new(s, op, 1, false, deadline_us, NULL);

    volume_copy(&c->exchanges[0].volume, v);
    return &c->exchanges[0];
}

void elastistor_access(struct storage *s, const struct volume *v, int64_t deadline_us,
                       struct storage_op *op)
{
    ask_account(new_exchange(s, v, deadline_us, op));
}

static void is_set(struct exchange *x)
{
    conclude(x, 0);
}

void elastistor_set_access(struct storage *s, const struct volume *v, const char *word,
                           int64_t deadline_us, struct storage_op *op)
{
    struct exchange *x = new_exchange(s, v, deadline_us, op);

    x->call->back.word = xstrdup(word);
    x->call->back.access_is_all = true;
    x->call->back.then = is_set;
    ask_account(x);
}
