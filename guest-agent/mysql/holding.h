/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a server holds: who it is, where its binary log and InnoDB stand, how it recovered, and
 * whether anything in it could change that by itself. The server's part of a Certificate
 * (proto/cbsnap.proto), all from one connection; what the account may not read is absent.
 *
 * Blocks: the connect timeout, then some 10 s at most, and on the disk of the error log. Any
 * thread.
 */
#ifndef CBSNAP_MYSQL_HOLDING_H
#define CBSNAP_MYSQL_HOLDING_H

#include <sys/types.h>

#include "guest-agent/mysql/lock.h"
#include "guest-agent/sample/startlog.h"
#include "proto/message.h"

struct holding_query {
    const char *binlog_file; /* where the set's position is; NULL: not told */
    const char *mark_table;  /* "": none */
    bool (*stop)(void *arg); /* asked before each question: a freeze may have begun */
    void *arg;
};

/*
 * Fills `c`, an empty message whose strings and parts are then heap memory: free it with
 * cbsnap__certificate__free_unpacked(c, NULL). -1 with `e` when the server does not answer (any
 * more), or ERR_CANCELLED when `stop` says so: some of it may be filled then.
 */
int holding_read(const struct mysql_login *login, const struct holding_query *q,
                 Cbsnap__Certificate *c, struct err *e);

/* Logs in and out again: does it answer? *ret_pid is 0 when it cannot be told. */
int holding_answers(const struct mysql_login *login, pid_t *ret_pid, struct err *e);

/* Puts what was heard into the message: lines, errors, recovered_lsn. */
void holding_put_log(const struct startlog *s, Cbsnap__Certificate *c);

#endif
