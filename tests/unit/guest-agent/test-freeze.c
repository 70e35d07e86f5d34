/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Thawing and probing against a scripted kernel, and the RCU switch on a made-up /sys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/fs.h>
#include <sys/sysmacros.h>

#include "guest-agent/fs/freeze.h"
#include "tests/unit/guest-agent/tree.h"

/* ---- the scripted kernel: answers in the order of the calls ---- */

struct call {
    unsigned long request;
    int error; /* 0: done */
};

static struct call script[16];
static size_t script_len, script_at;
static int fds_seen[16];

static int scripted(int fd, unsigned long request)
{
    assert_true(script_at < script_len);
    assert_true(script[script_at].request == request);
    fds_seen[script_at] = fd;
    errno = script[script_at].error;
    return script[script_at++].error ? -1 : 0;
}

#define PLAY(...)                                                                                  \
    do {                                                                                           \
        const struct call calls_[] = {__VA_ARGS__};                                                \
        memcpy(script, calls_, sizeof(calls_));                                                    \
        script_len = sizeof(calls_) / sizeof(calls_[0]);                                           \
        script_at = 0;                                                                             \
    } while (0)

/* ---- a set of two mounts, both really a temporary directory, and one that is not there ---- */

struct fixture {
    char *root;
    struct fs_set *set;
};

static struct fs_set *open_set(char *root, size_t count)
{
    struct stat st;
    struct mount items[] = {
        {.path = root},
        {.path = root},
        {.path = (char *)"/nonexistent/mount"},
        {.path = root, .read_only = true},
    };
    struct mount_table t = {.items = items, .count = 4};
    struct fs_set *s;

    assert_int_equal(stat(root, &st), 0);
    for (size_t n = 0; n < t.count; n++) {
        items[n].device = items[n].disk = items[n].serial = items[n].fstype = (char *)"x";
        items[n].dev_major = major(st.st_dev);
        items[n].dev_minor = minor(st.st_dev);
    }
    s = fs_set_open(&t);
    assert_int_equal(fs_set_count(s), count);
    return s;
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    f->root = tree_new();
    f->set = open_set(f->root, 3);
    fs_ioctl_for_tests = scripted;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    fs_set_close(f->set);
    tree_free(f->root);
    free(f);
    return 0;
}

static void thaw_tells_what_was_frozen(void **state)
{
    struct fixture *f = *state;
    struct fs_result r[3];

    PLAY({FITHAW, 0}, {FITHAW, EINVAL});
    fs_set_thaw(f->set, r);
    assert_int_equal(script_at, 2);
    assert_int_equal(r[0].answer, FS_FROZEN); /* oldest first: it may hold the other in a file */
    assert_int_equal(r[1].answer, FS_NOT_FROZEN);
    assert_int_equal(r[2].answer, FS_FAILED);
    assert_int_equal(r[2].sys_errno, ENOENT);
    assert_string_equal(fs_set_mount(f->set, 2)->path, "/nonexistent/mount");
}

static void thaw_carries_on_past_errors(void **state)
{
    struct fixture *f = *state;
    struct fs_result r[3];

    PLAY({FITHAW, EPERM}, {FITHAW, EINTR}, {FITHAW, 0});
    fs_set_thaw(f->set, r);
    assert_int_equal(r[0].answer, FS_FAILED);
    assert_int_equal(r[0].sys_errno, EPERM);
    assert_int_equal(r[1].answer, FS_FROZEN);
    PLAY({FITHAW, EIO}, {FITHAW, EOPNOTSUPP});
    fs_set_thaw(f->set, NULL); /* nobody wants to know: still all are tried */
    assert_int_equal(script_at, 2);
}

static void thaw_tells_what_cannot_freeze(void **state)
{
    struct fixture *f = *state;
    struct fs_result r[3];

    PLAY({FITHAW, ENOTTY}, {FITHAW, EOPNOTSUPP});
    fs_set_thaw(f->set, r);
    assert_int_equal(r[0].answer, FS_UNABLE);
    assert_int_equal(r[1].answer, FS_UNABLE);
    assert_int_equal(r[1].sys_errno, EOPNOTSUPP);
}

