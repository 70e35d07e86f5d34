/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CHECK TABLE for one table after another, on one connection. A check takes as long as it takes; it
 * is killed on the server when `stop` says so. Only for a server that nobody works with.
 * One thread per object.
 *
 * Source: MySQL manual "CHECK TABLE Statement"; MariaDB "CHECK TABLE".
 */
#ifndef CBSNAP_MYSQL_TABLES_H
#define CBSNAP_MYSQL_TABLES_H

#include <sys/types.h>

#include "guest-agent/mysql/lock.h"

struct table_name {
    char *schema, *table;
};

struct table_checker;
struct table_checker *table_checker_new(const struct mysql_login *login);
void table_checker_free(struct table_checker *c);

/* Logs in (again). The server's process, and where its log is (NULL: in no file), may be asked for
 * once it has. */
int table_checker_open(struct table_checker *c, struct err *e);
pid_t table_checker_pid(const struct table_checker *c);
const char *table_checker_log(const struct table_checker *c);
/* innodb_data_file_path as the server has it; NULL: not known. */
const char *table_checker_data_files(const struct table_checker *c);
unsigned long table_checker_page_size(const struct table_checker *c); /* 0: not known */

/* Every base table but those of schemas that hold no data of their own. At most a minute. */
int table_checker_list(struct table_checker *c, struct table_name **ret, size_t *ret_count,
                       struct err *e);
/* The server says that there is none of that name: neither table nor view, broken or not. */
bool table_checker_lacks(struct table_checker *c, const struct table_name *name);
void table_names_free(struct table_name *names, size_t count);

struct table_check {
    bool (*stop)(void *arg);                      /* asked ten times a second */
    void (*problem)(void *arg, const char *text); /* what the server says that is not OK */
    void *arg;
    bool unsupported; /* out: the engine has no check */
};

/* -1: it could not be asked to its end. ERR_CANCELLED: stopped. ERR_MYSQL: the connection is gone,
 * perhaps the server with it. */
int table_checker_check(struct table_checker *c, const struct table_name *name,
                        struct table_check *check, struct err *e);

#endif
