/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the binary log and InnoDB stand, read while the lock is held, by another session. MySQL 8
 * answers all of it in one consistent row (performance_schema.log_status); elsewhere older
 * statements are put together, which is as good because the lock keeps everything still.
 *
 * Source: MySQL manual "The log_status Table", "SHOW BINARY LOG STATUS"; MariaDB "SHOW MASTER
 * STATUS", "gtid_binlog_pos", "InnoDB Status Variables".
 */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "guest-agent/mysql/lock_internal.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

void position_release(struct position *p)
{
    free(p->binlog_file);
    free(p->gtid_set);
    free(p->server_uuid);
    free(p->server_version);
    *p = (struct position){.source = NULL};
}

static char *copy_or_null(const char *s)
{
    return s ? xstrdup(s) : NULL;
}

/* The server breaks long sets into lines. */
static char *copy_gtid_set(const char *s)
{
    char *copy, *to;

    if (!s)
        return NULL;
    copy = to = xstrdup(s);
    for (; *s; s++) {
        if (!isspace((unsigned char)*s))
            *to++ = *s;
    }
    *to = '\0';
    return copy;
}

static bool number(const char *s, uint64_t *ret)
{
    char *end;
    uint64_t n;

    if (!s || !isdigit((unsigned char)*s))
        return false;
    n = strtoull(s, &end, 10);
    if (*end)
        return false;
    *ret = n;
    return true;
}

static void set_binlog(struct position *p, const char *file, const char *offset)
{
    uint64_t at;

    if (!file || !*file || !number(offset, &at))
        return;
    free(p->binlog_file);
    p->binlog_file = xstrdup(file);
    p->binlog_offset = at;
}

static void set_server_id(struct position *p, const char *text)
{
    uint64_t id;

    p->has_server_id = number(text, &id) && id <= UINT32_MAX;
    if (p->has_server_id)
        p->server_id = (uint32_t)id;
}

static int by_log_status(struct conn *c, struct position *p, struct err *e)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;

    if (conn_query(c, POSITION_TIMEOUT_MS, &res, e,
                   "SELECT @@GLOBAL.version, @@GLOBAL.server_id, SERVER_UUID,"
                   " JSON_UNQUOTE(JSON_EXTRACT(LOCAL, '$.binary_log_file')),"
                   " JSON_UNQUOTE(JSON_EXTRACT(LOCAL, '$.binary_log_position')),"
                   " JSON_UNQUOTE(JSON_EXTRACT(LOCAL, '$.gtid_executed')),"
                   " JSON_UNQUOTE(JSON_EXTRACT(STORAGE_ENGINES, '$.InnoDB.LSN')),"
                   " JSON_UNQUOTE(JSON_EXTRACT(STORAGE_ENGINES, '$.InnoDB.LSN_checkpoint'))"
                   " FROM performance_schema.log_status") < 0)
        return -1;
    row = res ? mysql_fetch_row(res) : NULL;
    if (!row)
        return err_set(e, ERR_MYSQL, "performance_schema.log_status is empty");
    p->server_version = copy_or_null(row[0]);
    set_server_id(p, row[1]);
    p->server_uuid = copy_or_null(row[2]);
    set_binlog(p, row[3], row[4]);
    p->gtid_set = copy_gtid_set(row[5]);
    p->has_lsn = number(row[6], &p->lsn);
    p->has_checkpoint = number(row[7], &p->checkpoint);
    return 0;
}

/* One value of one variable; absent when the server does not know it. */
static char *variable(struct conn *c, const char *name)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;

    if (conn_query(c, POSITION_TIMEOUT_MS, &res, NULL, "SELECT @@GLOBAL.%s", name) < 0)
        return NULL;
    row = res ? mysql_fetch_row(res) : NULL;
    return row ? copy_or_null(row[0]) : NULL;
}

/* "Log sequence number          1234567"; "Last checkpoint at  1234". */
static bool number_after(const char *text, const char *label, uint64_t *ret)
{
    const char *at = strstr(text, label);
    char *end;

    if (!at)
        return false;
    at += strlen(label);
    at += strspn(at, " \t");
    if (!isdigit((unsigned char)*at))
        return false;
    *ret = strtoull(at, &end, 10);
    return *end == '\n' || *end == '\r' || *end == '\0';
}

