/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a certificate is read from: the asset tag, the head of a binary log, the error log of the
 * server's run, and its process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "guest-agent/evidence/asset.h"
#include "guest-agent/evidence/journal.h"
#include "guest-agent/mysql/gtidhead.h"
#include "guest-agent/sample/procinfo.h"
#include "guest-agent/sample/startlog.h"
#include "tests/in_range.h"
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

/* ---- asset tag ---- */

static bool tagged(const char *text, char *ret_set)
{
    AUTO_FREE char *path = xasprintf("%s/tag", root);

    tree_file(root, "tag", text);
    return asset_verifying(path, ret_set);
}

static void test_asset_tag(void **state)
{
    static const char *const ordinary[] = {"",
                                           "\n",
                                           "No Asset Tag\n",
                                           "cbsnap-verify:\n",
                                           "cbsnap-verify:20161104T101500Z\n",
                                           "cbsnap-verify:20161104T101500Z-7f3a; rm -rf\n",
                                           "xcbsnap-verify:20161104T101500Z-7f3a\n",
                                           "cbsnap-verify: 20161104T101500Z-7f3a\n"};
    char set[SETID_SIZE] = "untouched";

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(ordinary); n++) {
        if (tagged(ordinary[n], set))
            fail_msg("verifies: %s", ordinary[n]);
    }
    assert_string_equal(set, "untouched");
    assert_false(asset_verifying("/nonexistent/tag", set));
    assert_true(tagged("cbsnap-verify:20161104T101500Z-7f3a\n", set));
    assert_string_equal(set, "20161104T101500Z-7f3a");
    assert_true(tagged("cbsnap-verify:20161104T101500Z-7f3b", set));
    assert_string_equal(set, "20161104T101500Z-7f3b");
}

/* ---- heads of binary logs ---- */

static void check_head(const char *type, const char *info, const char *want)
{
    AUTO_FREE char *set = gtidhead_of(type, info);

    if (!want ? set != NULL : !set || strcmp(set, want) != 0)
        fail_msg("%s '%s': '%s', not '%s'", type, info, set ? set : "-", want ? want : "-");
}

static void test_gtid_heads(void **state)
{
    (void)state;
    check_head("Previous_gtids", "", "");
    check_head("Previous_gtids", "a4d962a3-e7a6-11f1-a2ee-02fc00000001:1-1013",
               "a4d962a3-e7a6-11f1-a2ee-02fc00000001:1-1013");
    check_head("Previous_gtids",
               "a4d962a3-e7a6-11f1-a2ee-02fc00000001:1-1013:1015,\nb5c0-1:tag:1-7",
               "a4d962a3-e7a6-11f1-a2ee-02fc00000001:1-1013:1015,b5c0-1:tag:1-7");
    check_head("Gtid_list", "[]", "");
    check_head("Gtid_list", "[0-7-12]", "0-7-12");
    /* all servers of a domain, the newest last; gtid_binlog_pos has that one alone */
    check_head("Gtid_list", "[0-1-10,0-7-12]", "0-7-12");
    check_head("Gtid_list", "[10-8-3, 0-1-10, 0-7-12,\n10-9-5]", "0-7-12,10-9-5");
    check_head("Gtid_list", "0-7-12", NULL);
    check_head("Gtid_list", "[", NULL);
    check_head("Format_desc", "Server ver: 10.11.6, Binlog ver: 4", NULL);
    check_head("Binlog_checkpoint", "bin.000002", NULL);
    check_head("Previous_gtids", NULL, NULL);
}

/* ---- how far recovery went ---- */

