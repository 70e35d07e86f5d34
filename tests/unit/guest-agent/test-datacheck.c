/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which files hold pages, what innochecksum's words are worth, and programs that must end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>

#include "guest-agent/evidence/datafiles.h"
#include "proto/base/clock.h"
#include "tree.h"

static char *root;

static int setup(void **state)
{
    (void)state;
    root = tree_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tree_free(root);
    return 0;
}

/* ---- files ---- */

static void test_kinds(void **state)
{
    static const struct {
        const char *name, *data_file_path;
        enum data_file kind;
    } rows[] = {
        {"t.ibd", NULL, DATA_FILE_WHOLE},
        {"t#p#p0.ibd", NULL, DATA_FILE_WHOLE},
        {"mysql.ibd", NULL, DATA_FILE_WHOLE},
        {"more.ibu", NULL, DATA_FILE_WHOLE},
        {"undo_001", NULL, DATA_FILE_WHOLE},
        {"undo002", NULL, DATA_FILE_WHOLE},
        {"undo_001_trunc.log", NULL, DATA_FILE_NONE},
        {"ibdata1", NULL, DATA_FILE_SYSTEM},
        {"ibdata2", NULL, DATA_FILE_SYSTEM_MORE},
        {"ibdata1", "ibdata1:12M:autoextend", DATA_FILE_SYSTEM},
        {"ibdata2", "ibdata1:12M;ibdata2:12M:autoextend", DATA_FILE_SYSTEM_MORE},
        {"one", "/disk/one:12M;/disk/two:12M", DATA_FILE_SYSTEM},
        {"two", "/disk/one:12M;/disk/two:12M", DATA_FILE_SYSTEM_MORE},
        {"ibtmp1", NULL, DATA_FILE_NONE},
        {"temp_1.ibt", NULL, DATA_FILE_NONE},
        {"#ib_16384_0.dblwr", NULL, DATA_FILE_NONE},
        {"ib_logfile0", NULL, DATA_FILE_NONE},
        {"ib_buffer_pool", NULL, DATA_FILE_NONE},
        {".ibd", NULL, DATA_FILE_NONE},
        {"t.MYD", NULL, DATA_FILE_NONE},
        {"t.cfg", NULL, DATA_FILE_NONE},
    };

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
        if (data_files_kind(rows[n].name, rows[n].data_file_path) != rows[n].kind)
            fail_msg("%s is of kind %d", rows[n].name,
                     data_files_kind(rows[n].name, rows[n].data_file_path));
    }
}

static void test_doublewrite(void **state)
{
    (void)state;
    assert_int_equal(data_files_doublewrite("10.11.6-MariaDB", 16384), 64);
    assert_int_equal(data_files_doublewrite("10.11.6-MariaDB", 4096), 256);
    assert_int_equal(data_files_doublewrite("10.11.6-MariaDB", 65536), 64);
    assert_int_equal(data_files_doublewrite("5.7.44-log", 16384), 64);
    assert_int_equal(data_files_doublewrite("8.0.19", 16384), 64);
    assert_int_equal(data_files_doublewrite("8.0.20", 16384), 0);
    assert_int_equal(data_files_doublewrite("9.7.4-2", 16384), 0);
    assert_int_equal(data_files_doublewrite("10.11.6-MariaDB", 0), 0);
}

static bool found(const struct data_files *f, const char *name)
{
    for (size_t n = 0; n < f->count; n++) {
        if (strstr(f->paths[n], name))
            return true;
    }
    return false;
}

