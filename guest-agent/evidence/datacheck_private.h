/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of a data check share: its state, and the server as a service. */
#ifndef CBSNAP_EVIDENCE_DATACHECK_PRIVATE_H
#define CBSNAP_EVIDENCE_DATACHECK_PRIVATE_H

#include "guest-agent/evidence/datacheck.h"
#include "guest-agent/evidence/datafiles.h"
#include "guest-agent/mysql/tables.h"

struct run {
    const struct datacheck *config;
    Cbsnap__DataChecked *result;
    struct table_checker *checker;
    struct server_info server;
    bool has_server;
    struct data_files files;
    unsigned long page_size;
    pid_t pid;             /* of the server that answered last */
    int64_t since_wall_us; /* when it began; 0: not known */
    char *unit;            /* NULL: not known */
    char *log;             /* its error log; NULL: in no file */
    unsigned starts;       /* how often it was started again */
};

void run_problem(struct run *r, const char *object, const char *text);
bool run_stops(const struct run *r);

/* ---- service.c ---- */

/* Learns process, unit and log of the server that has just answered. */
void service_learn(struct run *r);
/* After a connection was lost: is the server gone? Waits some seconds for it to be. */
bool service_died(const struct run *r);
/* Its last error; "it left no error in its log" when there is none. The caller frees. */
char *service_last_words(const struct run *r);
/* Starts it again and logs in. -1: it does not come, or was started often enough. */
int service_revive(struct run *r, struct err *e);
/* Stops it for good. */
int service_stop(struct run *r, struct err *e);

#endif
