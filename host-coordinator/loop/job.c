/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Blocking calls, each in a thread of its own, that may be abandoned; see loop.h. */
#include "host-coordinator/loop/loop_internal.h"

#include <signal.h>
#include <stdlib.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

struct job {
    struct job *next;
    struct mailbox *mailbox;
    job_fn *run;
    void *arg;
    void (*release)(void *arg);
    struct err err;
    int rc;
    /* Under the mailbox's mutex. Whoever comes second of the two frees the job. */
    bool finished, abandoned;
    bool done; /* the loop thread's own view of `finished` */
};

struct mailbox *mailbox_new(uv_async_t *wake)
{
    struct mailbox *m = xcalloc(1, sizeof(*m));

    (void)pthread_mutex_init(&m->mutex, NULL);
    m->refs = 1;
    m->wake = wake;
    return m;
}

static void mailbox_unref(struct mailbox *m)
{
    unsigned left;

    {
        AUTO_LOCK(lock, &m->mutex);
        left = --m->refs;
    }
    if (left > 0)
        return;
    (void)pthread_mutex_destroy(&m->mutex);
    free(m);
}

static void job_free(struct job *j)
{
    mailbox_unref(j->mailbox);
    free(j);
}

/* Takes it off the list and gives it up; true if the thread still runs and will free it. */
static bool abandon_locked(struct job *j)
{
    struct job **at = &j->mailbox->jobs;

    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    j->abandoned = true;
    return !j->finished;
}

void mailbox_close(struct mailbox *m)
{
    struct job *ended = NULL;

    {
        AUTO_LOCK(lock, &m->mutex);
        m->wake = NULL;
        while (m->jobs) {
            struct job *j = m->jobs;

            if (!abandon_locked(j)) {
                j->next = ended;
                ended = j;
            }
        }
    }
    while (ended) {
        struct job *j = ended;

        ended = j->next;
        if (j->release)
            j->release(j->arg);
        job_free(j);
    }
    mailbox_unref(m);
}

void mailbox_collect(struct mailbox *m)
{
    AUTO_LOCK(lock, &m->mutex);

    for (struct job *j = m->jobs; j; j = j->next)
        j->done = j->finished;
}

static void *job_main(void *opaque)
{
    struct job *j = opaque;
    struct mailbox *m = j->mailbox;
    bool abandoned;

    j->rc = j->run(j->arg, &j->err);
    {
        AUTO_LOCK(lock, &m->mutex);
        abandoned = j->abandoned;
        j->finished = true;
        if (!abandoned) {
            m->refs++; /* from here on the job may vanish, and its reference with it */
            (void)uv_async_send(m->wake);
        }
    }
    if (abandoned) {
        if (j->release)
            j->release(j->arg);
        job_free(j);
    } else {
        mailbox_unref(m);
    }
    return NULL;
}

/* Signals are the main thread's: a blocking call must not come back early for one. */
static int start_detached(struct job *j)
{
    sigset_t all, before;
    pthread_attr_t attr;
    pthread_t thread;
    int rc;

    (void)sigfillset(&all);
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&thread, &attr, job_main, j);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
    return rc;
}

struct job *job_start(struct loop *l, job_fn *run, void *arg, void (*release)(void *arg))
{
    struct job *j = xcalloc(1, sizeof(*j));
    struct mailbox *m = loop_mailbox(l);
    int rc;

    *j = (struct job){.mailbox = m, .run = run, .arg = arg, .release = release};
    {
        AUTO_LOCK(lock, &m->mutex);
        m->refs++;
        j->next = m->jobs;
        m->jobs = j;
    }
    rc = start_detached(j);
    if (rc != 0) {
        j->rc = err_set_sys(&j->err, ERR_IO, rc, "cannot start a thread");
        j->finished = true; /* no thread: nobody else looks at it */
        j->done = true;
    }
    return j;
}

bool job_done(const struct job *j)
{
    return j->done;
}

int job_wait(struct loop *l, struct job *j, int64_t deadline_us, bool *ret_abandoned, struct err *e)
{
    int waited = loop_wait(l, &j->done, deadline_us, e);
    bool running;
    int rc;

    {
        AUTO_LOCK(lock, &j->mailbox->mutex);
        running = abandon_locked(j);
    }
    if (running) {
        if (ret_abandoned)
            *ret_abandoned = true;
        return waited;
    }
    /* it may have ended between the deadline and our look: then its outcome is known after all */
    if (ret_abandoned)
        *ret_abandoned = false;
    rc = j->rc;
    if (e && (rc < 0 || waited < 0))
        *e = j->err;
    job_free(j);
    return rc;
}
