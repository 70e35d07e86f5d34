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
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/integration/mysql-drive.h"
#include "tests/integration/mysql-proxy.h"
#include "tests/slow.h"

/* A cancel is a few round trips on a machine that does other things too. */
#define SLACK_MS (400 * slowness())

const char *sock, *dir;
pid_t server_pid;
MYSQL *admin;
static unsigned checks, failures;
struct err last_error;

const struct lock_limits quick = {
    .try_ms = 300, .tries = 3, .victims = 1000, .guard_s = 60, .backoff_ms = 40};

/*
 * Long enough for something to happen while the request is pending. The server's own limit is in
 * whole seconds, rounded up: it is far enough behind for the cancel to be ours.
 */
#define ONCE_MS 1100
static const struct lock_limits once = {
    .try_ms = ONCE_MS, .tries = 1, .victims = 100, .guard_s = 60, .backoff_ms = 10};

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

static struct mysql_lock *new_lock(void)
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

/* Requests of ours that are still on the server: none may be, ever. */
static long pending(void)
{
    return session_number(admin, "SELECT COUNT(*) FROM information_schema.PROCESSLIST"
                                 " WHERE INFO LIKE 'FLUSH TABLES WITH READ%%'");
}

/*
 * Waits until a statement that begins so is in that state. Which of two comes first is not left to
 * time. Asks over `admin`: in another thread only while the first is in a call under test.
 */
static bool until_runs(const char *head, const char *state)
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

/* Our request waits for somebody. */
static bool until_pending(void)
{
    return until_runs("FLUSH TABLES WITH READ", "Waiting for");
}

static const char long_update[] = "UPDATE slow SET x = x + SLEEP(30) WHERE id = 1";

static void start_long_update(struct background *b)
{
    background_start(b, sock, long_update);
    (void)until_runs("UPDATE slow", "User sleep");
}

