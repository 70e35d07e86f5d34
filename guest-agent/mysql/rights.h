/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which rights our account lacks, and which it has too many, from the lines of SHOW GRANTS. Apart
 * from reading them this is text alone, so that grants of servers we do not have can be tested.
 * Roles are not looked into. Private to this folder.
 * Source: MySQL manual "Privileges Provided by MySQL", "Performance Schema"; MariaDB "GRANT",
 * "Replication privileges".
 */
#ifndef CBSNAP_MYSQL_RIGHTS_H
#define CBSNAP_MYSQL_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>

struct rights {
    char **global; /* names granted ON *.*, upper case; PROXY too */
    size_t count;
    bool all;        /* ALL PRIVILEGES ON *.* */
    bool may_grant;  /* of these: WITH GRANT OPTION */
    char **readable; /* tables of performance_schema, "*" for all of them */
    size_t readable_count;
    char **schemas; /* "app.*": any right on a whole schema but that one */
    size_t schema_count;
};

/* Adds what one line of SHOW GRANTS says; a line it does not understand adds nothing. */
void rights_add_line(struct rights *r, const char *line);
bool rights_have(const struct rights *r, const char *name);
/* A table of performance_schema. */
bool rights_read(const struct rights *r, const char *table);
void rights_release(struct rights *r);

struct sentences {
    char **list;
    size_t count;
};
void sentences_release(struct sentences *s);

/* One sentence for each right that is missing, what for, and the GRANT; the caller releases them.
 */
void rights_missing(const struct rights *r, bool mariadb, unsigned version, const char *user,
                    struct sentences *ret);
/* The same for each that is too much. The mark's table, and what reads the head of a log file
 * (REPLICATION SLAVE), are not. */
void rights_excess(const struct rights *r, const char *user, struct sentences *ret);

#endif
