/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Freezes, probes and thaws one real filesystem and says in TAP what it saw.
 *
 *     fs-drive MOUNTPOINT    a filesystem of the test's own, on a block device
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "guest-agent/fs/freeze.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

static unsigned checks, failures;
static const char *mountpoint;
static struct fs_set *set;

static void check(bool ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void check(bool ok, const char *fmt, ...)
{
    va_list ap;

    failures += !ok;
    printf("%s %u - ", ok ? "ok" : "not ok", ++checks);
    va_start(ap, fmt);
    (void)vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    (void)fflush(stdout);
}

static int freeze(void)
{
    AUTO_CLOSE int fd = open(mountpoint, O_RDONLY | O_CLOEXEC);

    return ioctl(fd, FIFREEZE, 0);
}

struct write {
    pthread_t thread;
    atomic_bool done;
    bool ok;
};

static void *write_main(void *arg)
{
    struct write *w = arg;
    AUTO_FREE char *path = xasprintf("%s/written", mountpoint);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    w->ok = fd >= 0 && write(fd, "x", 1) == 1;
    atomic_store(&w->done, true);
    return NULL;
}

static void write_start(struct write *w)
{
    memset(w, 0, sizeof(*w));
    (void)pthread_create(&w->thread, NULL, write_main, w);
}

static bool write_ends(struct write *w, int ms)
{
    int64_t until = mono_us() + (int64_t)ms * 1000;
    struct timespec step = {.tv_nsec = 5000000};

    while (!atomic_load(&w->done) && mono_us() < until)
        (void)nanosleep(&step, NULL);
    return atomic_load(&w->done);
}

static void test_probe(void)
{
    struct fs_result r;
    struct write w;

    fs_set_probe(set, &r);
    check(r.answer == FS_NOT_FROZEN, "not frozen at first");
    write_start(&w);
    check(write_ends(&w, 1000) && w.ok, "and not frozen by being asked");
    (void)pthread_join(w.thread, NULL);
    check(freeze() == 0, "frozen");
    fs_set_probe(set, &r);
    check(r.answer == FS_FROZEN, "the probe sees it");
    write_start(&w);
    check(!write_ends(&w, 300), "a writer blocks");
    fs_set_thaw(set, &r);
    check(r.answer == FS_FROZEN, "thawed, and it was frozen until then");
    check(write_ends(&w, 1000) && w.ok, "the writer goes on");
    (void)pthread_join(w.thread, NULL);
    fs_set_thaw(set, &r);
    check(r.answer == FS_NOT_FROZEN, "a second thaw says that it was not frozen");
}

static void *thaw_main(void *arg)
{
    fs_set_thaw(set, arg);
    return NULL;
}

/* The watchdog and the loop at once: exactly one may believe that it ended the freeze. */
static void test_two_threads(void)
{
    int both = 0, none = 0;

    for (int n = 0; n < 50; n++) {
        struct fs_result r[2];
        pthread_t thread;
        int claims;

        if (freeze() < 0) {
            check(false, "freeze number %d: %s", n, strerror(errno));
            return;
        }
        (void)pthread_create(&thread, NULL, thaw_main, &r[1]);
        fs_set_thaw(set, &r[0]);
        (void)pthread_join(thread, NULL);
        claims = (r[0].answer == FS_FROZEN) + (r[1].answer == FS_FROZEN);
        both += claims == 2;
        none += claims == 0;
    }
    check(both == 0 && none == 0, "of two thawing threads one saw it frozen, 50 times");
}

int main(int argc, char **argv)
{
    struct mount_table all, one;
    const struct mount *m;
    struct err e = ERR_INIT;

    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s MOUNTPOINT\n", argv[0]);
        return 2;
    }
    mountpoint = argv[1];
    if (mounts_read(&all, "", "", &e) < 0) {
        printf("Bail out! %s\n", e.msg);
        return 1;
    }
    m = mounts_holding(&all, mountpoint);
    check(m && strcmp(m->path, mountpoint) == 0 && !m->read_only, "the mount is found: %s on %s",
          m ? m->path : "-", m ? m->device : "-");
    if (!m)
        return 1;
    one = (struct mount_table){.items = &all.items[m - all.items], .count = 1};
    set = fs_set_open(&one);
    test_probe();
    test_two_threads();
    fs_set_sync(set);
    fs_set_thaw(set, NULL);
    fs_set_close(set);
    mounts_release(&all);
    return failures ? 1 : 0;
}