static bool write_works(int ms)
{
    struct background b;
    bool ok;

    background_start(&b, sock, "INSERT INTO plain (x) VALUES (7)");
    ok = background_wait(&b, ms);
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
    check(background_wait(&b, 1000) && b.error == 0, "the writer goes on at once");
    background_join(&b);
    check(write_works(1000), "a writer does not block afterwards");
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

/* ---- not granted ---- */

static void test_long_update(void)
{
    struct mysql_lock *l = new_lock();
    int64_t began = mono_us(), took_ms;
    char blocker[32];
    struct background slow;
    struct writer w;
    struct position p;
    struct lock_report r;
    bool bounded = true;
    int rc;

    start_long_update(&slow);
    (void)snprintf(blocker, sizeof(blocker), "thread %lu ", mysql_thread_id(slow.my));
    sleep_ms(1200); /* so that the server counts seconds */
    writer_start(&w, sock);
    began = mono_us();
    rc = take(l, &quick, &p, &r);
    took_ms = (mono_us() - began) / 1000;
    check(rc < 0 && last_error.code == ERR_LOCK && r.tries == 3,
          "not granted beside a running UPDATE");
    for (unsigned n = 0; n < r.tries; n++)
        bounded &= r.try[n].outcome == LOCK_TIMEOUT && r.try[n].waited_ms >= 290 &&
                   r.try[n].waited_ms < 300 + SLACK_MS;
    check(bounded, "each try ended in its time: %u, %u, %u ms", r.try[0].waited_ms,
          r.try[1].waited_ms, r.try[2].waited_ms);
    check(took_ms < 3 * (300 + SLACK_MS) + 300, "all tries together took %lld ms",
          (long long)took_ms);
    check(pending() == 0, "no request of ours is left on the server");
    check(strstr(last_error.msg, blocker) && strstr(last_error.msg, "user 'root'"),
          "it says who was in the way: %s", last_error.msg);
    check(write_works(500), "a writer works right afterwards");
    writer_stop(&w);
    check(w.errors == 0 && w.longest_us < (300 + SLACK_MS) * 1000,
          "no other writer waited longer than one try: %lld ms at most, %lu writes",
          (long long)w.longest_us / 1000, w.writes);
    background_kill(&slow, admin);
    check(take(l, &quick, &p, &r) == 0, "granted once the UPDATE has ended");
    position_release(&p);
    (void)mysql_lock_release(l, NULL);
    mysql_lock_free(l);
}

/* A reader lets us have the global lock and stops us in the flush: the half-way state. */
static void test_long_select(void)
{
    struct mysql_lock *l = new_lock();
    struct background slow;
    struct writer w;
    struct position p;
    struct lock_report r;
    int rc;

    background_start(&slow, sock, "SELECT x, SLEEP(20) FROM slow WHERE id = 1");
    (void)until_runs("SELECT x, SLEEP", "User sleep");
    writer_start(&w, sock);
    rc = take(l, &quick, &p, &r);
    if (rc == 0) { /* MariaDB 10.4 and later no longer waits for readers */
        position_release(&p);
        check(r.tries == 1, "a running SELECT does not keep the lock from us");
        check(mysql_lock_release(l, &last_error) == 0, "released");
    } else {
        check(last_error.code == ERR_LOCK && r.tries == 3, "not granted beside a running SELECT");
        check(pending() == 0, "no request of ours is left on the server");
    }
    check(write_works(500), "no lock is left half-way");
    writer_stop(&w);
    check(w.errors == 0 && w.longest_us < (300 + SLACK_MS) * 1000,
          "no writer waited longer than one try: %lld ms", (long long)w.longest_us / 1000);
    background_kill(&slow, admin);
    mysql_lock_free(l);
}

static void test_victims(void)
{
    struct lock_limits limits = {
        .try_ms = 8000, .tries = 1, .victims = 2, .guard_s = 60, .backoff_ms = 10};
    struct mysql_lock *l = new_lock();
    struct background slow;
    struct writer w[3];
    struct position p;
    struct lock_report r;
    int rc;

    start_long_update(&slow);
    for (int n = 0; n < 3; n++)
        writer_start(&w[n], sock);
    rc = take(l, &limits, &p, &r);
    check(rc < 0 && last_error.code == ERR_LOCK && r.try[0].outcome == LOCK_VICTIMS &&
              r.try[0].victims >= 2 && r.try[0].waited_ms < 1000 * slowness(),
          "given up with %u victims after %u ms: %s", r.try[0].victims, r.try[0].waited_ms,
          last_error.msg);
    check(pending() == 0, "no request of ours is left on the server");
    for (int n = 0; n < 3; n++)
        writer_stop(&w[n]);
    background_kill(&slow, admin);
    mysql_lock_free(l);
}

/*
 * T1 holds a row lock and its next statement waits for the pending global lock; T2's running
 * statement waits for T1's row lock; the global lock waits for T2. No server notices.
 */
static void test_wedge(void)
{
    struct mysql_lock *l = new_lock();
    MYSQL *t1 = session_open(sock);
    struct background t2, late;
    struct position p;
    struct lock_report r;
    int64_t began, took_ms;
    int rc;

    check(mysql_lock_ready(l, &last_error) == 0, "ready");
    session_do(t1, "BEGIN");
    session_do(t1, "UPDATE rows2 SET x = x + 1 WHERE id = 1");
    background_start(&t2, sock, "UPDATE rows2 SET x = x + 1 WHERE id = 1");
    (void)until_runs("UPDATE rows2", "Updating");
    /* T1's next statement comes while our request is pending */
    background_start_later(&late, t1, until_pending, "UPDATE rows2 SET x = x + 1 WHERE id = 2");
    began = mono_us();
    rc = take(l, &once, &p, &r);
    took_ms = (mono_us() - began) / 1000;
    check(rc < 0 && last_error.code == ERR_LOCK && r.try[0].victims >= 1,
          "the wedge ends by our cancel, after %lld ms", (long long)took_ms);
    check(took_ms < ONCE_MS + SLACK_MS, "in bounded time");
    check(background_wait(&late, 1000) && late.error == 0, "the first transaction goes on");
    background_join(&late);
    session_do(t1, "COMMIT");
    check(background_wait(&t2, 1000) && t2.error == 0, "and so does the second");
    background_join(&t2);
    check(pending() == 0, "no request of ours is left on the server");
    mysql_close(t1);
    mysql_lock_free(l);
}

static void test_guard(void)
{
    struct lock_limits limits = quick;
    struct mysql_lock *l = new_lock();
    struct background slow;
    struct position p;
    struct lock_report r;
    uint32_t seconds = 0;
    int rc;

    background_start(&slow, sock, "SELECT SLEEP(20)");
    (void)until_runs("SELECT SLEEP(20)", "User sleep");
    sleep_ms(3100);
    limits.guard_s = 1;
    check(take(l, &limits, &p, &r) < 0 && last_error.code == ERR_LOCK && r.tries == 0 &&
              strstr(last_error.msg, "guard"),
          "a long statement keeps us from even trying: %s", last_error.msg);
    rc = mysql_longest_statement(l, &seconds, &last_error);
    check(rc == 0 && seconds >= 2 && seconds < 20, "the longest statement runs for %u s", seconds);
    background_kill(&slow, admin);
    mysql_lock_free(l);
}

struct canceller {
    struct mysql_lock *lock;
    int64_t cancelled_us;
};

static void *cancel_pending(void *arg)
{
    struct canceller *c = arg;

    (void)until_pending();
    c->cancelled_us = mono_us();
    mysql_lock_cancel(c->lock);
    return NULL;
}

static void test_cancel(void)
{
    struct lock_limits limits = {
        .try_ms = 9000, .tries = 5, .victims = 100, .guard_s = 60, .backoff_ms = 10};
    struct mysql_lock *l = new_lock();
    struct background slow;
    struct position p;
    struct lock_report r;
    struct canceller canceller = {.lock = l};
    pthread_t thread;
    int64_t ended, took_us;
    int rc;

    start_long_update(&slow);
    (void)pthread_create(&thread, NULL, cancel_pending, &canceller);
    rc = take(l, &limits, &p, &r);
    ended = mono_us();
    (void)pthread_join(thread, NULL);
    took_us = ended - canceller.cancelled_us;
    check(rc < 0 && last_error.code == ERR_CANCELLED && took_us < SLACK_MS * 1000,
          "cancelled by another thread, in %lld ms", (long long)took_us / 1000);
    check(pending() == 0 && write_works(500), "no request of ours is left on the server");
    background_kill(&slow, admin);
    check(take(l, &quick, &p, &r) == 0, "a spent cancel does not hurt the next request");
    position_release(&p);
    (void)mysql_lock_release(l, NULL);
    mysql_lock_free(l);
}

struct stall {
    struct proxy *proxy;
    int connection;
};

static void *stall_pending(void *arg)
{
    struct stall *s = arg;

    (void)until_pending();
    atomic_store(&s->proxy->stalled, s->connection);
    return NULL;
}

/* Takes the lock while one of its connections (0 the watch, 1 the lock) stops answering. */
static int take_stalling(struct mysql_lock *l, struct proxy *proxy, int connection,
                         struct position *p, struct lock_report *r)
{
    struct stall s = {.proxy = proxy, .connection = connection};
    pthread_t thread;
    int rc;

    if (pthread_create(&thread, NULL, stall_pending, &s) != 0)
        return 0;
    rc = take(l, &once, p, r);
    (void)pthread_join(thread, NULL);
    return rc;
}

/* Nobody answers on the watch while our request is pending: the cancel goes over a fresh
 * connection. */
static void test_stuck_watch(void)
{
    AUTO_FREE char *path = NULL;
    struct mysql_login login = login_as("root", "");
    struct mysql_lock *l;
    struct proxy proxy;
    struct background slow;
    struct position p;
    struct lock_report r;
    int opened, rc;

    if (asprintf(&path, "%s/proxy", dir) < 0 || proxy_start(&proxy, path, sock) < 0) {
        check(false, "a proxy before the server");
        return;
    }
    login.socket = path;
    l = mysql_lock_new(&login);
    check(mysql_lock_ready(l, &last_error) == 0 && atomic_load(&proxy.accepted) == 2,
          "ready, through a proxy");
    start_long_update(&slow);
    rc = take_stalling(l, &proxy, 0, &p, &r);
    opened = atomic_load(&proxy.accepted);
    check(rc < 0 && last_error.code == ERR_LOCK && r.try[0].waited_ms < ONCE_MS + SLACK_MS,
          "a stuck watch does not keep us from cancelling, after %u ms", r.try[0].waited_ms);
    /* the first of them may be given up too */
    check(opened >= 3, "over a fresh connection");
    check(pending() == 0 && write_works(500), "no request of ours is left on the server");
    background_kill(&slow, admin);
    mysql_lock_free(l);
    proxy_stop(&proxy);
}

/* The lock connection never answers again: it is killed by name, and a new one made for the next.
 */
static void test_stuck_lock(void)
{
    AUTO_FREE char *path = NULL;
    struct mysql_login login = login_as("root", "");
    struct mysql_lock *l;
    struct proxy proxy;
    struct background slow;
    struct position p;
    struct lock_report r;
    int rc;

    if (asprintf(&path, "%s/proxy2", dir) < 0 || proxy_start(&proxy, path, sock) < 0) {
        check(false, "a proxy before the server");
        return;
    }
    login.socket = path;
    l = mysql_lock_new(&login);
    (void)mysql_lock_ready(l, NULL);
    start_long_update(&slow);
    rc = take_stalling(l, &proxy, 1, &p, &r);
    check(rc < 0 && last_error.code == ERR_LOCK && r.try[0].waited_ms < ONCE_MS + 1000 + SLACK_MS,
          "a silent lock connection is given up after %u ms", r.try[0].waited_ms);
    check(pending() == 0 && write_works(500), "no request of ours is left on the server");
    background_kill(&slow, admin);
    check(take(l, &quick, &p, &r) == 0, "granted on a new connection");
    position_release(&p);
    (void)mysql_lock_release(l, NULL);
    mysql_lock_free(l);
    proxy_stop(&proxy);
}

/* ---- lost ---- */

static bool fd_shows(struct mysql_lock *l, int ms)
{
    struct pollfd p = {.fd = mysql_lock_fd(l), .events = POLLIN};

    return poll(&p, 1, ms) == 1;
}

static void *sever_soon(void *arg)
{
    sleep_ms(100);
    mysql_lock_sever(arg);
    return NULL;
}

static void test_lost(void)
{
    struct mysql_lock *l = new_lock();
    struct background b;
    struct position p;
    struct lock_report r;
    pthread_t thread;
    bool ok;
    long id;

    check(take(l, &quick, &p, &r) == 0, "granted");
    position_release(&p);
    check(!fd_shows(l, 100), "the descriptor is quiet while the lock is held");
    background_start(&b, sock, "INSERT INTO plain (x) VALUES (2)");
    (void)pthread_create(&thread, NULL, sever_soon, l);
    ok = background_wait(&b, 600);
    check(ok && b.error == 0, "severing from another thread frees the writers, %lld ms after",
          (long long)(b.ended_us - b.started_us) / 1000 - 100);
    background_join(&b);
    (void)pthread_join(thread, NULL);
    check(mysql_lock_release(l, &last_error) < 0 && last_error.code == ERR_LOST,
          "a severed lock is lost: %s", last_error.msg);

    check(take(l, &quick, &p, &r) == 0, "granted again on a new connection");
    position_release(&p);
    /* the youngest session: it was opened by that request */
    id = session_number(admin, "SELECT MAX(ID) FROM information_schema.PROCESSLIST");
    session_do(admin, "KILL %ld", id);
    check(fd_shows(l, 500), "the descriptor shows a killed connection");
    check(mysql_lock_ready(l, &last_error) == 0, "it is replaced");
    check(mysql_lock_release(l, &last_error) < 0 && last_error.code == ERR_LOST,
          "a lock whose connection was replaced is lost: %s", last_error.msg);
    mysql_lock_free(l);
}

/* The signal is not felt at once by every thread. */
void stop_server(void)
{
    (void)kill(server_pid, SIGSTOP);
    sleep_ms(100);
}

static void test_stopped_server(void)
{
    struct mysql_lock *l = new_lock();
    struct position p;
    struct lock_report r;
    int64_t began;
    int rc;

    check(mysql_lock_ready(l, &last_error) == 0, "ready");
    stop_server();
    began = mono_us();
    rc = take(l, &quick, &p, &r);
    (void)kill(server_pid, SIGCONT);
    check(rc < 0 && mono_us() - began < 8000000 * slowness(),
          "a server that hangs is given up after %lld ms: %s",
          (long long)(mono_us() - began) / 1000, last_error.msg);
    sleep_ms(1500); /* what it had been sent, it now does */
    check(pending() == 0 && write_works(1000), "and nothing of ours happens once it goes on");

    check(take(l, &quick, &p, &r) == 0, "granted");
    position_release(&p);
    stop_server();
    began = mono_us();
    rc = mysql_lock_release(l, &last_error);
    (void)kill(server_pid, SIGCONT);
    check(rc < 0 && last_error.code == ERR_LOST && mono_us() - began < 8000000 * slowness(),
          "an unanswered release is given up after %lld ms", (long long)(mono_us() - began) / 1000);
    check(write_works(2000), "and the lock is gone once the server goes on");
    mysql_lock_free(l);
}

static void test_server_killed(void)
{
    struct mysql_lock *l = new_lock();
    struct position p;
    struct lock_report r;

    check(take(l, &quick, &p, &r) == 0, "granted");
    position_release(&p);
    (void)kill(server_pid, SIGKILL);
    check(fd_shows(l, 1000), "the descriptor shows a dead server");
    check(mysql_lock_release(l, &last_error) < 0 && last_error.code == ERR_LOST,
          "the lock is lost with it");
    check(mysql_lock_ready(l, &last_error) < 0 && last_error.code == ERR_MYSQL &&
              strstr(last_error.msg, sock),
          "one is told that the server is away: %s", last_error.msg);
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
