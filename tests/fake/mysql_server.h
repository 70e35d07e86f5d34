/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A server as a client sees it: lets everybody in on a UNIX socket, answers statements as the test
 * says, each session in a thread of its own. A statement that is not answered goes on for ever, as
 * does its session, whether or not its client still waits, until another session kills it.
 *
 * Source: MySQL Internals, "Client/Server Protocol": handshake version 10, text result sets.
 */
#ifndef CBSNAP_TESTS_MYSQL_SERVER_H
#define CBSNAP_TESTS_MYSQL_SERVER_H

#include <stdbool.h>
#include <stddef.h>

struct fake_mysql;
struct fake_session;

/* Calls one of the answers below; none: the statement never ends. KILL is the server's own. */
typedef void (*fake_mysql_says)(struct fake_session *s, const char *sql);

/* The socket is made now, by this process: it is the one that SO_PEERCRED tells. */
struct fake_mysql *fake_mysql_new(const char *path, const char *version, fake_mysql_says says);
void fake_mysql_free(struct fake_mysql *f);
/* From now on KILL is not answered either, or is again. */
void fake_mysql_set_deaf(struct fake_mysql *f, bool deaf);
/* Any thread. */
unsigned fake_mysql_logins(struct fake_mysql *f); /* so far */
/* How many sessions are there when those whose clients went have had the time to end. */
unsigned fake_mysql_stuck(struct fake_mysql *f);
/* A statement was met with silence since the last call. */
bool fake_mysql_was_silent(struct fake_mysql *f);

void fake_ok(struct fake_session *s);
void fake_error(struct fake_session *s, unsigned number, const char *text);
/* `cells` holds the names of the columns, then row after row; NULL is NULL. */
void fake_rows(struct fake_session *s, size_t columns, size_t rows, const char *const *cells);

#endif
