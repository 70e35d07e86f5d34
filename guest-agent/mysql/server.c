/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Identity, rights and file locations of a server, as it tells them; see server.h. What it does not
 * tell of its files is found by places.c.
 */
#include "guest-agent/mysql/server_internal.h"

#include <stdlib.h>
#include <string.h>

#include "guest-agent/mysql/conn.h"
#include "guest-agent/mysql/patience.h"
#include "guest-agent/mysql/rights.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

/* skip_grant_tables: nobody has rights, and nobody needs any */
enum { SERVER_OPTION_PREVENTS = 1290 };

#define QUERY_TIMEOUT_MS 2000
/* the server opens a list of every table for it */
#define TABLESPACES_TIMEOUT_MS 5000
#define STATEMENT_MS           4500 /* then the server ends it */

void server_add_path(struct server_info *s, const char *role, char *path)
{
    for (size_t n = 0; n < s->path_count; n++) {
        if (strcmp(s->paths[n].role, role) == 0 && strcmp(s->paths[n].path, path) == 0) {
            free(path);
            return;
        }
    }
    s->paths = xrealloc(s->paths, (s->path_count + 1) * sizeof(*s->paths));
    s->paths[s->path_count++] = (struct server_path){.role = role, .path = path};
}

const char *server_datadir(const struct server_info *s)
{
    return s->paths[0].path; /* always the first */
}

char *server_absolute(const char *datadir, const char *path)
{
    char *out;
    size_t len;

    while (strncmp(path, "./", 2) == 0)
        path += 2;
    if (strcmp(path, ".") == 0)
        path = "";
    out = *path == '/' ? xstrdup(path) : xasprintf("%s/%s", datadir, path);
    len = strlen(out);
    while (len > 1 && out[len - 1] == '/')
        out[--len] = '\0';
    return out;
}

static char *parent_of(char *path)
{
    char *slash = strrchr(path, '/');

    if (slash && slash != path)
        *slash = '\0';
    return path;
}

/* ---- variables ---- */

static const char *value_of(MYSQL_RES *res, const char *name)
{
    MYSQL_ROW row;

    mysql_data_seek(res, 0);
    while ((row = mysql_fetch_row(res))) {
        if (strcasecmp(row[0], name) == 0)
            return row[1] && *row[1] ? row[1] : NULL;
    }
    return NULL;
}

/* innodb_data_file_path: "ibdata1:12M;sub/ibdata2:12M;/other/ibdata3:12M:autoextend". */
static void add_system_tablespace(struct server_info *s, MYSQL_RES *vars)
{
    const char *home = value_of(vars, "innodb_data_home_dir");
    const char *spec = value_of(vars, "innodb_data_file_path");
    AUTO_FREE char *copy = xstrdup(spec ? spec : "");
    AUTO_FREE char *dir = server_absolute(server_datadir(s), home ? home : ".");
    char *save = NULL;

    if (home)
        server_add_path(s, "tablespace", xstrdup(dir));
    for (char *part = strtok_r(copy, ";", &save); part; part = strtok_r(NULL, ";", &save)) {
        part[strcspn(part, ":")] = '\0';
        if (strchr(part, '/'))
            server_add_path(s, "tablespace", server_absolute(dir, part));
    }
}

static void add_directory(struct server_info *s, MYSQL_RES *vars, const char *role,
                          const char *variable)
{
    const char *value = value_of(vars, variable);

    if (value)
        server_add_path(s, role, server_absolute(server_datadir(s), value));
}

/* The value is a file's name without its number: its directory counts. */
static void add_basename(struct server_info *s, MYSQL_RES *vars, const char *role,
                         const char *variable)
{
    const char *value = value_of(vars, variable);

    if (value && strcmp(value, "ON") != 0 && strcmp(value, "OFF") != 0)
        server_add_path(s, role, parent_of(server_absolute(server_datadir(s), value)));
}

