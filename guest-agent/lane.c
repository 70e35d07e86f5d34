/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A thread that reads some of the sources; see lane.h. */
#include "guest-agent/lane.h"

#include <stdlib.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/thread.h"

/* ---- sources -----------------------------------------------------------------------------------
 */

void source_set_init(struct source_set *set, enum source_lane lane,
                     const struct source *const *sources, size_t count,
                     const struct source_config *config, int percent)
{
    *set = (struct source_set){.items = xcalloc(count + 1, sizeof(*set->items))};
    for (size_t n = 0; n < count; n++) {
        struct source_item *item = &set->items[set->count];
        int every_ms = sources[n]->every_ms;

        if (sources[n]->lane != lane)
            continue;
        item->source = sources[n];
        pace_init(&item->pace, every_ms == SOURCE_SLOW ? config->log_every_ms : every_ms, percent);
        set->count++;
    }
}

void source_set_open(struct source_set *set, const struct source_config *config)
{
    for (size_t n = 0; n < set->count; n++)
        set->items[n].self = set->items[n].source->open(config);
}

void source_set_release(struct source_set *set)
{
    for (size_t n = 0; n < set->count; n++) {
        if (set->items[n].self)
            set->items[n].source->close(set->items[n].self);
    }
    free(set->items);
}

bool source_item_read(struct source_item *item, int64_t due_us, struct sample *to)
{
    if (!item->self || !pace_due(&item->pace, due_us))
        return false;
    to->mono_us = mono_us();
    item->source->read(item->self, to);
    pace_spent(&item->pace, due_us, mono_us() - to->mono_us);
    return true;
}

/* ---- the thread --------------------------------------------------------------------------------
 */

/* What one source has read. */
#define LATE_US 1000000 /* a reading that takes so long keeps others from being made */

struct part {
    struct sample *sample; /* its mono_us is when */
    unsigned freezes;
    struct part *next;
};

struct lane {
    struct lane_config config;
    pthread_t thread;
    struct source_set set; /* the thread's while busy */
    pthread_mutex_t lock;
    pthread_cond_t work;
    bool stop, busy;
    int64_t due_us; /* of the round under way */
    struct part *first, **last;
};

static bool is_frozen(unsigned freezes)
{
    return freezes & 1;
}

static void put(struct lane *l, struct sample *sample, unsigned freezes)
{
    struct part *p = xcalloc(1, sizeof(*p));

    *p = (struct part){.sample = sample, .freezes = freezes};
    AUTO_LOCK(held, &l->lock);
    *l->last = p;
    l->last = &p->next;
}

static void read_round(struct lane *l, int64_t due_us)
{
    for (size_t n = 0; n < l->set.count; n++) {
        unsigned freezes = atomic_load(l->config.freezes);
        struct sample *sample;

        if (is_frozen(freezes))
            return;
        sample = sample_new(l->config.names);
        if (source_item_read(&l->set.items[n], due_us, sample))
            put(l, sample, freezes);
        else
            sample_free(sample);
    }
}

static void *lane_body(void *arg)
{
    struct lane *l = arg;
    int64_t due_us;

    source_set_open(&l->set, l->config.source);
    AUTO_LOCK(held, &l->lock);
    while (!l->stop) {
        if (!l->busy) {
            pthread_cond_wait(&l->work, &l->lock);
            continue;
        }
        due_us = l->due_us;
        pthread_mutex_unlock(&l->lock);
        read_round(l, due_us);
        pthread_mutex_lock(&l->lock);
        l->busy = false;
        pthread_mutex_unlock(&l->lock);
        l->config.progress(l->config.arg);
        pthread_mutex_lock(&l->lock);
    }
    return NULL;
}

struct lane *lane_new(const struct lane_config *config)
{
    struct lane *l = xcalloc(1, sizeof(*l));

    l->config = *config;
    l->last = &l->first;
    source_set_init(&l->set, config->lane, config->sources, config->source_count, config->source,
                    config->percent);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    if (thread_start(&l->thread, config->stack_kib, lane_body, l) != 0)
        abort(); /* at start, out of threads */
    return l;
}

static void drop(struct part *p)
{
    sample_free(p->sample);
    free(p);
}

int lane_free(struct lane *l, const struct timespec *until)
{
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_signal(&l->work);
    pthread_mutex_unlock(&l->lock);
    if (pthread_timedjoin_np(l->thread, NULL, until) != 0)
        return -1;
    while (l->first) {
        struct part *p = l->first;

        l->first = p->next;
        drop(p);
    }
    source_set_release(&l->set);
    pthread_cond_destroy(&l->work);
    pthread_mutex_destroy(&l->lock);
    free(l);
    return 0;
}

/* ---- rounds ------------------------------------------------------------------------------------
 */

/* Drops what does not count (any more). With the mutex held. */
static void sift(struct lane *l, int64_t not_before_us)
{
    unsigned freezes = atomic_load(l->config.freezes);
    struct part **at = &l->first, *p;

    while ((p = *at)) {
        if (p->freezes == freezes && p->sample->mono_us >= not_before_us) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        drop(p);
    }
    l->last = at;
}

static bool any_due(const struct lane *l, int64_t due_us)
{
    for (size_t n = 0; n < l->set.count; n++) {
        if (pace_due(&l->set.items[n].pace, due_us))
            return true;
    }
    return false;
}

enum lane_answer lane_ask(struct lane *l, int64_t due_us, int64_t not_before_us)
{
    AUTO_LOCK(held, &l->lock);
    sift(l, not_before_us);
    if (l->busy)
        return due_us - l->due_us >= LATE_US ? LANE_LATE : LANE_UNDER_WAY;
    if (l->first)
        return LANE_UNDER_WAY;
    if (!any_due(l, due_us))
        return LANE_ASKED;
    l->busy = true;
    l->due_us = due_us;
    pthread_cond_signal(&l->work);
    return LANE_ASKED;
}

bool lane_busy(struct lane *l)
{
    AUTO_LOCK(held, &l->lock);
    return l->busy;
}

void lane_take(struct lane *l, struct sample *to, int64_t not_before_us)
{
    struct part *list, *next;

    pthread_mutex_lock(&l->lock);
    sift(l, not_before_us);
    list = l->first;
    l->first = NULL;
    l->last = &l->first;
    pthread_mutex_unlock(&l->lock);
    for (; list; list = next) {
        next = list->next;
        sample_merge(to, list->sample);
        free(list);
    }
}
