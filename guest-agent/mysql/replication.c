/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Replication: what this server is in it, and how a replica keeps up. Of several channels the worst
 * counts. Group replication's own channels are left out: they say nothing until a member recovers.
 *
 * SHOW REPLICA STATUS waits while somebody's STOP REPLICA does, so it may run into our time limit;
 * it is then left alone for a while (see read_slow()).
 *
 * Source: MySQL manual "SHOW REPLICA STATUS Statement" (8.0.22 and later; SHOW SLAVE STATUS before,
 * gone in 8.4), "The processlist Table" (8.0.22); MariaDB "SHOW REPLICA STATUS" (ALL SLAVES since
 * 10.0), "Replication and Binary Log Status Variables" (Slaves_connected).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest-agent/mysql/status_internal.h"

#define RENAMED 80022 /* MySQL: "replica" and "source" */

struct replica {
    unsigned channels;
    bool io, sql, has_lag;
    double lag;
};

static const char *cell(MYSQL_RES *res, MYSQL_ROW row, const char *name, const char *older)
{
    int n = result_column(res, name);

    if (n < 0)
        n = result_column(res, older);
    return n < 0 ? NULL : row[n];
}

static void add_channel(struct replica *r, MYSQL_RES *res, MYSQL_ROW row)
{
    const char *channel = cell(res, row, "Channel_Name", "Connection_name");
    const char *io = cell(res, row, "Replica_IO_Running", "Slave_IO_Running");
    const char *sql = cell(res, row, "Replica_SQL_Running", "Slave_SQL_Running");
    const char *lag = cell(res, row, "Seconds_Behind_Source", "Seconds_Behind_Master");
    double seconds = lag ? strtod(lag, NULL) : 0;

    if (channel && strncmp(channel, "group_replication_", 18) == 0)
        return;
    /* "Connecting" and "Preparing" receive nothing */
    r->io = (r->channels == 0 || r->io) && io && strcmp(io, "Yes") == 0;
    r->sql = (r->channels == 0 || r->sql) && sql && strcmp(sql, "Yes") == 0;
    /* one channel that does not know its lag may have the worst */
    r->has_lag = (r->channels == 0 || r->has_lag) && lag;
    if (seconds > r->lag)
        r->lag = seconds;
    r->channels++;
}

static int read_channels(struct mysql_sampler *s, struct replica *r, struct err *why)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;

    if (sampler_ask(s, &res, why, "%s", conn_replicas_sql(&s->conn)) < 0)
        return -1;
    while (res && (row = mysql_fetch_row(res)))
        add_channel(r, res, row);
    return 0;
}

/* ---- who reads from us ---- */

/* The first column of the first row as a number; -1 when there is none. */
static long first_number(struct mysql_sampler *s, const char *sql, int column)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;

    if (sampler_ask(s, &res, NULL, "%s", sql) < 0 || !res || !(row = mysql_fetch_row(res)) ||
        !row[column])
        return -1;
    return strtol(row[column], NULL, 10);
}

/* Replicas reading from a MySQL server; -1 when that cannot be seen. Its own list (SHOW REPLICAS)
 * takes a right to replicate. Neither of these two takes a mutex that sessions wait for; the first
 * needs SELECT on the performance schema, the second only PROCESS. */
static long mysql_replicas(struct mysql_sampler *s)
{
    long seen = -1;

    if (s->conn.version >= 50600)
        seen = first_number(s,
                            "SELECT SUM(PROCESSLIST_COMMAND LIKE 'Binlog Dump%') FROM"
                            " performance_schema.threads WHERE PROCESSLIST_ID IS NOT NULL",
                            0);
    if (seen < 0 && s->conn.version >= RENAMED && s->sees_all_sessions && conn_is_open(&s->conn))
        seen = first_number(s,
                            "SELECT SUM(COMMAND LIKE 'Binlog Dump%') FROM"
                            " performance_schema.processlist",
                            0);
    return seen;
}

static long replicas(struct mysql_sampler *s)
{
    if (first_number(s, "SELECT @@GLOBAL.log_bin", 0) == 0)
        return 0; /* there is nothing to read */
    if (!conn_is_open(&s->conn))
        return -1;
    if (s->conn.mariadb)
        return first_number(s, "SHOW GLOBAL STATUS LIKE 'Slaves_connected'", 1);
    return mysql_replicas(s);
}

int read_replication(struct mysql_sampler *s, struct sample *to, struct err *why)
{
    struct replica r = {.channels = 0};
    long seen;

    if (read_channels(s, &r, why) < 0)
        return -1;
    if (r.channels > 0) {
        sample_add_text(to, "repl.role", "replica");
        sample_emit(to, "repl.io_running", r.io);
        sample_emit(to, "repl.sql_running", r.sql);
        if (r.has_lag)
            sample_emit(to, "repl.lag", r.lag);
        return 0;
    }
    seen = replicas(s);
    if (seen >= 0)
        sample_add_text(to, "repl.role", seen > 0 ? "source" : "standalone");
    if (!conn_is_open(&s->conn))
        return err_set(why, ERR_TIMEOUT, "the server did not tell who replicates from it");
    return 0;
}
