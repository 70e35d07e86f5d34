/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What another process sees at a path, in a /proc that is made up: process 42 lives below "jail".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "guest-agent/mysql/sight.h"
#include "tests/in_range.h"
#include "tree.h"

static char *root;

static int setup(void **state)
{
    (void)state;
    root = tree_new();
    tree_dirs(root, "srv", 1);
    tree_dirs(root, "jail", 1);
    tree_link(root, "proc/42/root", "jail");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tree_free(root);
    return 0;
}

/* Where process 42 finds what it calls by that name of ours. */
static char *in_jail(const char *path)
{
    return xasprintf("jail%s/%s", root, path);
}

static enum sight sight(const char *path, struct err *e)
{
    AUTO_FREE char *full = xasprintf("%s/%s", root, path);

    return sight_of(root, 42, full, e);
}

static void one_that_has_our_root_sees_the_same(void **state)
{
    AUTO_FREE char *link = xasprintf("%s/proc/43/root", root);
    AUTO_FREE char *srv = xasprintf("%s/srv", root), *none = xasprintf("%s/none", root);

    (void)state;
    tree_dirs(root, "proc/43", 1);
    assert_int_equal(symlink("/", link), 0);
    assert_int_equal(sight_of(root, 43, srv, NULL), SIGHT_SAME);
    assert_int_equal(sight_of(root, 43, none, NULL), SIGHT_SAME);
}

static void another_directory_of_that_name_is_another(void **state)
{
    AUTO_FREE char *theirs = in_jail("srv");

    (void)state;
    tree_dirs(root, theirs, 1);
    assert_int_equal(sight("srv", NULL), SIGHT_OTHER);
}

static void what_only_one_of_both_has_is_another(void **state)
{
    AUTO_FREE char *theirs = in_jail("mysql");

    (void)state;
    tree_dirs(root, theirs, 1);
    assert_int_equal(sight("srv", NULL), SIGHT_OTHER);
    assert_int_equal(sight("mysql", NULL), SIGHT_OTHER);
    assert_int_equal(sight("none", NULL), SIGHT_SAME);
}

/* As a bind mount would have it. */
static void the_same_directory_on_another_way_is_the_same(void **state)
{
    AUTO_FREE char *theirs = in_jail("srv");

    (void)state;
    tree_link(root, theirs, "srv");
    assert_int_equal(sight("srv", NULL), SIGHT_SAME);
}

/* The kernel would follow it into our own directory. */
static void an_absolute_link_does_not_lead_back(void **state)
{
    AUTO_FREE char *link = in_jail("link"), *theirs = in_jail("srv");

    (void)state;
    tree_link(root, "link", "srv");
    tree_link(root, link, "srv");
    tree_dirs(root, theirs, 1);
    assert_int_equal(sight("link", NULL), SIGHT_OTHER);
}

static void what_cannot_be_looked_at_is_unknown(void **state)
{
    AUTO_FREE char *srv = xasprintf("%s/srv", root);
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(sight_of(root, 44, srv, &e), SIGHT_UNKNOWN);
    assert_int_equal(e.sys_errno, ENOENT);
    assert_non_null(strstr(e.msg, "process 44"));
    e = ERR_INIT;
    assert_int_equal(sight_of(root, 0, srv, &e), SIGHT_UNKNOWN);
    assert_true(err_is_set(&e));
}

/* ---- mounts ---- */

static struct {
    unsigned count;
    char paths[4][200], names[4][200];
} found;

static void on_mount(void *arg, const char *path, const char *name)
{
    (void)arg;
    assert_int_in_range(found.count, 0, 3);
    (void)snprintf(found.paths[found.count], 200, "%s", path);
    (void)snprintf(found.names[found.count++], 200, "%s", name);
}

static unsigned mounts_below(pid_t pid, const char *dir)
{
    found.count = 0;
    assert_int_equal(sight_mounts(root, pid, dir, on_mount, NULL, NULL), 0);
    return found.count;
}

static void places_below_a_directory_are_told(void **state)
{
    (void)state;
    tree_file(root, "proc/42/mounts",
              "/dev/vda1 / ext4 rw 0 0\n"
              "/dev/vdb /data ext4 rw 0 0\n"
              "/dev/vdc /data2 ext4 rw 0 0\n"
              "/dev/vdd /data/big\\040shop xfs rw 0 0\n"
              "/etc/auto /data/auto autofs rw 0 0\n"
              "tmpfs /data/a/b tmpfs rw 0 0\n");
    assert_int_equal(mounts_below(42, "/data"), 2);
    assert_string_equal(found.paths[0], "/data/big shop");
    assert_string_equal(found.names[0], "big shop");
    assert_string_equal(found.names[1], "a/b");
    assert_int_equal(mounts_below(42, "/data2"), 0);
}

/* The kernel knows a mount by where links lead. */
static void a_directory_behind_a_link_is_the_one_it_leads_to(void **state)
{
    AUTO_FREE char *line = xasprintf("/dev/vdd %s/srv/shop ext4 rw 0 0\n", root);
    AUTO_FREE char *link = xasprintf("%s/link", root);

    (void)state;
    tree_link(root, "link", "srv");
    tree_file(root, "proc/42/mounts", line);
    assert_int_equal(mounts_below(42, link), 1);
    assert_string_equal(found.names[0], "shop");
}

static void of_an_unknown_process_our_own_mounts_count(void **state)
{
    (void)state;
    assert_int_equal(sight_mounts(root, 0, "/data", on_mount, NULL, NULL), -1);
    tree_file(root, "proc/self/mounts", "/dev/vdd /data/shop ext4 rw 0 0\n");
    assert_int_equal(mounts_below(0, "/data"), 1);
    assert_int_equal(mounts_below(44, "/data"), 1);
}

static void what_is_hidden_from_it_is_lacked(void **state)
{
    AUTO_FREE char *theirs = in_jail("mysql"), *srv = xasprintf("%s/srv", root);
    AUTO_FREE char *mysql = xasprintf("%s/mysql", root);

    (void)state;
    tree_dirs(root, theirs, 1);
    assert_true(sight_lacks(root, 42, srv));
    assert_false(sight_lacks(root, 42, mysql));
    assert_false(sight_lacks(root, 0, srv));  /* which process it is is not known, */
    assert_false(sight_lacks(root, 44, srv)); /* or it is gone */
}

#define SIGHT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SIGHT_TEST(one_that_has_our_root_sees_the_same),
        SIGHT_TEST(another_directory_of_that_name_is_another),
        SIGHT_TEST(what_only_one_of_both_has_is_another),
        SIGHT_TEST(the_same_directory_on_another_way_is_the_same),
        SIGHT_TEST(an_absolute_link_does_not_lead_back),
        SIGHT_TEST(what_cannot_be_looked_at_is_unknown),
        SIGHT_TEST(places_below_a_directory_are_told),
        SIGHT_TEST(a_directory_behind_a_link_is_the_one_it_leads_to),
        SIGHT_TEST(what_is_hidden_from_it_is_lacked),
        SIGHT_TEST(of_an_unknown_process_our_own_mounts_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
