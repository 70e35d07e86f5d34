/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server's part of a certificate; see holding.h.
 *
 * Source: MySQL manual "SHOW BINARY LOGS", "SHOW BINLOG EVENTS" (REPLICATION SLAVE; MariaDB BINLOG
 * MONITOR), "The error_log Table", "Event Scheduler Configuration"; MariaDB "read_only" (an
 * enumeration since 12.0).
 */
#include "guest-agent/mysql/holding.h"

#include <stdlib.h>
#include <string.h>

#include "guest-agent/mysql/gtidhead.h"
#include "guest-agent/mysql/identity.h"
#include "guest-agent/mysql/lock_internal.h"
#include "guest-agent/mysql/mark.h"
#include "guest-agent/mysql/status_internal.h"
#include "guest-agent/sample/procinfo.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#define QUERY_MS    2000
#define ALL_MS      8000
#define HEAD_EVENTS 5   /* the set is the second or third event of a file */
#define LOG_ROWS    500 /* of the table: errors, warnings, recovery */

enum { SERVER_NO_SUCH_TABLE = 1146, SERVER_NO_SUCH_DB = 1049 };

struct asker {
    struct conn *conn;
    int64_t until_us;
    const struct holding_query *query;
    Cbsnap__Certificate *to;
};

static int ask(struct asker *a, MYSQL_RES **ret, struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static int ask(struct asker *a, MYSQL_RES **ret, struct err *e, const char *fmt, ...)
{
    int64_t left_ms = (a->until_us - mono_us()) / 1000;
    AUTO_FREE char *sql = NULL;
    va_list ap;

    if (left_ms <= 0)
        return err_set(e, ERR_TIMEOUT, "the server took too long over the questions before");
    va_start(ap, fmt);
    if (vasprintf(&sql, fmt, ap) < 0)
        abort(); /* like the allocators of buf.h */
    va_end(ap);
    return conn_query(a->conn, left_ms < QUERY_MS ? (int)left_ms : QUERY_MS, ret, e, "%s", sql);
}

/* One value, which the caller frees; NULL when the server does not know or tell it. */
static char *value(struct asker *a, const char *expression)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;

    if (ask(a, &res, NULL, "SELECT %s", expression) < 0)
        return NULL;
    row = res ? mysql_fetch_row(res) : NULL;
    return row && row[0] ? xstrdup(row[0]) : NULL;
}

/* ---- position ---- */

/* Read without a lock: nothing writes to a server that verifies, and of another it is as of now. */
static void put_position(struct asker *a)
{
    struct position p = {.source = NULL};
    struct err e = ERR_INIT;
    unsigned way = 0;

    if (position_read(a->conn, &way, &p, &e) < 0) {
        a->to->problem = xstrdup(e.msg);
        return;
    }
    a->to->gtid_set = STEAL_PTR(p.gtid_set);
    a->to->server_uuid = STEAL_PTR(p.server_uuid);
    if (p.has_lsn)
        MSG_SET(a->to, innodb_lsn, p.lsn);
    position_release(&p);
}

static void add_binlog(Cbsnap__Certificate *c, const char *name, uint64_t bytes)
{
    Cbsnap__BinlogFile *f = xcalloc(1, sizeof(*f));

    cbsnap__binlog_file__init(f);
    f->name = xstrdup(name);
    MSG_SET(f, bytes, bytes);
    c->binlog = xrealloc(c->binlog, (c->n_binlog + 1) * sizeof(Cbsnap__BinlogFile *));
    c->binlog[c->n_binlog++] = f;
}

static void put_binlogs(struct asker *a)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;

    if (ask(a, &res, NULL, "SHOW BINARY LOGS") < 0)
        return; /* it has none, or does not tell us */
    while (res && (row = mysql_fetch_row(res))) {
        if (row[0] && row[1])
            add_binlog(a->to, row[0], number_of(row[1]));
    }
}

/* The file that the start after that one has opened; NULL when there is none. */
static const char *file_after(const Cbsnap__Certificate *c, const char *name)
{
    for (size_t n = 0; name && n + 1 < c->n_binlog; n++) {
        if (strcmp(c->binlog[n]->name, name) == 0)
            return c->binlog[n + 1]->name;
    }
    return NULL;
}