static int add_variables(struct conn *c, struct server_info *s, struct err *e)
{
    AUTO_RESULT MYSQL_RES *vars = NULL;
    const char *datadir;

    if (conn_query(c, QUERY_TIMEOUT_MS, &vars, e,
                   "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'server_uuid',"
                   " 'server_id', 'datadir', 'log_bin', 'log_bin_basename', 'log_bin_index',"
                   " 'relay_log', 'relay_log_basename', 'relay_log_index', 'innodb_data_home_dir',"
                   " 'innodb_data_file_path', 'innodb_log_group_home_dir', 'innodb_undo_directory',"
                   " 'innodb_doublewrite_dir', 'aria_log_dir_path')") < 0)
        return -1;
    datadir = vars ? value_of(vars, "datadir") : NULL;
    if (!datadir || *datadir != '/')
        return err_set(e, ERR_MYSQL, "the server does not say where its datadir is");
    s->version = xstrdup(value_of(vars, "version") ? value_of(vars, "version") : "");
    if (!c->mariadb && value_of(vars, "server_uuid"))
        s->uuid = xstrdup(value_of(vars, "server_uuid"));
    if (value_of(vars, "server_id")) {
        s->has_server_id = true;
        s->server_id = (uint32_t)strtoul(value_of(vars, "server_id"), NULL, 10);
    }
    server_add_path(s, "datadir", server_absolute("", datadir));
    add_basename(s, vars, "binlog", "log_bin_basename");
    add_basename(s, vars, "binlog", "log_bin_index");
    add_basename(s, vars, "relaylog", "relay_log_basename");
    add_basename(s, vars, "relaylog", "relay_log");
    add_directory(s, vars, "redo", "innodb_log_group_home_dir");
    add_directory(s, vars, "undo", "innodb_undo_directory");
    add_directory(s, vars, "doublewrite", "innodb_doublewrite_dir");
    add_directory(s, vars, "redo", "aria_log_dir_path");
    add_system_tablespace(s, vars);
    return 0;
}

/* ---- tablespaces elsewhere ---- */

bool server_is_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);

    return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* The first of these that the server knows: MySQL 5.7+ and 8, MariaDB 10.6+, older ones. A file
 * below the datadir by its name is covered by it, or by the search for symbolic links. */
static int add_tablespaces(struct conn *c, struct server_info *s, struct err *e)
{
    static const char *const mysql[] = {
        "SELECT FILE_NAME FROM information_schema.FILES"
        " WHERE FILE_TYPE IN ('TABLESPACE', 'UNDO LOG') AND FILE_NAME NOT LIKE './%'",
        "SELECT PATH FROM information_schema.INNODB_SYS_DATAFILES WHERE PATH NOT LIKE './%'",
    };
    static const char *const mariadb[] = {
        "SELECT FILENAME FROM information_schema.INNODB_SYS_TABLESPACES"
        " WHERE FILENAME NOT LIKE './%'",
        "SELECT PATH FROM information_schema.INNODB_SYS_DATAFILES WHERE PATH NOT LIKE './%'",
    };
    const char *const *sql = c->mariadb ? mariadb : mysql;
    AUTO_RESULT MYSQL_RES *res = NULL;
    struct err why = ERR_INIT;
    MYSQL_ROW row;

    /* refused for want of PROCESS: that right is then told to be missing, and why */
    for (int n = 0; n < 2 && !res; n++) {
        if (conn_query(c, TABLESPACES_TIMEOUT_MS, &res, &why, "%s", sql[n]) == 0)
            continue;
        if (!conn_is_open(c))
            return err_set(e, why.code, "%s", why.msg);
        if (patience_ended(c))
            return err_set(e, ERR_TIMEOUT, "the server did not list its tablespaces within %d ms",
                           STATEMENT_MS);
    }
    while (res && (row = mysql_fetch_row(res))) {
        char *path;

        if (!row[0] || !strchr(row[0], '/'))
            continue; /* "ibdata1", "innodb_temporary": in directories that are listed already */
        path = server_absolute(server_datadir(s), row[0]);
        if (server_is_below(path, server_datadir(s)) && !strstr(path, "/../"))
            free(path);
        else
            server_add_path(s, "tablespace", path);
    }
    return 0;
}

