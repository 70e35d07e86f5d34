/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing the mark; see mark.h. A second connection is opened before the first statement: who kills
 * must not have to log in first.
 *
 * Source: MySQL manual "INSERT ... ON DUPLICATE KEY UPDATE", "KILL Statement", "lock_wait_timeout";
 * innodb_lock_wait_timeout counts whole seconds, hence the KILL.
 */
#include "guest-agent/mysql/mark.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "guest-agent/mysql/conn.h"
#include "guest-agent/mysql/status_internal.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#define WRITE_MS  1000
#define STEP_MS   20
#define KILL_MS   300
#define MARKS_MAX 100
#define IDENT_MAX 64

struct marker {
    struct conn writer, killer;
    const char *table;
    char *quoted; /* `schema`.`table` */
    bool (*stop)(void *arg);
    void *arg;
    int64_t until_us;
};

/* ---- names ---- */

static size_t name_len(const char *s)
{
    size_t n = 0;

    while (isalnum((unsigned char)s[n]) || s[n] == '_' || s[n] == '$')
        n++;
    return n;
}

bool mark_name_is(const char *name)
{
    size_t schema = name_len(name), table;

    if (schema == 0 || schema > IDENT_MAX || name[schema] != '.')
        return false;
    table = name_len(name + schema + 1);
    return table > 0 && table <= IDENT_MAX && name[schema + 1 + table] == '\0';
}

/* ---- statements that end ---- */

static int give_up(struct marker *m, bool stopped, struct err *e)
{
    /* by the number of the connection: whatever it runs, it holds nothing that is worth keeping */
    if (conn_query(&m->killer, KILL_MS, NULL, NULL, "KILL %lu", m->writer.id) < 0)
        log_warn("a mark that waits in the server could not be killed; its own time limit is 1 s");
    conn_close(&m->writer);
    if (stopped)
        return err_set(e, ERR_CANCELLED, "a freeze began while the mark was being written");
    return err_set(e, ERR_TIMEOUT,
                   "table '%s' did not take the mark within %d ms; whether the row is there is not "
                   "known",
                   m->table, WRITE_MS);
}

static int run(struct marker *m, MYSQL_RES **ret, struct err *e, const char *sql)
{
    if (conn_send(&m->writer, sql, e) < 0)
        return -1;
    for (;;) {
        int64_t step = mono_in_ms(STEP_MS);

        if (conn_poll(conn_fd(&m->writer), step < m->until_us ? step : m->until_us))
            return conn_result(&m->writer, ret, e);
        if (m->stop(m->arg))
            return give_up(m, true, e);
        if (mono_us() >= m->until_us)
            return give_up(m, false, e);
    }
}

/* ---- the row ---- */

static int check_writable(struct marker *m, struct err *e)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;

    if (run(m, &res, e, "SELECT @@GLOBAL.read_only") < 0)
        return -1;
    row = res ? mysql_fetch_row(res) : NULL;
    if (row && row[0] && strcmp(row[0], "0") != 0 && strcasecmp(row[0], "OFF") != 0)
        return err_set(e, ERR_REFUSED,
                       "the server is read-only: a mark would be a transaction of its own there");
    return 0;
}

/* A replica that is not read-only takes the row too, and its source then never has it. Members of
 * a group are told by read_only: those that replicate only are. */
static int check_no_replica(struct marker *m, struct err *e)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;
    int channel;

    if (run(m, &res, e, conn_replicas_sql(&m->writer)) < 0)
        return -1;
    channel = res ? result_column(res, "Channel_Name") : -1;
    while (res && (row = mysql_fetch_row(res))) {
        if (channel < 0 || !row[channel] || strncmp(row[channel], "group_replication_", 18) != 0)
            return err_set(e, ERR_REFUSED,
                           "the server is a replica, or is set up as one: a mark would be a "
                           "transaction of its "
                           "own there (RESET REPLICA ALL when it is none any more)");
    }
    return 0;
}

/* `now_us`, or the newest row's time and a bit: the order of the rows is that in which they were
 * written, though the clock was wrong for one of them. */
