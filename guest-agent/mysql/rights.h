/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which rights our account lacks, from the lines of SHOW GRANTS. Apart from reading them this is
 * text alone, so that grants of servers we do not have can be tested. Private to this folder.
 * Source: MySQL manual "Privileges Provided by MySQL"; MariaDB "GRANT", "Replication privileges".
 */
#ifndef CBSNAP_MYSQL_RIGHTS_H
#define CBSNAP_MYSQL_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>

struct rights {
    char **global; /* names granted ON *.*, upper case */
    size_t count;
    bool all;                /* ALL PRIVILEGES ON *.* */
    bool performance_schema; /* SELECT or ALL on performance_schema.* */
};

/* Adds what one line of SHOW GRANTS says; a line it does not understand adds nothing. */
void rights_add_line(struct rights *r, const char *line);
bool rights_have(const struct rights *r, const char *name);
void rights_release(struct rights *r);

/* Sentences for what is missing; *ret is an array of *ret_count strings, both the caller's. */
void rights_missing(const struct rights *r, bool mariadb, unsigned version, const char *user,
                    char ***ret, size_t *ret_count);

#endif
