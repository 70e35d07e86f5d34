/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Accounts and their rights, and what the server tells of itself. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "guest-agent/mysql/server.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/integration/mysql-drive.h"

/* ---- accounts ---- */

static char *write_secret(const char *name, const char *text, mode_t mode)
{
    char *path = NULL;
    FILE *f;

    if (asprintf(&path, "%s/%s", dir, name) < 0 || !(f = fopen(path, "w")))
        return NULL;
    (void)fprintf(f, "%s\n", text);
    (void)fclose(f);
    (void)chmod(path, mode);
    return path;
}

static enum err_code ready_as(const char *user, const char *password_file, const char *socket)
{
    struct mysql_login login = login_as(user, password_file);
    struct mysql_lock *l;

    login.socket = socket;
    last_error = ERR_INIT;
    l = mysql_lock_new(&login);
    (void)mysql_lock_ready(l, &last_error);
    mysql_lock_free(l);
    return last_error.code;
}

/* The three rights that every server has: the position is then put together from older statements.
 */
static void test_old_rights(const char *password_file)
{
    struct mysql_login login = login_as("cbsnap_old", password_file);
    struct mysql_lock *l = mysql_lock_new(&login);
    struct position full = {.source = NULL}, old;
    struct lock_report r;
    int rc;

    session_do(admin, "DROP USER IF EXISTS cbsnap_old@localhost");
    session_do(admin, "CREATE USER cbsnap_old@localhost IDENTIFIED BY 'right'");
    session_do(admin, "GRANT RELOAD, PROCESS, REPLICATION CLIENT ON *.* TO cbsnap_old@localhost");
    rc = take(l, &quick, &old, &r);
    check(rc == 0 && strncmp(old.source, "SHOW ", 5) == 0, "granted with the three oldest rights");
    (void)mysql_lock_release(l, NULL);
    mysql_lock_free(l);
    login = login_as("root", "");
    l = mysql_lock_new(&login);
    rc = rc < 0 ? rc : take(l, &quick, &full, &r);
    check(rc == 0 && full.binlog_file && old.binlog_file &&
              strcmp(full.binlog_file, old.binlog_file) == 0 &&
              full.binlog_offset == old.binlog_offset && strcmp(full.gtid_set, old.gtid_set) == 0,
          "and the position is the same as by %s", full.source ? full.source : "?");
    check(old.has_lsn && old.lsn <= full.lsn && old.has_checkpoint &&
              (full.server_uuid ? old.server_uuid && !strcmp(full.server_uuid, old.server_uuid)
                                : !old.server_uuid),
          "LSN, checkpoint and UUID are told as well");
    (void)mysql_lock_release(l, NULL);
    position_release(&full);
    position_release(&old);
    mysql_lock_free(l);
}

void test_accounts(void)
{
    AUTO_FREE char *good = write_secret("good", "right", 0600);
    AUTO_FREE char *bad = write_secret("bad", "wrong", 0600);
    AUTO_FREE char *wide = write_secret("wide", "right", 0644);
    struct mysql_login login = login_as("cbsnap_few", good);
    struct mysql_lock *l;
    struct server_info info;
    struct position p;
    struct lock_report r;
    int rc;

    session_do(admin, "DROP USER IF EXISTS cbsnap_few@localhost");
    session_do(admin, "CREATE USER cbsnap_few@localhost IDENTIFIED BY 'right'");
    check(ready_as("cbsnap_few", bad, sock) == ERR_AUTH && strstr(last_error.msg, "'cbsnap_few'") &&
              strstr(last_error.msg, sock),
          "a wrong password: %s", last_error.msg);
    check(ready_as("cbsnap_few", wide, sock) == ERR_CONFIG && strstr(last_error.msg, wide),
          "a password file that others can read: %s", last_error.msg);
    check(ready_as("root", "", "/nonexistent/mysql.sock") == ERR_MYSQL &&
              strstr(last_error.msg, "/nonexistent/mysql.sock") && strstr(last_error.msg, "'root'"),
          "a wrong socket: %s", last_error.msg);
    check(ready_as("cbsnap_few", good, sock) == ERR_AUTH, "no right at all: %s", last_error.msg);

    rc = server_info_read(&login, &info, &last_error);
    check(rc == 0 && info.missing_count >= 3, "%zu rights are told to be missing",
          rc == 0 ? info.missing_count : 0);
    for (size_t n = 0; rc == 0 && n < info.missing_count; n++) {
        printf("# %s\n", info.missing_rights[n]);
        /* what it says to run is run: each sentence ends in a statement that works */
        if (strstr(info.missing_rights[n], "GRANT ") && n > 0)
            session_do(admin, "%s", strstr(info.missing_rights[n], "GRANT "));
    }
    if (rc == 0)
        server_info_release(&info);
    l = mysql_lock_new(&login);
    check(take(l, &quick, &p, &r) < 0 && last_error.code == ERR_AUTH &&
              strstr(last_error.msg, "RELOAD"),
          "no right to lock: %s", last_error.msg);
    session_do(admin, "GRANT RELOAD ON *.* TO cbsnap_few@localhost");
    mysql_lock_free(l);
    l = mysql_lock_new(&login);
    check(take(l, &quick, &p, &r) == 0, "granted with just the rights that were asked for");
    printf("# position by %s\n", p.source ? p.source : "-");
    position_release(&p);
    check(mysql_lock_release(l, &last_error) == 0, "released");
    mysql_lock_free(l);
    rc = server_info_read(&login, &info, &last_error);
    check(rc == 0 && info.missing_count == 0, "no right is missing any more");
    if (rc == 0)
        server_info_release(&info);
    test_old_rights(good);
}

/* ---- server ---- */

static const char *path_of(const struct server_info *info, const char *role)
{
    for (size_t n = 0; n < info->path_count; n++) {
        if (strcmp(info->paths[n].role, role) == 0)
            return info->paths[n].path;
    }
    return "";
}

static bool has_path(const struct server_info *info, const char *role, const char *head)
{
    for (size_t n = 0; n < info->path_count; n++) {
        if (strcmp(info->paths[n].role, role) == 0 &&
            strncmp(info->paths[n].path, head, strlen(head)) == 0)
            return true;
    }
    return false;
}

void test_server_info(void)
{
    AUTO_FREE char *datadir = session_value(admin, "SELECT TRIM(TRAILING '/' FROM @@datadir)");
    AUTO_FREE char *elsewhere = NULL;
    struct mysql_login login = login_as("root", "");
    struct server_info info;
    int rc;

    if (asprintf(&elsewhere, "%s/elsewhere", dir) < 0)
        return;
    rc = server_info_read(&login, &info, &last_error);
    check(rc == 0, "the server tells of itself");
    if (rc < 0)
        return;
    for (size_t n = 0; n < info.path_count; n++)
        printf("# %s %s\n", info.paths[n].role, info.paths[n].path);
    check(strcmp(path_of(&info, "datadir"), datadir) == 0, "datadir is %s",
          path_of(&info, "datadir"));
    check(strstr(path_of(&info, "binlog"), "/binlogs"), "binary logs are in %s",
          path_of(&info, "binlog"));
    check(has_path(&info, "tablespace", elsewhere), "a table with a DATA DIRECTORY is found in %s",
          elsewhere);
    check(info.missing_count == 0, "root lacks no right");
    server_info_release(&info);
}