/* ---- rights ---- */

/* root@localhost, with each half quoted as GRANT wants it */
static char *quoted_account(MYSQL_RES *res)
{
    MYSQL_ROW row = res ? mysql_fetch_row(res) : NULL;
    const char *user = row && row[0] ? row[0] : "";
    const char *at = strrchr(user, '@');

    return xasprintf("'%.*s'@'%s'", at ? (int)(at - user) : 0, user, at ? at + 1 : "");
}

static int add_rights(struct conn *c, struct server_info *s, struct err *e)
{
    AUTO_RESULT MYSQL_RES *res = NULL, *who = NULL;
    AUTO_FREE char *account = NULL;
    struct sentences missing, excess;
    struct rights r = {.global = NULL};
    struct err why = ERR_INIT;
    MYSQL_ROW row;

    if (conn_query(c, QUERY_TIMEOUT_MS, &who, e, "SELECT CURRENT_USER()") < 0)
        return -1;
    if (conn_query(c, QUERY_TIMEOUT_MS, &res, &why, "SHOW GRANTS") < 0)
        return c->server_errno == SERVER_OPTION_PREVENTS ? 0 : err_set(e, why.code, "%s", why.msg);
    while (res && (row = mysql_fetch_row(res)))
        rights_add_line(&r, row[0]);
    account = quoted_account(who);
    rights_missing(&r, c->mariadb, c->version, account, &missing);
    rights_excess(&r, account, &excess);
    s->missing_rights = missing.list;
    s->missing_count = missing.count;
    s->excess_rights = excess.list;
    s->excess_count = excess.count;
    rights_release(&r);
    return 0;
}

/* ---- all of it ---- */

static int ask_all(struct conn *c, struct server_info *s, struct identity *id, struct err *e)
{
    AUTO_FREE char *limit = NULL;
    struct err why = ERR_INIT;

    if (conn_open(c, e) < 0)
        return -1;
    limit = patience_sql(c, STATEMENT_MS);
    if (conn_query(c, QUERY_TIMEOUT_MS, NULL, &why, "%s", limit) < 0 && !conn_is_open(c))
        return err_set(e, why.code, "%s", why.msg);
    return add_variables(c, s, e) < 0 || add_tablespaces(c, s, e) < 0 || add_rights(c, s, e) < 0
               ? -1
               : identity_ask(c, QUERY_TIMEOUT_MS, id, e);
}

int server_info_read(const struct mysql_login *login, struct server_info *ret, struct err *e)
{
    struct server_info s = {.version = NULL};
    struct identity id = {.pid = 0};
    struct conn c;
    int rc;

    conn_init(&c, login);
    rc = ask_all(&c, &s, &id, e);
    patience_kill(login, c.left);
    conn_end(&c);
    conn_release(&c);
    if (rc == 0)
        rc = server_find_places(&s, &id, e);
    identity_release(&id);
    if (rc < 0)
        server_info_release(&s);
    else
        *ret = s;
    return rc;
}

void server_info_release(struct server_info *s)
{
    for (size_t n = 0; n < s->path_count; n++)
        free(s->paths[n].path);
    for (size_t n = 0; n < s->missing_count; n++)
        free(s->missing_rights[n]);
    free(s->paths);
    free(s->missing_rights);
    for (size_t n = 0; n < s->excess_count; n++)
        free(s->excess_rights[n]);
    free(s->excess_rights);
    free(s->version);
    free(s->uuid);
    free(s->doubt);
    *s = (struct server_info){.version = NULL};
}
