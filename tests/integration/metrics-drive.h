/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of metrics-drive share: a reader of the server's metrics, and checks. */
#ifndef CBSNAP_TESTS_METRICS_DRIVE_H
#define CBSNAP_TESTS_METRICS_DRIVE_H

#include <sys/types.h>

#include "guest-agent/mysql/status.h"
#include "proto/metrics.h"
#include "tests/integration/mysql-sessions.h"

extern const char *sock, *dir;
extern MYSQL *admin;

void check(bool ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define READER_SLOW_MS 700 /* what is read at the slow pace is absent in between */

/* Reads like the agent does, one reading at a time. */
struct reader {
    struct mysql_login login;
    struct server_facts *facts;
    struct names *names;
    struct mysql_sampler *sampler;
    struct sample *sample; /* the last reading */
    struct err error;      /* of the last reading */
    double seconds;        /* from the reading before to the last one */
    int64_t took_us;
};
void reader_open(struct reader *r, const char *user, enum mysql_statements mode);
void reader_close(struct reader *r);
bool reader_read(struct reader *r);
/* -1: absent */
double reader_value(const struct reader *r, const char *name);
/* Of a rate, how many there were since the reading before; -1: absent */
double reader_count(const struct reader *r, const char *name);
const char *reader_text(const struct reader *r, const char *name); /* "" when absent */
pid_t reader_pid(const struct reader *r);                          /* as told to other lanes */

void test_transactions(void);
void test_server_digest(void);
void test_trouble(pid_t pid);
void test_restart(pid_t pid);
void test_replication(const char *replica_socket, int source_port);

#endif
