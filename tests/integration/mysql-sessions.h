/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Other people's sessions, for tests of the lock: connections to the same server that read, write
 * and wait, with the time that each statement took. A failing connection ends the program: the test
 * cannot go on, and says why.
 */
#ifndef CBSNAP_TESTS_MYSQL_SESSIONS_H
#define CBSNAP_TESTS_MYSQL_SESSIONS_H

#include <mysql.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

MYSQL *session_open(const char *socket);
/* Runs it here and now; ends the program when it fails. */
void session_do(MYSQL *my, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* One value as text, "" when there is none; the caller frees. */
char *session_value(MYSQL *my, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
long session_number(MYSQL *my, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* One statement running in a thread of its own. */
struct background {
    pthread_t thread;
    MYSQL *my;
    char sql[256];
    bool (*until)(void);
    bool owns_session;
    atomic_bool done;
    unsigned error; /* the server's number; 0: it worked */
    int64_t started_us, ended_us;
};

/* In a session of its own. */
void background_start(struct background *b, const char *socket, const char *sql);
/* In `my`, which nobody else may use until background_join(); first `until`, where there is one. */
void background_start_later(struct background *b, MYSQL *my, bool (*until)(void), const char *sql);
/* True when it ended within ms times slowness(). */
bool background_wait(struct background *b, int ms);
void background_join(struct background *b);
/* KILLs its statement through `admin`, and joins. */
void background_kill(struct background *b, MYSQL *admin);

/* A client that writes small rows without a pause and notes its longest wait. */
struct writer {
    pthread_t thread;
    MYSQL *my;
    atomic_bool stop;
    int64_t longest_us;
    unsigned long writes, errors;
};
void writer_start(struct writer *w, const char *socket);
void writer_stop(struct writer *w);

void sleep_ms(int ms);

#endif
