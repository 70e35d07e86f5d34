/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The beat, the lanes and the ring; see sampler.h. */
#include "guest-agent/sampler.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "guest-agent/lane.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/thread.h"

#define KERNEL_STACK_KIB 128
#define FILES_STACK_KIB  256
#define SERVER_STACK_KIB 256
#define WAIT_MAX_MS      200 /* for the other lanes, and never more than half the interval */
#define RING_BYTES       (1280 << 10) /* all of it is locked in memory: 12 MiB with the rest */
#define SAMPLE_BYTES_MIN 256
#define HANDED_MAX       8 /* samples that the loop has not fetched; it hangs when there are more */

struct sampler {
    struct sampler_config config;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool stop;
    int interval_ms;
    struct sample *handed[HANDED_MAX]; /* on their way to the loop */
    size_t handed_count;
    atomic_uint freezes; /* see lane.h */

    /* the beating thread's own */
    struct source_set kernel;
    struct lane *lanes[LANE_COUNT]; /* NULL for the kernel's */
    int64_t previous_us;            /* stamp of the previous sample */
    uint64_t missed;                /* since the start, late lanes and late beats */
    double took_ms;                 /* the previous sample; negative: none yet */

    /* the loop's own */
    uv_async_t wake;
    struct names *names; /* all use it */
    struct sample_ring *ring;
    uint64_t next;
    bool beat_ended; /* joined */
    void (*fresh)(void *arg);
    void *arg;
};

/* ---- one sample --------------------------------------------------------------------------------
 */

static bool is_quiet(struct sampler *s)
{
    return atomic_load(&s->freezes) & 1;
}

/* A bit for each lane that is to be waited for: one that is late already is not. */
static unsigned ask_lanes(struct sampler *s, int64_t due_us)
{
    unsigned asked = 0;

    for (int n = 0; n < LANE_COUNT; n++) {
        if (!s->lanes[n])
            continue;
        switch (lane_ask(s->lanes[n], due_us, s->previous_us)) {
        case LANE_ASKED:
            asked |= 1U << n;
            break;
        case LANE_LATE:
            s->missed++;
            break;
        case LANE_UNDER_WAY:
            break;
        }
    }
    return asked;
}

static void read_kernel(struct sampler *s, int64_t due_us, struct sample *to)
{
    int64_t stamp_us = to->mono_us;

    for (size_t n = 0; n < s->kernel.count; n++)
        (void)source_item_read(&s->kernel.items[n], due_us, to);
    to->mono_us = stamp_us;
}

static bool any_busy(struct sampler *s, unsigned asked)
{
    for (int n = 0; n < LANE_COUNT; n++) {
        if ((asked & 1U << n) && lane_busy(s->lanes[n]))
            return true;
    }
    return false;
}

static void wait_until(struct sampler *s, int64_t at_us)
{
    struct timespec at = {.tv_sec = at_us / 1000000, .tv_nsec = (at_us % 1000000) * 1000};

    (void)pthread_cond_timedwait(&s->change, &s->lock, &at);
}

static void wait_for_lanes(struct sampler *s, unsigned asked, int64_t until_us)
{
    AUTO_LOCK(held, &s->lock);
    while (!s->stop && !is_quiet(s) && any_busy(s, asked) && mono_us() < until_us)
        wait_until(s, until_us);
}

static void on_progress(void *arg)
{
    struct sampler *s = arg;

    AUTO_LOCK(held, &s->lock);
    pthread_cond_broadcast(&s->change);
}

static void emit_own(struct sampler *s, struct sample *to)
{
    if (s->took_ms >= 0)
        sample_emit(to, "agent.sample_time", s->took_ms);
    sample_emit(to, "agent.missed", (double)s->missed);
    s->took_ms = (double)(mono_us() - to->mono_us) / 1000;
}

