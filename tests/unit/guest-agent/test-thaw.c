/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Thawing all filesystems at once: none waits for the disk of another. On a kernel of the test's
 * own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sys/sysmacros.h>

#include "guest-agent/fs/freeze.h"
#include "proto/base/clock.h"
#include "tests/slow.h"
#include "tests/unit/guest-agent/tree.h"

#define DISKS   4
#define LONG_US (5000 * 1000 * slowness()) /* what comes at all has come by then */

/* ---- the kernel: filesystems that are directories, known by their inode ---- */

struct disk {
    ino_t ino;
    bool frozen;
    bool stuck; /* FITHAW waits, as for a FIFREEZE that writes out what is dirty */
    int behind; /* FITHAW waits until that one is thawed, as on a loop device; -1: none */
    int asked;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
static struct disk disks[DISKS];

static struct timespec in_long(void)
{
    struct timespec at;
    int64_t until = wall_us() + LONG_US;

    at.tv_sec = until / 1000000;
    at.tv_nsec = until % 1000000 * 1000;
    return at;
}

static bool must_wait(const struct disk *d)
{
    return d->stuck || (d->behind >= 0 && disks[d->behind].frozen);
}

/* A thaw that should have been let through by now fails: the test ends, and says why. */
static int answer(struct disk *d)
{
    const struct timespec until = in_long();
    bool was;

    d->asked++;
    pthread_cond_broadcast(&change);
    while (must_wait(d)) {
        if (pthread_cond_timedwait(&change, &lock, &until) == ETIMEDOUT) {
            errno = EIO;
            return -1;
        }
    }
    was = d->frozen;
    d->frozen = false;
    pthread_cond_broadcast(&change);
    errno = EINVAL;
    return was ? 0 : -1;
}

static int kernel(int fd, unsigned long request)
{
    struct stat st;

    AUTO_LOCK(held, &lock);
    if (request != FITHAW || fstat(fd, &st) < 0)
        abort();
    for (size_t n = 0; n < DISKS; n++) {
        if (disks[n].ino == st.st_ino)
            return answer(&disks[n]);
    }
    abort();
}

static void let_go(int n)
{
    AUTO_LOCK(held, &lock);
    disks[n].stuck = false;
    pthread_cond_broadcast(&change);
}

/* All but `except` are thawed. */
static bool others_thawed(int except)
{
    const struct timespec until = in_long();

    AUTO_LOCK(held, &lock);
    for (int n = 0; n < DISKS; n++) {
        while (n != except && disks[n].frozen) {
            if (pthread_cond_timedwait(&change, &lock, &until) == ETIMEDOUT)
                return false;
        }
    }
    return true;
}

static bool asked(int disk, int times)
{
    const struct timespec until = in_long();

    AUTO_LOCK(held, &lock);
    while (disks[disk].asked < times) {
        if (pthread_cond_timedwait(&change, &lock, &until) == ETIMEDOUT)
            return false;
    }
    return true;
}

/* ---- a set of all of them, frozen ---- */

struct fixture {
    char *root;
    char *paths[DISKS];
    struct fs_set *set;
};

static struct mount mount_of(char *path, ino_t *ret_ino)
{
    struct mount m = {.path = path};
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    m.device = m.disk = m.serial = m.fstype = (char *)"x";
    m.dev_major = major(st.st_dev);
    m.dev_minor = minor(st.st_dev);
    *ret_ino = st.st_ino;
    return m;
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    struct mount items[DISKS];

