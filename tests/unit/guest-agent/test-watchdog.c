/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The watchdog's thread: fires once, in time, whatever hangs; and marker files on disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest-agent/session/marker.h"
#include "guest-agent/session/watchdog.h"
#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/base/cleanup.h"
#include "tests/slow.h"

#define MS INT64_C(1000)

struct world {
    struct watchdog *dog;
    sem_t go, told; /* fire() waits for `go` when `slow` */
    atomic_bool slow;
    atomic_int fires, later;
    _Atomic int64_t fired_us;
};

static void on_fire(void *arg)
{
    struct world *w = arg;

    atomic_store(&w->fired_us, mono_us());
    atomic_fetch_add(&w->fires, 1);
    while (atomic_load(&w->slow) && sem_wait(&w->go) != 0)
        ;
}

static void on_fired(void *arg)
{
    sem_post(&((struct world *)arg)->told);
}

static void on_later(void *what)
{
    atomic_fetch_add(&((struct world *)what)->later, 1);
}

static void wait_told(struct world *w)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    assert_int_equal(sem_timedwait(&w->told, &until), 0);
}

static void wait_fires(struct world *w, int count)
{
    for (int n = 0; n < 2000 && atomic_load(&w->fires) < count; n++)
        (void)poll(NULL, 0, 1);
    assert_int_equal(atomic_load(&w->fires), count);
}

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    sem_init(&w->go, 0, 0);
    sem_init(&w->told, 0, 0);
    w->dog = watchdog_new(on_fire, on_fired, w);
    assert_non_null(w->dog);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    assert_int_equal(watchdog_free(w->dog, 10000), 0);
    free(w);
    return 0;
}

static void test_fires_in_time(void **state)
{
    struct world *w = *state;
    int64_t at = mono_us() + 50 * MS;

    assert_true(watchdog_arm(w->dog, at));
    wait_told(w);
    assert_true(atomic_load(&w->fired_us) >= at);
    assert_true(atomic_load(&w->fired_us) <
                at + 5000 * MS); /* the next end would be a minute away */
    assert_true(watchdog_has_fired(w->dog));
    /* no renewal undoes it */
    assert_false(watchdog_arm(w->dog, mono_us() + 1000 * MS));
    assert_false(watchdog_disarm(w->dog));
    assert_true(watchdog_arm(w->dog, mono_us() + 60000 * MS));
    assert_true(watchdog_disarm(w->dog));
    assert_int_equal(atomic_load(&w->fires), 1);
}

static void test_renewed(void **state)
{
    struct world *w = *state;

    for (int n = 0; n < 10; n++) {
        assert_true(watchdog_arm(w->dog, mono_us() + 1500 * MS));
        (void)poll(NULL, 0, 200);
    }
    assert_int_equal(atomic_load(&w->fires), 0);
    assert_true(watchdog_disarm(w->dog));
}

static void test_past_its_time_is_too_late(void **state)
{
    struct world *w = *state;

    assert_true(watchdog_arm(w->dog, mono_us() - 1));
    assert_false(watchdog_arm(w->dog, mono_us() + 60000 * MS));
    wait_told(w);
    assert_false(watchdog_disarm(w->dog));
}

/* fire() hangs in a thaw: nobody waits for it, and what it uses stays. */
static void test_hanging_fire(void **state)
{
    struct world *w = *state;
    int64_t began = mono_us();

    atomic_store(&w->slow, true);
    assert_true(watchdog_arm(w->dog, mono_us()));
    wait_fires(w, 1);
    assert_true(watchdog_is_firing(w->dog));
    assert_false(watchdog_has_fired(w->dog));
    assert_false(watchdog_disarm(w->dog));
    assert_false(watchdog_arm(w->dog, mono_us() + 1000 * MS));
    assert_true(watchdog_defer(w->dog, on_later, w));
    assert_int_equal(atomic_load(&w->later), 0);
    assert_true(mono_us() - began < 1000 * MS * slowness());
    atomic_store(&w->slow, false);
    sem_post(&w->go);
    wait_told(w);
    assert_int_equal(atomic_load(&w->later), 1);
    assert_false(watchdog_has_fired(w->dog)); /* it was disarmed meanwhile */
    assert_false(watchdog_defer(w->dog, on_later, w));
    assert_true(watchdog_arm(w->dog, mono_us() + 60000 * MS));
    assert_true(watchdog_disarm(w->dog));
}