static void test_recovered_lsn(void **state)
{
    static const struct {
        const char *line;
        uint64_t lsn; /* 0: does not say */
    } rows[] = {
        {"InnoDB: Doing recovery: scanned up to log sequence number 0 13739520", 13739520},
        {"InnoDB: Doing recovery: scanned up to log sequence number 1 5", (UINT64_C(1) << 32) + 5},
        {"160822 19:14:38  InnoDB: Doing recovery: scanned up to log sequence number 5772636095",
         5772636095},
        {"2020-04-19T02:41:13.694042Z 0 [Note] InnoDB: Doing recovery: scanned up to log sequence "
         "number 395818411977 (0%)",
         395818411977},
        {"2023-06-26T10:20:02.418985+08:00 0 [Note] [MY-012550] [InnoDB] Doing recovery: scanned "
         "up to log sequence number 30394287",
         30394287},
        {"2025-03-26 16:38:07 0 [Note] InnoDB: End of log at LSN=45502", 45502},
        {"2025-03-26 16:38:07 0 [Note] InnoDB: Starting crash recovery from checkpoint LSN=45502",
         0},
        {"2025-03-26 16:38:07 0 [Note] InnoDB: log sequence number 45502; transaction id 19", 0},
        {"Starting to parse redo log at lsn = 19353795, whereas checkpoint_lsn = 19353909", 0},
        {"InnoDB: End of log at LSN=", 0},
    };

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
        uint64_t lsn = 0;

        if (startlog_recovered(rows[n].line, &lsn) != (rows[n].lsn != 0) || lsn != rows[n].lsn)
            fail_msg("%llu: %s", (unsigned long long)lsn, rows[n].line);
    }
}

/* ---- the log of one run ---- */

static void read_log(struct startlog *s, pid_t pid, int64_t since_s, const char *text)
{
    AUTO_FREE char *path = xasprintf("%s/error.log", root);

    tree_file(root, "error.log", text);
    startlog_init(s, pid, since_s * 1000000);
    assert_int_equal(startlog_read(s, path), 0);
}

static const char two_runs[] =
    "2016-11-04T10:00:00.000000Z 0 [System] [MY-010116] [Server] /usr/sbin/mysqld (mysqld 8.4.2) "
    "starting as process 100\n"
    "2016-11-04T10:00:01.000000Z 0 [ERROR] [MY-000001] [Server] of the run before\n"
    "2016-11-04T10:00:01.000000Z 0 [Note] [MY-012550] [InnoDB] Doing recovery: scanned up to log "
    "sequence number 111\n"
    "2016-11-04T10:14:59.900000Z 0 [Warning] [MY-011070] [Server] an option is deprecated\n"
    "2016-11-04T10:15:00.000000Z 0 [System] [MY-010116] [Server] /usr/sbin/mysqld (mysqld 8.4.2) "
    "starting as process 200\n"
    "2016-11-04T10:15:01.000000Z 0 [Note] [MY-012550] [InnoDB] Doing recovery: scanned up to log "
    "sequence number 222\n"
    "2016-11-04T10:15:01.500000Z 0 [Note] [MY-012550] [InnoDB] Doing recovery: scanned up to log "
    "sequence number 333\n"
    "2016-11-04T10:15:02.000000Z 0 [ERROR] [MY-000002] [Server] of this run\n"
    "2016-11-04T10:15:03.000000Z 0 [Warning] [MY-000003] [Server] and a warning\n";

#define RUN_AT 1478254500 /* 2016-11-04T10:15:00Z */

static void test_run_by_process(void **state)
{
    struct startlog s;

    (void)state;
    read_log(&s, 200, RUN_AT, two_runs);
    assert_int_equal(s.errors, 1);
    assert_int_equal(startlog_count(&s), 3);
    assert_non_null(strstr(startlog_at(&s, 0)->text, "deprecated"));
    assert_non_null(strstr(startlog_at(&s, 1)->text, "of this run"));
    assert_non_null(strstr(startlog_last_error(&s), "of this run"));
    assert_true(s.has_recovered);
    assert_int_equal(s.recovered_lsn, 333);
    startlog_release(&s);
    /* without a clock the process is enough */
    read_log(&s, 200, 0, two_runs);
    assert_int_equal(startlog_count(&s), 2);
    startlog_release(&s);
    /* and one that has not written a line yet has none */
    read_log(&s, 300, RUN_AT + 60, two_runs);
    assert_int_equal(startlog_count(&s), 0);
    assert_false(s.has_recovered);
    assert_null(startlog_last_error(&s));
    startlog_release(&s);
}