    f->root = tree_new();
    for (size_t n = 0; n < DISKS; n++) {
        f->paths[n] = xasprintf("%s/%zu", f->root, n);
        assert_int_equal(mkdir(f->paths[n], 0755), 0);
        disks[n] = (struct disk){.frozen = true, .behind = -1};
        items[n] = mount_of(f->paths[n], &disks[n].ino);
    }
    fs_ioctl_for_tests = kernel;
    f->set = fs_set_open(&(struct mount_table){.items = items, .count = DISKS});
    fs_set_stand_by(f->set);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    fs_set_close(f->set);
    for (size_t n = 0; n < DISKS; n++)
        free(f->paths[n]);
    tree_free(f->root);
    free(f);
    return 0;
}

/* ---- */

/* Wherever it lies: what was frozen before it may be newer or older, by where it is mounted else.
 */
static void test_one_that_waits_keeps_no_other_frozen(void **state)
{
    struct fixture *f = *state;
    struct fs_result r[DISKS];
    struct fs_thaw t;

    for (int slow = 0; slow < DISKS; slow++) {
        for (size_t n = 0; n < DISKS; n++)
            disks[n].frozen = true;
        disks[slow].stuck = true;
        fs_thaw_begin(f->set, &t, r);
        assert_true(others_thawed(slow));
        assert_false(fs_thaw_wait(f->set, &t, 20));
        let_go(slow);
        assert_true(fs_thaw_wait(f->set, &t, -1));
        for (size_t n = 0; n < DISKS; n++)
            assert_int_equal(r[n].answer, FS_FROZEN);
    }
}

/* qemu-ga goes on freezing while the thaw waits: whoever asked for it cannot ask again. */
static void test_what_is_frozen_while_one_waits_is_thawed(void **state)
{
    struct fixture *f = *state;
    struct fs_thaw t;

    disks[0].stuck = true;
    fs_thaw_begin(f->set, &t, NULL);
    assert_true(others_thawed(0));
    for (int round = 0; round < 2; round++) {
        for (size_t n = 1; n < DISKS; n++)
            disks[n].frozen = true;
        assert_true(others_thawed(0));
    }
    let_go(0);
    assert_true(fs_thaw_wait(f->set, &t, -1));
}

/* A filesystem on a loop device, before or behind the one that holds its file. */
static void test_one_on_a_loop_device(void **state)
{
    struct fixture *f = *state;
    struct fs_result r[DISKS];

    disks[0].behind = 2;
    disks[2].behind = 1;
    disks[3].behind = 2;
    fs_set_thaw(f->set, r);
    for (size_t n = 0; n < DISKS; n++)
        assert_int_equal(r[n].answer, FS_FROZEN);
}

static void *thaw_all(void *arg)
{
    struct fixture *f = arg;

    fs_set_thaw(f->set, NULL);
    return NULL;
}

/* The watchdog's thaw hangs in one; the worker's comes besides, and finds what was frozen since. */
static void test_beside_another_thaw(void **state)
{
    struct fixture *f = *state;
    struct fs_result r[DISKS];
    struct fs_thaw t;
    pthread_t other;

    disks[1].stuck = true;
    assert_int_equal(pthread_create(&other, NULL, thaw_all, f), 0);
    assert_true(others_thawed(1));
    pthread_mutex_lock(&lock);
    disks[3].frozen = true;
    pthread_mutex_unlock(&lock);
    fs_thaw_begin(f->set, &t, r);
    assert_true(others_thawed(1));
    assert_true(asked(3, 2));
    assert_false(fs_thaw_wait(f->set, &t, 0));
    let_go(1);
    assert_true(fs_thaw_wait(f->set, &t, -1));
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_int_equal(r[0].answer, FS_NOT_FROZEN);
    assert_int_equal(r[1].answer, FS_NOT_FROZEN); /* the first saw it frozen */
    assert_int_equal(r[3].answer, FS_FROZEN);
    assert_int_equal(disks[1].asked, 2);
}

/* More than there are threads for. */
static void test_very_many(void **state)
{
    enum { MANY = 100 };
    struct fixture *f = *state;
    struct mount items[MANY];
    struct fs_result r[MANY];
    struct fs_set *set;
    size_t frozen = 0;
    ino_t ignored;

    for (size_t n = 0; n < MANY; n++)
        items[n] = mount_of(f->paths[n % DISKS], &ignored);
    set = fs_set_open(&(struct mount_table){.items = items, .count = MANY});
    fs_set_stand_by(set);
    for (size_t n = 0; n < MANY; n++)
        r[n].answer = FS_FAILED;
    fs_set_thaw(set, r);
    for (size_t n = 0; n < MANY; n++) {
        assert_true(r[n].answer == FS_FROZEN || r[n].answer == FS_NOT_FROZEN);
        frozen += r[n].answer == FS_FROZEN;
    }
    assert_int_equal(frozen, DISKS);
    fs_set_close(set);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_one_that_waits_keeps_no_other_frozen),
        T(test_what_is_frozen_while_one_waits_is_thawed),
        T(test_one_on_a_loop_device),
        T(test_beside_another_thaw),
        T(test_very_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
