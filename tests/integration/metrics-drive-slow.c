/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Transactions, replication, and servers in trouble. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/integration/metrics-drive.h"
#include "tests/slow.h"

#define RETRY_MS 5000 /* how long a server that failed is left alone */

static void read_after(struct reader *r, int ms)
{
    sleep_ms(ms);
    (void)reader_read(r);
}

static bool was_read(const struct reader *r)
{
    return !err_is_set(&r->error);
}

/* ---- transactions ---- */

static const char secret[] = "Jane Doe, 4711";

/* The one long transaction's statement; "" when none is told. */
static char *told_statement(enum mysql_statements mode)
{
    struct reader r;
    char *text;

    reader_open(&r, "root", mode);
    (void)reader_read(&r);
    text = strdup(
        r.sample->trx_count == 1 && r.sample->trx[0].statement ? r.sample->trx[0].statement : "");
    reader_close(&r);
    return text;
}

static void test_modes(void)
{
    AUTO_FREE char *off = told_statement(STATEMENTS_OFF);
    AUTO_FREE char *digest = told_statement(STATEMENTS_DIGEST);
    AUTO_FREE char *text = told_statement(STATEMENTS_TEXT);

    check(!*off, "off tells no statement");
    check(strncmp(digest, "UPDATE t SET s = ? WHERE id = ? AND SLEEP(?)", 40) == 0 &&
              !strstr(digest, "Jane") && !strstr(digest, "4711"),
          "digest tells '%s'", digest);
    check(strstr(text, secret) && strlen(text) == 201 && strncmp(text, "UPDATE t SET s", 14) == 0,
          "text tells 200 characters of which one takes two bytes: '%s'", text);
}

/* Reads transactions, and again before they are due: true when they are absent then. Once more
 * where this machine was not in time. */
static bool absent_in_between(struct reader *r)
{
    for (int n = 0; n < 20; n++) {
        int64_t began;

        sleep_ms(READER_SLOW_MS);
        began = mono_us();
        (void)reader_read(r);
        read_after(r, 100);
        if (mono_us() - began < READER_SLOW_MS * INT64_C(1000))
            return reader_value(r, "innodb.trx_active") < 0 && r->sample->trx_count == 0;
    }
    return false;
}

static void test_long_one(struct reader *r, MYSQL *idle)
{
    const struct sample_trx *trx;

    read_after(r, 0);
    trx = r->sample->trx;
    check(reader_value(r, "innodb.trx_long") == 1 && reader_value(r, "innodb.trx_oldest") >= 2 &&
              reader_value(r, "innodb.trx_active") >= 1,
          "a long transaction counts: %.0f s", reader_value(r, "innodb.trx_oldest"));
    check(r->sample->trx_count == 1 && trx[0].thread == mysql_thread_id(idle) &&
              trx[0].rows_modified == 1 && strcmp(trx[0].user, "root") == 0 && trx[0].age_s >= 2 &&
              *trx[0].id,
          "and is told, with id, thread, user and rows");
    check(absent_in_between(r) && reader_value(r, "mysql.uptime") >= 0,
          "between two readings of transactions they are absent, not stale");
    read_after(r, READER_SLOW_MS + 100);
    check(reader_value(r, "innodb.trx_active") >= 1, "then they are there again");
    check(reader_value(r, "mysql.tmp_disk_tables") == 0, "without a table on the server's disk");
}

void test_transactions(void)
{
    MYSQL *idle = session_open(sock);
    struct background busy;
    struct reader r;

    reader_open(&r, "root", STATEMENTS_TEXT);
    (void)reader_read(&r);
    /* a session that left may still be rolled back */
    for (int n = 0; n < 10 && reader_value(&r, "innodb.trx_active") != 0; n++)
        read_after(&r, 750);
    check(reader_value(&r, "innodb.trx_active") == 0 && reader_value(&r, "innodb.trx_oldest") == 0,
          "no transaction is 0");
    session_do(idle, "BEGIN");
    session_do(idle, "UPDATE t SET x = x + 1 WHERE id = 3");
    sleep_ms(2800);
    test_long_one(&r, idle);
    session_do(idle, "ROLLBACK");
    mysql_close(idle);
    reader_close(&r);

    idle = session_open(sock);
    session_do(idle, "SET NAMES utf8mb4");
    background_start_later(
        &busy, idle, NULL,
        "UPDATE t SET s = '\xc3\xa4 Jane Doe, 4711' WHERE id = 4 AND SLEEP(30) "
        "/* aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa*/");
    sleep_ms(2800);
    test_modes();
    background_kill(&busy, admin);
    mysql_close(idle);
}