/* In a container the number in the log is another one. */
static void test_run_by_time(void **state)
{
    struct startlog s;

    (void)state;
    read_log(&s, 1, RUN_AT, two_runs);
    assert_int_equal(s.errors, 1);
    assert_int_equal(s.recovered_lsn, 333);
    startlog_release(&s);
    read_log(&s, 0, 0, two_runs);
    assert_int_equal(s.errors, 2);
    startlog_release(&s);
}

static void test_run_of_mariadb(void **state)
{
    struct startlog s;

    (void)state;
    setenv("TZ", "UTC", 1);
    read_log(&s, 4711, RUN_AT,
             "2016-11-04  9:00:00 0 [ERROR] Aborting\n"
             "2016-11-04 10:15:00 0 [Note] Starting MariaDB 10.11.6-MariaDB source revision abc as "
             "process 4711\n"
             "2016-11-04 10:15:00 0 [Note] InnoDB: Starting crash recovery from checkpoint "
             "LSN=45502\n"
             "2016-11-04 10:15:01 0 [Note] InnoDB: End of log at LSN=46300\n"
             "2016-11-04 10:15:01 0 [Warning] mariadbd: unknown variable "
             "'loose_super_read_only=ON'\n"
             "2016-11-04 10:15:01 0 [Warning] 'user' entry 'x' ignored\n");
    assert_int_equal(s.errors, 0);
    assert_int_equal(startlog_count(&s), 1);
    assert_int_equal(s.recovered_lsn, 46300);
    startlog_release(&s);
}

/* Of many the newest are kept, and the errors are counted all the same; of a long file its end is
 * read, from the beginning of a line on. */
static void test_long_log(void **state)
{
    struct buf text = BUF_INIT;
    struct startlog s;

    (void)state;
    for (int n = 0; text.len < STARTLOG_BYTES_MAX + 100000; n++)
        buf_addf(&text, "2016-11-04T10:15:00.000000Z 0 [ERROR] number %07d\n", n);
    read_log(&s, 0, RUN_AT, buf_text(&text));
    assert_int_equal(s.errors, (STARTLOG_BYTES_MAX - 1) / 53);
    assert_int_equal(startlog_count(&s), STARTLOG_LINES);
    assert_true(strcmp(startlog_at(&s, 0)->text, startlog_at(&s, 1)->text) < 0);
    startlog_release(&s);
    buf_release(&text);
}

/* ---- the process ---- */

static void check_unit(const char *cgroup, const char *want)
{
    AUTO_FREE char *unit = NULL;

    tree_file(root, "proc/7/cgroup", cgroup);
    unit = procinfo_unit(root, 7);
    if (!want ? unit != NULL : !unit || strcmp(unit, want) != 0)
        fail_msg("'%s', not '%s': %s", unit ? unit : "-", want ? want : "-", cgroup);
}

static void test_units(void **state)
{
    (void)state;
    check_unit("0::/system.slice/mysql.service\n", "mysql.service");
    check_unit("0::/system.slice/system-mysqld.slice/mysqld@one.service\n", "mysqld@one.service");
    check_unit("0::/system.slice/mariadb.service/galera\n", "mariadb.service");
    check_unit("4:memory:/other.service\n1:name=systemd:/system.slice/mysqld.service\n0::/\n",
               "mysqld.service");
    check_unit("0::/user.slice/user-0.slice/session-1.scope\n", NULL);
    check_unit("0::/\n", NULL);
    check_unit("0::/system.slice/-x.service\n", NULL);
    check_unit("0::/system.slice/a b.service\n", NULL);
    assert_null(procinfo_unit(root, 8));
}

