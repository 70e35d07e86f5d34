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

struct mysql_lock *new_lock(void); /* root's; last_error cleared */
/* Requests of ours that are still on the server: none may be, ever. */
long pending(void);
/*
 * Waits until a statement that begins so is in that state. Which of two comes first is not left to
 * time. Asks over `admin`: in another thread only while the first is in a call under test.
 */
bool until_runs(const char *head, const char *state);
/* At once, as far as a machine with other work can say: who stands in the way does so for 20 s. */
bool write_works(void);

void stop_server(void); /* it hangs until SIGCONT: mysql-drive-lost.c */

/* mysql-drive-refused.c */
void test_long_update(void);
void test_long_select(void);
void test_victims(void);
void test_wedge(void);
void test_guard(void);
void test_cancel(void);
void test_stuck_watch(void);
void test_stuck_watch_at_grant(void);
void test_stuck_lock(void);

/* mysql-drive-lost.c */
void test_lost(void);
void test_stopped_server(void);
void test_server_killed(void);

/* mysql-drive-server.c */
void test_accounts(void);
void test_server_info(void);

#endif