static void put_gtid_at_start(struct asker *a)
{
    const char *file = file_after(a->to, a->query->binlog_file);
    AUTO_RESULT MYSQL_RES *res = NULL;
    AUTO_FREE char *quoted = NULL;
    int type, info;
    MYSQL_ROW row;

    if (!file)
        return;
    quoted = xcalloc(1, 2 * strlen(file) + 1);
    (void)mysql_real_escape_string(a->conn->my, quoted, file, strlen(file));
    if (ask(a, &res, NULL, "SHOW BINLOG EVENTS IN '%s' LIMIT %d", quoted, HEAD_EVENTS) < 0 || !res)
        return;
    type = result_column(res, "Event_type");
    info = result_column(res, "Info");
    while (type >= 0 && info >= 0 && !a->to->gtid_at_start && (row = mysql_fetch_row(res)))
        a->to->gtid_at_start = gtidhead_of(row[type], row[info]);
}

/* ---- what could change it ---- */

static void put_read_only(struct asker *a)
{
    AUTO_FREE char *super = a->conn->mariadb ? NULL : value(a, "@@GLOBAL.super_read_only");
    AUTO_FREE char *plain = super || !conn_is_open(a->conn) ? NULL : value(a, "@@GLOBAL.read_only");
    const char *text = super ? super : plain;

    if (text)
        MSG_SET(a->to, read_only, strcmp(text, "0") != 0 && strcasecmp(text, "OFF") != 0);
}

static void put_events(struct asker *a)
{
    AUTO_FREE char *text = value(a, "@@GLOBAL.event_scheduler");

    if (text)
        MSG_SET(a->to, events_run, strcasecmp(text, "ON") == 0 || strcmp(text, "1") == 0);
}

static bool says_no(MYSQL_RES *res, MYSQL_ROW row, const char *name, const char *older)
{
    int n = result_column(res, name);

    if (n < 0)
        n = result_column(res, older);
    return n < 0 || !row[n] || strcasecmp(row[n], "No") == 0;
}

static void put_replication(struct asker *a)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    bool runs = false;
    MYSQL_ROW row;

    if (ask(a, &res, NULL, "%s", conn_replicas_sql(a->conn)) < 0)
        return;
    while (res && (row = mysql_fetch_row(res)))
        runs |= !says_no(res, row, "Replica_IO_Running", "Slave_IO_Running") ||
                !says_no(res, row, "Replica_SQL_Running", "Slave_SQL_Running");
    MSG_SET(a->to, replica_runs, runs);
}

/* ---- mark ---- */

static void put_mark(struct asker *a)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    const char *table = a->query->mark_table, *dot = strchr(table, '.');
    struct err e = ERR_INIT;
    MYSQL_ROW row;

    if (!mark_name_is(table))
        return;
    if (ask(a, &res, &e,
            "SELECT set_id, at_wall_us FROM `%.*s`.`%s` ORDER BY " MARK_NEWEST_FIRST " LIMIT 1",
            (int)(dot - table), table, dot + 1) < 0) {
        if (a->conn->server_errno != SERVER_NO_SUCH_TABLE &&
            a->conn->server_errno != SERVER_NO_SUCH_DB)
            a->to->mark_problem = xstrdup(e.msg);
        return;
    }
    row = res ? mysql_fetch_row(res) : NULL;
    if (!row || !row[0])
        return;
    a->to->mark = xcalloc(1, sizeof(*a->to->mark));
    cbsnap__mark__init(a->to->mark);
    a->to->mark->set = xstrdup(row[0]);
    if (row[1])
        MSG_SET(a->to->mark, at_wall_us, (int64_t)number_of(row[1]));
}

/* ---- log ---- */

static enum sample_line_level level_of(const char *prio)
{
    if (prio && strcmp(prio, "Error") == 0)
        return LINE_ERROR;
    return prio && strcmp(prio, "Warning") == 0 ? LINE_WARNING : LINE_OTHER;
}

/* MySQL 8.0.22 and later keep the log in memory, which is all there is when it goes to a journal.
 * -1: it was not read. */
