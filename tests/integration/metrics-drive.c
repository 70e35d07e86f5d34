/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drives the agent's reading of a server's metrics and says in TAP what it saw. What is measured is
 * provoked here, and must be seen with its number.
 *
 *     metrics-drive all SOCKET PID DIR          DIR/restart ends the server and starts it again
 *     metrics-drive digest SOCKET               a server with its performance schema on
 *     metrics-drive show SOCKET                 what is read, for people
 *     metrics-drive repl SOCKET REPLICA PORT    a second server to become its replica
 *
 * The server's root logs in over the socket without a password, and it has a database cbsnap_test.
 */
#include "tests/integration/metrics-drive.h"
#include "tests/slow.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

const char *sock, *dir;
MYSQL *admin;
static unsigned checks, failures;

void check(bool ok, const char *fmt, ...)
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

/* ---- the reader ---- */

void reader_open(struct reader *r, const char *user, enum mysql_statements mode)
{
    memset(r, 0, sizeof(*r));
    r->login = (struct mysql_login){
        .socket = sock, .user = user, .password_file = "", .connect_timeout_ms = 2000};
    r->facts = server_facts_new();
    r->names = names_new();
    r->sampler = mysql_status_new(&(struct mysql_sampler_config){.login = &r->login,
                                                                 .trx_long_s = 1,
                                                                 .statements = mode,
                                                                 .slow_every_ms = READER_SLOW_MS,
                                                                 .facts = r->facts});
}

void reader_close(struct reader *r)
{
    sample_free(r->sample);
    mysql_status_free(r->sampler);
    names_free(r->names);
    server_facts_free(r->facts);
}

bool reader_read(struct reader *r)
{
    struct sample *sample = sample_new(r->names);
    int64_t before = mono_us();
    bool ok;

    r->error = ERR_INIT;
    ok = mysql_status_read(r->sampler, sample, &r->error) == 0;
    r->took_us = mono_us() - before;
    r->seconds = r->sample ? (double)(sample->mono_us - r->sample->mono_us) / 1e6 : 0;
    sample_free(r->sample);
    r->sample = sample;
    return ok;
}

double reader_value(const struct reader *r, const char *name)
{
    const double *v = sample_get(r->sample, name);

    return v ? *v : -1;
}

double reader_count(const struct reader *r, const char *name)
{
    double rate = reader_value(r, name);

    return rate < 0 ? -1 : rate * r->seconds;
}

const char *reader_text(const struct reader *r, const char *name)
{
    for (size_t n = 0; n < r->sample->text_count; n++) {
        if (strcmp(names_at(r->names, r->sample->texts[n].id), name) == 0)
            return r->sample->texts[n].text;
    }
    return "";
}

pid_t reader_pid(const struct reader *r)
{
    return server_facts_get(r->facts, NULL, NULL, NULL);
}

/* ---- what the status tells ---- */

/*
 * A rate is that between the middles of two answers; a count made of it is off by as much as one
 * answer took longer than the other. So one is told from none and from two here, not from one and a
 * tenth.
 */
static bool near(double got, double want, double tolerance)
{
    return got >= want - tolerance && got <= want + tolerance;
}

static void test_gauges(struct reader *r, pid_t pid)
{
    AUTO_FREE char *log = NULL, *datadir = NULL, *tmpdir = NULL;
    AUTO_FREE char *want_log = NULL, *want_datadir = session_value(admin, "SELECT @@datadir");
    size_t absent = 0;
    struct mysql_absence *list;
    bool ok = reader_read(r);

    check(ok, "read at once, login included, in %lld us", (long long)r->took_us);
    for (size_t n = 0; n < metric_row_count; n++) {
        const struct metric_row *row = &metric_rows[n];
        double value = reader_value(r, row->name);

        if (row->family != FAMILY_SERVER)
            continue;
        if (row->kind == KIND_RATE)
            check(value < 0, "%s: no rate from one reading", row->name);
        else
            check(value >= 0, "%s is %.0f", row->name, value);
    }
    check(reader_value(r, "mysql.threads_connected") == 2, "sessions are we two");
    check(reader_value(r, "mysql.table_open_cache") ==
              (double)session_number(admin, "SELECT @@table_open_cache"),
          "a system variable is told as it is");
    check(reader_value(r, "innodb.lsn") >= reader_value(r, "innodb.checkpoint_age"),
          "the checkpoint is not ahead of the log");
    mysql_status_absent(r->sampler, &list, &absent);
    check(absent == 0, "nothing is absent");
    mysql_absences_release(list, absent);

    if (asprintf(&want_log, "%s/error.log", want_datadir) < 0)
        abort();
    check(server_facts_get(r->facts, &log, &datadir, &tmpdir) == pid && datadir &&
              strcmp(datadir, want_datadir) == 0 && tmpdir && *tmpdir == '/',
          "the server is process %d, and tells its directories", (int)reader_pid(r));
    check(log && strncmp(log, want_datadir, strlen(want_datadir)) == 0 &&
              strstr(log, "error.log") && !strstr(log, "./"),
          "its log_error 'error.log' is '%s'", log ? log : "?");
}

