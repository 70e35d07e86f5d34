/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See tables.h. */
#include "guest-agent/mysql/tables.h"

#include <stdlib.h>
#include <string.h>

#include "guest-agent/mysql/conn.h"
#include "guest-agent/mysql/identity.h"
#include "guest-agent/mysql/patience.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#define QUERY_MS 5000
#define LIST_MS  60000
#define STEP_MS  100

struct table_checker {
    struct mysql_login login;
    struct conn conn;
    struct identity identity;
    char *data_files;
    unsigned long page_size;
};

struct table_checker *table_checker_new(const struct mysql_login *login)
{
    struct table_checker *c = xcalloc(1, sizeof(*c));

    c->login = *login;
    conn_init(&c->conn, &c->login);
    return c;
}

void table_checker_free(struct table_checker *c)
{
    conn_end(&c->conn);
    conn_release(&c->conn);
    identity_release(&c->identity);
    free(c->data_files);
    free(c);
}

static void read_data_files(struct table_checker *c)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;

    if (conn_query(&c->conn, QUERY_MS, &res, NULL,
                   "SELECT @@GLOBAL.innodb_data_file_path, @@GLOBAL.innodb_page_size") < 0)
        return;
    row = res ? mysql_fetch_row(res) : NULL;
    free(c->data_files);
    c->data_files = row && row[0] ? xstrdup(row[0]) : NULL;
    c->page_size = row && row[1] ? strtoul(row[1], NULL, 10) : 0;
}

int table_checker_open(struct table_checker *c, struct err *e)
{
    struct identity id;

    if (conn_open(&c->conn, e) < 0 ||
        conn_query(&c->conn, QUERY_MS, NULL, e, "SET NAMES utf8mb4") < 0 ||
        /* NO_BACKSLASH_ESCAPES makes escaping fail */
        conn_query(&c->conn, QUERY_MS, NULL, e, "SET SESSION sql_mode = ''") < 0 ||
        identity_ask(&c->conn, QUERY_MS, &id, e) < 0)
        return -1;
    identity_release(&c->identity);
    c->identity = id;
    read_data_files(c);
    return 0;
}

pid_t table_checker_pid(const struct table_checker *c)
{
    return c->identity.pid;
}

const char *table_checker_log(const struct table_checker *c)
{
    return c->identity.error_log;
}

const char *table_checker_data_files(const struct table_checker *c)
{
    return c->data_files;
}

unsigned long table_checker_page_size(const struct table_checker *c)
{
    return c->page_size;
}

/* ---- which ---- */

int table_checker_list(struct table_checker *c, struct table_name **ret, size_t *ret_count,
                       struct err *e)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    struct table_name *names;
    size_t count = 0;
    MYSQL_ROW row;

    if (conn_query(&c->conn, LIST_MS, &res, e,
                   /* whatever has data: MariaDB calls some SYSTEM VERSIONED or SEQUENCE */
                   "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES"
                   " WHERE COALESCE(TABLE_TYPE, '') NOT IN ('VIEW', 'SYSTEM VIEW', 'TEMPORARY')"
                   " AND TABLE_SCHEMA NOT IN"
                   " ('information_schema', 'performance_schema', 'sys')"
                   " ORDER BY TABLE_SCHEMA, TABLE_NAME") < 0)
        return -1;
    names = xcalloc(res ? (size_t)mysql_num_rows(res) + 1 : 1, sizeof(*names));
    while (res && (row = mysql_fetch_row(res))) {
        if (row[0] && row[1])
            names[count++] =
                (struct table_name){.schema = xstrdup(row[0]), .table = xstrdup(row[1])};
    }
    *ret = names;
    *ret_count = count;
    return 0;
}

static char *escaped(struct conn *conn, const char *name)
{
    size_t len = strlen(name);
    char *text = xcalloc(2 * len + 1, 1);

    (void)mysql_real_escape_string(conn->my, text, name, len);
    return text;
}

/* Asked of the catalogue, for CHECK TABLE has the same words for one whose files are lost. */
bool table_checker_lacks(struct table_checker *c, const struct table_name *name)
{
    AUTO_RESULT MYSQL_RES *res = NULL;

    if (!c->conn.my) /* it was lost: the check itself will tell */
        return false;
    AUTO_FREE char *schema = escaped(&c->conn, name->schema);
    AUTO_FREE char *table = escaped(&c->conn, name->table);

    return conn_query(&c->conn, LIST_MS, &res, NULL,
                      "SELECT 1 FROM information_schema.TABLES"
                      " WHERE TABLE_SCHEMA = '%s' AND TABLE_NAME = '%s'",
                      schema, table) == 0 &&
           res && mysql_num_rows(res) == 0;
}

void table_names_free(struct table_name *names, size_t count)
{
    for (size_t n = 0; n < count; n++) {
        free(names[n].schema);
        free(names[n].table);
    }
    free(names);
}

/* ---- one of them ---- */

/* `a``b` */
static void add_quoted(struct buf *sql, const char *name)
{
    buf_add(sql, "`", 1);
    for (; *name; name++)
        buf_add(sql, *name == '`' ? "``" : name, *name == '`' ? 2 : 1);
    buf_add(sql, "`", 1);
}

static int cancel(struct table_checker *c, struct err *e)
{
    patience_kill(&c->login, c->conn.id);
    conn_close(&c->conn);
    return err_set(e, ERR_CANCELLED, "the check was stopped: nobody waits for it");
}

/* Columns: Table, Op, Msg_type, Msg_text. An engine without a check says so in a note. */
static void take_row(MYSQL_ROW row, struct table_check *check)
{
    const char *type = row[2] ? row[2] : "", *text = row[3] ? row[3] : "";
    AUTO_FREE char *problem = NULL;

    if (strcasecmp(type, "status") == 0 && strcmp(text, "OK") == 0)
        return;
    if (strcasecmp(type, "note") == 0 && strstr(text, "support")) {
        check->unsupported = true;
        return;
    }
    problem = xasprintf("%s: %s", type, text);
    check->problem(check->arg, problem);
}

int table_checker_check(struct table_checker *c, const struct table_name *name,
                        struct table_check *check, struct err *e)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    struct buf sql = BUF_INIT;
    MYSQL_ROW row;
    int rc;

    check->unsupported = false;
    buf_addf(&sql, "CHECK TABLE ");
    add_quoted(&sql, name->schema);
    buf_addf(&sql, ".");
    add_quoted(&sql, name->table);
    rc = conn_send(&c->conn, buf_text(&sql), e);
    buf_release(&sql);
    while (rc == 0 && !conn_poll(conn_fd(&c->conn), mono_in_ms(STEP_MS))) {
        if (check->stop(check->arg))
            return cancel(c, e);
    }
    if (rc < 0 || conn_result(&c->conn, &res, e) < 0)
        return -1;
    while (res && (row = mysql_fetch_row(res)))
        take_row(row, check);
    return 0;
}
