/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order of the marks is that in which they were written, whatever host and guest took the time
 * to be. The server is a stand-in in this file, with one table: it knows the statements of mark.c
 * and the one of holding.c that asks for the newest row, and refuses all others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest-agent/mysql/conn.h"
#include "guest-agent/mysql/holding.h"
#include "guest-agent/mysql/mark.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#define ROWS_MAX 300

struct mark_row {
    char set[32];
    int64_t at_us;
};

static struct {
    struct mark_row rows[ROWS_MAX];
    size_t count;
    char *sent;
    MYSQL my; /* its address says that a connection is open */
} server;

/* ---- the table ---- */

static int by_set(const void *a, const void *b)
{
    return strcmp(((const struct mark_row *)b)->set, ((const struct mark_row *)a)->set);
}

static int by_time(const void *a, const void *b)
{
    const struct mark_row *x = a, *y = b;

    return x->at_us != y->at_us ? (x->at_us < y->at_us ? 1 : -1) : by_set(a, b);
}

static void insert(const char *sql)
{
    long long at_us = 0;
    char set[32] = "";
    size_t n = 0;

    assert_int_equal(sscanf(strstr(sql, "VALUES"), "VALUES ('%31[^']', %lld)", set, &at_us), 2);
    while (n < server.count && strcmp(server.rows[n].set, set) != 0)
        n++;
    assert_true(n < ROWS_MAX);
    if (n == server.count)
        memcpy(server.rows[server.count++].set, set, sizeof(set));
    server.rows[n].at_us = at_us;
}

static void delete (const char *sql)
{
    const char *list = strstr(sql, " WHERE set_id IN (");
    size_t kept = 0;

    assert_non_null(list);
    for (size_t n = 0; n < server.count; n++) {
        AUTO_FREE char *quoted = xasprintf("'%s'", server.rows[n].set);

        if (!strstr(list, quoted))
            server.rows[kept++] = server.rows[n];
    }
    server.count = kept;
}

/* ---- answers ---- */

struct answer {
    char cells[ROWS_MAX][2][40];
    char *row[2];
    size_t count, next;
};

static void add_row(struct answer *a, const char *set, int64_t at_us)
{
    (void)snprintf(a->cells[a->count][0], sizeof(a->cells[0][0]), "%s", set);
    (void)snprintf(a->cells[a->count++][1], sizeof(a->cells[0][0]), "%lld", (long long)at_us);
}

static void select_rows(struct answer *a, const char *sql)
{
    const char *order = strstr(sql, "ORDER BY "), *limit = strstr(sql, " LIMIT ");
    size_t most = 0, offset = 0;

    assert_true(order && limit && sscanf(limit, " LIMIT %zu OFFSET %zu", &most, &offset) >= 1);
    qsort(server.rows, server.count, sizeof(server.rows[0]),
          strncmp(order + 9, "at_wall_us DESC, set_id DESC ", 29) == 0 ? by_time : by_set);
    for (size_t n = offset; n < server.count && n - offset < most; n++)
        add_row(a, server.rows[n].set, server.rows[n].at_us);
}

static void select_latest(struct answer *a)
{
    char text[32] = "";

    qsort(server.rows, server.count, sizeof(server.rows[0]), by_time);
    if (server.count)
        (void)snprintf(text, sizeof(text), "%lld", (long long)server.rows[0].at_us);
    add_row(a, text, 0);
}

static int answer(const char *sql, MYSQL_RES **ret, struct err *e)
{
    struct answer *a = xcalloc(1, sizeof(*a));

    if (strncmp(sql, "SELECT MAX(at_wall_us) FROM `x`.`mark`", 38) == 0)
        select_latest(a);
    else if (strncmp(sql, "SELECT set_id", 13) == 0 && strstr(sql, " FROM `x`.`mark` "))
        select_rows(a, sql);
    else if (strncmp(sql, "INSERT INTO `x`.`mark` ", 23) == 0)
        insert(sql);
    else if (strncmp(sql, "DELETE FROM `x`.`mark` ", 23) == 0)
        delete (sql);
    else if (strcmp(sql, "SELECT @@GLOBAL.read_only") == 0)
        add_row(a, "0", 0);
    else if (strncmp(sql, "SET ", 4) != 0 && strcmp(sql, "SHOW REPLICAS") != 0) {
        free(a);
        return err_set(e, ERR_MYSQL, "the stand-in does not know \"%s\"", sql);
    }
    if (ret)
        *ret = (MYSQL_RES *)a;
    else
        free(a);
    return 0;
}

/* ---- in place of conn.c and of the library ---- */

void conn_init(struct conn *c, const struct mysql_login *login)
{
    *c = (struct conn){.login = login, .sever_fd = -1};
}

int conn_open(struct conn *c, struct err *e)
{
    (void)e;
    c->my = &server.my;
    return 0;
}

void conn_close(struct conn *c)
{
    c->my = NULL;
}

void conn_end(struct conn *c)
{
    conn_close(c);
}

void conn_release(struct conn *c)
{
    conn_close(c);
}

bool conn_is_open(const struct conn *c)
{
    return c->my;
}

/* of a lock, which nobody takes here */
bool conn_is_quiet(const struct conn *c)
{
    return conn_is_open(c);
}

int conn_make_severable(struct conn *c, struct err *e)
{
    (void)c;
    return err_set(e, ERR_MYSQL, "the stand-in has no socket");
}

void conn_sever(const struct conn *c)
{
    (void)c;
}

