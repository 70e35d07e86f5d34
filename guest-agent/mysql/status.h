/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sampler's view of the server: one connection, one round trip for status, a time limit on
 * each query, costly sources (transactions, replication, the error log as a table) at their own
 * slower pace. Never used while frozen. One thread per object.
 *
 * What is read is FAMILY_SERVER, FAMILY_TRX and FAMILY_REPL of proto/metrics.h, and
 * FAMILY_ERROR_LOG where the server logs to no file.
 */
#ifndef CBSNAP_MYSQL_STATUS_H
#define CBSNAP_MYSQL_STATUS_H

#include <stddef.h>

#include "guest-agent/mysql/lock.h"
#include "guest-agent/sample/sample.h"
#include "guest-agent/sample/server_facts.h"

/* What is told of a long transaction's statement. */
enum mysql_statements {
    STATEMENTS_OFF,
    STATEMENTS_DIGEST, /* without the values in it */
    STATEMENTS_TEXT,   /* its first 200 characters, which can hold personal data */
};

struct mysql_sampler_config {
    const struct mysql_login *login; /* lives as long as the sampler */
    int trx_long_s;                  /* a transaction older than this is a long one */
    enum mysql_statements statements;
    int slow_every_ms;          /* pace of the costly sources; 0: the default, 5 s */
    struct server_facts *facts; /* told which process the server is and where it logs; or NULL */
};

struct mysql_sampler; /* not "mysql_status": the client library has that tag */

struct mysql_sampler *mysql_status_new(const struct mysql_sampler_config *config);
void mysql_status_free(struct mysql_sampler *s); /* accepts NULL */

/* Reads once and adds what could be read. On failure adds nothing more, drops the connection, and
 * tries again not before 5 s have passed (a sick server is left alone), up to 60 s where questions
 * keep being unanswered or the account is refused. `e` is not NULL. Takes at most 2 s;
 * when it logs in, the login's connect timeout and 4 s. */
int mysql_status_read(struct mysql_sampler *s, struct sample *to, struct err *e);

/* Rows of the catalogue that a server does not give, all for one reason. */
struct mysql_absence {
    char *names;        /* "innodb.lsn, innodb.checkpoint_age" */
    char *reason;       /* with what to do, where something can be done */
    bool can_be_helped; /* else it is the server's version */
};

/* What mysql_status_read() could not give since the login. Rates count as given although the first
 * reading has none. Call it after a first reading that succeeded. The caller releases. */
void mysql_status_absent(const struct mysql_sampler *s, struct mysql_absence **ret,
                         size_t *ret_count);
void mysql_absences_release(struct mysql_absence *list, size_t count);

#endif