static void probe_believes_only_busy(void **state)
{
    struct fixture *f = *state;
    struct fs_result r[3];

    PLAY({FIFREEZE, EBUSY}, {FIFREEZE, 0}, {FITHAW, 0});
    fs_set_probe(f->set, r);
    assert_int_equal(script_at, 3);
    assert_int_equal(r[0].answer, FS_FROZEN);
    assert_int_equal(r[1].answer, FS_NOT_FROZEN);
    assert_int_equal(r[2].answer, FS_FAILED);
    /* what the probe froze is the one that it thaws */
    assert_int_equal(fds_seen[1], fds_seen[2]);
    assert_int_not_equal(fds_seen[0], fds_seen[1]);
}

static void probe_reports_a_thaw_that_fails(void **state)
{
    struct fixture *f = *state;
    struct fs_result r[3];

    PLAY({FIFREEZE, 0}, {FITHAW, EIO}, {FIFREEZE, 0}, {FITHAW, EINVAL});
    fs_set_probe(f->set, r);
    assert_int_equal(r[0].answer, FS_FAILED);
    assert_int_equal(r[0].sys_errno, EIO);
    assert_int_equal(r[1].answer, FS_NOT_FROZEN); /* somebody else thawed it: as good */
    PLAY({FIFREEZE, EOPNOTSUPP}, {FIFREEZE, EPERM});
    fs_set_probe(f->set, r);
    assert_int_equal(r[0].answer, FS_UNABLE);
    assert_int_equal(r[1].answer, FS_FAILED);
    assert_int_equal(r[1].sys_errno, EPERM);
}

static void a_covered_mount_is_not_opened(void **state)
{
    struct fixture *f = *state;
    struct mount m = {.path = f->root,
                      .device = (char *)"x",
                      .disk = (char *)"x",
                      .serial = (char *)"",
                      .fstype = (char *)"x",
                      .dev_major = 4000,
                      .dev_minor = 1};
    struct mount_table t = {.items = &m, .count = 1};
    struct fs_set *s = fs_set_open(&t);
    struct fs_result r;

    fs_set_thaw(s, &r);
    assert_int_equal(r.answer, FS_COVERED);
    fs_set_probe(s, &r);
    assert_int_equal(r.answer, FS_COVERED);
    fs_set_close(s);
}

/* Covered where it is told to be, it is thawed and asked by where else it is mounted. */
static void a_covered_mount_is_opened_elsewhere(void **state)
{
    struct fixture *f = *state;
    char *others[] = {(char *)"/nonexistent/mount", (char *)"/proc", f->root};
    struct mount m = {.path = (char *)"/proc",
                      .others = others,
                      .other_count = ARRAY_SIZE(others),
                      .device = (char *)"x",
                      .disk = (char *)"x",
                      .serial = (char *)"",
                      .fstype = (char *)"x"};
    struct mount_table t = {.items = &m, .count = 1};
    struct fs_result r;
    struct fs_set *s;
    struct stat st;

    assert_int_equal(stat(f->root, &st), 0);
    m.dev_major = major(st.st_dev);
    m.dev_minor = minor(st.st_dev);
    s = fs_set_open(&t);
    PLAY({FITHAW, 0});
    fs_set_thaw(s, &r);
    assert_int_equal(r.answer, FS_FROZEN);
    assert_string_equal(fs_set_mount(s, 0)->path, "/proc"); /* told as before */
    PLAY({FIFREEZE, EBUSY});
    fs_set_probe(s, &r);
    assert_int_equal(r.answer, FS_FROZEN);
    fs_set_close(s);

    m.other_count = 2; /* covered everywhere */
    s = fs_set_open(&t);
    fs_set_thaw(s, &r);
    assert_int_equal(r.answer, FS_COVERED);
    fs_set_close(s);
}

/* ---- RCU ---- */

