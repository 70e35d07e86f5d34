/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A ring of the last requests as JSON; see reqlog.h. */
#include "tests/elastistor-sim/reqlog.h"
#include "tests/elastistor-sim/reply.h"
#include "proto/base/cleanup.h"

#include <string.h>
#include <strings.h>

#define KEPT 1024

struct reqlog {
    pthread_mutex_t lock;
    json_t *ring[KEPT]; /* oldest is dropped first */
    size_t n, next;
};

struct reqlog *reqlog_new(void)
{
    struct reqlog *l = xcalloc(1, sizeof(*l));

    pthread_mutex_init(&l->lock, NULL);
    return l;
}

void reqlog_free(struct reqlog *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < KEPT; i++)
        json_decref(l->ring[i]);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static json_t *without_key(const struct params *p)
{
    json_t *o = json_object();

    for (size_t i = 0; i < p->n; i++)
        if (strcasecmp(p->list[i].name, "apikey") != 0 &&
            strcasecmp(p->list[i].name, "command") != 0)
            put_text(o, p->list[i].name, "%s", p->list[i].value);
    return o;
}

void reqlog_add(struct reqlog *l, int64_t in_ms, int64_t out_ms, const char *command,
                const struct params *p, int status, const char *fault)
{
    json_t *o = json_object();

    put_int(o, "in_ms", in_ms);
    put_int(o, "out_ms", out_ms);
    put_text(o, "command", "%s", command);
    json_object_set_new(o, "params", without_key(p));
    put_int(o, "status", status);
    put_text(o, "fault", "%s", fault);
    AUTO_LOCK(held, &l->lock);
    json_decref(l->ring[l->next]);
    l->ring[l->next] = o;
    l->next = (l->next + 1) % KEPT;
    l->n += l->n < KEPT;
}

json_t *reqlog_show(struct reqlog *l, int64_t since_ms)
{
    json_t *list = json_array();

    AUTO_LOCK(held, &l->lock);
    for (size_t i = 0; i < l->n; i++) {
        json_t *o = l->ring[(l->next + KEPT - l->n + i) % KEPT];

        /* a copy: jansson's reference counts of our build may not be atomic */
        if (json_integer_value(json_object_get(o, "in_ms")) >= since_ms)
            json_array_append_new(list, json_deep_copy(o));
    }
    return list;
}
