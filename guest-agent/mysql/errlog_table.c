/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The error log of a server that logs to no file (to systemd's journal, to syslog): MySQL keeps the
 * last lines in a ring in memory. The first look finds where it ends; what is logged from then on
 * is told once, also what a server says when it is started anew meanwhile.
 *
 * Source: MySQL manual "The error_log Table" (8.0.22 and later).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest-agent/mysql/status_internal.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#define LINES_AT_ONCE 500 /* counted in one reading; the rest in the next */

static enum sample_line_level level_of(const char *prio)
{
    if (prio && strcmp(prio, "Error") == 0)
        return LINE_ERROR;
    return prio && strcmp(prio, "Warning") == 0 ? LINE_WARNING : LINE_OTHER;
}

static int find_end(struct mysql_sampler *s, struct err *why)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;

    if (sampler_ask(s, &res, why, "SELECT MAX(LOGGED) FROM performance_schema.error_log") < 0)
        return -1;
    row = res ? mysql_fetch_row(res) : NULL;
    (void)snprintf(s->log_after, sizeof(s->log_after), "%s",
                   row && row[0] ? row[0] : "1970-01-02 00:00:00");
    return 0;
}

/* "1730000000.123456" */
static int64_t time_of(const char *text)
{
    return text ? (int64_t)(strtod(text, NULL) * 1e6) : 0;
}

static int read_lines(struct mysql_sampler *s, struct sample *to, struct err *why)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    unsigned count[LINE_ERROR + 1] = {0};
    unsigned long long rows, n = 0;
    MYSQL_ROW row;

    if (sampler_ask(s, &res, why,
                    "SELECT LOGGED, UNIX_TIMESTAMP(LOGGED), PRIO, LEFT(DATA, 500)"
                    " FROM performance_schema.error_log WHERE LOGGED > '%s' ORDER BY LOGGED"
                    " LIMIT %d",
                    s->log_after, LINES_AT_ONCE) < 0)
        return -1;
    rows = res ? mysql_num_rows(res) : 0;
    while (res && (row = mysql_fetch_row(res))) {
        enum sample_line_level level = level_of(row[2]);

        count[level]++;
        if (rows - n++ <= SAMPLE_LINES_MAX)
            sample_add_line(to, time_of(row[1]), level, row[3] ? row[3] : "");
        (void)snprintf(s->log_after, sizeof(s->log_after), "%s", row[0]);
    }
    sample_emit(to, "mysql.errlog.errors", count[LINE_ERROR]);
    sample_emit(to, "mysql.errlog.warnings", count[LINE_WARNING]);
    return 0;
}

int read_error_log_table(struct mysql_sampler *s, struct sample *to, struct err *why)
{
    if (s->error_log)
        return 0; /* who reads files reads it */
    if (s->conn.mariadb || s->conn.version < 80022)
        return err_set(why, ERR_NOT_FOUND,
                       "the server logs to no file of this system, and keeps no table of its "
                       "log: set log_error to a file");
    if (!*s->log_after)
        return find_end(s, why);
    return read_lines(s, to, why);
}
