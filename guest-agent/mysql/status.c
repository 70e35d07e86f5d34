/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server's metrics: the connection and its limits, one question for all status variables, and
 * the sources at a slower pace; see status.h.
 *
 * What a reading adds to what the server counts: SHOW GLOBAL STATUS is one of Questions and nothing
 * else. performance_schema.global_status costs as much, counts as a scan of 265 rows besides, and
 * lacks the Com_* counters. Sources at the slow pace are a few scans and temporary tables.
 *
 * Source: MySQL manual "Server Status Variables", "SHOW STATUS Statement", "The INFORMATION_SCHEMA
 * INNODB_METRICS Table"; MariaDB "Server Status Variables".
 */
#include "guest-agent/mysql/status.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "guest-agent/mysql/patience.h"
#include "guest-agent/mysql/status_internal.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#define READING_MS    2000 /* all questions of one reading, login aside */
#define QUERY_MS      1500
#define STATEMENT_MS  1000 /* then the server ends it */
#define SLOW_EVERY_MS 5000
#define SLOW_PAUSE_MS 60000 /* for a source that did not answer: it may hang for long */

/* ---- what is asked ---- */

static char *question(const struct plan *p, enum term_from from)
{
    static const char *const heads[FROM_COUNT] = {
        /* by bytes: to compare each of some 450 names by its collation took the server longer than
         * all the rest */
        [FROM_STATUS] = "SHOW GLOBAL STATUS WHERE CAST(Variable_name AS BINARY) IN (",
        [FROM_VARIABLE] = "SHOW GLOBAL VARIABLES WHERE Variable_name IN (",
        /* all columns: which tells whether it counts has changed its name */
        [FROM_INNODB_METRICS] = "SELECT * FROM information_schema.INNODB_METRICS WHERE NAME IN (",
    };
    struct buf sql = BUF_INIT;
    const char *comma = "";

    if (!plan_asks(p, from))
        return NULL;
    buf_addf(&sql, "%s", heads[from]);
    for (size_t n = 0; n < p->term_count; n++) {
        if (p->terms[n].from != from)
            continue;
        buf_addf(&sql, "%s'%s'", comma, p->terms[n].name);
        comma = ", ";
    }
    buf_addf(&sql, ")");
    return buf_steal(&sql);
}

struct mysql_sampler *mysql_status_new(const struct mysql_sampler_config *config)
{
    struct mysql_sampler *s = xcalloc(1, sizeof(*s));

    s->config = *config;
    s->login = *config->login;
    if (s->config.slow_every_ms <= 0)
        s->config.slow_every_ms = SLOW_EVERY_MS;
    conn_init(&s->conn, &s->login);
    plan_make(&s->plan, metric_rows, metric_row_count);
    computed_plan(&s->plan);
    s->uptime = plan_term(&s->plan, FROM_STATUS, "Uptime");
    s->values = xcalloc(s->plan.term_count, sizeof(*s->values));
    s->states = xcalloc(s->plan.row_count, sizeof(*s->states));
    s->given = xcalloc(s->plan.row_count, sizeof(*s->given));
    for (int from = 0; from < FROM_COUNT; from++)
        s->ask[from] = question(&s->plan, (enum term_from)from);
    return s;
}

void mysql_status_free(struct mysql_sampler *s)
{
    if (!s)
        return;
    conn_release(&s->conn);
    for (int from = 0; from < FROM_COUNT; from++)
        free(s->ask[from]);
    plan_release(&s->plan);
    free(s->values);
    free(s->states);
    free(s->given);
    free(s->select_variables);
    free(s->error_log);
    free(s);
}

/* ---- asking ---- */

int sampler_left_ms(const struct mysql_sampler *s)
{
    int64_t left_ms = (s->deadline_us - mono_us()) / 1000;

    return left_ms < QUERY_MS ? (int)left_ms : QUERY_MS;
}

