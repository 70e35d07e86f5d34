/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * InnoDB's transactions: how many, how old, and who the three oldest of the long ones are.
 *
 * Reading INNODB_TRX holds up the start and end of transactions for a moment, so it is read at the
 * slow pace, and twice only when there is a long one; InnoDB answers a second question within 0.1 s
 * from its copy. information_schema.PROCESSLIST is never read: its table has a text without bounds,
 * so MariaDB makes it on disk, and a server with a full disk would wait there.
 *
 * Source: MySQL manual "The INFORMATION_SCHEMA INNODB_TRX Table", "The threads Table", "Performance
 * Schema Statement Event Tables".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest-agent/mysql/digest.h"
#include "guest-agent/mysql/status_internal.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

/* Seconds of both clocks, so that a change to winter time does not count as an hour. */
#define AGE "UNIX_TIMESTAMP() - UNIX_TIMESTAMP(trx_started)"

static uint32_t age_of(const char *text)
{
    long long age = text ? strtoll(text, NULL, 10) : 0;

    return age > 0 ? (uint32_t)age : 0;
}

static int read_counts(struct mysql_sampler *s, struct sample *to, uint64_t *ret_long,
                       struct err *why)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;

    if (sampler_ask(s, &res, why,
                    "SELECT COUNT(*), MAX(" AGE "), SUM(" AGE " > %d)"
                    " FROM information_schema.INNODB_TRX",
                    s->config.trx_long_s) < 0)
        return -1;
    row = res ? mysql_fetch_row(res) : NULL;
    if (!row)
        return err_set(why, ERR_MYSQL, "the list of transactions is missing");
    *ret_long = number_of(row[2]);
    sample_emit(to, "innodb.trx_active", (double)number_of(row[0]));
    sample_emit(to, "innodb.trx_oldest", age_of(row[1]));
    sample_emit(to, "innodb.trx_long", (double)*ret_long);
    return 0;
}

struct oldest {
    struct sample_trx trx;
    char *query;      /* what it runs now; NULL: nothing */
    char *last_query; /* what it runs or ran last, if the performance schema knows */
    char *digest;     /* of that, by the server */
};

static char *copy_or_null(const char *text)
{
    return text && *text ? xstrdup(text) : NULL;
}

static int read_oldest(struct mysql_sampler *s, struct oldest *list, size_t *ret_count,
                       struct err *why)
{
    const char *query = s->config.statements == STATEMENTS_OFF ? "NULL" : "trx_query";
    AUTO_RESULT MYSQL_RES *res = NULL;
    size_t count = 0;
    MYSQL_ROW row;

    if (sampler_ask(s, &res, why,
                    "SELECT trx_id, trx_mysql_thread_id, " AGE ", trx_rows_modified, %s"
                    " FROM information_schema.INNODB_TRX WHERE " AGE " > %d"
                    " ORDER BY trx_started LIMIT %d",
                    query, s->config.trx_long_s, SAMPLE_TRX_MAX) < 0)
        return -1;
    while (res && count < SAMPLE_TRX_MAX && (row = mysql_fetch_row(res))) {
        struct oldest *o = &list[count++];

        (void)snprintf(o->trx.id, sizeof(o->trx.id), "%s", row[0] ? row[0] : "");
        o->trx.thread = number_of(row[1]);
        o->trx.age_s = age_of(row[2]);
        o->trx.rows_modified = number_of(row[3]);
        o->query = copy_or_null(row[4]);
    }
    *ret_count = count;
    return 0;
}

/* ---- whose they are ---- */

static struct oldest *by_thread(struct oldest *list, size_t count, const char *thread)
{
    for (size_t n = 0; n < count; n++) {
        if (list[n].trx.thread == number_of(thread))
            return &list[n];
    }
    return NULL;
}

/* A name that is cut within a character ends in '?'. */
static void set_user(struct oldest *o, const char *user)
{
    AUTO_FREE char *plain = NULL;

    (void)snprintf(o->trx.user, sizeof(o->trx.user), "%s", user ? user : "");
    plain = utf8_head(o->trx.user, sizeof(o->trx.user));
    (void)snprintf(o->trx.user, sizeof(o->trx.user), "%s", plain);
}

