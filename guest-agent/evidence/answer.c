/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See answer.h. */
#include "guest-agent/evidence/answer.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "guest-agent/mysql/holding.h"
#include "guest-agent/sample/procinfo.h"
#include "guest-agent/session/login.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/thread.h"

#define EVERY_MS     100
#define NAMELESS_MAX 20
#define STACK_KIB    512 /* as the worker: it logs in */

struct answer_watch {
    struct mysql_login login;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool stop, done, has;
    uint32_t ms;
};

static struct timespec from_now(clockid_t clock, int ms)
{
    struct timespec t;

    clock_gettime(clock, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000L;
    t.tv_sec += t.tv_nsec / 1000000000L;
    t.tv_nsec %= 1000000000L;
    return t;
}

static bool pause_or_stop(struct answer_watch *w)
{
    const struct timespec until = from_now(CLOCK_MONOTONIC, EVERY_MS);

    AUTO_LOCK(held, &w->lock);
    if (!w->stop)
        (void)pthread_cond_timedwait(&w->change, &w->lock, &until);
    return w->stop;
}

static void note(struct answer_watch *w, pid_t pid, int64_t now_us)
{
    int64_t began_us = 0;

    const bool seen = pid && procinfo_started("", pid, &began_us);
    AUTO_LOCK(held, &w->lock);
    w->has = seen;
    w->ms = seen ? (uint32_t)((now_us - began_us) / 1000) : 0;
}

static void *watch_body(void *arg)
{
    struct answer_watch *w = arg;
    const char *configured = w->login.socket;
    struct mysql_login login = w->login;
    bool answered = false;
    pid_t pid = 0;

    login.socket = NULL;
    /* a server just recovered may be too busy to say which process it is: not for long */
    for (int nameless = 0; nameless < NAMELESS_MAX; nameless += answered) {
        (void)login_resolve(&login, configured);
        answered = holding_answers(&login, &pid, NULL) == 0;
        if ((answered && pid) || pause_or_stop(w))
            break;
    }
    if (answered)
        note(w, pid, procinfo_boot_now());
    AUTO_LOCK(held, &w->lock);
    w->done = true;
    pthread_cond_broadcast(&w->change);
    return NULL;
}

struct answer_watch *answer_watch_new(const struct mysql_login *login)
{
    struct answer_watch *w = xcalloc(1, sizeof(*w));
    pthread_condattr_t attr;

    w->login = *login;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* a guest that boots sets its clock */
    pthread_cond_init(&w->change, &attr);
    pthread_condattr_destroy(&attr);
    if (thread_start(&w->thread, STACK_KIB, watch_body, w) != 0)
        abort(); /* at start, out of threads */
    return w;
}

void answer_watch_stop(struct answer_watch *w)
{
    if (!w)
        return;
    AUTO_LOCK(held, &w->lock);
    w->stop = true;
    pthread_cond_broadcast(&w->change);
}

int answer_watch_free(struct answer_watch *w, int wait_ms)
{
    const struct timespec until = from_now(CLOCK_REALTIME, wait_ms); /* as the join counts */

    if (!w)
        return 0;
    answer_watch_stop(w);
    if (pthread_timedjoin_np(w->thread, NULL, &until) != 0)
        return -1;
    pthread_cond_destroy(&w->change);
    pthread_mutex_destroy(&w->lock);
    free(w);
    return 0;
}

bool answer_watch_took(struct answer_watch *w, int wait_ms, uint32_t *ret_ms)
{
    const struct timespec until = from_now(CLOCK_MONOTONIC, wait_ms);

    if (!w)
        return false;
    AUTO_LOCK(held, &w->lock);
    while (!w->done && !w->stop && pthread_cond_timedwait(&w->change, &w->lock, &until) == 0)
        ;
    if (w->has)
        *ret_ms = w->ms;
    return w->has;
}
