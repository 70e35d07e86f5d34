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

/* Receives one value; names as in the metrics reference, counters already turned into rates. */
typedef void metric_emit(void *arg, const char *name, double value);

struct mysql_trx {
    char id[24];
    uint64_t thread;
    char user[96];
    uint32_t age_s;
    uint64_t rows_modified;
};
#define MYSQL_TRX_MAX 3

struct mysql_sampler; /* not "mysql_status": the client library has that tag */

struct mysql_sampler *mysql_status_new(const struct mysql_login *login, int trx_long_s);
void mysql_status_free(struct mysql_sampler *s); /* accepts NULL */

/* Transactions are read every 5 s; in between the last reading is emitted again.
 * Reads once and emits what could be read. On failure emits nothing more, drops the connection, and
 * tries again not before 5 s have passed (a sick server is left alone). *ret_trx gets up to
 * MYSQL_TRX_MAX long transactions, oldest first. */
int mysql_status_read(struct mysql_sampler *s, metric_emit *emit, void *arg,
                      struct mysql_trx ret_trx[MYSQL_TRX_MAX], size_t *ret_trx_count,
                      struct err *e);

#endif