/* An idle transaction runs nothing: what it ran last is known to the performance schema alone. */
void test_server_digest(void)
{
    MYSQL *idle = session_open(sock);
    AUTO_FREE char *digest = NULL, *text = NULL;

    session_do(admin, "UPDATE performance_schema.setup_consumers SET ENABLED = 'YES'");
    session_do(idle, "BEGIN");
    session_do(idle, "INSERT INTO t (s) VALUES ('%s')", secret);
    sleep_ms(2800);
    digest = told_statement(STATEMENTS_DIGEST);
    text = told_statement(STATEMENTS_TEXT);
    check(strncmp(digest, "INSERT INTO", 11) == 0 && strchr(digest, '?') && !strstr(digest, "Jane"),
          "the server's digest of the last statement: '%s'", digest);
    check(strstr(text, secret), "its text: '%s'", text);
    mysql_close(idle);
}

/* ---- trouble ---- */

static void test_few_rights(void)
{
    struct mysql_absence *list;
    struct reader r;
    size_t count;
    bool trx = false, repl = false;

    session_do(admin, "CREATE USER few@localhost");
    reader_open(&r, "few", STATEMENTS_TEXT);
    check(reader_read(&r) && reader_value(&r, "mysql.uptime") >= 0,
          "an account without rights reads the status");
    check(reader_value(&r, "innodb.trx_active") < 0 && !*reader_text(&r, "repl.role"),
          "transactions and replication are absent for it, not 0");
    mysql_status_absent(r.sampler, &list, &count);
    for (size_t n = 0; n < count; n++) {
        printf("# %s: %s\n", list[n].names, list[n].reason);
        trx |= strstr(list[n].names, "innodb.trx_active") && strstr(list[n].reason, "PROCESS");
        repl |= strstr(list[n].names, "repl.lag, repl.io_running") && list[n].can_be_helped;
    }
    check(trx && repl, "and it is told which right lacks");
    mysql_absences_release(list, count);
    reader_close(&r);
    session_do(admin, "DROP USER few@localhost");
}

static void test_global_lock(void)
{
    MYSQL *holder = session_open(sock);
    struct reader r;

    session_do(holder, "FLUSH TABLES WITH READ LOCK");
    reader_open(&r, "root", STATEMENTS_TEXT);
    read_after(&r, 0);
    check(was_read(&r) && reader_value(&r, "innodb.trx_active") >= 0,
          "everything is read under somebody's global lock, in %lld ms",
          (long long)r.took_us / 1000);
    mysql_close(holder);
    reader_close(&r);
}

/* Soon: the server takes its time to see that somebody has left. */
static bool person_gets_in(void)
{
    bool in = false;

    for (int n = 0; n < 50 && !in; n++) {
        MYSQL *person = mysql_init(NULL);

        sleep_ms(100);
        in = mysql_real_connect(person, "localhost", "root", NULL, NULL, 0, sock, 0) != NULL;
        mysql_close(person);
    }
    return in;
}