static void test_rates(struct reader *r)
{
    reader_read(r);
    for (int n = 0; n < 100; n++)
        session_do(admin, "INSERT INTO t (x) VALUES (%d)", n);
    for (int n = 0; n < 40; n++)
        session_do(admin, "UPDATE t SET x = x + 1 WHERE id = 1");
    for (int n = 0; n < 20; n++)
        session_do(admin, "COMMIT");
    sleep_ms(700);
    reader_read(r);
    check(near(reader_count(r, "mysql.writes"), 140, 14), "140 writes are %.1f",
          reader_count(r, "mysql.writes"));
    check(near(reader_count(r, "mysql.commits"), 20, 2), "20 commits are %.1f",
          reader_count(r, "mysql.commits"));
    check(near(reader_count(r, "mysql.questions"), 160, 15), "160 statements are %.1f",
          reader_count(r, "mysql.questions"));
    session_do(admin, "SET GLOBAL table_open_cache = 1234");
    sleep_ms(700);
    reader_read(r);
    check(reader_value(r, "mysql.writes") == 0, "and then none");
    check(reader_value(r, "mysql.table_open_cache") == 1234, "a changed variable is seen");
    session_do(admin, "FLUSH STATUS");
    sleep_ms(200);
    reader_read(r);
    check(reader_value(r, "mysql.questions") < 200 && reader_value(r, "mysql.writes") <= 0,
          "no huge rate after FLUSH STATUS");
}

/* A counter before and after; a rate as a count. */
static void test_scans(struct reader *r)
{
    double own, scanned;

    reader_read(r);
    sleep_ms(300);
    reader_read(r);
    own = reader_count(r, "mysql.select_scan");
    scanned = reader_count(r, "mysql.rows_read_rnd_next");
    check(reader_value(r, "mysql.tmp_disk_tables") == 0 && own >= 0 && own < 12,
          "our own reading makes no table on disk, and counts as %.0f scans of %.0f rows", own,
          scanned);
    sleep_ms(300);
    session_do(admin, "SELECT SUM(x) FROM t IGNORE INDEX (PRIMARY)");
    session_do(admin, "SELECT COUNT(*) FROM t a JOIN t b ON a.x = b.x + 1");
    session_do(admin, "SELECT COUNT(*), body FROM texts GROUP BY body");
    reader_read(r);
    check(reader_count(r, "mysql.select_scan") >= 3, "three scans are %.1f, ours among them",
          reader_count(r, "mysql.select_scan"));
    check(reader_count(r, "mysql.rows_read_rnd_next") >= 200 + scanned / 2,
          "the rows that they read are %.0f", reader_count(r, "mysql.rows_read_rnd_next"));
    check(near(reader_count(r, "mysql.select_full_join"), 1, 0.4), "a join without index is %.2f",
          reader_count(r, "mysql.select_full_join"));
    check(reader_count(r, "mysql.tmp_disk_tables") > 0.6, "a table on disk is %.2f",
          reader_count(r, "mysql.tmp_disk_tables"));
}

static void test_counters(struct reader *r)
{
    struct mysql_login wrong = r->login;
    double connects, clients, slow;
    MYSQL *other = mysql_init(NULL);

    reader_read(r);
    connects = reader_value(r, "mysql.aborted_connects");
    clients = reader_value(r, "mysql.aborted_clients");
    slow = reader_value(r, "mysql.slow_queries.total");
    check(!mysql_real_connect(other, "localhost", "nobody", "wrong", NULL, 0, wrong.socket, 0),
          "a login fails");
    mysql_close(other);
    other = session_open(sock);
    session_do(admin, "KILL %lu", mysql_thread_id(other));
    mysql_close(other);
    session_do(admin, "SET SESSION long_query_time = 0.1");
    session_do(admin, "SELECT SLEEP(0.2)");
    session_do(admin, "SET SESSION long_query_time = 10");
    sleep_ms(200);
    reader_read(r);
    check(reader_value(r, "mysql.aborted_connects") == connects + 1, "and is an aborted connect");
    check(reader_value(r, "mysql.aborted_clients") == clients + 1, "a killed session is counted");
    check(reader_value(r, "mysql.slow_queries.total") == slow + 1 &&
              near(reader_count(r, "mysql.slow_queries"), 1, 0.4),
          "a slow statement is %.2f", reader_count(r, "mysql.slow_queries"));
}

static bool somebody_waits(void)
{
    return session_number(admin, "SELECT COUNT(*) FROM information_schema.INNODB_TRX"
                                 " WHERE trx_state = 'LOCK WAIT'") > 0;
}

