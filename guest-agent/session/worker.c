/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The worker thread; see worker.h. */
#include "guest-agent/session/worker.h"

#include <stdbool.h>
#include <stdlib.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/thread.h"

/* libmariadb with TLS needs some 60 KiB; MySQL's own client more */
#define WORKER_STACK_KIB 512

struct queue {
    struct worker_job *first, **last;
};

struct worker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct queue todo, finished;
    bool stop;
    uv_async_t wake;
};

static void put(struct queue *q, struct worker_job *job)
{
    job->next = NULL;
    *q->last = job;
    q->last = &job->next;
}

static struct worker_job *take(struct queue *q)
{
    struct worker_job *job = q->first;

    if (job) {
        q->first = job->next;
        if (!q->first)
            q->last = &q->first;
    }
    return job;
}

static struct worker_job *next_todo(struct worker *w)
{
    AUTO_LOCK(held, &w->lock);

    while (!w->stop && !w->todo.first)
        pthread_cond_wait(&w->more, &w->lock);
    return w->stop ? NULL : take(&w->todo);
}

static void *worker_body(void *arg)
{
    struct worker *w = arg;
    struct worker_job *job;

    while ((job = next_todo(w))) {
        job->run(job);
        pthread_mutex_lock(&w->lock);
        put(&w->finished, job);
        pthread_mutex_unlock(&w->lock);
        uv_async_send(&w->wake);
    }
    return NULL;
}

static struct worker_job *next_finished(struct worker *w)
{
    AUTO_LOCK(held, &w->lock);

    return take(&w->finished);
}

static void on_wake(uv_async_t *wake)
{
    struct worker *w = wake->data;
    struct worker_job *job;

    while ((job = next_finished(w)))
        job->done(job);
}

struct worker *worker_new(uv_loop_t *loop)
{
    struct worker *w = xcalloc(1, sizeof(*w));

    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->more, NULL);
    w->todo.last = &w->todo.first;
    w->finished.last = &w->finished.first;
    if (uv_async_init(loop, &w->wake, on_wake) != 0 ||
        thread_start(&w->thread, WORKER_STACK_KIB, worker_body, w) != 0)
        abort(); /* at start, out of descriptors or threads: there is no agent without it */
    w->wake.data = w;
    return w;
}

void worker_submit(struct worker *w, struct worker_job *job)
{
    AUTO_LOCK(held, &w->lock);

    put(&w->todo, job);
    pthread_cond_signal(&w->more);
}

static void on_closed(uv_handle_t *wake)
{
    free(wake->data);
}

int worker_free(struct worker *w, int wait_ms)
{
    struct timespec until;

    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->more);
    pthread_mutex_unlock(&w->lock);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += wait_ms / 1000;
    if (pthread_timedjoin_np(w->thread, NULL, &until) != 0)
        return -1;
    pthread_cond_destroy(&w->more);
    pthread_mutex_destroy(&w->lock);
    uv_close((uv_handle_t *)&w->wake, on_closed);
    return 0;
}