static struct sample *read_one(struct sampler *s, int64_t due_us, int interval_ms)
{
    struct sample *sample = sample_new(s->names);
    int patience_ms = s->config.patience_ms;
    unsigned asked = is_quiet(s) ? 0 : ask_lanes(s, due_us);

    if (patience_ms == 0)
        patience_ms = interval_ms / 2 < WAIT_MAX_MS ? interval_ms / 2 : WAIT_MAX_MS;
    read_kernel(s, due_us, sample);
    wait_for_lanes(s, asked, sample->mono_us + (int64_t)patience_ms * 1000);
    for (int n = 0; n < LANE_COUNT; n++) {
        if (s->lanes[n])
            lane_take(s->lanes[n], sample, s->previous_us);
    }
    emit_own(s, sample);
    s->previous_us = sample->mono_us;
    return sample;
}

/* ---- the beat ----------------------------------------------------------------------------------
 */

/* The loop hangs: its oldest goes, and the one after it tells of the gap. */
static void drop_oldest(struct sampler *s)
{
    uint32_t lost = s->handed[0]->missed + 1;

    sample_free(s->handed[0]);
    s->handed_count--;
    memmove(s->handed, s->handed + 1, s->handed_count * sizeof(s->handed[0]));
    s->handed[0]->missed += lost;
}

/* Called with the mutex held. */
static void hand_over(struct sampler *s, struct sample *sample)
{
    if (s->handed_count == HANDED_MAX)
        drop_oldest(s);
    s->handed[s->handed_count++] = sample;
    uv_async_send(&s->wake);
}

/* Sleeps from the beat at *due_us to the next, or until stop. Returns the beats that are over by
 * then. A new interval counts at once. */
static uint32_t sleep_to_next(struct sampler *s, int64_t *due_us)
{
    int began_with = s->interval_ms;
    int64_t step, now, late;

    for (;;) {
        step = (int64_t)s->interval_ms * 1000;
        now = mono_us();
        if (s->stop || now >= *due_us + step)
            break;
        wait_until(s, *due_us + step);
    }
    late = now - (*due_us + step);
    if (late > 0 && s->interval_ms != began_with) { /* it was not due until now */
        *due_us = now;
        return 0;
    }
    late = late > 0 ? late / step : 0;
    *due_us += (late + 1) * step;
    return (uint32_t)late;
}

static void *sampler_body(void *arg)
{
    struct sampler *s = arg;
    int64_t due_us = mono_us();
    uint32_t missed = 0;

    source_set_open(&s->kernel, &s->config.source);
    AUTO_LOCK(held, &s->lock);
    while (!s->stop) {
        int interval_ms = s->interval_ms;
        struct sample *sample;

        pthread_mutex_unlock(&s->lock);
        s->missed += missed;
        sample = read_one(s, due_us, interval_ms);
        sample->missed = missed;
        pthread_mutex_lock(&s->lock);
        hand_over(s, sample);
        missed = sleep_to_next(s, &due_us);
    }
    return NULL;
}

/* ---- the loop ----------------------------------------------------------------------------------
 */

static void on_wake(uv_async_t *wake)
{
    struct sampler *s = wake->data;
    struct sample *got[HANDED_MAX];
    size_t count;

    pthread_mutex_lock(&s->lock);
    count = s->handed_count;
    memcpy(got, s->handed, count * sizeof(*got));
    s->handed_count = 0;
    pthread_mutex_unlock(&s->lock);
    for (size_t n = 0; n < count; n++) {
        sample_ring_forget(s->ring, got[n]->mono_us - (int64_t)s->config.history_s * 1000000);
        sample_ring_add(s->ring, got[n]);
        s->next++;
    }
    if (count)
        s->fresh(s->arg);
}

static struct sample_ring *make_ring(const struct sampler_config *c)
{
    /* as many as the fastest pace makes in that time, or as memory allows */
    int64_t most = (int64_t)c->history_s * 10, fit = RING_BYTES / SAMPLE_BYTES_MIN;

    return sample_ring_new((size_t)(most < fit ? most : fit), RING_BYTES);
}