/* ---- marker and epoch --------------------------------------------------------------------------
 */

static void test_marker(void **state)
{
    char dir[] = "/tmp/cbsnap-marker.XXXXXX";
    struct mount_table none = {.items = NULL};
    struct recovery r;
    struct err e = ERR_INIT;
    struct fs_set *set = fs_set_open(&none);

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(epoch_read(dir), 1);
    assert_int_equal(epoch_write(dir, 41, &e), 0);
    assert_int_equal(epoch_read(dir), 41);

    marker_recover(dir, &r);
    assert_false(r.found || r.sweep);
    assert_int_equal(marker_write(dir, 41, "20161104T101500Z-7f3a", set, &e), 0);
    marker_recover(dir, &r);
    assert_true(r.found && r.sweep);
    assert_int_equal(r.epoch, 41);
    assert_string_equal(r.run_id, "20161104T101500Z-7f3a");
    assert_int_equal(r.thawed, 0);

    /* the sweep that it leaves, until it is over */
    marker_recover(dir, &r);
    assert_true(r.sweep);
    marker_recover(dir, &r);
    assert_true(r.sweep);
    assert_false(r.found);
    assert_int_equal(r.epoch, 0);
    assert_int_equal(sweep_keep(dir, false, &e), 0);
    assert_int_equal(sweep_keep(dir, false, &e), 0);
    marker_recover(dir, &r);
    assert_false(r.sweep);

    assert_int_equal(marker_write(dir, 42, "", set, &e), 0);
    marker_recover(dir, &r);
    assert_string_equal(r.run_id, "");
    assert_int_equal(sweep_keep(dir, false, &e), 0);
    assert_int_equal(marker_remove(dir, &e), 0);
    assert_int_equal(marker_write("/nonexistent", 1, "", set, &e), -1);
    assert_non_null(strstr(e.msg, "/nonexistent"));
    fs_set_close(set);
    {
        AUTO_FREE char *epoch = xasprintf("%s/epoch", dir);

        assert_int_equal(unlink(epoch), 0);
    }
    assert_int_equal(rmdir(dir), 0); /* nothing else was left */
}

static int thaws;

static int scripted(int fd, unsigned long request)
{
    (void)fd;
    (void)request;
    thaws++;
    return 0;
}

/* The first filesystem of this machine that could be frozen; NULL in a sandbox without one. */
static struct mount *first_writable(struct mount_table *t)
{
    for (size_t n = 0; n < t->count; n++) {
        if (!t->items[n].read_only)
            return &t->items[n];
    }
    return NULL;
}

/* The marker's path may be covered, or not the one nearest the root any more. */
static void test_successor_thaws_by_any_path(void **state)
{
    int (*real)(int fd, unsigned long request) = fs_ioctl_for_tests;
    char dir[] = "/tmp/cbsnap-marker.XXXXXX";
    struct mount_table all;
    struct recovery r;
    struct fs_set *set;
    struct mount *m, moved;

    (void)state;
    assert_int_equal(mounts_read(&all, "", "", NULL), 0);
    m = first_writable(&all);
    if (!m) {
        mounts_release(&all);
        skip();
    }
    moved = *m;
    moved.path = (char *)"/nonexistent";
    set = fs_set_open(&(struct mount_table){.items = &moved, .count = 1});
    assert_non_null(mkdtemp(dir));
    assert_int_equal(marker_write(dir, 41, "", set, NULL), 0);
    fs_ioctl_for_tests = scripted;
    marker_recover(dir, &r);
    fs_ioctl_for_tests = real;
    assert_int_equal(thaws, 1);
    assert_int_equal(r.thawed, 1);
    assert_int_equal(r.failed, 0);
    assert_int_equal(sweep_keep(dir, false, NULL), 0);
    fs_set_close(set);
    mounts_release(&all);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_fires_in_time),
        T(test_renewed),
        T(test_past_its_time_is_too_late),
        T(test_hanging_fire),
        cmocka_unit_test(test_marker),
        cmocka_unit_test(test_successor_thaws_by_any_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