static int read_log_table(struct asker *a, struct startlog *log)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;

    if (a->conn->mariadb || a->conn->version < 80022)
        return -1;
    /* the newest rows, told oldest first */
    if (ask(a, &res, NULL,
            "SELECT * FROM (SELECT LOGGED, UNIX_TIMESTAMP(LOGGED), PRIO, LEFT(DATA, 500)"
            " FROM performance_schema.error_log WHERE (PRIO IN ('Error', 'Warning')"
            " OR DATA LIKE '%%scanned up to log sequence number%%')"
            " AND UNIX_TIMESTAMP(LOGGED) >= %lld ORDER BY LOGGED DESC LIMIT %d) AS newest"
            " ORDER BY LOGGED",
            (long long)(log->since_wall_us / 1000000 - 1), LOG_ROWS) < 0)
        return -1;
    while (res && (row = mysql_fetch_row(res))) {
        struct errline head = {.level = level_of(row[2])};

        head.at_wall_us = row[1] ? (int64_t)(strtod(row[1], NULL) * 1e6) : 0;
        startlog_add_known(log, head, row[3] ? row[3] : "");
    }
    return 0;
}

void holding_put_log(const struct startlog *s, Cbsnap__Certificate *c)
{
    c->n_line = startlog_count(s);
    c->line = xcalloc(c->n_line + 1, sizeof(Cbsnap__ServerLine *));
    for (size_t n = 0; n < c->n_line; n++) {
        const struct startlog_line *from = startlog_at(s, n);
        Cbsnap__ServerLine *to = c->line[n] = xcalloc(1, sizeof(*to));

        cbsnap__server_line__init(to);
        if (from->head.at_wall_us)
            MSG_SET(to, at_wall_us, from->head.at_wall_us);
        MSG_SET(to, level, (Cbsnap__ServerLine__Level)from->head.level);
        to->text = xstrdup(from->text);
    }
    MSG_SET(c, errors, s->errors);
    if (s->has_recovered)
        MSG_SET(c, recovered_lsn, s->recovered_lsn);
}

/* Of a log that was not read nothing is told: no errors would be taken for a clean recovery. */
static void put_log(struct asker *a)
{
    struct identity id = {.pid = 0};
    struct startlog log;
    int rc;

    if (identity_ask(a->conn, QUERY_MS, &id, NULL) < 0)
        return;
    startlog_init(&log, id.pid, procinfo_started_wall("", id.pid));
    rc = id.error_log ? startlog_read(&log, id.error_log) : read_log_table(a, &log);
    if (rc == 0)
        holding_put_log(&log, a->to);
    startlog_release(&log);
    identity_release(&id);
}

/* ---- all of it ---- */

static void (*const parts[])(struct asker *a) = {
    put_position, put_binlogs,     put_gtid_at_start, put_read_only,
    put_events,   put_replication, put_mark,          put_log,
};

int holding_read(const struct mysql_login *login, const struct holding_query *q,
                 Cbsnap__Certificate *c, struct err *e)
{
    struct conn conn;
    struct asker a = {.conn = &conn, .query = q, .to = c};
    int rc = 0;

    conn_init(a.conn, login);
    if (conn_open(a.conn, e) < 0) {
        conn_release(a.conn);
        return -1;
    }
    a.until_us = mono_in_ms(ALL_MS);
    (void)ask(&a, NULL, NULL, "SET NAMES utf8mb4");
    c->server_version = value(&a, "VERSION()");
    for (size_t n = 0; n < ARRAY_SIZE(parts) && conn_is_open(a.conn) && !q->stop(q->arg); n++)
        parts[n](&a);
    if (q->stop(q->arg))
        rc = err_set(e, ERR_CANCELLED, "the server is not asked any more");
    else if (!conn_is_open(a.conn))
        rc = err_set(e, ERR_MYSQL, "the server stopped answering while it was being asked");
    conn_end(a.conn);
    conn_release(a.conn);
    return rc;
}

int holding_answers(const struct mysql_login *login, pid_t *ret_pid, struct err *e)
{
    struct identity id = {.pid = 0};
    struct conn c;
    int rc;

    conn_init(&c, login);
    rc = conn_open(&c, e);
    if (rc == 0)
        (void)identity_ask(&c, QUERY_MS, &id, NULL);
    *ret_pid = id.pid;
    identity_release(&id);
    conn_end(&c);
    conn_release(&c);
    return rc;
}