static int rcu_setup(void **state)
{
    char *root = tree_new();

    tree_file(root, "sys/kernel/rcu_expedited", "0\n");
    *state = root;
    return 0;
}

static int rcu_teardown(void **state)
{
    tree_free(*state);
    return 0;
}

static void check_switch(const char *root, const char *want)
{
    AUTO_FREE char *text = tree_read(root, "sys/kernel/rcu_expedited");

    assert_int_equal(strncmp(text, want, 1), 0);
}

static void rcu_comes_back(void **state)
{
    char *root = *state;
    AUTO_FREE char *marker = xasprintf("%s/marker", root);
    struct err e = ERR_INIT;

    assert_int_equal(rcu_expedite(root, marker, &e), 0);
    check_switch(root, "1");
    assert_int_equal(access(marker, F_OK), 0);
    assert_int_equal(rcu_restore(root, marker, &e), 0);
    check_switch(root, "0");
    assert_int_equal(access(marker, F_OK), -1);
    assert_int_equal(rcu_restore(root, marker, &e), 0); /* twice is no harm */
    check_switch(root, "0");
}

static void rcu_survives_a_crash_in_between(void **state)
{
    char *root = *state;
    AUTO_FREE char *marker = xasprintf("%s/marker", root);

    assert_int_equal(rcu_expedite(root, marker, NULL), 0);
    assert_int_equal(rcu_expedite(root, marker, NULL), 0); /* the 1 of now must not be kept */
    assert_int_equal(rcu_restore(root, marker, NULL), 0);
    check_switch(root, "0");
}

static void rcu_keeps_what_an_admin_set(void **state)
{
    char *root = *state;
    AUTO_FREE char *marker = xasprintf("%s/marker", root);

    tree_file(root, "sys/kernel/rcu_expedited", "1\n");
    assert_int_equal(rcu_expedite(root, marker, NULL), 0);
    assert_int_equal(rcu_restore(root, marker, NULL), 0);
    check_switch(root, "1");
}

static void rcu_is_not_everywhere(void **state)
{
    char *root = *state;
    AUTO_FREE char *marker = xasprintf("%s/marker", root);
    AUTO_FREE char *file = xasprintf("%s/sys/kernel/rcu_expedited", root);

    assert_int_equal(unlink(file), 0);
    assert_int_equal(rcu_expedite(root, marker, NULL), 0);
    assert_int_equal(access(marker, F_OK), -1);
    assert_int_equal(rcu_restore(root, marker, NULL), 0);
}

static void rcu_refuses_a_broken_marker(void **state)
{
    char *root = *state;
    AUTO_FREE char *marker = xasprintf("%s/marker", root);
    struct err e = ERR_INIT;

    tree_file(root, "marker", "rubbish\n");
    assert_int_equal(rcu_restore(root, marker, &e), -1);
    assert_non_null(strstr(e.msg, marker));
    check_switch(root, "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(thaw_tells_what_was_frozen, setup, teardown),
        cmocka_unit_test_setup_teardown(thaw_carries_on_past_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(thaw_tells_what_cannot_freeze, setup, teardown),
        cmocka_unit_test_setup_teardown(probe_believes_only_busy, setup, teardown),
        cmocka_unit_test_setup_teardown(probe_reports_a_thaw_that_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(a_covered_mount_is_not_opened, setup, teardown),
        cmocka_unit_test_setup_teardown(a_covered_mount_is_opened_elsewhere, setup, teardown),
        cmocka_unit_test_setup_teardown(rcu_comes_back, rcu_setup, rcu_teardown),
        cmocka_unit_test_setup_teardown(rcu_survives_a_crash_in_between, rcu_setup, rcu_teardown),
        cmocka_unit_test_setup_teardown(rcu_keeps_what_an_admin_set, rcu_setup, rcu_teardown),
        cmocka_unit_test_setup_teardown(rcu_is_not_everywhere, rcu_setup, rcu_teardown),
        cmocka_unit_test_setup_teardown(rcu_refuses_a_broken_marker, rcu_setup, rcu_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