static void test_start_of_a_process(void **state)
{
    int64_t us = 0, own = 0;

    (void)state;
    tree_file(root, "proc/7/stat",
              "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 1 0 12345 1 2 3\n");
    assert_true(procinfo_started(root, 7, &us));
    assert_int_equal(us, 12345 * (1000000 / sysconf(_SC_CLK_TCK)));
    assert_false(procinfo_started(root, 8, &us));
    assert_true(procinfo_started("", getpid(), &own));
    assert_int_in_range(procinfo_boot_now() - own, 0, 60 * 1000000);
}

static void test_the_dead_do_not_live(void **state)
{
    (void)state;
    tree_file(root, "proc/7/stat", "7 (a) Z) S 1 7 7\n");
    tree_file(root, "proc/8/stat", "8 (a) S) Z 1 8 8\n");
    assert_true(procinfo_lives(root, 7));
    assert_false(procinfo_lives(root, 8));
    assert_false(procinfo_lives(root, 9));
    assert_false(procinfo_lives(root, 0));
}

static void test_log_of_a_process(void **state)
{
    AUTO_FREE char *log = xasprintf("%s/error.log", root), *found = NULL;

    (void)state;
    tree_file(root, "error.log", "");
    tree_link(root, "proc/7/fd/2", "error.log");
    tree_link(root, "proc/8/fd/2", "proc");
    tree_link(root, "proc/9/fd/2", "socket:[4711]");
    found = procinfo_log(root, 7);
    assert_non_null(found);
    assert_string_equal(found, log);
    assert_null(procinfo_log(root, 8));
    assert_null(procinfo_log(root, 9));
    assert_null(procinfo_log(root, 10));
}

/* ---- the journal ---- */

/* A stand-in that says what it was asked for, and a server's first words. */
static void test_journal_of_a_process(void **state)
{
    static const char *const script =
        "#!/bin/sh\n"
        "case \"$*\" in *' -b '*'_PID=4711') ;; *) exit 1 ;; esac\n"
        "echo '2025-03-26 16:38:07 0 [Note] Starting MariaDB 10.11.6-MariaDB as process 4711'\n"
        "echo '2025-03-26 16:38:07 0 [Note] InnoDB: End of log at LSN=45502'\n"
        "echo '2025-03-26 16:38:07 0 [ERROR] InnoDB: page 7 is corrupt'\n";
    AUTO_FREE char *tool = xasprintf("%s/journalctl", root);
    AUTO_FREE char *before = xstrdup(getenv("PATH"));
    AUTO_FREE char *path = xasprintf("%s:%s", root, before);
    struct startlog s;

    (void)state;
    tree_file(root, "journalctl", script);
    assert_int_equal(chmod(tool, 0755), 0);
    assert_int_equal(setenv("PATH", path, 1), 0);
    startlog_init(&s, 4711, 0);
    assert_int_equal(journal_of_process(4711, &s), 0);
    assert_true(s.counting && s.has_recovered);
    assert_int_equal(s.recovered_lsn, 45502);
    assert_int_equal(s.errors, 1);
    assert_int_equal(journal_of_process(4712, &s), -1);
    startlog_release(&s);
    assert_int_equal(setenv("PATH", before, 1), 0);
}

static void test_server_is_found(void **state)
{
    (void)state;
    assert_int_equal(procinfo_server(root), 0);
    tree_file(root, "proc/9/comm", "mysqld\n");
    tree_file(root, "proc/12/comm", "mariadbd\n");
    tree_file(root, "proc/7/comm", "mysqld_safe\n");
    assert_int_equal(procinfo_server(root), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_asset_tag, setup, teardown),
        cmocka_unit_test(test_gtid_heads),
        cmocka_unit_test(test_recovered_lsn),
        cmocka_unit_test_setup_teardown(test_run_by_process, setup, teardown),
        cmocka_unit_test_setup_teardown(test_run_by_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_run_of_mariadb, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_log, setup, teardown),
        cmocka_unit_test_setup_teardown(test_units, setup, teardown),
        cmocka_unit_test_setup_teardown(test_start_of_a_process, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_dead_do_not_live, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_of_a_process, setup, teardown),
        cmocka_unit_test_setup_teardown(test_journal_of_a_process, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_is_found, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
