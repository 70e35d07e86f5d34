/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads every page of a guest that verifies: CHECK TABLE for each table, then, with the server
 * stopped, innochecksum for each file of InnoDB. What is wrong with the data is a result; an error
 * is only what keeps all of it from being done.
 *
 * A server that dies on a page is that table's problem; it is started again, at most three times,
 * to go on with the next. Takes as long as the data is large, and ends soon after `stop` says so.
 * One at a time; blocks; starts programs.
 */
#ifndef CBSNAP_EVIDENCE_DATACHECK_H
#define CBSNAP_EVIDENCE_DATACHECK_H

#include <pthread.h>

#include "guest-agent/mysql/lock.h"
#include "proto/message.h"

#define DATACHECK_PROBLEMS_MAX 100 /* told; more are counted */

/* Where it is; written by the check, read by whoever has the lock. */
struct datacheck_progress {
    pthread_mutex_t lock;
    uint32_t done, total;
    char what[256];
};

struct datacheck {
    const struct mysql_login *login;
    char *const *tables; /* "schema.table"; none: all */
    size_t table_count;
    bool skip_checksums;
    const char *unit; /* of the server; "": found from its process */
    bool (*stop)(void *arg);
    void *arg;
    struct datacheck_progress *progress;
};

/* Free it with cbsnap__data_checked__free_unpacked(r, NULL). NULL with ERR_CANCELLED: stopped. */
Cbsnap__DataChecked *datacheck_run(const struct datacheck *config, struct err *e);

#endif
