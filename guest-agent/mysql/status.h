/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sampler's view of the server: one connection, one round trip for status, a time limit on
 * each query, costly sources (innodb_trx) at their own slower pace. Never used while frozen.
 * One thread per object.
 */
#ifndef CBSNAP_MYSQL_STATUS_H
#define CBSNAP_MYSQL_STATUS_H

#include <stddef.h>

#include "guest-agent/mysql/lock.h"
#include "guest-agent/sample/sample.h"

struct mysql_sampler; /* not "mysql_status": the client library has that tag */

struct mysql_sampler *mysql_status_new(const struct mysql_login *login, int trx_long_s);
void mysql_status_free(struct mysql_sampler *s); /* accepts NULL */

/* Transactions are read every 5 s; in between the last reading is emitted again.
 * Reads once and adds what could be read. On failure adds nothing more, drops the connection, and
 * tries again not before 5 s have passed (a sick server is left alone). */
int mysql_status_read(struct mysql_sampler *s, struct sample *to, struct err *e);

#endif
