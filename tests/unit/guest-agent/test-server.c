/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a server says of itself, asked of one that is played: it hangs, sees other files, has disks
 * mounted below its datadir. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest-agent/facts.h"
#include "guest-agent/mysql/conn.h"
#include "guest-agent/mysql/server.h"
#include "guest-agent/mysql/tables.h"
#include "proto/base/clock.h"
#include "tests/fake/mysql_server.h"
#include "tree.h"

static struct {
    char *root, *datadir, *tmpdir, *redo, *error_log, *socket;
    const char *never;       /* statements with this in them are not answered */
    const char *interrupted; /* these the server ends by itself */
    atomic_bool limited;
    struct fake_mysql *server;
    struct mysql_login login;
} w;

/* What a server that is silent would be waited for, in no time. */
int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    int64_t until = mono_in_ms(timeout_ms);

    for (;;) {
        int left_ms = (int)((until - mono_us()) / 1000);
        int slice_ms = left_ms > 5 ? 5 : left_ms > 0 ? left_ms : 0;
        struct timespec slice = {.tv_nsec = slice_ms * 1000000L};
        long rc = syscall(SYS_ppoll, fds, count, &slice, NULL, 0);

        if (rc != 0 || left_ms <= 0 || (w.server && fake_mysql_was_silent(w.server)))
            return (int)rc;
    }
}

/* ---- the server ---- */

static void tell_variables(struct fake_session *s)
{
    const char *const cells[] = {"Variable_name",
                                 "Value", /* */
                                 "version",
                                 "8.0.36", /* */
                                 "datadir",
                                 w.datadir, /* */
                                 "tmpdir",
                                 w.tmpdir, /* */
                                 "log_error",
                                 w.error_log, /* */
                                 "log_bin",
                                 "OFF", /* */
                                 "innodb_log_group_home_dir",
                                 w.redo,
                                 "innodb_data_home_dir",
                                 w.root,
                                 "innodb_data_file_path",
                                 "ibdata1:12M;disk/ibdata2:12M"};

    fake_rows(s, 2, 8, cells);
}

static void says(struct fake_session *s, const char *sql)
{
    static const char *const account[] = {"CURRENT_USER()", "root@localhost"};
    static const char *const grants[] = {"Grants", "GRANT ALL PRIVILEGES ON *.* TO root@localhost"};
    static const char *const files[] = {"FILE_NAME"};

    if (w.never && strstr(sql, w.never))
        return;
    if (strstr(sql, "SET SESSION max_execution_time"))
        atomic_store(&w.limited, true);
    if (w.interrupted && strstr(sql, w.interrupted))
        fake_error(s, 3024, "Query execution was interrupted");
    else if (strstr(sql, "SHOW GLOBAL VARIABLES"))
        tell_variables(s);
    else if (strstr(sql, "information_schema.FILES"))
        fake_rows(s, 1, 0, files);
    else if (strstr(sql, "INNODB_SYS_DATAFILES"))
        fake_error(s, 1109, "Unknown table");
    else if (strstr(sql, "CURRENT_USER()"))
        fake_rows(s, 1, 1, account);
    else if (strstr(sql, "SHOW GRANTS"))
        fake_rows(s, 1, 1, grants);
    else
        fake_ok(s);
}

/* At which something may be mounted. */
static const char *const places[] = {
    "data/shop",         "data/a/b",  "data/.snapshot/1",  "data/#innodb_temp",
    "data/#innodb_redo", "data/tmp/", "redo/#innodb_redo", "redo/backup",
};

static int setup(void **state)
{
    (void)state;
    w.root = tree_new();
    w.datadir = xasprintf("%s/data", w.root);
    w.socket = xasprintf("%s/socket", w.root);
    w.tmpdir = xasprintf("/nowhere:%s/data/tmp/", w.root);
    w.redo = xasprintf("%s/redo", w.root);
    w.error_log = xasprintf("%s/error.log", w.root);
    for (size_t n = 0; n < ARRAY_SIZE(places); n++)
        tree_dirs(w.root, places[n], 1);
    tree_dirs(w.root, "elsewhere", 1);
    tree_file(w.root, "error.log", "");
    w.login = (struct mysql_login){.socket = w.socket, .connect_timeout_ms = 2000};
    return 0;
}

static int setup_server(void **state)
{
    if (setup(state) < 0)
        return -1;
    w.server = fake_mysql_new(w.socket, "8.0.36", says);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (w.server)
        fake_mysql_free(w.server);
    free(w.socket);
    free(w.datadir);
    free(w.tmpdir);
    free(w.redo);
    free(w.error_log);
    tree_free(w.root);
    memset(&w, 0, sizeof(w));
    return 0;
}

static enum err_code asked(struct server_info *ret)
{
    struct err e = ERR_INIT;

    *ret = (struct server_info){.version = NULL};
    if (server_info_read(&w.login, ret, &e) < 0)
        print_message("# %s\n", e.msg);
    return e.code;
}

/* ---- silence ---- */

