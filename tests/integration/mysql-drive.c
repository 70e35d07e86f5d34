/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drives the agent's MySQL lock against a running server and says in TAP what it saw.
 *
 *     mysql-drive all SOCKET PID DIR    everything; ends by killing the server
 *     mysql-drive nobinlog SOCKET       a server without a binary log
 *
 * The server's root logs in over the socket without a password, and it has a database cbsnap_test.
 * DIR is for files of the test's own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/integration/mysql-drive.h"

const char *sock, *dir;
pid_t server_pid;
MYSQL *admin;
static unsigned checks, failures;
struct err last_error;

const struct lock_limits quick = {
    .try_ms = 300, .tries = 3, .victims = 1000, .guard_s = 60, .backoff_ms = 40};

void check(bool ok, const char *fmt, ...)
{
    va_list ap;

    failures += !ok;
    printf("%s %u - ", ok ? "ok" : "not ok", ++checks);
    va_start(ap, fmt);
    (void)vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    if (!ok && err_is_set(&last_error))
        printf("# last error: %s: %s\n", err_code_name(last_error.code), last_error.msg);
    (void)fflush(stdout);
}

struct mysql_login login_as(const char *user, const char *password_file)
{
    return (struct mysql_login){
        .socket = sock, .user = user, .password_file = password_file, .connect_timeout_ms = 2000};
}

struct mysql_lock *new_lock(void)
{
    static struct mysql_login login;

    login = login_as("root", "");
    last_error = ERR_INIT;
    return mysql_lock_new(&login);
}

int take(struct mysql_lock *l, const struct lock_limits *limits, struct position *p,
         struct lock_report *r)
{
    last_error = ERR_INIT;
    memset(p, 0, sizeof(*p));
    return mysql_lock_take(l, limits, p, r, &last_error);
}

long pending(void)
{
    return session_number(admin, "SELECT COUNT(*) FROM information_schema.PROCESSLIST"
                                 " WHERE INFO LIKE 'FLUSH TABLES WITH READ%%'");
}

bool until_runs(const char *head, const char *state)
{
    for (int n = 0; n < 200; n++) {
        if (session_number(admin,
                           "SELECT COUNT(*) FROM information_schema.PROCESSLIST"
                           " WHERE INFO LIKE '%s%%' AND STATE LIKE '%s%%'",
                           head, state) > 0)
            return true;
        sleep_ms(20);
    }
    printf("# '%s' did not come to be in state '%s'\n", head, state);
    return false;
}

bool write_works(void)
{
    struct background b;
    bool ok;

    background_start(&b, sock, "INSERT INTO plain (x) VALUES (7)");
    ok = background_wait(&b, 3000);
    background_kill(&b, admin);
    return ok && b.error == 0;
}

/* ---- granted ---- */

static char *status_column(const char *column)
{
    static const char *const statements[] = {"SHOW MASTER STATUS", "SHOW BINARY LOG STATUS"};
    char *value = NULL;

    for (size_t n = 0; n < ARRAY_SIZE(statements) && !value; n++) {
        MYSQL_RES *res;
        MYSQL_ROW row;

        if (mysql_query(admin, statements[n]) != 0)
            continue;
        res = mysql_store_result(admin);
        row = mysql_fetch_row(res);
        for (unsigned k = 0; row && k < mysql_num_fields(res); k++) {
            if (strcmp(mysql_fetch_field_direct(res, k)->name, column) == 0)
                value = strdup(row[k] ? row[k] : "");
        }
        mysql_free_result(res);
    }
    return value ? value : strdup("");
}

static char *gtid_set(bool mariadb)
{
    char *set =
        session_value(admin, "SELECT @@GLOBAL.%s", mariadb ? "gtid_binlog_pos" : "gtid_executed");
    char *to = set;

    for (const char *c = set; *c; c++) {
        if (*c != '\n' && *c != ' ')
            *to++ = *c;
    }
    *to = '\0';
    return set;
}

static void check_position(const struct position *p)
{
    AUTO_FREE char *file = status_column("File"), *offset = status_column("Position");
    AUTO_FREE char *version = session_value(admin, "SELECT @@version");
    bool mariadb = strstr(version, "MariaDB") != NULL;
    AUTO_FREE char *set = gtid_set(mariadb);

    printf("# %s %s:%llu gtid '%s' lsn %llu checkpoint %llu by %s\n", version,
           p->binlog_file ? p->binlog_file : "-", (unsigned long long)p->binlog_offset,
           p->gtid_set ? p->gtid_set : "-", (unsigned long long)p->lsn,
           (unsigned long long)p->checkpoint, p->source);
    check(p->binlog_file && strcmp(p->binlog_file, file) == 0 &&
              p->binlog_offset == strtoull(offset, NULL, 10),
          "the position is the server's, %s:%s", file, offset);
    check(p->gtid_set && strcmp(p->gtid_set, set) == 0, "the GTID set is the server's, '%s'", set);
    check(p->has_lsn && p->has_checkpoint && p->lsn >= p->checkpoint && p->checkpoint > 0,
          "LSN and checkpoint are known");
    check(p->server_version && strcmp(p->server_version, version) == 0, "version is known");
    check(p->has_server_id && (mariadb ? !p->server_uuid : strlen(p->server_uuid) == 36),
          "server id and UUID are known as far as the server has them");
}

