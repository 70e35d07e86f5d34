/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What becomes of questions that a server does not answer. It goes on with a statement whose client
 * has stopped waiting, in a session of its own each time, and these must not come to fill
 * max_connections: the server is told to end our statements itself, a session that was left is
 * killed, and whoever asks does so ever more rarely.
 */
#ifndef CBSNAP_MYSQL_PATIENCE_H
#define CBSNAP_MYSQL_PATIENCE_H

#include "guest-agent/mysql/lock.h"

struct conn;

/* The statement by which the server ends those of its session after `ms`: SELECTs in MySQL, all in
 * MariaDB. One that is too old for it answers with an error and goes without. The caller frees. */
char *patience_sql(const struct conn *c, int ms);
/* The last question was answered so, or because somebody else killed it: its answer is no answer.
 */
bool patience_ended(const struct conn *c);

/* Logs in anew and has the server end that session, which it does if it still does anything. Waits
 * for the login and 2 s. `id` 0: none. */
void patience_kill(const struct mysql_login *login, unsigned long id);

/* How long a server that failed so is left alone, after so many unanswered questions in a row. */
int patience_retry_ms(enum err_code code, unsigned timeouts);

#endif
