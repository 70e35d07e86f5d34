/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Freezes, probes and thaws one real filesystem and says in TAP what it saw.
 *
 *     fs-drive MOUNTPOINT                a filesystem of the test's own, on a block device
 *     fs-drive MOUNTPOINT SICK HOLDER    one beside SICK, whose disk is a file on HOLDER: while
 * that is frozen, it does not answer
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

static int ask(const char *path, unsigned long request)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

    return ioctl(fd, request, 0);
}

static int freeze(void)
{
    return ask(mountpoint, FIFREEZE);
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

/* ---- beside a filesystem whose disk does not answer --------------------------------------------
 */

static const char *sick, *holder;

struct background {
    pthread_t thread;
    atomic_bool done;
    int rc;
    struct fs_result results[2];
};

static void *freeze_sick(void *arg)
{
    struct background *b = arg;

    b->rc = ask(sick, FIFREEZE);
    atomic_store(&b->done, true);
    return NULL;
}

static void *thaw_both(void *arg)
{
    struct background *b = arg;

    fs_set_thaw(set, b->results);
    atomic_store(&b->done, true);
    return NULL;
}

static void start(struct background *b, void *(*body)(void *arg))
{
    *b = (struct background){.rc = -1};
    (void)pthread_create(&b->thread, NULL, body, b);
}

/* Not on the disk before the freeze writes it out. */
static bool make_dirty(void)
{
    AUTO_FREE char *path = xasprintf("%s/dirty", sick);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    static const char block[1 << 20];
    bool ok = fd >= 0;

    for (int n = 0; n < 8; n++)
        ok = ok && write(fd, block, sizeof(block)) == (ssize_t)sizeof(block);
    return ok;
}

/* Thaws, and has the sick disk answer again once the healthy one has been written to. */
static void thaw_beside(const char *when, bool waits)
{
    struct background thaw;
    struct write w;

    write_start(&w);
    check(!write_ends(&w, 300), "%s: a writer blocks", when);
    start(&thaw, thaw_both);
    check(write_ends(&w, 2000) && w.ok, "%s: the writer goes on", when);
    check(!waits || !atomic_load(&thaw.done), "%s: while the thaw waits for the other disk", when);
    check(ask(holder, FITHAW) == 0, "%s: the other disk answers", when);
    (void)pthread_join(thaw.thread, NULL);
    (void)pthread_join(w.thread, NULL);
    check(thaw.results[0].answer == FS_FROZEN && thaw.results[1].answer == FS_FROZEN,
          "%s: both were frozen until then", when);
}

static void test_slow_freeze(void)
{
    static const char when[] = "a freeze that waits for its disk";
    struct timespec some = {.tv_nsec = 300000000};
    struct background slow;

    check(make_dirty() && ask(holder, FIFREEZE) == 0 && freeze() == 0, "%s: prepared", when);
    start(&slow, freeze_sick);
    (void)nanosleep(&some, NULL);
    check(!atomic_load(&slow.done), "%s: has begun", when);
    thaw_beside(when, true);
    (void)pthread_join(slow.thread, NULL);
    check(slow.rc == 0, "%s: it froze in the end, and was thawed", when);
}

/* ext4 writes its superblock for it. */
static void test_slow_thaw(void)
{
    static const char when[] = "a thaw that waits for its disk";

    check(ask(sick, FIFREEZE) == 0 && freeze() == 0 && ask(holder, FIFREEZE) == 0, "%s: prepared",
          when);
    thaw_beside(when, false);
}

/* ---- */

/* The set of these mounts, in the order of the table. */
static int open_set(const char *const *paths, size_t count)
{
    struct mount_table all, some = {.items = NULL};
    struct err e = ERR_INIT;

    if (mounts_read(&all, "", "", &e) < 0) {
        printf("Bail out! %s\n", e.msg);
        return -1;
    }
    some.items = xcalloc(count, sizeof(*some.items));
    for (size_t n = 0; n < all.count; n++) {
        for (size_t k = 0; k < count; k++) {
            if (mounts_holding(&all, paths[k]) == &all.items[n])
                some.items[some.count++] = all.items[n];
        }
    }
    check(some.count == count && !some.items[0].read_only, "the mounts are found: %s, ...",
          some.count > 0 ? some.items[0].path : "-");
    set = fs_set_open(&some);
    fs_set_stand_by(set);
    free(some.items);
    mounts_release(&all);
    return fs_set_count(set) == count ? 0 : -1;
}

int main(int argc, char **argv)
{
    const bool beside = argc == 4;

    if (argc != 2 && !beside) {
        (void)fprintf(stderr, "usage: %s MOUNTPOINT [SICK HOLDER]\n", argv[0]);
        return 2;
    }
    mountpoint = argv[1];
    sick = argv[argc - 2];
    holder = argv[argc - 1];
    if (open_set((const char *const[]){mountpoint, sick}, beside ? 2 : 1) < 0)
        return 1;
    if (beside) {
        test_slow_freeze();
        test_slow_thaw();
    } else {
        test_probe();
        test_two_threads();
        fs_set_sync(set);
        fs_set_thaw(set, NULL);
    }
    fs_set_close(set);
    return failures ? 1 : 0;
}