static void start_lanes(struct sampler *s)
{
    static const size_t stacks[LANE_COUNT] = {
        [LANE_FILES] = FILES_STACK_KIB, [LANE_SERVER] = SERVER_STACK_KIB};
    struct lane_config c = {.sources = s->config.sources,
                            .source_count = s->config.source_count,
                            .source = &s->config.source,
                            .names = s->names,
                            .percent = s->config.cost_percent,
                            .freezes = &s->freezes,
                            .progress = on_progress,
                            .arg = s};

    source_set_init(&s->kernel, LANE_KERNEL, c.sources, c.source_count, c.source, 0);
    for (int n = 0; n < LANE_COUNT; n++) {
        if (n == LANE_KERNEL)
            continue;
        c.lane = (enum source_lane)n;
        c.stack_kib = stacks[n];
        s->lanes[n] = lane_new(&c);
    }
}

struct sampler *sampler_new(uv_loop_t *loop, const struct sampler_config *config,
                            void (*fresh)(void *arg), void *arg)
{
    struct sampler *s = xcalloc(1, sizeof(*s));
    pthread_condattr_t attr;

    s->config = *config;
    s->interval_ms = config->interval_ms;
    s->took_ms = -1;
    s->fresh = fresh;
    s->arg = arg;
    s->names = names_new();
    s->ring = make_ring(config);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->change, &attr);
    pthread_condattr_destroy(&attr);
    start_lanes(s);
    if (uv_async_init(loop, &s->wake, on_wake) != 0)
        abort(); /* at start, out of descriptors */
    s->wake.data = s;
    if (thread_start(&s->thread, KERNEL_STACK_KIB, sampler_body, s) != 0)
        abort(); /* at start, out of threads */
    return s;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static int stop_threads(struct sampler *s, int wait_ms)
{
    struct timespec until;

    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_broadcast(&s->change);
    pthread_mutex_unlock(&s->lock);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (wait_ms + 999) / 1000;
    if (!s->beat_ended && pthread_timedjoin_np(s->thread, NULL, &until) != 0)
        return -1;
    s->beat_ended = true;
    for (int n = 0; n < LANE_COUNT; n++) {
        if (s->lanes[n] && lane_free(s->lanes[n], &until) < 0)
            return -1;
        s->lanes[n] = NULL;
    }
    return 0;
}

int sampler_free(struct sampler *s, int wait_ms)
{
    if (stop_threads(s, wait_ms) < 0)
        return -1;
    for (size_t n = 0; n < s->handed_count; n++)
        sample_free(s->handed[n]);
    source_set_release(&s->kernel);
    sample_ring_free(s->ring);
    names_free(s->names);
    pthread_cond_destroy(&s->change);
    pthread_mutex_destroy(&s->lock);
    uv_close((uv_handle_t *)&s->wake, on_closed);
    return 0;
}

void sampler_quiet(struct sampler *s, bool on)
{
    AUTO_LOCK(held, &s->lock);
    if (is_quiet(s) == on)
        return;
    atomic_fetch_add(&s->freezes, 1);
    pthread_cond_broadcast(&s->change); /* nobody is waited for any more */
}

void sampler_hurry(struct sampler *s, int interval_ms)
{
    int wanted = interval_ms > 0 && interval_ms < s->config.interval_ms ? interval_ms
                                                                        : s->config.interval_ms;

    AUTO_LOCK(held, &s->lock);
    s->interval_ms = wanted;
    pthread_cond_broadcast(&s->change);
}

uint64_t sampler_first(const struct sampler *s)
{
    return s->next - sample_ring_count(s->ring);
}

uint64_t sampler_next(const struct sampler *s)
{
    return s->next;
}

const struct sample *sampler_at(const struct sampler *s, uint64_t number)
{
    return sample_ring_at(s->ring, (size_t)(number - sampler_first(s)));
}

const struct names *sampler_names(const struct sampler *s)
{
    return s->names;
}