static void test_no_connection_left(void)
{
    struct reader inside, outside, mighty;
    MYSQL *others[20];
    size_t count = 0;

    session_do(admin, "CREATE USER plain@localhost");
    session_do(admin, "GRANT PROCESS ON *.* TO plain@localhost");
    reader_open(&inside, "plain", STATEMENTS_OFF);
    reader_open(&outside, "plain", STATEMENTS_OFF);
    (void)reader_read(&inside);
    session_do(admin, "SET GLOBAL max_connections = 10");
    for (; count < 20; count++) {
        others[count] = mysql_init(NULL);
        if (!mysql_real_connect(others[count], "localhost", "plain", NULL, NULL, 0, sock, 0))
            break;
    }
    check(count < 20, "the server lets nobody in: %s", mysql_error(others[count]));
    check(reader_read(&inside), "who is in goes on reading");
    read_after(&outside, 0);
    check(!was_read(&outside) && outside.took_us < 1000000 * slowness(),
          "who is not fails in %lld ms: %s", (long long)outside.took_us / 1000, outside.error.msg);
    /* root gets in, by the place that is kept for a person: and must not stay there */
    reader_open(&mighty, "root", STATEMENTS_OFF);
    read_after(&mighty, 0);
    check(!was_read(&mighty), "who may take the last place leaves it: %s", mighty.error.msg);
    check(person_gets_in(), "and a person gets in");
    reader_close(&mighty);
    for (size_t n = 0; n <= count && n < 20; n++)
        mysql_close(others[n]);
    session_do(admin, "SET GLOBAL max_connections = 100");
    read_after(&outside, 200);
    check(!was_read(&outside) && outside.took_us < 200000 * slowness(),
          "the server is left alone for a while");
    read_after(&outside, RETRY_MS);
    check(was_read(&outside), "and then read");
    reader_close(&inside);
    reader_close(&outside);
    session_do(admin, "DROP USER plain@localhost");
}

static void test_stopped(pid_t pid)
{
    struct reader r;
    int64_t began;

    reader_open(&r, "root", STATEMENTS_OFF);
    (void)reader_read(&r);
    (void)kill(pid, SIGSTOP);
    read_after(&r, 100);
    check(!was_read(&r) && r.took_us < 2500000 * slowness(), "a server that hangs costs %lld ms",
          (long long)r.took_us / 1000);
    read_after(&r, 0);
    check(!was_read(&r) && r.took_us < 200000 * slowness(), "and then nothing");
    check(reader_pid(&r) == pid, "it is still known which process it is");
    read_after(&r, RETRY_MS);
    check(!was_read(&r) && r.took_us < 5000000 * slowness(), "logging in to it costs %lld ms",
          (long long)r.took_us / 1000);
    (void)kill(pid, SIGCONT);
    began = mono_us();
    while (!reader_read(&r) && mono_us() - began < 30000000 * slowness())
        sleep_ms(200);
    check(was_read(&r) && reader_value(&r, "mysql.questions") < 0 &&
              mono_us() - began < 10000000 * slowness(),
          "it comes back, and its rates begin anew");
    reader_close(&r);
}

void test_trouble(pid_t pid)
{
    test_few_rights();
    test_global_lock();
    test_no_connection_left();
    test_stopped(pid);
}

/* ---- a restart ---- */

static void check_rates(const struct reader *r)
{
    double worst = 0;

    for (size_t n = 0; n < metric_row_count; n++) {
        double v = reader_value(r, metric_rows[n].name);

        if (metric_rows[n].family == FAMILY_SERVER && metric_rows[n].kind == KIND_RATE && v > worst)
            worst = v;
    }
    check(worst < 2000, "no rate is huge: at most %.0f", worst);
}

void test_restart(pid_t pid)
{
    AUTO_FREE char *command = NULL;
    struct reader r;
    int64_t began;

    if (asprintf(&command, "%s/restart", dir) < 0)
        abort();
    reader_open(&r, "root", STATEMENTS_OFF);
    (void)reader_read(&r);
    for (int n = 0; n < 3000; n++)
        session_do(admin, "DO 1");
    (void)reader_read(&r);
    mysql_close(admin);
    (void)kill(pid, SIGKILL);
    while (kill(pid, 0) == 0 && errno != ESRCH)
        sleep_ms(20); /* the script that started it collects it */
    read_after(&r, 0);
    check(!was_read(&r) && reader_pid(&r) == 0, "a server that died is no process any more: %s",
          r.error.msg);
    check(system(command) == 0, "it starts again");
    admin = session_open(sock);
    began = mono_us();
    while (!reader_read(&r) && mono_us() - began < 30000000 * slowness())
        sleep_ms(200);
    check(was_read(&r) && reader_value(&r, "mysql.uptime") < 30, "and is read again");
    check(reader_pid(&r) > 0 && reader_pid(&r) != pid, "as process %d", (int)reader_pid(&r));
    check_rates(&r);
    read_after(&r, 300);
    check(reader_value(&r, "mysql.questions") >= 0, "with rates since then");
    check_rates(&r);
    reader_close(&r);
}

/* ---- replication ---- */

