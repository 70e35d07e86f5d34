/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The watchdog's thread and its four states; see watchdog.h. */
#include "guest-agent/session/watchdog.h"

#include <stdlib.h>
#include <time.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/thread.h"

/* fire() needs some system calls: a stack this small is always resident once locked */
#define WATCHDOG_STACK_KIB 128

enum phase { OFF, ARMED, FIRING, FIRED };

struct watchdog {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t change;
    enum phase phase;
    bool disarmed; /* while FIRING: nobody waits for the result any more */
    bool stop;
    int64_t at_us;
    void (*fire)(void *arg);
    void (*fired)(void *arg);
    void *arg;
    void (*later)(void *what);
    void *what;
};

static void wait_until(struct watchdog *w, int64_t at_us)
{
    struct timespec at = {.tv_sec = at_us / 1000000, .tv_nsec = (at_us % 1000000) * 1000};

    (void)pthread_cond_timedwait(&w->change, &w->lock, &at);
}

/* Called and left with the mutex held; given up while fire() runs. */
static void fire(struct watchdog *w)
{
    w->phase = FIRING;
    pthread_mutex_unlock(&w->lock);
    w->fire(w->arg);
    pthread_mutex_lock(&w->lock);
    w->phase = w->disarmed ? OFF : FIRED;
    w->disarmed = false;
    if (w->later)
        w->later(w->what);
    w->later = NULL;
    w->fired(w->arg);
}

static void *watchdog_body(void *arg)
{
    struct watchdog *w = arg;

    AUTO_LOCK(held, &w->lock);
    while (!w->stop) {
        if (w->phase != ARMED)
            pthread_cond_wait(&w->change, &w->lock);
        else if (mono_us() < w->at_us)
            wait_until(w, w->at_us);
        else
            fire(w);
    }
    return NULL;
}

struct watchdog *watchdog_new(void (*fire_fn)(void *arg), void (*fired)(void *arg), void *arg)
{
    struct watchdog *w = xcalloc(1, sizeof(*w));
    pthread_condattr_t attr;

    w->fire = fire_fn;
    w->fired = fired;
    w->arg = arg;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* a stepped wall clock must not hold it */
    pthread_cond_init(&w->change, &attr);
    pthread_condattr_destroy(&attr);
    if (thread_start(&w->thread, WATCHDOG_STACK_KIB, watchdog_body, w) != 0) {
        free(w);
        return NULL;
    }
    return w;
}

bool watchdog_arm(struct watchdog *w, int64_t at_us)
{
    AUTO_LOCK(held, &w->lock);

    if (w->phase == FIRING || w->phase == FIRED)
        return false;
    /* past its time but not yet woken: too late too, or a renewal could undo an end */
    if (w->phase == ARMED && mono_us() >= w->at_us)
        return false;
    w->phase = ARMED;
    w->at_us = at_us;
    pthread_cond_signal(&w->change);
    return true;
}

bool watchdog_disarm(struct watchdog *w)
{
    AUTO_LOCK(held, &w->lock);
    bool in_time = w->phase == OFF || w->phase == ARMED;

    if (w->phase == FIRING)
        w->disarmed = true;
    else
        w->phase = OFF;
    pthread_cond_signal(&w->change);
    return in_time;
}

bool watchdog_defer(struct watchdog *w, void (*later)(void *what), void *what)
{
    AUTO_LOCK(held, &w->lock);

    if (w->phase != FIRING)
        return false;
    w->later = later;
    w->what = what;
    return true;
}

bool watchdog_is_firing(struct watchdog *w)
{
    AUTO_LOCK(held, &w->lock);

    return w->phase == FIRING;
}

bool watchdog_has_fired(struct watchdog *w)
{
    AUTO_LOCK(held, &w->lock);

    return w->phase == FIRED;
}

int watchdog_free(struct watchdog *w, int wait_ms)
{
    struct timespec until;

    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->change);
    pthread_mutex_unlock(&w->lock);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 1 + wait_ms / 1000;
    if (pthread_timedjoin_np(w->thread, NULL, &until) != 0)
        return -1;
    pthread_cond_destroy(&w->change);
    pthread_mutex_destroy(&w->lock);
    free(w);
    return 0;
}