static int lsn_by_engine_status(struct conn *c, struct position *p, struct err *e)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;

    if (conn_query(c, POSITION_TIMEOUT_MS, &res, e, "SHOW ENGINE INNODB STATUS") < 0)
        return -1;
    row = res ? mysql_fetch_row(res) : NULL;
    if (row && mysql_num_fields(res) >= 3 && row[2]) {
        p->has_lsn = number_after(row[2], "Log sequence number", &p->lsn);
        p->has_checkpoint = number_after(row[2], "Last checkpoint at", &p->checkpoint);
    }
    return 0;
}

/* MariaDB's and MySQL 8.0.30's status variables; older servers print it only in InnoDB's report. */
static void read_lsn(struct conn *c, struct position *p)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;

    if (conn_query(c, POSITION_TIMEOUT_MS, &res, NULL,
                   "SHOW GLOBAL STATUS WHERE Variable_name IN ('Innodb_lsn_current',"
                   " 'Innodb_lsn_last_checkpoint', 'Innodb_redo_log_current_lsn',"
                   " 'Innodb_redo_log_checkpoint_lsn')") < 0)
        return;
    while (res && (row = mysql_fetch_row(res))) {
        if (strcasestr(row[0], "current"))
            p->has_lsn = number(row[1], &p->lsn);
        else
            p->has_checkpoint = number(row[1], &p->checkpoint);
    }
    if (!p->has_lsn && conn_is_open(c))
        (void)lsn_by_engine_status(c, p, NULL);
}

static const char *column(MYSQL_RES *res, MYSQL_ROW row, const char *name)
{
    MYSQL_FIELD *f = mysql_fetch_fields(res);

    for (unsigned n = 0; n < mysql_num_fields(res); n++) {
        if (strcasecmp(f[n].name, name) == 0)
            return row[n];
    }
    return NULL;
}

static int by_statement(struct conn *c, const char *sql, struct position *p, struct err *e)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    AUTO_FREE char *id = NULL;
    MYSQL_ROW row;

    if (conn_query(c, POSITION_TIMEOUT_MS, &res, e, "%s", sql) < 0)
        return -1;
    row = res ? mysql_fetch_row(res) : NULL; /* no row: the binary log is off */
    if (row) {
        set_binlog(p, column(res, row, "File"), column(res, row, "Position"));
        p->gtid_set = copy_gtid_set(column(res, row, "Executed_Gtid_Set"));
    }
    p->server_version = variable(c, "version");
    id = variable(c, "server_id");
    set_server_id(p, id);
    if (!c->mariadb)
        p->server_uuid = variable(c, "server_uuid");
    if (!p->gtid_set && (p->binlog_file || !c->mariadb)) {
        AUTO_FREE char *set = variable(c, c->mariadb ? "gtid_binlog_pos" : "gtid_executed");

        p->gtid_set = copy_gtid_set(set);
    }
    read_lsn(c, p);
    if (!conn_is_open(c))
        return err_set(e, ERR_MYSQL, "the connection was lost while the position was read");
    return 0;
}

static int by_binary_log_status(struct conn *c, struct position *p, struct err *e)
{
    return by_statement(c, "SHOW BINARY LOG STATUS", p, e);
}

static int by_master_status(struct conn *c, struct position *p, struct err *e)
{
    return by_statement(c, "SHOW MASTER STATUS", p, e);
}

static const struct way {
    const char *name;
    int (*read)(struct conn *c, struct position *p, struct err *e);
    unsigned since, before; /* MySQL versions that have it; MariaDB has only the last one */
} ways[] = {
    {"log_status", by_log_status, 80011, UINT_MAX},
    {"SHOW BINARY LOG STATUS", by_binary_log_status, 80200, UINT_MAX},
    {"SHOW MASTER STATUS", by_master_status, 0, 80400},
};

static bool way_exists(const struct conn *c, const struct way *w)
{
    if (c->mariadb)
        return w->since == 0;
    return c->version >= w->since && c->version < w->before;
}

int position_read(struct conn *c, unsigned *way, struct position *ret, struct err *e)
{
    struct err why = ERR_INIT;

    /* from the one that worked last, so that under the lock no refused statement costs time */
    for (unsigned n = *way; n < ARRAY_SIZE(ways); n++) {
        struct position p = {.source = ways[n].name};

        if (!way_exists(c, &ways[n]))
            continue;
        if (ways[n].read(c, &p, &why) == 0) {
            *way = n;
            *ret = p;
            return 0;
        }
        position_release(&p);
        if (!conn_is_open(c))
            break;
    }
    if (!err_is_set(&why))
        err_set(&why, ERR_MYSQL, "the server has no statement that tells it");
    if (e)
        *e = why;
    return err_prefix(e, "cannot read the position of the binary log");
}
