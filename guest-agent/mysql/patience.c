/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions that a server does not answer; see patience.h.
 *
 * Source: MySQL manual "max_execution_time" (5.7.8 and later), "KILL Statement"; MariaDB
 * "max_statement_time" (10.1 and later).
 */
#include "guest-agent/mysql/patience.h"

#include "guest-agent/mysql/conn.h"
#include "proto/base/buf.h"

#define RETRY_MS     5000
#define RETRY_MAX_MS 60000

/* Server error numbers; each server's headers name their own alone. */
enum { QUERY_INTERRUPTED = 1317, MARIADB_STATEMENT_TIMEOUT = 1969, MYSQL_QUERY_TIMEOUT = 3024 };

char *patience_sql(const struct conn *c, int ms)
{
    if (c->mariadb)
        return xasprintf("SET SESSION max_statement_time = %d.%03d", ms / 1000, ms % 1000);
    return xasprintf("SET SESSION max_execution_time = %d", ms);
}

bool patience_ended(const struct conn *c)
{
    return c->server_errno == QUERY_INTERRUPTED || c->server_errno == MARIADB_STATEMENT_TIMEOUT ||
           c->server_errno == MYSQL_QUERY_TIMEOUT;
}

void patience_kill(const struct mysql_login *login, unsigned long id)
{
    struct conn killer;

    if (id == 0)
        return;
    conn_init(&killer, login);
    killer.left = id;
    (void)conn_open(&killer, NULL);
    conn_end(&killer);
    conn_release(&killer);
}

/*
 * A question that was given up may go on in a server that waits for a lock of its own, killed or
 * not: each try leaves one more session behind, so they must become rare before they fill
 * max_connections. One whose account is refused writes a line in the server's log each time.
 */
int patience_retry_ms(enum err_code code, unsigned timeouts)
{
    if (code == ERR_AUTH)
        return RETRY_MAX_MS;
    if (code != ERR_TIMEOUT || timeouts <= 1)
        return RETRY_MS;
    return timeouts < 8 && RETRY_MS << (timeouts - 1) < RETRY_MAX_MS ? RETRY_MS << (timeouts - 1)
                                                                     : RETRY_MAX_MS;
}