static void test_search(void **state)
{
    AUTO_FREE char *datadir = xasprintf("%s/data", root), *undo = xasprintf("%s/data/undo", root),
                   *lone = xasprintf("%s/far/x.ibd", root), *binlog = xasprintf("%s/binlog", root);
    struct server_path paths[] = {
        {"datadir", datadir}, {"undo", undo}, {"tablespace", lone}, {"binlog", binlog}};
    const struct server_info info = {.paths = paths, .path_count = ARRAY_SIZE(paths)};
    struct data_files f;
    struct err e = ERR_INIT;

    (void)state;
    tree_file(root, "data/ibdata1", "x");
    tree_file(root, "data/t/a.ibd", "x");
    tree_file(root, "data/t/empty.ibd", "");
    tree_file(root, "data/t/a.frm", "x");
    tree_file(root, "data/undo/undo_001", "x");
    tree_file(root, "far/x.ibd", "x");
    tree_file(root, "far/other.ibd", "x");
    tree_file(root, "binlog/b.ibd", "x");
    assert_int_equal(data_files_find(&info, NULL, &f, &e), 0);
    assert_int_equal(f.count, 4);
    assert_true(found(&f, "data/ibdata1") && found(&f, "data/t/a.ibd") &&
                found(&f, "data/undo/undo_001") && found(&f, "far/x.ibd"));
    data_files_release(&f);
}

/* ---- words ---- */

static void check_words(const char *output, int status, const char *want)
{
    AUTO_FREE char *words = data_files_words(output, status);

    assert_string_equal(words, want);
}

static void test_words(void **state)
{
    AUTO_FREE char *words = NULL;
    char many[4000];

    (void)state;
    check_words("Fail: page::6 invalid\nExceeded the maximum allowed checksum mismatch count::1\n",
                1,
                "Fail: page::6 invalid; Exceeded the maximum allowed checksum mismatch count::1 "
                "(innochecksum ended with status 1)");
    check_words("\n  Fail:   page 3\n\n\n", 1, "Fail: page 3 (innochecksum ended with status 1)");
    check_words("", 139, "no word (innochecksum ended with status 139)");
    memset(many, 'x', sizeof(many) - 1);
    many[sizeof(many) - 1] = '\0';
    words = data_files_words(many, 1);
    assert_true(strlen(words) < 400);
}

/* ---- programs ---- */

static int run(const char *script, struct child_limits limits, struct buf *out, int *status,
               struct err *e)
{
    const char *const argv[] = {"sh", "-c", script, NULL};

    return child_run(argv, &limits, out, status, e);
}

static bool always(void *arg)
{
    (void)arg;
    return true;
}

static void test_child(void **state)
{
    const struct child_limits plain = {.output_max = 10};
    const char *const none[] = {"cbsnap-no-such-program", NULL};
    struct buf out = BUF_INIT;
    struct err e = ERR_INIT;
    int status = -1;

    (void)state;
    assert_int_equal(run("echo a; echo b >&2; exit 3", plain, &out, &status, &e), 0);
    assert_int_equal(status, 3);
    assert_string_equal(buf_text(&out), "a\nb\n");
    buf_clear(&out);
    assert_int_equal(run("yes | head -c 100000; kill -9 $$", plain, &out, &status, &e), 0);
    assert_int_equal(status, 128 + 9);
    assert_int_equal(out.len, 10);
    buf_release(&out);
    assert_int_equal(child_run(none, &plain, &out, &status, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void test_child_that_stays(void **state)
{
    const struct child_limits brief = {.output_max = 10, .timeout_ms = 300};
    const struct child_limits patient = {.output_max = 10, .timeout_ms = 30000};
    const struct child_limits stopped = {.output_max = 10, .stop = always};
    int64_t began = mono_ms();
    struct buf out = BUF_INIT;
    struct err e = ERR_INIT;
    int status = -1;
    pid_t left;

    (void)state;
    assert_int_equal(run("exec sleep 60", brief, &out, &status, &e), -1);
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_int_equal(run("exec sleep 60", stopped, &out, &status, &e), -1);
    assert_int_equal(e.code, ERR_CANCELLED);
    /* what it leaves behind keeps the pipe, but nobody waits for that */
    assert_int_equal(run("sleep 60 & echo $!; exit 0", patient, &out, &status, &e), 0);
    left = (pid_t)atoi(buf_text(&out));
    assert_true(left > 1 && kill(left, SIGKILL) == 0);
    assert_int_equal(status, 0);
    assert_true(mono_ms() - began < 30000);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_doublewrite),
        cmocka_unit_test_setup_teardown(test_search, setup, teardown),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_child),
        cmocka_unit_test(test_child_that_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