int conn_fd(const struct conn *c)
{
    (void)c;
    return -1;
}

bool conn_poll(int fd, int64_t until_us)
{
    (void)fd;
    (void)until_us;
    return true;
}

const char *conn_replicas_sql(const struct conn *c)
{
    (void)c;
    return "SHOW REPLICAS";
}

int conn_send(struct conn *c, const char *sql, struct err *e)
{
    (void)c;
    (void)e;
    free(server.sent);
    server.sent = xstrdup(sql);
    return 0;
}

int conn_result(struct conn *c, MYSQL_RES **ret, struct err *e)
{
    (void)c;
    return answer(server.sent, ret, e);
}

int conn_query(struct conn *c, int timeout_ms, MYSQL_RES **ret, struct err *e, const char *fmt, ...)
{
    AUTO_FREE char *sql = NULL;
    va_list ap;

    (void)c;
    (void)timeout_ms;
    va_start(ap, fmt);
    if (vasprintf(&sql, fmt, ap) < 0)
        abort();
    va_end(ap);
    return answer(sql, ret, e);
}

MYSQL_ROW mysql_fetch_row(MYSQL_RES *res)
{
    struct answer *a = (struct answer *)res;

    if (a->next == a->count)
        return NULL;
    for (int n = 0; n < 2; n++)
        a->row[n] = *a->cells[a->next][n] ? a->cells[a->next][n] : NULL;
    a->next++;
    return a->row;
}

void mysql_free_result(MYSQL_RES *res)
{
    free(res);
}

MYSQL_FIELD *mysql_fetch_fields(MYSQL_RES *res)
{
    (void)res;
    return NULL;
}

unsigned int mysql_num_fields(MYSQL_RES *res)
{
    (void)res;
    return 0;
}

unsigned long mysql_real_escape_string(MYSQL *my, char *to, const char *from, unsigned long len)
{
    (void)my;
    memcpy(to, from, len);
    to[len] = '\0';
    return len;
}

/* ---- tests ---- */

#define NOW INT64_C(1478254500000000)

static int setup(void **state)
{
    (void)state;
    memset(&server, 0, sizeof(server));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(server.sent);
    return 0;
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

static void mark(const char *set, int64_t now_us)
{
    const struct mysql_login login = {.socket = "s"};
    struct err e = ERR_INIT;

    if (mark_write(&login, "x.mark", set, now_us, never, NULL, &e) < 0)
        fail_msg("%s", e.msg);
}

static void assert_newest(const char *set)
{
    const struct mysql_login login = {.socket = "s"};
    const struct holding_query q = {.mark_table = "x.mark", .stop = never};
    Cbsnap__Certificate *c = xcalloc(1, sizeof(*c));

    cbsnap__certificate__init(c);
    assert_int_equal(holding_read(&login, &q, c, NULL), 0);
    assert_non_null(c->mark);
    assert_string_equal(c->mark->set, set);
    cbsnap__certificate__free_unpacked(c, NULL);
}

static bool there(const char *set)
{
    for (size_t n = 0; n < server.count; n++) {
        if (strcmp(server.rows[n].set, set) == 0)
            return true;
    }
    return false;
}

/* Ids begin with the host's time. */
static void a_host_whose_clock_was_wrong_for_once(void **state)
{
    (void)state;
    mark("20161104T101500Z-0001", NOW);
    mark("20991231T235959Z-0002", NOW + 1000);
    assert_newest("20991231T235959Z-0002");
    mark("20161104T111500Z-0003", NOW + 2000);
    assert_newest("20161104T111500Z-0003");
    mark("20010101T000000Z-0004", NOW + 3000);
    assert_newest("20010101T000000Z-0004");
    mark("20161104T111500Z-0003", NOW + 4000); /* once more */
    assert_newest("20161104T111500Z-0003");
    assert_int_equal(server.count, 4);
}

static void a_guest_whose_clock_went_back(void **state)
{
    (void)state;
    mark("20161104T101500Z-0002", 3 * NOW);
    mark("20161104T111500Z-0001", NOW);
    assert_newest("20161104T111500Z-0001");
    mark("20161104T111501Z-0001", NOW);
    assert_newest("20161104T111501Z-0001");
    assert_int_equal(server.rows[0].at_us, 3 * NOW + 2);
}

static void the_time_is_the_guests_where_it_can_be(void **state)
{
    (void)state;
    mark("20161104T101500Z-0001", NOW);
    assert_int_equal(server.rows[0].at_us, NOW);
    server.rows[0].at_us = INT64_MAX; /* whoever wrote that */
    mark("20161104T101500Z-0002", NOW);
    assert_int_equal(server.count, 2);
}

static void those_written_last_stay(void **state)
{
    (void)state;
    mark("20991231T235959Z-0000", NOW);
    for (int n = 0; n < 120; n++) {
        AUTO_FREE char *set = xasprintf("20161104T10%02d%02dZ-0001", n / 60, n % 60);

        mark(set, NOW + n);
    }
    assert_int_equal(server.count, 100);
    assert_false(there("20991231T235959Z-0000"));
    assert_false(there("20161104T100019Z-0001"));
    assert_true(there("20161104T100020Z-0001"));
    mark("20010101T000000Z-0000", NOW + 120);
    assert_int_equal(server.count, 100);
    assert_newest("20010101T000000Z-0000");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_host_whose_clock_was_wrong_for_once),
        T(a_guest_whose_clock_went_back),
        T(the_time_is_the_guests_where_it_can_be),
        T(those_written_last_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