static bool replica_says(struct reader *r, double io, double sql)
{
    for (int n = 0; n < 20; n++) {
        read_after(r, 750);
        if (reader_value(r, "repl.io_running") == io && reader_value(r, "repl.sql_running") == sql)
            return true;
    }
    return false;
}

static bool replica_keeps_up(struct reader *r)
{
    for (int n = 0; n < 20 && reader_value(r, "repl.lag") != 0; n++)
        read_after(r, 750);
    return reader_value(r, "repl.lag") == 0;
}

static bool replica_has(MYSQL *replica, const char *table)
{
    for (int n = 0; n < 200; n++) {
        if (session_number(replica,
                           "SELECT COUNT(*) FROM information_schema.TABLES"
                           " WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '%s'",
                           table) == 1)
            return true;
        sleep_ms(50);
    }
    return false;
}

void test_replication(const char *replica_socket, int source_port)
{
    MYSQL *replica = session_open(replica_socket);
    const char *source_socket = sock;
    struct reader of_source, of_replica;
    struct background stop;

    reader_open(&of_source, "root", STATEMENTS_OFF);
    sock = replica_socket;
    reader_open(&of_replica, "root", STATEMENTS_OFF);
    sock = source_socket;
    (void)reader_read(&of_source);
    (void)reader_read(&of_replica);
    check(strcmp(reader_text(&of_source, "repl.role"), "standalone") == 0 &&
              reader_value(&of_source, "repl.lag") < 0 &&
              strcmp(reader_text(&of_replica, "repl.role"), "standalone") == 0,
          "alone, both are standalone, without a lag");
    session_do(admin, "CREATE USER r@127.0.0.1 IDENTIFIED BY 'r'");
    session_do(admin, "GRANT REPLICATION SLAVE ON *.* TO r@127.0.0.1");
    session_do(replica,
               "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%d, MASTER_USER='r',"
               " MASTER_PASSWORD='r', MASTER_USE_GTID=slave_pos",
               source_port);
    session_do(replica, "START SLAVE");
    check(replica_says(&of_replica, 1, 1) &&
              strcmp(reader_text(&of_replica, "repl.role"), "replica") == 0,
          "a replica that receives and applies");
    check(replica_keeps_up(&of_replica), "and keeps up");
    read_after(&of_source, 750);
    check(strcmp(reader_text(&of_source, "repl.role"), "source") == 0, "it has a source");
    session_do(replica, "CHANGE MASTER 'other' TO MASTER_HOST='127.0.0.1', MASTER_PORT=1,"
                        " MASTER_USER='r', MASTER_PASSWORD='r'");
    session_do(replica, "START SLAVE 'other'");
    check(replica_says(&of_replica, 0, 1), "a second source that it cannot reach counts");
    session_do(replica, "STOP SLAVE 'other'");
    session_do(replica, "RESET SLAVE 'other' ALL");
    session_do(admin, "CREATE TABLE lagging (x INT)");
    check(replica_has(replica, "lagging"), "what the source makes comes to be there");
    session_do(replica, "LOCK TABLES lagging WRITE");
    session_do(admin, "INSERT INTO lagging VALUES (1)");
    read_after(&of_replica, 3500);
    check(reader_value(&of_replica, "repl.lag") >= 2 && reader_value(&of_replica, "repl.lag") <= 8,
          "held up for 3.5 s it is %.0f s behind", reader_value(&of_replica, "repl.lag"));
    background_start(&stop, replica_socket, "STOP SLAVE SQL_THREAD");
    for (int n = 0; n < 3; n++) {
        read_after(&of_replica, 750);
        check(of_replica.took_us < 2500000 * slowness(),
              "while that hangs, a reading takes %lld ms", (long long)of_replica.took_us / 1000);
    }
    session_do(replica, "UNLOCK TABLES");
    background_join(&stop);
    check(replica_says(&of_replica, 1, 0) && reader_value(&of_replica, "repl.lag") < 0,
          "stopped, it does not know how far it is behind");
    session_do(replica, "STOP SLAVE IO_THREAD");
    check(replica_says(&of_replica, 0, 0), "nor does it receive");
    read_after(&of_replica, 750);
    reader_close(&of_source);
    reader_close(&of_replica);
    mysql_close(replica);
}
