/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Part of mysql-drive: a lock that is not granted, is called off, or waits for a server that hangs.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/integration/lateness.h"
#include "tests/integration/mysql-drive.h"
#include "tests/integration/mysql-proxy.h"
#include "tests/slow.h"

/* A cancel is a few round trips, each of which may have had to wait for a processor. The server's
 * own limit, in whole seconds, is near: more than that shows that it was not our cancel. */
static int64_t slack_ms(struct lateness *late)
{
    return 400 * slowness() + 3 * lateness_ms(late);
}

/*
 * Long enough for something to happen while the request is pending. The server's own limit is in
 * whole seconds, rounded up: it is far enough behind for the cancel to be ours.
 */
#define ONCE_MS 1100
static const struct lock_limits once = {
    .try_ms = ONCE_MS, .tries = 1, .victims = 100, .guard_s = 60, .backoff_ms = 10};

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

void test_long_update(void)
{
    struct mysql_lock *l = new_lock();
    int64_t began = mono_us(), took_ms;
    char blocker[32];
    struct background slow;
    struct writer w;
    struct position p;
    struct lock_report r;
    struct lateness late;
    int64_t slack;
    bool bounded = true;
    int rc;

    start_long_update(&slow);
    (void)snprintf(blocker, sizeof(blocker), "thread %lu ", mysql_thread_id(slow.my));
    sleep_ms(1200); /* so that the server counts seconds */
    lateness_begin(&late);
    writer_start(&w, sock);
    began = mono_us();
    rc = take(l, &quick, &p, &r);
    took_ms = (mono_us() - began) / 1000;
    slack = slack_ms(&late);
    check(rc < 0 && last_error.code == ERR_LOCK && r.tries == 3,
          "not granted beside a running UPDATE");
    for (unsigned n = 0; n < r.tries; n++)
        bounded &= r.try[n].outcome == LOCK_TIMEOUT && r.try[n].waited_ms >= 290 &&
                   r.try[n].waited_ms < 300 + slack;
    check(bounded, "each try ended in its time: %u, %u, %u ms", r.try[0].waited_ms,
          r.try[1].waited_ms, r.try[2].waited_ms);
    check(took_ms < 3 * (300 + slack) + 300, "all tries together took %lld ms", (long long)took_ms);
    check(pending() == 0, "no request of ours is left on the server");
    check(strstr(last_error.msg, blocker) && strstr(last_error.msg, "user 'root'"),
          "it says who was in the way: %s", last_error.msg);
    check(write_works(), "a writer works right afterwards");
    writer_stop(&w);
    check(w.errors == 0 && w.longest_us < (300 + slack_ms(&late)) * 1000,
          "no other writer waited longer than one try: %lld ms at most, %lu writes",
          (long long)w.longest_us / 1000, w.writes);
    lateness_end(&late);
    background_kill(&slow, admin);
    check(take(l, &quick, &p, &r) == 0, "granted once the UPDATE has ended");
    position_release(&p);
    (void)mysql_lock_release(l, NULL);
    mysql_lock_free(l);
}

/* A reader lets us have the global lock and stops us in the flush: the half-way state. */
void test_long_select(void)
{
    struct mysql_lock *l = new_lock();
    struct background slow;
    struct writer w;
    struct position p;
    struct lock_report r;
    struct lateness late;
    int rc;

    background_start(&slow, sock, "SELECT x, SLEEP(20) FROM slow WHERE id = 1");
    (void)until_runs("SELECT x, SLEEP", "User sleep");
    lateness_begin(&late);
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
    check(write_works(), "no lock is left half-way");
    writer_stop(&w);
    check(w.errors == 0 && w.longest_us < (300 + slack_ms(&late)) * 1000,
          "no writer waited longer than one try: %lld ms", (long long)w.longest_us / 1000);
    lateness_end(&late);
    background_kill(&slow, admin);
    mysql_lock_free(l);
}

void test_victims(void)
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
              r.try[0].victims >= 2 && r.try[0].waited_ms < 4000 * slowness(),
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
void test_wedge(void)
{
    struct mysql_lock *l = new_lock();
    MYSQL *t1 = session_open(sock);
    struct background t2, late;
    struct position p;
    struct lock_report r;
    int64_t began, took_ms;
    struct lateness machine;
    int rc;

    check(mysql_lock_ready(l, &last_error) == 0, "ready");
    session_do(t1, "BEGIN");
    session_do(t1, "UPDATE rows2 SET x = x + 1 WHERE id = 1");
    background_start(&t2, sock, "UPDATE rows2 SET x = x + 1 WHERE id = 1");
    (void)until_runs("UPDATE rows2", "Updating");
    /* T1's next statement comes while our request is pending */
    background_start_later(&late, t1, until_pending, "UPDATE rows2 SET x = x + 1 WHERE id = 2");
    lateness_begin(&machine);
    began = mono_us();
    rc = take(l, &once, &p, &r);
    took_ms = (mono_us() - began) / 1000;
    check(rc < 0 && last_error.code == ERR_LOCK && r.try[0].victims >= 1,
          "the wedge ends by our cancel, after %lld ms", (long long)took_ms);
    check(took_ms < ONCE_MS + slack_ms(&machine), "in bounded time");
    lateness_end(&machine);
    check(background_wait(&late, 3000) && late.error == 0, "the first transaction goes on");
    background_join(&late);
    session_do(t1, "COMMIT");
    check(background_wait(&t2, 3000) && t2.error == 0, "and so does the second");
    background_join(&t2);
    check(pending() == 0, "no request of ours is left on the server");
    mysql_close(t1);
    mysql_lock_free(l);
}