int sampler_ask(struct mysql_sampler *s, MYSQL_RES **ret, struct err *e, const char *fmt, ...)
{
    int left_ms = sampler_left_ms(s);
    AUTO_FREE char *sql = NULL;
    va_list ap;

    if (left_ms <= 0)
        return err_set(e, ERR_TIMEOUT, "the server took too long over the questions before");
    va_start(ap, fmt);
    if (vasprintf(&sql, fmt, ap) < 0)
        abort(); /* like the allocators of buf.h */
    va_end(ap);
    return conn_query(&s->conn, left_ms, ret, e, "%s", sql);
}

int result_column(MYSQL_RES *res, const char *name)
{
    const MYSQL_FIELD *fields = mysql_fetch_fields(res);

    for (unsigned n = 0; n < mysql_num_fields(res); n++) {
        if (strcasecmp(fields[n].name, name) == 0)
            return (int)n;
    }
    return -1;
}

uint64_t number_of(const char *text)
{
    return text ? strtoull(text, NULL, 10) : 0;
}

/* ---- the connection ---- */

static void forget(struct mysql_sampler *s)
{
    memset(s->states, 0, s->plan.row_count * sizeof(*s->states));
    s->uptime_before = 0;
}

static void drop(struct mysql_sampler *s, enum err_code code)
{
    conn_close(&s->conn);
    forget(s);
    if (code == ERR_TIMEOUT)
        s->timeouts++;
    s->not_before_us = mono_in_ms(patience_retry_ms(code, s->timeouts));
}

/*
 * None of these needs a right; a server that lacks one of the variables says so, and goes without.
 * Statements of ours stay out of the slow log and of Slow_queries (min_examined_row_limit). Keeping
 * them out of the general log would take SUPER. We write nothing, so there is nothing to keep out
 * of the binary log. INNODB_TRX tells the system's time.
 */
static int set_session(struct mysql_sampler *s, struct err *e)
{
    static const char *const common[] = {
        "SET NAMES utf8mb4",
        "SET SESSION lock_wait_timeout = 1, min_examined_row_limit = 4294967295,"
        " time_zone = 'SYSTEM'",
    };
    AUTO_FREE char *limit = patience_sql(&s->conn, STATEMENT_MS);

    for (size_t n = 0; n < ARRAY_SIZE(common); n++)
        (void)sampler_ask(s, NULL, NULL, "%s", common[n]);
    (void)sampler_ask(s, NULL, NULL, "%s", limit);
    if (!conn_is_open(&s->conn))
        return err_set(e, ERR_MYSQL, "the connection was lost right after login");
    return 0;
}

/*
 * An account with SUPER or CONNECTION_ADMIN gets in where others do not: on the one connection that
 * the server keeps for a person who comes to mend it, and that the lock needs too. Not ours to sit
 * on. Source: MySQL manual, "max_connections" (one more than that many); MariaDB the same.
 */
static int leave_the_last_slot(struct mysql_sampler *s, struct err *e)
{
    AUTO_RESULT MYSQL_RES *limit = NULL;
    AUTO_RESULT MYSQL_RES *now = NULL;
    MYSQL_ROW most, connected;

    if (sampler_ask(s, &limit, e, "SELECT @@GLOBAL.max_connections") < 0 ||
        sampler_ask(s, &now, e, "SHOW GLOBAL STATUS LIKE 'Threads_connected'") < 0)
        return -1;
    most = limit ? mysql_fetch_row(limit) : NULL;
    connected = now ? mysql_fetch_row(now) : NULL;
    if (most && connected && number_of(connected[1]) > number_of(most[0]))
        return err_set(e, ERR_MYSQL,
                       "the server has no connection left but the one kept for an administrator");
    return 0;
}

static int log_in(struct mysql_sampler *s, struct err *e)
{
    if (mono_us() < s->not_before_us)
        return err_set(e, ERR_MYSQL,
                       "the server failed a moment ago; it is left alone for a while");
    if (conn_open(&s->conn, e) < 0)
        return -1;
    s->deadline_us = mono_in_ms(READING_MS);
    if (leave_the_last_slot(s, e) < 0 || set_session(s, e) < 0 || identity_read(s, e) < 0)
        return -1;
    forget(s);
    free(s->select_variables);
    s->select_variables = NULL;
    memset(s->given, 0, s->plan.row_count * sizeof(*s->given));
    for (int n = 0; n < SLOW_COUNT; n++) {
        if (s->slow[n].why.code != ERR_TIMEOUT)
            s->slow[n].due_us = 0;
    }
    return 0;
}