static void a_healthy_server_tells_all_and_is_left(void **state)
{
    struct server_info info;

    (void)state;
    assert_int_equal(asked(&info), ERR_NONE);
    assert_string_equal(info.version, "8.0.36");
    assert_string_equal(info.paths[0].role, "datadir");
    assert_string_equal(info.paths[0].path, w.datadir);
    assert_int_equal(info.missing_count, 0);
    assert_null(info.doubt);
    server_info_release(&info);
    assert_int_equal(fake_mysql_stuck(w.server), 0);
    assert_int_equal(fake_mysql_logins(w.server), 1);
}

/* Without an end of its own each question would stay in the server. */
static void the_session_of_a_question_without_an_answer_is_ended(void **state)
{
    static const char *const hangs[] = {"information_schema.FILES", "SHOW GLOBAL VARIABLES",
                                        "SHOW GRANTS", "max_execution_time"};
    struct server_info info;

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(hangs); n++) {
        w.never = hangs[n];
        assert_int_equal(asked(&info), ERR_TIMEOUT);
    }
    assert_int_equal(fake_mysql_stuck(w.server), 0);
    assert_true(atomic_load(&w.limited));
}

/* The one that was left may hold the lock: whoever comes next must still know of it. */
static void a_kill_without_an_answer_is_made_again(void **state)
{
    struct err e = ERR_INIT;
    unsigned long left;
    struct conn c;

    (void)state;
    conn_init(&c, &w.login);
    assert_int_equal(conn_open(&c, &e), 0);
    left = c.id;
    w.never = "FLUSH";
    assert_int_equal(conn_query(&c, 2000, NULL, &e, "FLUSH TABLES"), -1);
    assert_int_equal(c.left, left);
    fake_mysql_set_deaf(w.server, true);
    e = ERR_INIT;
    assert_int_equal(conn_open(&c, &e), -1);
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_int_equal(c.left, left);
    fake_mysql_set_deaf(w.server, false);
    e = ERR_INIT;
    assert_int_equal(conn_open(&c, &e), 0);
    assert_int_equal(c.left, 0);
    conn_release(&c);
    assert_int_equal(fake_mysql_stuck(w.server), 1); /* the one that was to kill */
}

/* Nor is it asked for more by those who have just waited for it in vain. */
static void a_server_that_hangs_holds_one_session_at_most(void **state)
{
    struct mysql_lock *lock = mysql_lock_new(&w.login);

    (void)state;
    w.never = "SET SESSION wait_timeout"; /* the first of each login */
    for (unsigned n = 1; n <= 5; n++) {
        struct facts facts;

        facts_read(&facts, lock, &w.login);
        assert_int_equal(facts.problem.code, ERR_TIMEOUT);
        assert_int_equal(fake_mysql_logins(w.server), n);
        facts_release(&facts);
    }
    assert_int_equal(fake_mysql_stuck(w.server), 1);
    mysql_lock_free(lock);
}

/* A list that was cut off is not the list: tablespaces elsewhere would go unseen. */
static void tablespaces_that_took_too_long_are_a_failure(void **state)
{
    struct server_info info;

    (void)state;
    w.interrupted = "information_schema.FILES";
    assert_int_equal(asked(&info), ERR_TIMEOUT);
}

/* ---- other files ---- */

static int enter_jail(void)
{
    AUTO_FREE char *jail = xasprintf("%s/jail", w.root);

    return chdir(jail) == 0 && chroot(".") == 0 ? 0 : -1;
}

static int stay(void)
{
    return 0;
}

static int mount_at(const char *place)
{
    AUTO_FREE char *from = xasprintf("%s/elsewhere", w.root);
    AUTO_FREE char *to = xasprintf("%s/%s", w.root, place);

    return mount(from, to, "none", MS_BIND, "");
}

static int mount_one(void)
{
    return mount_at("data/shop");
}

static int leave_mounts(void)
{
    if (unshare(CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER)) < 0)
        return -1;
    return mount("none", "/", "none", MS_REC | MS_PRIVATE, "");
}

/* A server that is a process of its own, in a mount namespace of its own as systemd makes it, which
 * sees what `move` leaves it of the filesystem. 0 where none can be made. */
static pid_t server_apart(int (*move)(void), const char *socket)
{
    int ready[2];
    char c = 0;
    pid_t pid;

    if (pipe2(ready, O_CLOEXEC) < 0)
        return 0;
    pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (leave_mounts() == 0 && move() == 0) {
            (void)fake_mysql_new(socket, "8.0.36", says);
            (void)!write(ready[1], "", 1);
        }
        close(ready[1]);
        for (;;)
            (void)pause();
    }
    close(ready[1]);
    if (pid > 0 && read(ready[0], &c, 1) != 1) {
        kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        pid = 0;
    }
    close(ready[0]);
    return pid;
}