void test_guard(void)
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

void test_cancel(void)
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
    check(rc < 0 && last_error.code == ERR_CANCELLED && took_us < 3000000 * slowness(),
          "cancelled by another thread, in %lld ms", (long long)took_us / 1000);
    check(pending() == 0 && write_works(), "no request of ours is left on the server");
    background_kill(&slow, admin);
    check(take(l, &quick, &p, &r) == 0, "a spent cancel does not hurt the next request");
    position_release(&p);
    (void)mysql_lock_release(l, NULL);
    mysql_lock_free(l);
}

/* A lock of root's whose three connections go through a proxy. */
struct proxied {
    char *path;
    struct mysql_login login;
    struct proxy proxy;
    struct mysql_lock *lock;
};

static bool proxied_start(struct proxied *x)
{
    static int count;

    if (asprintf(&x->path, "%s/proxy%d", dir, count++) < 0 ||
        proxy_start(&x->proxy, x->path, sock) < 0) {
        check(false, "a proxy before the server");
        return false;
    }
    x->login = login_as("root", "");
    x->login.socket = x->path;
    x->lock = mysql_lock_new(&x->login);
    check(mysql_lock_ready(x->lock, &last_error) == 0 && atomic_load(&x->proxy.accepted) == 3,
          "ready, through a proxy");
    return true;
}

static void proxied_stop(struct proxied *x)
{
    mysql_lock_free(x->lock);
    proxy_stop(&x->proxy);
    free(x->path);
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

/* Takes the lock while one of its connections (0 the watch, 1 the reader, 2 the lock) stops
 * answering. */
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
void test_stuck_watch(void)
{
    struct proxied x;
    struct background slow;
    struct position p;
    struct lock_report r;
    struct lateness late;
    int opened, rc;

    if (!proxied_start(&x))
        return;
    start_long_update(&slow);
    lateness_begin(&late);
    rc = take_stalling(x.lock, &x.proxy, 0, &p, &r);
    opened = atomic_load(&x.proxy.accepted);
    check(rc < 0 && last_error.code == ERR_LOCK && r.try[0].waited_ms < ONCE_MS + slack_ms(&late),
          "a stuck watch does not keep us from cancelling, after %u ms", r.try[0].waited_ms);
    lateness_end(&late);
    /* the first of them may be given up too */
    check(opened >= 4, "over a fresh connection");
    check(pending() == 0 && write_works(), "no request of ours is left on the server");
    background_kill(&slow, admin);
    proxied_stop(&x);
}

struct grant {
    struct proxy *proxy;
    struct background *blocker;
};

/* Who stands in the way goes while a count is under way on a watch that does not answer. */
static void *stall_and_grant(void *arg)
{
    struct grant *g = arg;

    (void)until_pending();
    atomic_store(&g->proxy->stalled, 0);
    sleep_ms(200);
    background_kill(g->blocker, admin);
    return NULL;
}

/* The position is read neither on the lock's own connection, which would hold the lock for as long
 * as the server takes, whatever becomes of us, nor on one that has a count under way. */
void test_stuck_watch_at_grant(void)
{
    struct proxied x;
    struct background slow;
    struct grant g = {.proxy = &x.proxy, .blocker = &slow};
    struct position p;
    struct lock_report r;
    pthread_t thread;

    if (!proxied_start(&x))
        return;
    start_long_update(&slow);
    (void)pthread_create(&thread, NULL, stall_and_grant, &g);
    check(take(x.lock, &once, &p, &r) == 0 && p.binlog_file && p.has_lsn,
          "granted beside a stuck watch, with a position");
    (void)pthread_join(thread, NULL);
    check(atomic_load(&x.proxy.accepted) == 3, "without a login while others wait");
    position_release(&p);
    check(mysql_lock_release(x.lock, &last_error) == 0, "held until the release");
    proxied_stop(&x);
}

/* The lock connection never answers again: it is killed by name, and a new one made for the next.
 */
void test_stuck_lock(void)
{
    struct proxied x;
    struct background slow;
    struct position p;
    struct lock_report r;
    struct lateness late;
    int rc;

    if (!proxied_start(&x))
        return;
    start_long_update(&slow);
    lateness_begin(&late);
    rc = take_stalling(x.lock, &x.proxy, 2, &p, &r);
    check(rc < 0 && last_error.code == ERR_LOCK &&
              r.try[0].waited_ms < ONCE_MS + 1000 + slack_ms(&late),
          "a silent lock connection is given up after %u ms", r.try[0].waited_ms);
    lateness_end(&late);
    check(pending() == 0 && write_works(), "no request of ours is left on the server");
    background_kill(&slow, admin);
    check(take(x.lock, &quick, &p, &r) == 0, "granted on a new connection");
    position_release(&p);
    (void)mysql_lock_release(x.lock, NULL);
    proxied_stop(&x);
}