static char *thread_list(const struct oldest *list, size_t count)
{
    struct buf text = BUF_INIT;

    for (size_t n = 0; n < count; n++)
        buf_addf(&text, "%s%llu", n ? ", " : "", (unsigned long long)list[n].trx.thread);
    return buf_steal(&text);
}

/* Of statements inside a stored procedure the outermost counts. */
static int ask_performance_schema(struct mysql_sampler *s, struct oldest *list, size_t count)
{
    const bool wants = s->config.statements != STATEMENTS_OFF;
    AUTO_FREE char *threads = thread_list(list, count);
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;

    if (sampler_ask(s, &res, NULL,
                    "SELECT t.PROCESSLIST_ID, t.PROCESSLIST_USER%s WHERE"
                    " t.PROCESSLIST_ID IN (%s)",
                    wants ? ", c.DIGEST_TEXT, LEFT(c.SQL_TEXT, 1024)"
                            " FROM performance_schema.threads t"
                            " LEFT JOIN performance_schema.events_statements_current c"
                            " ON c.THREAD_ID = t.THREAD_ID AND"
                            " (c.NESTING_EVENT_TYPE IS NULL OR c.NESTING_EVENT_TYPE <> 'STATEMENT')"
                          : ", NULL, NULL FROM performance_schema.threads t",
                    threads) < 0)
        return -1;
    while (res && (row = mysql_fetch_row(res))) {
        struct oldest *o = by_thread(list, count, row[0]);

        if (!o || o->trx.user[0] || o->digest || o->last_query)
            continue;
        set_user(o, row[1]);
        o->digest = copy_or_null(row[2]);
        o->last_query = copy_or_null(row[3]);
    }
    return 0;
}

static bool knows_all_users(const struct oldest *list, size_t count)
{
    for (size_t n = 0; n < count; n++) {
        if (list[n].trx.thread != 0 && !list[n].trx.user[0])
            return false;
    }
    return true;
}

/* Where the performance schema is off, as it is on MariaDB unless asked for. */
static int ask_processlist(struct mysql_sampler *s, struct oldest *list, size_t count,
                           struct err *why)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;

    if (sampler_ask(s, &res, why, "SHOW PROCESSLIST") < 0)
        return -1;
    while (res && (row = mysql_fetch_row(res))) {
        struct oldest *o = by_thread(list, count, row[0]);

        if (o && !o->trx.user[0])
            set_user(o, row[1]);
    }
    return 0;
}

/* ---- what they do ---- */

static char *statement_of(const struct oldest *o, enum mysql_statements mode)
{
    const char *text = o->query ? o->query : o->last_query;
    AUTO_FREE char *digest = NULL;

    if (mode == STATEMENTS_OFF || !text)
        return NULL;
    if (mode == STATEMENTS_DIGEST) {
        digest = o->digest ? xstrdup(o->digest) : digest_of(text);
        text = digest;
    }
    return text ? utf8_head(text, STATEMENT_CHARS) : NULL;
}

static void tell(struct mysql_sampler *s, struct oldest *list, size_t count, struct sample *to)
{
    for (size_t n = 0; n < count; n++) {
        list[n].trx.statement = statement_of(&list[n], s->config.statements);
        sample_add_trx(to, &list[n].trx);
    }
}

static void release(struct oldest *list, size_t count)
{
    for (size_t n = 0; n < count; n++) {
        free(list[n].trx.statement);
        free(list[n].query);
        free(list[n].last_query);
        free(list[n].digest);
    }
}

int read_transactions(struct mysql_sampler *s, struct sample *to, struct err *why)
{
    struct oldest list[SAMPLE_TRX_MAX] = {{.query = NULL}};
    uint64_t over_limit = 0;
    size_t count = 0;
    int rc;

    rc = read_counts(s, to, &over_limit, why);
    /* without PROCESS it is an error, and our view of other sessions is empty as well */
    s->sees_all_sessions = rc == 0;
    if (rc < 0 || over_limit == 0)
        return rc;
    if (read_oldest(s, list, &count, why) < 0)
        return -1;
    if (count > 0 && ask_performance_schema(s, list, count) < 0 && !conn_is_open(&s->conn))
        rc = err_set(why, ERR_TIMEOUT, "the server did not tell whose its transactions are");
    if (rc == 0 && !knows_all_users(list, count))
        rc = ask_processlist(s, list, count, why);
    tell(s, list, count, to);
    release(list, count);
    return rc;
}