static void test_row_locks(struct reader *r)
{
    MYSQL *holder = session_open(sock);
    struct background waiter;

    reader_read(r);
    session_do(holder, "BEGIN");
    session_do(holder, "UPDATE t SET x = 0 WHERE id = 1");
    background_start(&waiter, sock, "UPDATE t SET x = 1 WHERE id = 1");
    for (int n = 0; n < 300 && !somebody_waits(); n++)
        sleep_ms(100);
    sleep_ms(400);
    reader_read(r);
    check(reader_value(r, "innodb.row_lock_current") == 1 &&
              near(reader_count(r, "innodb.row_lock_waits"), 1, 0.4),
          "who waits for a row is seen: %.0f now", reader_value(r, "innodb.row_lock_current"));
    session_do(holder, "COMMIT");
    background_join(&waiter);
    reader_read(r);
    check(reader_value(r, "innodb.row_lock_current") == 0 &&
              reader_value(r, "innodb.row_lock_time_avg") >= 300,
          "and had waited %.0f ms", reader_value(r, "innodb.row_lock_time_avg"));
    mysql_close(holder);
}

static void test_deadlock(struct reader *r)
{
    MYSQL *one = session_open(sock), *two = session_open(sock);
    struct background waiter;
    double before;

    sleep_ms(750); /* MySQL's counter is read at the slow pace */
    reader_read(r);
    before = reader_value(r, "innodb.deadlocks.total");
    session_do(one, "BEGIN");
    session_do(two, "BEGIN");
    session_do(one, "UPDATE t SET x = 0 WHERE id = 1");
    session_do(two, "UPDATE t SET x = 0 WHERE id = 2");
    background_start_later(&waiter, one, NULL, "UPDATE t SET x = 0 WHERE id = 2");
    sleep_ms(300);
    (void)mysql_query(two, "UPDATE t SET x = 0 WHERE id = 1"); /* one of them is the victim */
    (void)mysql_query(two, "ROLLBACK");
    background_join(&waiter);
    mysql_close(one);
    mysql_close(two);
    sleep_ms(750);
    reader_read(r);
    check(reader_value(r, "innodb.deadlocks.total") == before + 1 &&
              near(reader_count(r, "innodb.deadlocks"), 1, 0.4),
          "a deadlock is counted");
}

static void make_tables(void)
{
    session_do(admin, "DROP TABLE IF EXISTS t, texts");
    session_do(admin, "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, x INT, s VARCHAR(100))"
                      " ENGINE=InnoDB");
    session_do(admin, "CREATE TABLE texts (x INT, body TEXT) ENGINE=InnoDB");
    session_do(admin, "INSERT INTO texts VALUES (1, REPEAT('a', 100)), (2, REPEAT('b', 100))");
}

static void test_status(pid_t pid)
{
    struct reader r;

    reader_open(&r, "root", STATEMENTS_OFF);
    test_gauges(&r, pid);
    test_rates(&r);
    test_scans(&r);
    test_counters(&r);
    test_row_locks(&r);
    test_deadlock(&r);
    reader_close(&r);
}

/* For a look by hand, beside the server's own numbers. */
static void show(void)
{
    struct mysql_absence *list = NULL;
    struct reader r;
    size_t count = 0;

    reader_open(&r, "root", STATEMENTS_DIGEST);
    (void)reader_read(&r);
    sleep_ms(1000);
    if (!reader_read(&r))
        printf("%s\n", r.error.msg);
    for (size_t n = 0; n < r.sample->count; n++)
        printf("%-28s %.3f\n", names_at(r.names, r.sample->ids[n]), r.sample->values[n]);
    for (size_t n = 0; n < r.sample->text_count; n++)
        printf("%-28s %s\n", names_at(r.names, r.sample->texts[n].id), r.sample->texts[n].text);
    for (size_t n = 0; n < r.sample->line_count; n++)
        printf("line %d: %s\n", (int)r.sample->lines[n].level, r.sample->lines[n].text);
    for (size_t n = 0; n < r.sample->trx_count; n++)
        printf("trx %s of %s: %s\n", r.sample->trx[n].id, r.sample->trx[n].user,
               r.sample->trx[n].statement ? r.sample->trx[n].statement : "-");
    mysql_status_absent(r.sampler, &list, &count);
    for (size_t n = 0; n < count; n++)
        printf("absent: %s: %s\n", list[n].names, list[n].reason);
    printf("read in %lld us\n", (long long)r.took_us);
    mysql_absences_release(list, count);
    reader_close(&r);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 2 ? argv[1] : "";

    sock = argc > 2 ? argv[2] : "";
    if (argc > 2)
        admin = session_open(sock);
    if (strcmp(mode, "all") == 0 && argc == 5) {
        pid_t pid = (pid_t)atoi(argv[3]);

        dir = argv[4];
        make_tables();
        test_status(pid);
        test_transactions();
        test_trouble(pid);
        test_restart(pid);
    } else if (strcmp(mode, "digest") == 0 && argc == 3) {
        make_tables();
        test_server_digest();
    } else if (strcmp(mode, "repl") == 0 && argc == 5) {
        test_replication(argv[3], atoi(argv[4]));
    } else if (strcmp(mode, "show") == 0 && argc == 3) {
        show();
        return 0;
    } else {
        fprintf(stderr, "Usage: metrics-drive all SOCKET PID DIR | digest SOCKET | "
                        "show SOCKET | "
                        "repl SOCKET REPLICA PORT\n");
        return 2;
    }
    printf("1..%u\n", checks);
    return failures > 0;
}
