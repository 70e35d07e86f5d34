/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sampling thread and the ring; see sampler.h. */
#include "guest-agent/sampler.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "guest-agent/mysql/status.h"
#include "guest-agent/sample/os.h"
#include "guest-agent/session/login.h"
#include "guest-agent/session/worker.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#define SAMPLER_STACK_KIB 512
#define RING_BYTES        (4 << 20) /* whatever interval and history ask for */
#define HANDED_MAX        8 /* samples that the loop has not fetched; it hangs when there are more */

struct sampler {
    struct sampler_config config;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool stop;
    int interval_ms;
    struct sample *handed[HANDED_MAX]; /* on their way to the loop */
    size_t handed_count;
    atomic_bool quiet;

    /* the thread's own */
    struct os_sampler *os;
    struct mysql_sampler *mysql;
    struct mysql_login login;
    bool failing; /* told once per outage */

    /* the loop's own */
    uv_async_t wake;
    struct names *names; /* both use it */
    struct sample_ring *ring;
    uint64_t next;
    void (*fresh)(void *arg);
    void *arg;
};

/* ---- the thread --------------------------------------------------------------------------------
 */

static void read_server(struct sampler *s, struct sample *to)
{
    struct err e = ERR_INIT;

    if (login_resolve(&s->login, s->config.login.socket)) {
        mysql_status_free(s->mysql);
        s->mysql =
            mysql_status_new(&(struct mysql_sampler_config){.login = &s->login,
                                                            .trx_long_s = s->config.trx_long_s,
                                                            .statements = STATEMENTS_DIGEST});
    }
    if (mysql_status_read(s->mysql, to, &e) < 0) {
        if (!s->failing)
            log_warn("no samples of the server: %s", e.msg);
        s->failing = true;
        return;
    }
    if (s->failing)
        log_info("samples of the server again");
    s->failing = false;
}

static struct sample *read_one(struct sampler *s, uint32_t missed)
{
    struct sample *sample = sample_new(s->names);

    sample->missed = missed;
    os_sampler_read(s->os, sample);
    if (!atomic_load(&s->quiet))
        read_server(s, sample);
    return sample;
}

/* Called with the mutex held. */
static void hand_over(struct sampler *s, struct sample *sample)
{
    if (s->handed_count == HANDED_MAX) {
        s->handed[0]->missed++;
        sample_free(sample);
        return;
    }
    s->handed[s->handed_count++] = sample;
    uv_async_send(&s->wake);
}

/* Until the time or until stop. */
static void sleep_until(struct sampler *s, int64_t at_us)
{
    struct timespec at = {.tv_sec = at_us / 1000000, .tv_nsec = (at_us % 1000000) * 1000};

    while (!s->stop && mono_us() < at_us)
        (void)pthread_cond_timedwait(&s->change, &s->lock, &at);
}

static void *sampler_body(void *arg)
{
    struct sampler *s = arg;
    int64_t due = mono_us(), late;
    uint32_t missed = 0;

    AUTO_LOCK(held, &s->lock);
    while (!s->stop) {
        struct sample *sample;
        int64_t step = (int64_t)s->interval_ms * 1000;

        pthread_mutex_unlock(&s->lock);
        sample = read_one(s, missed);
        pthread_mutex_lock(&s->lock);
        hand_over(s, sample);
        due += step;
        late = mono_us() - due;
        missed = late > 0 ? (uint32_t)(late / step) : 0;
        due += missed * step;
        sleep_until(s, due);
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
        sample_ring_add(s->ring, got[n]);
        s->next++;
    }
    if (count)
        s->fresh(s->arg);
}

struct sampler *sampler_new(uv_loop_t *loop, const struct sampler_config *config,
                            void (*fresh)(void *arg), void *arg)
{
    struct sampler *s = xcalloc(1, sizeof(*s));
    int64_t capacity = (int64_t)config->history_s * 1000 / config->interval_ms;
    pthread_condattr_t attr;

    s->config = *config;
    s->interval_ms = config->interval_ms;
    s->fresh = fresh;
    s->arg = arg;
    s->names = names_new();
    s->os = os_sampler_new("");
    s->ring = sample_ring_new(capacity > 0 ? (size_t)capacity : 1, RING_BYTES);
    s->login = config->login;
    s->login.socket = NULL;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->change, &attr);
    pthread_condattr_destroy(&attr);
    if (uv_async_init(loop, &s->wake, on_wake) != 0 ||
        thread_start(&s->thread, SAMPLER_STACK_KIB, sampler_body, s) != 0)
        abort(); /* at start, out of descriptors or threads */
    s->wake.data = s;
    return s;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

int sampler_free(struct sampler *s, int wait_ms)
{
    struct timespec until;

    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->change);
    pthread_mutex_unlock(&s->lock);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (wait_ms + 999) / 1000;
    if (pthread_timedjoin_np(s->thread, NULL, &until) != 0)
        return -1;
    for (size_t n = 0; n < s->handed_count; n++)
        sample_free(s->handed[n]);
    os_sampler_free(s->os);
    mysql_status_free(s->mysql);
    sample_ring_free(s->ring);
    names_free(s->names);
    pthread_cond_destroy(&s->change);
    pthread_mutex_destroy(&s->lock);
    uv_close((uv_handle_t *)&s->wake, on_closed);
    return 0;
}

void sampler_quiet(struct sampler *s, bool on)
{
    atomic_store(&s->quiet, on);
}

void sampler_hurry(struct sampler *s, int interval_ms)
{
    int wanted = interval_ms > 0 && interval_ms < s->config.interval_ms ? interval_ms
                                                                        : s->config.interval_ms;

    AUTO_LOCK(held, &s->lock);
    s->interval_ms = wanted;
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
