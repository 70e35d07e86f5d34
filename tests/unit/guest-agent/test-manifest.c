/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instance manifests: written whole or not at all, pruned, and only files of our form touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>

#include "guest-agent/evidence/manifest.h"
#include "tree.h"

#define SET(n) "20161104T10150" #n "Z-7f3a"

static char *root, *dir;

static int setup(void **state)
{
    (void)state;
    root = tree_new();
    dir = xasprintf("%s/lib/instance", root);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tree_free(root);
    free(dir);
    return 0;
}

static char *path_of(const char *name)
{
    return xasprintf("%s/%s", dir, name);
}

static bool there(const char *name)
{
    AUTO_FREE char *path = path_of(name);

    return access(path, F_OK) == 0;
}

static char *text_of(const char *name)
{
    AUTO_FREE char *path = path_of(name);
    AUTO_FCLOSE FILE *f = fopen(path, "r");
    static char text[256];
    size_t len = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

    text[len] = '\0';
    return text;
}

static int store(const char *set, const char *json, unsigned keep, unsigned *pruned, struct err *e)
{
    AUTO_FREE char *path = NULL;
    AUTO_FREE char *want = NULL;
    unsigned own = 0;
    int rc = manifest_store(dir, set, json, keep, &path, pruned ? pruned : &own, e);

    if (rc == 0) {
        want = xasprintf("%s/%s.json", dir, set);
        assert_string_equal(path, want);
    }
    return rc;
}

static unsigned mode_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void test_written_private_and_replaced(void **state)
{
    AUTO_FREE char *file = path_of(SET(1) ".json");
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(store(SET(1), "{\"a\": 1}", 32, NULL, &e), 0);
    assert_int_equal(mode_of(dir), 0700);
    assert_int_equal(mode_of(file), 0600);
    assert_int_equal(store(SET(1), "{\"a\": 2}", 32, NULL, &e), 0);
    assert_string_equal(text_of(SET(1) ".json"), "{\"a\": 2}");
    assert_false(there(SET(1) ".json.tmp"));
}

static void test_pruned_in_order(void **state)
{
    unsigned pruned = 9;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(store(SET(1), "{}", 32, NULL, &e), 0);
    assert_int_equal(store(SET(3), "{}", 32, NULL, &e), 0);
    assert_int_equal(store(SET(2), "{}", 32, &pruned, &e), 0);
    assert_int_equal(pruned, 0);
    assert_int_equal(store(SET(4), "{}", 2, &pruned, &e), 0);
    assert_int_equal(pruned, 2);
    assert_true(there(SET(4) ".json") && there(SET(2) ".json"));
    assert_false(there(SET(1) ".json") || there(SET(3) ".json"));
}

static void assert_newest(const char *set)
{
    char newest[SETID_SIZE] = "";

    assert_true(manifest_newest(dir, newest));
    assert_string_equal(newest, set);
}

#define IN_2099 "20991231T235959Z-7f3a"
#define IN_2001 "20010101T000000Z-7f3a"

/* A host whose clock was wrong for one set, either way: the last stored is the newest all the same,
 * and what the wrong clock has left goes in its turn. */
static void test_order_is_no_clocks(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(store(SET(1), "{}", 3, NULL, &e), 0);
    assert_int_equal(store(IN_2099, "{}", 3, NULL, &e), 0);
    assert_newest(IN_2099);
    assert_int_equal(store(SET(2), "{}", 3, NULL, &e), 0);
    assert_newest(SET(2));
    assert_int_equal(store(IN_2001, "{}", 3, NULL, &e), 0);
    assert_newest(IN_2001);
    assert_int_equal(store(SET(3), "{}", 3, NULL, &e), 0);
    assert_newest(SET(3));
    assert_false(there(IN_2099 ".json"));
    assert_true(there(IN_2001 ".json"));
    assert_int_equal(store(SET(2), "{}", 3, NULL, &e), 0); /* once more */
    assert_newest(SET(2));
    assert_int_equal(manifest_forget(dir, SET(2), &e), 0);
    assert_newest(SET(3));
}

static void write_file(const char *name, const char *text)
{
    AUTO_FREE char *path = path_of(name);
    AUTO_FCLOSE FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
}

/* Those of an agent that kept no order are older than those of one that does. */
static void test_without_an_order_by_id(void **state)
{
    AUTO_FREE char *order = path_of("order");
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(store(SET(2), "{}", 32, NULL, &e), 0);
    assert_int_equal(unlink(order), 0);
    write_file(IN_2099 ".json", "{}");
    write_file(SET(1) ".json", "{}");
    assert_newest(IN_2099);
    assert_int_equal(store(SET(3), "{}", 3, NULL, &e), 0);
    assert_newest(SET(3));
    assert_false(there(SET(1) ".json"));
    assert_true(there(SET(2) ".json") && there(IN_2099 ".json"));
}

static void test_an_odd_order_is_harmless(void **state)
{
    AUTO_FREE char *order = path_of("order");
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(store(SET(1), "{}", 32, NULL, &e), 0);
    assert_int_equal(store(SET(2), "{}", 32, NULL, &e), 0);
    write_file("order", SET(2) "\n\n../" SET(9) "\n" SET(1) "\n" SET(9) "\n" SET(2));
    assert_newest(SET(2));
    assert_int_equal(store(SET(3), "{}", 32, NULL, &e), 0);
    assert_string_equal(text_of("order"), SET(1) "\n" SET(2) "\n" SET(3) "\n");
    /* one that is there and cannot be read: what is the newest is not known */
    assert_int_equal(unlink(order), 0);
    assert_int_equal(mkdir(order, 0700), 0);
    assert_int_equal(store(SET(4), "{}", 32, NULL, &e), -1);
    assert_int_equal(e.code, ERR_IO);
    assert_int_equal(rmdir(order), 0);
}