/* ---- values ---- */

static int take_pairs(struct mysql_sampler *s, enum term_from from, struct err *e)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;

    if (sampler_ask(s, &res, e, "%s", s->ask[from]) < 0)
        return -1;
    while (res && (row = mysql_fetch_row(res)))
        plan_take(&s->plan, s->values, from, row[0], row[1]);
    return 0;
}

/* A cheap statement for those variables that the server has. */
static char *select_known(const struct mysql_sampler *s)
{
    struct buf sql = BUF_INIT;

    for (size_t n = 0; n < s->plan.term_count; n++) {
        const char *name = s->plan.terms[n].name;

        if (s->plan.terms[n].from == FROM_VARIABLE && s->values[n].has)
            buf_addf(&sql, "%s @@GLOBAL.%s AS %s", sql.len ? "," : "SELECT", name, name);
    }
    return buf_steal(&sql);
}

/* SHOW GLOBAL VARIABLES costs the server more than all of the status: once for each login. */
static int read_variables(struct mysql_sampler *s, struct sample *to, struct err *why)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;

    (void)to;
    if (!s->ask[FROM_VARIABLE])
        return 0;
    if (!s->select_variables) {
        if (take_pairs(s, FROM_VARIABLE, why) < 0)
            return -1;
        s->select_variables = select_known(s);
        return 0;
    }
    if (!*s->select_variables)
        return 0;
    if (sampler_ask(s, &res, why, "%s", s->select_variables) < 0)
        return -1;
    row = res ? mysql_fetch_row(res) : NULL;
    for (unsigned n = 0; row && n < mysql_num_fields(res); n++)
        plan_take(&s->plan, s->values, FROM_VARIABLE, mysql_fetch_field_direct(res, n)->name,
                  row[n]);
    return 0;
}

static bool is_lacking(const struct mysql_sampler *s, const struct plan_row *r)
{
    bool asks_metrics = false;
    double value;

    for (size_t n = 0; n < r->count; n++)
        asks_metrics |= s->plan.terms[r->sums[n].terms[0]].from == FROM_INNODB_METRICS;
    return (asks_metrics || r->count == 0) && plan_eval(r, s->values, &value) < 0 &&
           !computed_value(&s->plan, s->values, r->row->name, &value);
}

/* Only for rows that the status lacks; on MariaDB since 10.5 these are none. */
static bool wants_innodb_metrics(const struct mysql_sampler *s)
{
    for (size_t n = 0; n < s->plan.row_count; n++) {
        if (is_lacking(s, &s->plan.rows[n]))
            return s->ask[FROM_INNODB_METRICS];
    }
    return false;
}

/* MySQL tells STATUS 'enabled', MariaDB since 10.5 ENABLED 1. */
static bool is_enabled(MYSQL_RES *res, MYSQL_ROW row)
{
    int status = result_column(res, "STATUS"), enabled = result_column(res, "ENABLED");

    if (status >= 0)
        return row[status] && strcmp(row[status], "enabled") == 0;
    return enabled >= 0 && row[enabled] && strcmp(row[enabled], "1") == 0;
}

/* Costs more than half of what all of the status does: at the slow pace. */
static int read_innodb_metrics(struct mysql_sampler *s, struct sample *to, struct err *why)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;
    int name, count;

    (void)to;
    if (!wants_innodb_metrics(s))
        return 0;
    if (sampler_ask(s, &res, why, "%s", s->ask[FROM_INNODB_METRICS]) < 0)
        return -1;
    if (!res || (name = result_column(res, "NAME")) < 0 ||
        (count = result_column(res, "COUNT")) < 0)
        return 0;
    while ((row = mysql_fetch_row(res))) {
        if (is_enabled(res, row))
            plan_take(&s->plan, s->values, FROM_INNODB_METRICS, row[name], row[count]);
        else
            plan_take_disabled(&s->plan, s->values, FROM_INNODB_METRICS, row[name]);
    }
    return 0;
}

/* ---- emitting ---- */

