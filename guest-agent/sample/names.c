/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of metric names; see sample.h. */
#include "guest-agent/sample/names.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#define SLOTS (NAMES_MAX * 2) /* open addressing, at most half full */

struct names {
    pthread_mutex_t lock; /* for adding and looking up */
    /* entries below `count` never change: read without the lock */
    char *text[NAMES_MAX];
    atomic_size_t count;
    uint16_t slot[SLOTS]; /* id + 1; 0 is empty */
};

struct names *names_new(void)
{
    struct names *t = xcalloc(1, sizeof(*t));

    pthread_mutex_init(&t->lock, NULL);
    return t;
}

void names_free(struct names *t)
{
    if (!t)
        return;
    for (size_t n = 0; n < names_count(t); n++)
        free(t->text[n]);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

size_t names_count(const struct names *t)
{
    return atomic_load_explicit(&t->count, memory_order_acquire);
}

const char *names_at(const struct names *t, size_t id)
{
    return id < names_count(t) ? t->text[id] : NULL;
}

static size_t hash(const char *name)
{
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */

    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * UINT64_C(1099511628211);
    return (size_t)(h % SLOTS);
}

static int id_below(struct names *t, const char *name, size_t limit)
{
    size_t at = hash(name), count;

    AUTO_LOCK(held, &t->lock);
    while (t->slot[at]) {
        if (strcmp(t->text[t->slot[at] - 1], name) == 0)
            return t->slot[at] - 1;
        at = (at + 1) % SLOTS;
    }
    count = names_count(t);
    if (count >= limit)
        return -1;
    t->text[count] = xstrdup(name);
    t->slot[at] = (uint16_t)(count + 1);
    atomic_store_explicit(&t->count, count + 1, memory_order_release);
    return (int)count;
}

int names_id(struct names *t, const char *name)
{
    return id_below(t, name, NAMES_MAX);
}

int names_instance_id(struct names *t, const char *name)
{
    return id_below(t, name, NAMES_MAX - NAMES_FIXED);
}