/* A clock that went back: what was just promised stays, whatever its id. */
static void test_own_is_never_pruned(void **state)
{
    char newest[SETID_SIZE];
    unsigned pruned;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(store(SET(5), "{}", 1, NULL, &e), 0);
    assert_int_equal(store(SET(6), "{}", 2, NULL, &e), 0);
    assert_int_equal(store(SET(1), "{}", 0, &pruned, &e), 0);
    assert_int_equal(pruned, 2);
    assert_true(there(SET(1) ".json"));
    assert_true(manifest_newest(dir, newest));
    assert_string_equal(newest, SET(1));
}

static void test_foreign_files_stay(void **state)
{
    static const char *const foreign[] = {"notes.json", SET(1) ".json.bak", "x" SET(1) ".json",
                                          "20161104T101501Z-7F3A.json", SET(1)};
    unsigned pruned;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(store(SET(8), "{}", 1, NULL, &e), 0);
    for (size_t n = 0; n < ARRAY_SIZE(foreign); n++) {
        AUTO_FREE char *path = path_of(foreign[n]);
        AUTO_FCLOSE FILE *f = fopen(path, "w");

        assert_non_null(f);
    }
    assert_int_equal(store(SET(9), "{}", 1, &pruned, &e), 0);
    assert_int_equal(pruned, 1);
    for (size_t n = 0; n < ARRAY_SIZE(foreign); n++)
        assert_true(there(foreign[n]));
}

/* An agent that died while it wrote. */
static void test_leftovers_go(void **state)
{
    AUTO_FREE char *left = path_of(SET(2) ".json.tmp");
    struct err e = ERR_INIT;
    FILE *f;

    (void)state;
    assert_int_equal(store(SET(1), "{}", 32, NULL, &e), 0);
    f = fopen(left, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(store(SET(3), "{}", 32, NULL, &e), 0);
    assert_false(there(SET(2) ".json.tmp"));
}

static void test_bad_ids(void **state)
{
    static const char *const bad[] = {"",
                                      "..",
                                      "../../etc/passwd",
                                      "20161104T101500Z-7f3",
                                      "20161104T101500Z-7f3aa",
                                      "20161104T101500Z-7F3A",
                                      "20161104t101500Z-7f3a",
                                      "20161104T101500Z/7f3a",
                                      "2016x104T101500Z-7f3a"};

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(bad); n++) {
        struct err e = ERR_INIT;

        assert_int_equal(store(bad[n], "{}", 32, NULL, &e), -1);
        assert_int_equal(e.code, ERR_PROTOCOL);
        e = ERR_INIT;
        assert_int_equal(manifest_forget(dir, bad[n], &e), -1);
        assert_int_equal(e.code, ERR_PROTOCOL);
    }
    assert_int_not_equal(access(dir, F_OK), 0);
}

static void test_sizes(void **state)
{
    AUTO_FREE char *big = xcalloc(1, MANIFEST_BYTES_MAX + 2);
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(store(SET(1), "", 32, NULL, &e), -1);
    memset(big, ' ', MANIFEST_BYTES_MAX + 1);
    assert_int_equal(store(SET(1), big, 32, NULL, &e), -1);
    assert_int_equal(e.code, ERR_PROTOCOL);
    big[MANIFEST_BYTES_MAX] = '\0';
    assert_int_equal(store(SET(1), big, 32, NULL, &e), 0);
}

/* A limit on the file's size stands for a disk that is full while it is written. */
static void test_disk_full(void **state)
{
    AUTO_FREE char *big = xcalloc(1, 100001);
    struct rlimit was, small = {.rlim_cur = 4096, .rlim_max = RLIM_INFINITY};
    struct err e = ERR_INIT;
    int rc;

    (void)state;
    assert_int_equal(store(SET(1), "{\"old\": 1}", 32, NULL, &e), 0);
    memset(big, 'x', 100000);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &was);
    small.rlim_max = was.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    rc = store(SET(1), big, 1, NULL, &e);
    setrlimit(RLIMIT_FSIZE, &was);
    assert_int_equal(rc, -1);
    assert_int_equal(e.code, ERR_IO);
    assert_non_null(strstr(e.msg, SET(1) ".json"));
    assert_string_equal(text_of(SET(1) ".json"), "{\"old\": 1}");
    assert_false(there(SET(1) ".json.tmp"));
}

static void test_forget(void **state)
{
    char newest[SETID_SIZE] = "";
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(manifest_forget(dir, SET(1), &e), 0); /* not even a directory */
    assert_false(manifest_newest(dir, newest));
    assert_int_equal(store(SET(1), "{}", 32, NULL, &e), 0);
    assert_int_equal(store(SET(2), "{}", 32, NULL, &e), 0);
    assert_int_equal(manifest_forget(dir, SET(2), &e), 0);
    assert_int_equal(manifest_forget(dir, SET(2), &e), 0);
    assert_true(manifest_newest(dir, newest));
    assert_string_equal(newest, SET(1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_written_private_and_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pruned_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order_is_no_clocks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_an_order_by_id, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_odd_order_is_harmless, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_is_never_pruned, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign_files_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leftovers_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_ids, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_disk_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forget, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
