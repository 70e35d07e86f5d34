/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sessions that stand beside the lock under test; see mysql-sessions.h. */
#include "tests/integration/mysql-sessions.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/clock.h"
#include "tests/slow.h"

static void die(MYSQL *my, const char *what)
{
    printf("Bail out! %s: %s\n", what, mysql_error(my));
    (void)fflush(stdout);
    exit(1);
}

void sleep_ms(int ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    (void)nanosleep(&t, NULL);
}

MYSQL *session_open(const char *socket)
{
    MYSQL *my = mysql_init(NULL);

    if (!my || !mysql_real_connect(my, "localhost", "root", NULL, "cbsnap_test", 0, socket, 0))
        die(my, "cannot log in");
    return my;
}

static void run(MYSQL *my, const char *fmt, va_list ap)
{
    char sql[1024];

    (void)vsnprintf(sql, sizeof(sql), fmt, ap);
    if (mysql_real_query(my, sql, strlen(sql)) != 0)
        die(my, sql);
}

void session_do(MYSQL *my, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    run(my, fmt, ap);
    va_end(ap);
    mysql_free_result(mysql_store_result(my));
}

static char *value_v(MYSQL *my, const char *fmt, va_list ap)
{
    MYSQL_RES *res;
    MYSQL_ROW row;
    char *value;

    run(my, fmt, ap);
    res = mysql_store_result(my);
    row = res ? mysql_fetch_row(res) : NULL;
    value = strdup(row && row[0] ? row[0] : "");
    if (res)
        mysql_free_result(res);
    return value;
}

char *session_value(MYSQL *my, const char *fmt, ...)
{
    va_list ap;
    char *value;

    va_start(ap, fmt);
    value = value_v(my, fmt, ap);
    va_end(ap);
    return value;
}

long session_number(MYSQL *my, const char *fmt, ...)
{
    va_list ap;
    char *value;
    long n;

    va_start(ap, fmt);
    value = value_v(my, fmt, ap);
    va_end(ap);
    n = strtol(value, NULL, 10);
    free(value);
    return n;
}

static void *background_main(void *arg)
{
    struct background *b = arg;

    if (b->until)
        (void)b->until();
    b->started_us = mono_us();
    if (mysql_real_query(b->my, b->sql, strlen(b->sql)) != 0) {
        b->error = mysql_errno(b->my);
    } else {
        MYSQL_RES *res = mysql_store_result(b->my);

        b->error = mysql_errno(b->my);
        if (res)
            mysql_free_result(res);
    }
    b->ended_us = mono_us();
    atomic_store(&b->done, true);
    return NULL;
}

void background_start_later(struct background *b, MYSQL *my, bool (*until)(void), const char *sql)
{
    memset(b, 0, sizeof(*b));
    b->my = my;
    b->until = until;
    (void)snprintf(b->sql, sizeof(b->sql), "%s", sql);
    if (pthread_create(&b->thread, NULL, background_main, b) != 0)
        die(b->my, "cannot start a thread");
}

void background_start(struct background *b, const char *socket, const char *sql)
{
    background_start_later(b, session_open(socket), NULL, sql);
    b->owns_session = true;
}

bool background_wait(struct background *b, int ms)
{
    int64_t until = mono_us() + (int64_t)ms * 1000 * slowness();

    while (!atomic_load(&b->done) && mono_us() < until)
        sleep_ms(5);
    return atomic_load(&b->done);
}

void background_join(struct background *b)
{
    (void)pthread_join(b->thread, NULL);
    if (b->owns_session)
        mysql_close(b->my);
}

void background_kill(struct background *b, MYSQL *admin)
{
    if (!atomic_load(&b->done))
        session_do(admin, "KILL QUERY %lu", mysql_thread_id(b->my));
    background_join(b);
}

static void *writer_main(void *arg)
{
    static const char sql[] = "INSERT INTO busy (x) VALUES (1)";
    struct writer *w = arg;

    while (!atomic_load(&w->stop)) {
        int64_t before = mono_us(), took;

        if (mysql_real_query(w->my, sql, strlen(sql)) != 0)
            w->errors++;
        took = mono_us() - before;
        if (took > w->longest_us)
            w->longest_us = took;
        w->writes++;
        sleep_ms(2); /* two cores: leave the server something */
    }
    return NULL;
}

void writer_start(struct writer *w, const char *socket)
{
    memset(w, 0, sizeof(*w));
    w->my = session_open(socket);
    if (pthread_create(&w->thread, NULL, writer_main, w) != 0)
        die(w->my, "cannot start a thread");
}

void writer_stop(struct writer *w)
{
    atomic_store(&w->stop, true);
    (void)pthread_join(w->thread, NULL);
    mysql_close(w->my);
}