static void end_server(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* What the server calls its error log, where it is a file of this system. */
static char *log_told(void)
{
    struct table_checker *c = table_checker_new(&w.login);
    char *log = NULL;

    assert_int_equal(table_checker_open(c, NULL), 0);
    if (table_checker_log(c))
        log = xstrdup(table_checker_log(c));
    table_checker_free(c);
    return log;
}

/* Its datadir has the name of a directory that is here, too. */
static void a_server_in_a_chroot_is_refused(void **state)
{
    AUTO_FREE char *socket = xasprintf("%s/jail/socket", w.root);
    AUTO_FREE char *datadir = xasprintf("jail%s", w.datadir), *log = NULL;
    struct server_info info;
    pid_t pid;

    (void)state;
    tree_dirs(w.root, datadir, 1);
    w.login.socket = socket;
    pid = server_apart(enter_jail, "/socket");
    if (!pid)
        skip();
    assert_int_equal(asked(&info), ERR_REFUSED);
    log = log_told();
    assert_null(log);
    end_server(pid);
}

static void a_server_in_a_mount_namespace_of_its_own_is_not(void **state)
{
    AUTO_FREE char *log = NULL;
    struct server_info info;
    pid_t pid;

    (void)state;
    pid = server_apart(stay, w.socket);
    if (!pid)
        skip();
    assert_int_equal(asked(&info), ERR_NONE);
    assert_null(info.doubt);
    log = log_told();
    assert_non_null(log);
    assert_string_equal(log, w.error_log);
    server_info_release(&info);
    end_server(pid);
}

/* A disk that the server alone sees: here is but the directory below it. */
static void what_is_mounted_for_the_server_alone_is_refused(void **state)
{
    struct server_info info;
    pid_t pid;

    (void)state;
    pid = server_apart(mount_one, w.socket);
    if (!pid)
        skip();
    assert_int_equal(asked(&info), ERR_REFUSED);
    end_server(pid);
}

/* ---- mounts ---- */

static bool told(const struct server_info *info, const char *role, const char *place)
{
    AUTO_FREE char *path = xasprintf("%s/%s", w.root, place);

    for (size_t n = 0; n < info->path_count; n++) {
        if (strcmp(info->paths[n].role, role) == 0 && strcmp(info->paths[n].path, path) == 0)
            return true;
    }
    return false;
}

static size_t count_of(const struct server_info *info, const char *role)
{
    size_t count = 0;

    for (size_t n = 0; n < info->path_count; n++)
        count += strcmp(info->paths[n].role, role) == 0;
    return count;
}

enum { WRONG = 1, NO_MOUNTS = 77 };

/* In a process of its own, server and all. */
static int with_mounts(void)
{
    static const char *const wanted[] = {"data/shop", "data/a/b", "data/#innodb_redo",
                                         "redo/#innodb_redo"};
    struct server_info info;
    bool ok = true;

    if (leave_mounts() < 0)
        return NO_MOUNTS;
    for (size_t n = 0; n < ARRAY_SIZE(places); n++) {
        if (mount_at(places[n]) < 0)
            return NO_MOUNTS;
    }
    w.server = fake_mysql_new(w.socket, "8.0.36", says);
    if (asked(&info) != ERR_NONE)
        return WRONG;
    for (size_t n = 0; n < ARRAY_SIZE(wanted); n++)
        ok = ok && told(&info, "directory", wanted[n]);
    ok = ok && count_of(&info, "directory") == ARRAY_SIZE(wanted);
    server_info_release(&info);
    fake_mysql_free(w.server);
    return ok ? 0 : WRONG;
}

static void what_is_mounted_below_the_datadir_is_a_part_of_it(void **state)
{
    pid_t pid = fork();
    int status;

    (void)state;
    if (pid == 0)
        _exit(with_mounts());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_MOUNTS)
        skip();
    assert_int_equal(status, 0);
}

/* A directory of its own may be a mount. */
static void a_file_of_the_system_tablespace_is_told_whole(void **state)
{
    struct server_info info;

    (void)state;
    assert_int_equal(asked(&info), ERR_NONE);
    assert_true(told(&info, "tablespace", "disk/ibdata2"));
    assert_int_equal(count_of(&info, "tablespace"), 2); /* and the directory of the other */
    server_info_release(&info);
}

#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, setup_server, teardown)
#define APART_TEST(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(a_healthy_server_tells_all_and_is_left),
        SERVER_TEST(a_kill_without_an_answer_is_made_again),
        SERVER_TEST(the_session_of_a_question_without_an_answer_is_ended),
        SERVER_TEST(a_server_that_hangs_holds_one_session_at_most),
        SERVER_TEST(tablespaces_that_took_too_long_are_a_failure),
        APART_TEST(a_server_in_a_chroot_is_refused),
        APART_TEST(a_server_in_a_mount_namespace_of_its_own_is_not),
        APART_TEST(what_is_mounted_for_the_server_alone_is_refused),
        APART_TEST(what_is_mounted_below_the_datadir_is_a_part_of_it),
        SERVER_TEST(a_file_of_the_system_tablespace_is_told_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
