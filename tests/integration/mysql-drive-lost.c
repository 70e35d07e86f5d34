/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Part of mysql-drive: a lock that was granted and lost: severed, its session killed, the server
 * stopped or dead. */
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/integration/mysql-drive.h"
#include "tests/slow.h"

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

void test_lost(void)
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
    ok = background_wait(&b, 3000);
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
    check(fd_shows(l, 3000), "the descriptor shows a killed connection");
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

void test_stopped_server(void)
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
    check(pending() == 0 && write_works(), "and nothing of ours happens once it goes on");

    check(take(l, &quick, &p, &r) == 0, "granted");
    position_release(&p);
    stop_server();
    began = mono_us();
    rc = mysql_lock_release(l, &last_error);
    (void)kill(server_pid, SIGCONT);
    check(rc < 0 && last_error.code == ERR_LOST && mono_us() - began < 8000000 * slowness(),
          "an unanswered release is given up after %lld ms", (long long)(mono_us() - began) / 1000);
    check(write_works(), "and the lock is gone once the server goes on");
    mysql_lock_free(l);
}

void test_server_killed(void)
{
    struct mysql_lock *l = new_lock();
    struct position p;
    struct lock_report r;

    check(take(l, &quick, &p, &r) == 0, "granted");
    position_release(&p);
    (void)kill(server_pid, SIGKILL);
    check(fd_shows(l, 3000), "the descriptor shows a dead server");
    check(mysql_lock_release(l, &last_error) < 0 && last_error.code == ERR_LOST,
          "the lock is lost with it");
    check(mysql_lock_ready(l, &last_error) < 0 && last_error.code == ERR_MYSQL &&
              strstr(last_error.msg, sock),
          "one is told that the server is away: %s", last_error.msg);
    mysql_lock_free(l);
}
