/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server's metrics: one SHOW GLOBAL STATUS for each reading, turned into values and rates by a
 * table; the list of transactions every few seconds. See status.h.
 *
 * Source: MySQL manual "Server Status Variables", "The INFORMATION_SCHEMA INNODB_TRX Table";
 * MariaDB "InnoDB Status Variables".
 */
#include "guest-agent/mysql/status.h"

#include <stdlib.h>
#include <string.h>

#include "guest-agent/mysql/conn.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#define QUERY_TIMEOUT_MS 1500
#define RETRY_US         (5 * 1000000LL)
#define TRX_EVERY_US     (5 * 1000000LL)

/* Every status variable read, by position. A server that lacks one simply does not answer it. */
enum var {
    VAR_UPTIME,
    VAR_THREADS_CONNECTED,
    VAR_THREADS_RUNNING,
    VAR_QUESTIONS,
    VAR_COM_COMMIT,
    VAR_COM_INSERT,
    VAR_COM_INSERT_SELECT,
    VAR_COM_UPDATE,
    VAR_COM_UPDATE_MULTI,
    VAR_COM_DELETE,
    VAR_COM_DELETE_MULTI,
    VAR_COM_REPLACE,
    VAR_COM_REPLACE_SELECT,
    VAR_DIRTY_BYTES,
    VAR_DIRTY_PAGES,
    VAR_PAGE_SIZE,
    VAR_LSN_MYSQL,
    VAR_CHECKPOINT_MYSQL,
    VAR_LSN_MARIADB,
    VAR_CHECKPOINT_MARIADB,
    VAR_COUNT,
};

static const char *const var_names[VAR_COUNT] = {
    [VAR_UPTIME] = "Uptime",
    [VAR_THREADS_CONNECTED] = "Threads_connected",
    [VAR_THREADS_RUNNING] = "Threads_running",
    [VAR_QUESTIONS] = "Questions",
    [VAR_COM_COMMIT] = "Com_commit",
    [VAR_COM_INSERT] = "Com_insert",
    [VAR_COM_INSERT_SELECT] = "Com_insert_select",
    [VAR_COM_UPDATE] = "Com_update",
    [VAR_COM_UPDATE_MULTI] = "Com_update_multi",
    [VAR_COM_DELETE] = "Com_delete",
    [VAR_COM_DELETE_MULTI] = "Com_delete_multi",
    [VAR_COM_REPLACE] = "Com_replace",
    [VAR_COM_REPLACE_SELECT] = "Com_replace_select",
    [VAR_DIRTY_BYTES] = "Innodb_buffer_pool_bytes_dirty",
    [VAR_DIRTY_PAGES] = "Innodb_buffer_pool_pages_dirty",
    [VAR_PAGE_SIZE] = "Innodb_page_size",
    [VAR_LSN_MYSQL] = "Innodb_redo_log_current_lsn", /* 8.0.30 and later */
    [VAR_CHECKPOINT_MYSQL] = "Innodb_redo_log_checkpoint_lsn",
    [VAR_LSN_MARIADB] = "Innodb_lsn_current",
    [VAR_CHECKPOINT_MARIADB] = "Innodb_lsn_last_checkpoint",
};

struct reading {
    int64_t at_us;
    bool has[VAR_COUNT];
    uint64_t value[VAR_COUNT];
};

struct trx_reading {
    bool valid;
    int64_t at_us;
    uint64_t active, longest_s, over_limit;
    struct sample_trx oldest[SAMPLE_TRX_MAX];
    size_t count;
};

struct mysql_sampler {
    struct mysql_login login;
    struct conn conn;
    int trx_long_s;
    int64_t not_before_us;
    struct buf sql;
    bool has_previous;
    struct reading previous;
    struct trx_reading trx;
};

struct mysql_sampler *mysql_status_new(const struct mysql_sampler_config *config)
{
    struct mysql_sampler *s = xcalloc(1, sizeof(*s));

    s->login = *config->login;
    s->trx_long_s = config->trx_long_s;
    conn_init(&s->conn, &s->login);
    buf_addf(&s->sql, "SHOW GLOBAL STATUS WHERE Variable_name IN (");
    for (int n = 0; n < VAR_COUNT; n++)
        buf_addf(&s->sql, "%s'%s'", n ? ", " : "", var_names[n]);
    buf_addf(&s->sql, ")");
    return s;
}

void mysql_status_free(struct mysql_sampler *s)
{
    if (!s)
        return;
    conn_release(&s->conn);
    buf_release(&s->sql);
    free(s);
}

static void drop(struct mysql_sampler *s)
{
    conn_close(&s->conn);
    s->has_previous = false;
    s->trx.valid = false;
    s->not_before_us = mono_us() + RETRY_US;
}

