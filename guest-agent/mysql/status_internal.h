/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the server's sampler share. Private to this folder. */
#ifndef CBSNAP_MYSQL_STATUS_INTERNAL_H
#define CBSNAP_MYSQL_STATUS_INTERNAL_H

#include "guest-agent/mysql/conn.h"
#include "guest-agent/mysql/plan.h"
#include "guest-agent/mysql/status.h"

/* Sources at the slow pace; slow_sources[] has a row for each. */
enum slow { SLOW_VARIABLES, SLOW_INNODB, SLOW_TRX, SLOW_REPL, SLOW_ERROR_LOG, SLOW_COUNT };

struct row_state { /* of a rate: the reading before */
    bool has;
    int alternative;
    double value;
    int64_t at_us;
};

struct mysql_sampler {
    struct mysql_sampler_config config;
    struct mysql_login login;
    struct conn conn;
    int64_t not_before_us; /* a server that failed is left alone until then */
    unsigned timeouts;     /* questions in a row that a server which let us in did not answer */
    int64_t deadline_us;   /* of the reading under way */

    struct plan plan;
    struct plan_value *values; /* of this reading, at the place of their term */
    struct row_state *states;  /* at the place of their row */
    bool *given;               /* likewise: had a value since the login */
    char *ask[FROM_COUNT];     /* the statement that asks for all terms of a kind; or NULL */
    char *select_variables;    /* for those that the server has; NULL until that is known */
    size_t uptime;             /* the place of its term */
    double uptime_before;

    struct {
        int64_t due_us;
        struct err why; /* of the last reading: why it could not be read */
    } slow[SLOW_COUNT];

    bool sees_all_sessions; /* the account has PROCESS */
    pid_t pid;
    char *error_log;    /* absolute; NULL when it is no file */
    char log_after[32]; /* the error log's lines up to here are told; "" before the first look */
};

/* Asks within what is left of the reading's time; otherwise as conn_query(). */
int sampler_ask(struct mysql_sampler *s, MYSQL_RES **ret, struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* What is left for one question of the reading under way; 0 or less: nothing. */
int sampler_left_ms(const struct mysql_sampler *s);

/* The column of that name, or -1. */
int result_column(MYSQL_RES *res, const char *name);
/* Of a row's text; 0 when NULL. */
uint64_t number_of(const char *text);

/* Each reads once. -1 with `why` set when it could not; the connection may be closed then. */
int read_transactions(struct mysql_sampler *s, struct sample *to, struct err *why);
int read_replication(struct mysql_sampler *s, struct sample *to, struct err *why);
int read_error_log_table(struct mysql_sampler *s, struct sample *to, struct err *why);

/* Values of rows that no term gives; see computed.c. Adds the terms that they need. */
void computed_plan(struct plan *p);
bool computed_value(const struct plan *p, const struct plan_value *values, const char *name,
                    double *ret);
/* The counter that would have to be switched on for it; NULL when that would not help. */
const char *computed_disabled(const struct plan *p, const struct plan_value *values,
                              const char *name);

/* Learns at login which process the server is and where it logs, and tells config.facts. */
int identity_read(struct mysql_sampler *s, struct err *e);
/* Forgets it when that process is gone. */
void identity_check(struct mysql_sampler *s);

#endif
