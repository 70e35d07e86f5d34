/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of mysql-drive share: the server under test and the checks. */
#ifndef CBSNAP_TESTS_MYSQL_DRIVE_H
#define CBSNAP_TESTS_MYSQL_DRIVE_H

#include <sys/types.h>

#include "guest-agent/mysql/lock.h"
#include "tests/integration/mysql-sessions.h"

extern const char *sock, *dir; /* the server's socket; a directory for files of the test's own */
extern pid_t server_pid;
extern MYSQL *admin;
extern struct err last_error; /* of the last call under test; shown when a check fails */
extern const struct lock_limits quick;

void check(bool ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct mysql_login login_as(const char *user, const char *password_file);
/* Takes the lock, with last_error and *p cleared first. */
int take(struct mysql_lock *l, const struct lock_limits *limits, struct position *p,
         struct lock_report *r);

void stop_server(void); /* it hangs until SIGCONT */

/* mysql-drive-server.c */
void test_accounts(void);
void test_server_info(void);

#endif
