/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ring of log lines and its writer; see heldlog.h. */
#include "guest-agent/heldlog.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "proto/base/clock.h"
#include "proto/base/cleanup.h"
#include "proto/base/thread.h"

static struct {
    pthread_mutex_t lock;
    pthread_cond_t more;
    pthread_t thread;
    struct held_line lines[HELDLOG_LINES];
    uint64_t next;    /* number of the line to come; line n lies in n % HELDLOG_LINES */
    uint64_t written; /* all before this one went to stderr */
    bool quiet, stop;
    void (*wake)(void *arg);
    void *wake_arg;
} ring = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

static void sink(void *arg, enum log_level level, const char *line)
{
    AUTO_LOCK(held, &ring.lock);
    struct held_line *to = &ring.lines[ring.next % HELDLOG_LINES];

    (void)arg;
    to->level = level;
    to->wall_us = wall_us();
    (void)snprintf(to->text, sizeof(to->text), "%s", line);
    ring.next++;
    pthread_cond_signal(&ring.more);
    if (ring.quiet && ring.wake)
        ring.wake(ring.wake_arg);
}

static uint64_t oldest(void)
{
    return ring.next > HELDLOG_LINES ? ring.next - HELDLOG_LINES : 0;
}

/* Called with the mutex; gives it up while it writes. */
static void write_one(void)
{
    struct held_line line;
    uint64_t lost = oldest() > ring.written ? oldest() - ring.written : 0;

    ring.written += lost;
    line = ring.lines[ring.written % HELDLOG_LINES];
    ring.written++;
    pthread_mutex_unlock(&ring.lock);
    if (lost)
        fprintf(stderr, "warning: %llu lines of the log were lost\n", (unsigned long long)lost);
    fprintf(stderr, "%s: %s\n", log_level_name(line.level), line.text);
    pthread_mutex_lock(&ring.lock);
}

static void *writer(void *arg)
{
    (void)arg;
    AUTO_LOCK(held, &ring.lock);
    for (;;) {
        bool due = ring.written < ring.next;

        if (due && (!ring.quiet || ring.stop))
            write_one();
        else if (ring.stop)
            return NULL;
        else
            pthread_cond_wait(&ring.more, &ring.lock);
    }
}

void heldlog_start(void)
{
    if (thread_start(&ring.thread, 128, writer, NULL) == 0)
        log_set_sink(sink, NULL);
    else
        log_warn("no thread for the log: a journal on a frozen disk could hold the agent up");
}

void heldlog_stop(int wait_ms)
{
    struct timespec until;

    log_set_sink(NULL, NULL);
    pthread_mutex_lock(&ring.lock);
    ring.stop = true;
    pthread_cond_signal(&ring.more);
    pthread_mutex_unlock(&ring.lock);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (wait_ms + 999) / 1000;
    (void)pthread_timedjoin_np(ring.thread, NULL, &until);
}

void heldlog_quiet(bool on)
{
    AUTO_LOCK(held, &ring.lock);

    ring.quiet = on;
    pthread_cond_signal(&ring.more);
}

void heldlog_on_held(void (*wake)(void *arg), void *arg)
{
    AUTO_LOCK(held, &ring.lock);

    ring.wake = wake;
    ring.wake_arg = arg;
}

bool heldlog_next(uint64_t *seq, struct held_line *ret)
{
    AUTO_LOCK(held, &ring.lock);

    if (*seq < oldest())
        *seq = oldest();
    if (*seq >= ring.next)
        return false;
    *ret = ring.lines[*seq % HELDLOG_LINES];
    (*seq)++;
    return true;
}

uint64_t heldlog_seq(void)
{
    AUTO_LOCK(held, &ring.lock);

    return ring.next;
}