static int next_time(struct marker *m, int64_t now_us, int64_t *ret, struct err *e)
{
    AUTO_FREE char *sql = xasprintf("SELECT MAX(at_wall_us) FROM %s", m->quoted);
    AUTO_RESULT MYSQL_RES *res = NULL;
    int64_t newest;
    MYSQL_ROW row;

    if (run(m, &res, e, sql) < 0)
        return -1;
    row = res ? mysql_fetch_row(res) : NULL;
    newest = row && row[0] ? strtoll(row[0], NULL, 10) : INT64_MIN;
    *ret = newest >= now_us && newest < INT64_MAX ? newest + 1 : now_us;
    return 0;
}

static int write_row(struct marker *m, const char *set, int64_t at_wall_us, struct err *e)
{
    AUTO_FREE char *sql = xasprintf("INSERT INTO %s (set_id, at_wall_us) VALUES ('%s', %lld)"
                                    " ON DUPLICATE KEY UPDATE at_wall_us = %lld",
                                    m->quoted, set, (long long)at_wall_us, (long long)at_wall_us);

    return run(m, NULL, e, sql);
}

/* By their keys: such a DELETE is the same on every replica, and needs no index on the time. */
static int prune(struct marker *m, struct err *e)
{
    AUTO_FREE char *find =
        xasprintf("SELECT set_id FROM %s ORDER BY " MARK_NEWEST_FIRST " LIMIT %d OFFSET %d",
                  m->quoted, MARKS_MAX, MARKS_MAX);
    AUTO_RESULT MYSQL_RES *res = NULL;
    struct buf sql = BUF_INIT;
    char id[2 * 256 + 1];
    size_t count = 0;
    MYSQL_ROW row;
    int rc;

    if (run(m, &res, e, find) < 0)
        return -1;
    buf_addf(&sql, "DELETE FROM %s WHERE set_id IN (", m->quoted);
    while (res && (row = mysql_fetch_row(res))) {
        if (!row[0] || strlen(row[0]) > 256)
            continue;
        (void)mysql_real_escape_string(m->writer.my, id, row[0], strlen(row[0]));
        buf_addf(&sql, "%s'%s'", count++ ? ", " : "", id);
    }
    buf_addf(&sql, ")");
    rc = count ? run(m, NULL, e, buf_text(&sql)) : 0;
    buf_release(&sql);
    return rc;
}

static int write_mark(struct marker *m, const char *set, int64_t now_us, struct err *e)
{
    struct err own = ERR_INIT;
    int64_t at_us;

    if (conn_open(&m->killer, e) < 0 || conn_open(&m->writer, e) < 0)
        return -1;
    m->until_us = mono_in_ms(WRITE_MS);
    if (run(m, NULL, e, "SET SESSION lock_wait_timeout = 1, innodb_lock_wait_timeout = 1") < 0 ||
        check_writable(m, e) < 0 || check_no_replica(m, e) < 0)
        return -1;
    if (next_time(m, now_us, &at_us, e) < 0)
        return -1;
    if (m->stop(m->arg))
        return err_set(e, ERR_CANCELLED, "a freeze began before the mark was written");
    if (write_row(m, set, at_us, e) < 0)
        return -1;
    if (prune(m, &own) < 0)
        log_warn("old marks stay in '%s': %s", m->table, own.msg);
    return 0;
}

int mark_write(const struct mysql_login *login, const char *table, const char *set,
               int64_t now_wall_us, bool (*stop)(void *arg), void *arg, struct err *e)
{
    const char *dot = strchr(table, '.');
    struct marker m = {.table = table, .stop = stop, .arg = arg};
    int rc;

    if (!mark_name_is(table))
        return err_set(e, ERR_CONFIG, "'%s' is no schema.table", table);
    m.quoted = xasprintf("`%.*s`.`%s`", (int)(dot - table), table, dot + 1);
    conn_init(&m.writer, login);
    conn_init(&m.killer, login);
    rc = write_mark(&m, set, now_wall_us, e);
    conn_end(&m.writer);
    conn_end(&m.killer);
    conn_release(&m.writer);
    conn_release(&m.killer);
    free(m.quoted);
    return rc;
}