/* Per second since the reading before; absent when there was none, and when the counter went back
 * (FLUSH STATUS). */
static void emit_rate(struct row_state *before, const struct row_state *now, const char *name,
                      struct sample *to)
{
    double seconds = (double)(now->at_us - before->at_us) / 1e6;

    if (before->has && before->alternative == now->alternative && seconds > 0 &&
        now->value >= before->value)
        sample_emit(to, name, (now->value - before->value) / seconds);
    *before = *now;
}

static void emit_row(struct mysql_sampler *s, size_t n, int64_t at_us, struct sample *to)
{
    const struct plan_row *r = &s->plan.rows[n];
    struct row_state now = {.has = true, .at_us = at_us};

    now.alternative = plan_eval(r, s->values, &now.value);
    if (now.alternative < 0 && !computed_value(&s->plan, s->values, r->row->name, &now.value))
        return;
    s->given[n] = true;
    if (r->row->kind == KIND_RATE)
        emit_rate(&s->states[n], &now, r->row->name, to);
    else
        sample_emit(to, r->row->name, now.value);
}

/* A server that was started anew counts from nothing. */
static void check_restart(struct mysql_sampler *s)
{
    const struct plan_value *uptime = &s->values[s->uptime];

    if (!uptime->has)
        return;
    if (uptime->value < s->uptime_before)
        forget(s);
    s->uptime_before = uptime->value;
}

/* ---- a reading ---- */

static const struct {
    int (*read)(struct mysql_sampler *s, struct sample *to, struct err *why);
} slow_sources[SLOW_COUNT] = {
    [SLOW_VARIABLES] = {read_variables},       [SLOW_INNODB] = {read_innodb_metrics},
    [SLOW_TRX] = {read_transactions},          [SLOW_REPL] = {read_replication},
    [SLOW_ERROR_LOG] = {read_error_log_table},
};

static int read_slow(struct mysql_sampler *s, enum slow which, struct sample *to)
{
    struct err *why = &s->slow[which].why;
    int64_t now = mono_us();

    if (now < s->slow[which].due_us)
        return 0;
    s->slow[which].due_us = now + (int64_t)s->config.slow_every_ms * 1000;
    *why = ERR_INIT;
    if (slow_sources[which].read(s, to, why) < 0 && !conn_is_open(&s->conn)) {
        if (why->code == ERR_TIMEOUT)
            s->slow[which].due_us = mono_in_ms(SLOW_PAUSE_MS);
        return -1;
    }
    return 0;
}

static int read_values(struct mysql_sampler *s, struct sample *to, struct err *e)
{
    int64_t began = mono_us(), at_us;

    memset(s->values, 0, s->plan.term_count * sizeof(*s->values));
    if (take_pairs(s, FROM_STATUS, e) < 0)
        return -1;
    at_us = began + (mono_us() - began) / 2;
    check_restart(s);
    for (int n = SLOW_VARIABLES; n <= SLOW_INNODB; n++) {
        if (read_slow(s, (enum slow)n, to) < 0)
            return err_set(e, s->slow[n].why.code, "%s", s->slow[n].why.msg);
    }
    for (size_t n = 0; n < s->plan.row_count; n++)
        emit_row(s, n, at_us, to);
    return 0;
}

static int read_all(struct mysql_sampler *s, struct sample *to, struct err *e)
{
    if (!conn_is_quiet(&s->conn) && log_in(s, e) < 0)
        return -1;
    s->deadline_us = mono_in_ms(READING_MS);
    if (read_values(s, to, e) < 0)
        return -1;
    for (int n = SLOW_TRX; n < SLOW_COUNT; n++) {
        if (read_slow(s, (enum slow)n, to) < 0)
            return err_set(e, s->slow[n].why.code, "%s", s->slow[n].why.msg);
    }
    return 0;
}

int mysql_status_read(struct mysql_sampler *s, struct sample *to, struct err *e)
{
    bool left_alone = !conn_is_open(&s->conn) && mono_us() < s->not_before_us;

    if (read_all(s, to, e) == 0) {
        s->timeouts = 0;
        return 0;
    }
    if (!left_alone)
        drop(s, e->code);
    identity_check(s);
    return -1;
}
