/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FITHAW on all filesystems of a set at once, each by a thread of its own; see freeze.h.
 *
 * No order would do. FITHAW waits for a FIFREEZE of the same filesystem that is still writing out
 * what is dirty, and on ext4 for the disk: in a row, whatever came after such a one would stay
 * frozen as long as that takes. And a filesystem on a loop device is thawed by a write to the file
 * that holds it, so it must not stand in the way of the one with that file.
 */
#include "guest-agent/fs/freeze_internal.h"

#include <errno.h>
#include <linux/fs.h>
#include <time.h>

#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/thread.h"

/* A system call needs less, but the watchdog's is the smallest stack that every machine allows. */
#define THAW_STACK_KIB 128
/* Their stacks are locked in memory: 8 MiB. What is beyond is thawed in a row. */
#define THREADS_MAX 64
/* How often each is thawed again while a call waits for the disk of another. */
#define AGAIN_MS 250

struct fs_result fs_thaw_one(int fd)
{
    for (;;) {
        if (fs_ioctl_for_tests(fd, FITHAW) == 0)
            return (struct fs_result){.answer = FS_FROZEN};
        if (errno == EINVAL)
            return (struct fs_result){.answer = FS_NOT_FROZEN};
        if (fs_cannot_freeze(errno))
            return (struct fs_result){.answer = FS_UNABLE, .sys_errno = errno};
        if (errno != EINTR)
            return (struct fs_result){.answer = FS_FAILED, .sys_errno = errno};
    }
}

/* ---- the threads ----------------------------------------------------------------------------- */

static struct timespec after_ms(int ms)
{
    int64_t us = mono_in_ms(ms);

    return (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
}

/* The oldest call that is newer than the one served last. */
static struct fs_thaw *newer_call(const struct fs_set *s, uint64_t served)
{
    struct fs_thaw *t = s->calls;

    while (t && t->number <= served)
        t = t->next;
    return t;
}

/* False at the end. *ret_again: no call has come, but one still waits for another's disk. Whoever
 * asked for it cannot ask again, and qemu-ga may have frozen this filesystem meanwhile. That call
 * is not over before this thaw is: the freeze of the next one must not be met by it. */
static bool wait_for_call(struct fs_set *s, uint64_t served, struct fs_thaw **ret, bool *ret_again)
{
    *ret_again = false;
    while (!(*ret = newer_call(s, served)) && !s->stop) {
        struct timespec until = after_ms(AGAIN_MS);
        int rc = s->calls ? pthread_cond_timedwait(&s->asked, &s->lock, &until)
                          : pthread_cond_wait(&s->asked, &s->lock);

        if (rc != ETIMEDOUT || !s->calls)
            continue;
        *ret = s->calls;
        (*ret)->left++;
        *ret_again = true;
        return true;
    }
    return *ret != NULL;
}

static void *thaw_body(void *arg)
{
    const struct fs_entry *item = arg;
    struct fs_set *s = item->set;
    struct fs_thaw *t;
    uint64_t served = 0;
    bool again;

    AUTO_LOCK(held, &s->lock);
    while (wait_for_call(s, served, &t, &again)) {
        struct fs_result r;

        if (!again)
            served = t->number;
        pthread_mutex_unlock(&s->lock);
        r = fs_thaw_one(item->fd);
        pthread_mutex_lock(&s->lock);
        if (t->results && !again)
            t->results[item - s->items] = r;
        if (--t->left == 0)
            pthread_cond_broadcast(&s->done);
    }
    return NULL;
}

void fs_threads_init(struct fs_set *s)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->asked, &attr);
    pthread_cond_init(&s->done, &attr);
    pthread_condattr_destroy(&attr);
}

void fs_set_stand_by(struct fs_set *s)
{
    for (size_t n = 0; n < s->count && s->threads < THREADS_MAX; n++) {
        struct fs_entry *item = &s->items[n];

        if (item->fd < 0)
            continue;
        if (thread_start(&item->thread, THAW_STACK_KIB, thaw_body, item) != 0)
            return;
        item->threaded = true;
        s->threads++;
    }
}

void fs_threads_end(struct fs_set *s)
{
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_broadcast(&s->asked);
    pthread_mutex_unlock(&s->lock);
    for (size_t n = 0; n < s->count; n++) {
        if (s->items[n].threaded)
            (void)pthread_join(s->items[n].thread, NULL);
    }
    pthread_cond_destroy(&s->done);
    pthread_cond_destroy(&s->asked);
    pthread_mutex_destroy(&s->lock);
}

/* ---- who asks -------------------------------------------------------------------------------- */

static void ask(struct fs_set *s, struct fs_thaw *t)
{
    struct fs_thaw **at = &s->calls;

    AUTO_LOCK(held, &s->lock);
    t->number = ++s->last;
    t->left = s->threads;
    while (*at)
        at = &(*at)->next;
    *at = t;
    pthread_cond_broadcast(&s->asked);
}

void fs_thaw_begin(struct fs_set *s, struct fs_thaw *t, struct fs_result *results)
{
    *t = (struct fs_thaw){.results = results};
    ask(s, t);
    /* those without a thread, oldest mount first: it may hold a later one in a file */
    for (size_t n = 0; n < s->count; n++) {
        const struct fs_entry *item = &s->items[n];
        struct fs_result r;

        if (item->threaded)
            continue;
        r = item->fd >= 0 ? fs_thaw_one(item->fd) : fs_not_opened(item);
        if (results)
            results[n] = r;
    }
}

static void forget_call(struct fs_set *s, const struct fs_thaw *t)
{
    struct fs_thaw **at = &s->calls;

    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
}

bool fs_thaw_wait(struct fs_set *s, struct fs_thaw *t, int wait_ms)
{
    struct timespec until = after_ms(wait_ms);

    AUTO_LOCK(held, &s->lock);
    while (t->left > 0) {
        if (wait_ms < 0)
            pthread_cond_wait(&s->done, &s->lock);
        else if (pthread_cond_timedwait(&s->done, &s->lock, &until) == ETIMEDOUT && t->left > 0)
            return false;
    }
    forget_call(s, t);
    return true;
}

void fs_set_thaw(struct fs_set *s, struct fs_result *results)
{
    struct fs_thaw t;

    fs_thaw_begin(s, &t, results);
    (void)fs_thaw_wait(s, &t, -1);
}
