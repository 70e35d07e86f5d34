/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sleeping on a condition that the end of the program signals; see pause.h. */
#include "tests/elastistor-sim/pause.h"
#include "proto/base/cleanup.h"

#include <errno.h>
#include <time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool stopped;

static void init(void)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attr);
    pthread_condattr_destroy(&attr);
}

bool pause_ms(int64_t ms)
{
    struct timespec until;

    pthread_once(&once, init);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    AUTO_LOCK(held, &lock);
    while (!stopped)
        if (pthread_cond_timedwait(&changed, &lock, &until) == ETIMEDOUT)
            break;
    return !stopped;
}

void pause_stop(void)
{
    pthread_once(&once, init);
    AUTO_LOCK(held, &lock);
    stopped = true;
    pthread_cond_broadcast(&changed);
}

bool pause_stopped(void)
{
    AUTO_LOCK(held, &lock);
    return stopped;
}

int64_t epoch_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