static void test_granted(void)
{
    struct mysql_lock *l = new_lock();
    struct background b;
    struct position p;
    struct lock_report r;
    int rc;

    check(mysql_lock_ready(l, &last_error) == 0 && mysql_lock_fd(l) >= 0, "connects");
    check(mysql_lock_release(l, &last_error) < 0 && last_error.code == ERR_LOST,
          "nothing to release at first");
    rc = take(l, &quick, &p, &r);
    check(rc == 0 && r.tries == 1 && r.try[0].outcome == LOCK_GRANTED &&
              r.locked_us >= r.requested_us,
          "granted at the first try, in %lld us", (long long)(r.locked_us - r.requested_us));
    check_position(&p);
    position_release(&p);
    background_start(&b, sock, "INSERT INTO plain (x) VALUES (1)");
    check(!background_wait(&b, 300), "a writer blocks while the lock is held");
    check(mysql_lock_ready(l, &last_error) == 0, "ready leaves a held lock alone");
    check(mysql_lock_release(l, &last_error) == 0, "released");
    check(background_wait(&b, 3000) && b.error == 0, "the writer goes on at once");
    background_join(&b);
    check(write_works(), "a writer does not block afterwards");
    mysql_lock_free(l);
}

static void test_lazy_redo(void)
{
    AUTO_FREE char *old = session_value(admin, "SELECT @@GLOBAL.innodb_flush_log_at_trx_commit");
    struct mysql_lock *l = new_lock();
    struct position p;
    struct lock_report r;

    session_do(admin, "SET GLOBAL innodb_flush_log_at_trx_commit = 0");
    check(take(l, &quick, &p, &r) == 0, "granted when the redo log is flushed by time only");
    position_release(&p);
    check(mysql_lock_release(l, &last_error) == 0, "and released");
    check(mysql_flush_logs(l, &last_error) == 0, "logs are flushed on request");
    session_do(admin, "SET GLOBAL innodb_flush_log_at_trx_commit = %s", old);
    mysql_lock_free(l);
}

static void prepare(void)
{
    static const char *const tables[] = {"plain", "busy", "slow", "rows2"};

    for (size_t n = 0; n < ARRAY_SIZE(tables); n++)
        session_do(admin,
                   "CREATE TABLE IF NOT EXISTS %s"
                   " (id INT AUTO_INCREMENT PRIMARY KEY, x INT) ENGINE=InnoDB",
                   tables[n]);
    session_do(admin,
               "CREATE TABLE IF NOT EXISTS far (id INT PRIMARY KEY) ENGINE=InnoDB"
               " DATA DIRECTORY = '%s/elsewhere'",
               dir);
    session_do(admin, "INSERT IGNORE INTO slow VALUES (1, 1)");
    session_do(admin, "INSERT IGNORE INTO rows2 VALUES (1, 1), (2, 2)");
}

static int run_all(void)
{
    test_granted();
    test_lazy_redo();
    test_long_update();
    test_long_select();
    test_victims();
    test_wedge();
    test_guard();
    test_cancel();
    test_stuck_watch();
    test_stuck_watch_at_grant();
    test_stuck_lock();
    test_lost();
    test_accounts();
    test_server_info();
    test_stopped_server();
    test_server_killed();
    return failures ? 1 : 0;
}

static int run_nobinlog(void)
{
    struct mysql_lock *l = new_lock();
    struct position p;
    struct lock_report r;

    check(take(l, &quick, &p, &r) == 0, "granted without a binary log");
    check(!p.binlog_file && p.has_lsn, "no binary log position is told, and the LSN is");
    position_release(&p);
    check(mysql_lock_release(l, &last_error) == 0, "released");
    mysql_lock_free(l);
    return failures ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc < 3 || (strcmp(argv[1], "all") == 0 && argc != 5)) {
        (void)fprintf(stderr, "usage: %s all SOCKET PID DIR | nobinlog SOCKET\n", argv[0]);
        return 2;
    }
    sock = argv[2];
    admin = session_open(sock);
    if (strcmp(argv[1], "nobinlog") == 0)
        return run_nobinlog();
    server_pid = (pid_t)strtol(argv[3], NULL, 10);
    dir = argv[4];
    prepare();
    return run_all();
}