static int connect_again(struct mysql_sampler *s, struct err *e)
{
    if (conn_is_quiet(&s->conn))
        return 0;
    if (mono_us() < s->not_before_us)
        return err_set(e, ERR_MYSQL, "the server failed a moment ago; it is left alone for 5 s");
    if (conn_open(&s->conn, e) < 0)
        return -1;
    /* The server's own limit, where it has one; without it only ours counts. */
    (void)conn_query(&s->conn, QUERY_TIMEOUT_MS, NULL, NULL, "%s",
                     s->conn.mariadb ? "SET SESSION max_statement_time = 1"
                                     : "SET SESSION max_execution_time = 1000");
    if (!conn_is_open(&s->conn))
        return err_set(e, ERR_MYSQL, "the connection was lost right after login");
    return 0;
}

/* ---- status variables ---- */

static int read_variables(struct mysql_sampler *s, struct reading *r, struct err *e)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;

    *r = (struct reading){.at_us = mono_us()};
    if (conn_query(&s->conn, QUERY_TIMEOUT_MS, &res, e, "%s", buf_text(&s->sql)) < 0)
        return -1;
    while (res && (row = mysql_fetch_row(res))) {
        for (int n = 0; n < VAR_COUNT; n++) {
            char *end = NULL;
            uint64_t v = row[1] ? strtoull(row[1], &end, 10) : 0;

            if (strcasecmp(row[0], var_names[n]) != 0 || !end || end == row[1] || *end)
                continue;
            r->has[n] = true;
            r->value[n] = v;
        }
    }
    return 0;
}

/* The sum of those variables of first..last that the server has. False when it has none. */
static bool sum(const struct reading *r, enum var first, enum var last, uint64_t *ret)
{
    bool any = false;
    uint64_t total = 0;

    for (int n = (int)first; n <= (int)last; n++) {
        any |= r->has[n];
        total += r->has[n] ? r->value[n] : 0;
    }
    if (any)
        *ret = total;
    return any;
}

/* Per second since the previous reading; absent at the first one and after a restart of the server.
 */
static void emit_rate(const struct mysql_sampler *s, const struct reading *r, enum var first,
                      enum var last, const char *name, struct sample *to)
{
    double seconds = (double)(r->at_us - s->previous.at_us) / 1e6;
    uint64_t now, before;

    if (!s->has_previous || seconds <= 0 || !sum(r, first, last, &now) ||
        !sum(&s->previous, first, last, &before) || now < before)
        return;
    sample_emit(to, name, (double)(now - before) / seconds);
}

static void emit_gauge(const struct reading *r, enum var v, const char *name, struct sample *to)
{
    if (r->has[v])
        sample_emit(to, name, (double)r->value[v]);
}

static void emit_innodb(const struct reading *r, struct sample *to)
{
    enum var lsn = r->has[VAR_LSN_MYSQL] ? VAR_LSN_MYSQL : VAR_LSN_MARIADB;
    enum var checkpoint = r->has[VAR_LSN_MYSQL] ? VAR_CHECKPOINT_MYSQL : VAR_CHECKPOINT_MARIADB;

    if (r->has[VAR_DIRTY_BYTES])
        sample_emit(to, "innodb.pool_dirty", (double)r->value[VAR_DIRTY_BYTES]);
    else if (r->has[VAR_DIRTY_PAGES] && r->has[VAR_PAGE_SIZE])
        sample_emit(to, "innodb.pool_dirty",
             (double)r->value[VAR_DIRTY_PAGES] * (double)r->value[VAR_PAGE_SIZE]);
    emit_gauge(r, lsn, "innodb.lsn", to);
    if (r->has[lsn] && r->has[checkpoint] && r->value[lsn] >= r->value[checkpoint])
        sample_emit(to, "innodb.checkpoint_age", (double)(r->value[lsn] - r->value[checkpoint]));
}

/* MySQL before 8.0.30 tells its log positions only here, and only while these counters are on. */
static int read_innodb_metrics(struct mysql_sampler *s, struct reading *r)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;

    if (r->has[VAR_LSN_MYSQL] || r->has[VAR_LSN_MARIADB] || s->conn.version < 50600)
        return 0;
    if (conn_query(&s->conn, QUERY_TIMEOUT_MS, &res, NULL,
                   "SELECT NAME, COUNT FROM information_schema.INNODB_METRICS WHERE NAME IN"
                   " ('log_lsn_current', 'log_lsn_last_checkpoint') AND STATUS = 'enabled'") < 0)
        return conn_is_open(&s->conn) ? 0 : -1;
    while (res && (row = mysql_fetch_row(res))) {
        enum var v = strcmp(row[0], "log_lsn_current") == 0 ? VAR_LSN_MYSQL : VAR_CHECKPOINT_MYSQL;

        r->has[v] = row[1] != NULL;
        r->value[v] = row[1] ? strtoull(row[1], NULL, 10) : 0;
    }
    return 0;
}

static void emit_variables(struct mysql_sampler *s, const struct reading *r, struct sample *to)
{
    emit_gauge(r, VAR_UPTIME, "mysql.uptime", to);
    emit_gauge(r, VAR_THREADS_CONNECTED, "mysql.threads_connected", to);
    emit_gauge(r, VAR_THREADS_RUNNING, "mysql.threads_running", to);
    emit_rate(s, r, VAR_QUESTIONS, VAR_QUESTIONS, "mysql.questions", to);
    emit_rate(s, r, VAR_COM_COMMIT, VAR_COM_COMMIT, "mysql.commits", to);
    emit_rate(s, r, VAR_COM_INSERT, VAR_COM_REPLACE_SELECT, "mysql.writes", to);
    emit_innodb(r, to);
}

/* ---- transactions ---- */

static uint64_t number(const char *s)
{
    return s ? strtoull(s, NULL, 10) : 0;
}

static int read_trx_counts(struct mysql_sampler *s, struct trx_reading *t, struct err *e)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;

    if (conn_query(&s->conn, QUERY_TIMEOUT_MS, &res, e,
                   "SELECT COUNT(*), COALESCE(MAX(a.age), 0), COALESCE(SUM(a.age > %d), 0) FROM"
                   " (SELECT GREATEST(TIMESTAMPDIFF(SECOND, trx_started, NOW()), 0) AS age"
                   " FROM information_schema.INNODB_TRX) a",
                   s->trx_long_s) < 0)
        return -1;
    row = res ? mysql_fetch_row(res) : NULL;
    if (!row)
        return err_set(e, ERR_MYSQL, "the list of transactions is missing");
    t->active = number(row[0]);
    t->longest_s = number(row[1]);
    t->over_limit = number(row[2]);
    return 0;
}

static int read_trx_oldest(struct mysql_sampler *s, struct trx_reading *t, struct err *e)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;

    if (t->over_limit == 0)
        return 0;
    if (conn_query(
            &s->conn, QUERY_TIMEOUT_MS, &res, e,
            "SELECT t.trx_id, t.trx_mysql_thread_id, p.USER,"
            " TIMESTAMPDIFF(SECOND, t.trx_started, NOW()), t.trx_rows_modified"
            " FROM information_schema.INNODB_TRX t LEFT JOIN information_schema.PROCESSLIST p"
            " ON p.ID = t.trx_mysql_thread_id"
            " WHERE TIMESTAMPDIFF(SECOND, t.trx_started, NOW()) > %d"
            " ORDER BY t.trx_started LIMIT %d",
            s->trx_long_s, SAMPLE_TRX_MAX) < 0)
        return -1;
    while (res && t->count < SAMPLE_TRX_MAX && (row = mysql_fetch_row(res))) {
        struct sample_trx *x = &t->oldest[t->count++];

        (void)snprintf(x->id, sizeof(x->id), "%s", row[0] ? row[0] : "");
        x->thread = number(row[1]);
        (void)snprintf(x->user, sizeof(x->user), "%s", row[2] ? row[2] : "");
        x->age_s = (uint32_t)number(row[3]);
        x->rows_modified = number(row[4]);
    }
    return 0;
}

/* An account without the PROCESS right has no transactions to tell: absent, not an error. */
static int read_trx(struct mysql_sampler *s, struct err *e)
{
    int64_t now = mono_us();
    struct trx_reading t = {.valid = true, .at_us = now};

    if (s->trx.at_us && now - s->trx.at_us < TRX_EVERY_US)
        return 0;
    s->trx = (struct trx_reading){.valid = false, .at_us = now};
    if (read_trx_counts(s, &t, e) == 0 && read_trx_oldest(s, &t, e) == 0)
        s->trx = t;
    return conn_is_open(&s->conn) ? 0 : -1;
}

static void emit_trx(const struct mysql_sampler *s, struct sample *to)
{
    if (!s->trx.valid)
        return;
    sample_emit(to, "innodb.trx_active", (double)s->trx.active);
    sample_emit(to, "innodb.trx_oldest", (double)s->trx.longest_s);
    sample_emit(to, "innodb.trx_long", (double)s->trx.over_limit);
    for (size_t n = 0; n < s->trx.count; n++)
        sample_add_trx(to, &s->trx.oldest[n]);
}

int mysql_status_read(struct mysql_sampler *s, struct sample *to, struct err *e)
{
    struct reading r;
    struct err trx_error = ERR_INIT;

    if (connect_again(s, e) < 0) {
        if (mono_us() >= s->not_before_us)
            drop(s);
        return -1;
    }
    if (read_variables(s, &r, e) < 0) {
        drop(s);
        return -1;
    }
    if (read_innodb_metrics(s, &r) < 0)
        drop(s); /* what was read before still counts */
    emit_variables(s, &r, to);
    s->previous = r;
    s->has_previous = true;
    if (read_trx(s, &trx_error) < 0) {
        drop(s);
        return err_set(e, trx_error.code, "%s", trx_error.msg);
    }
    emit_trx(s, to);
    return 0;
}
