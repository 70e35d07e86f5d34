/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The global read lock of one MySQL or MariaDB server, and the position read under it.
 *
 * Three connections, all opened ahead of need: the *lock* connection runs FLUSH TABLES WITH READ
 * LOCK and holds it, and is idle then, so that its end is the lock's; the *watch* connection counts
 * who queues behind us and cancels on the server (KILL QUERY); the *reader* reads the position.
 * A client that merely stops waiting leaves its request pending, and a pending global
 * lock stops every writer, so a try always ends on the server.
 *
 *     mysql_lock_new -> mysql_lock_ready -> mysql_lock_take -> mysql_lock_release
 *
 * Threads: one worker thread makes all calls, except those marked "any thread".
 * Source: MySQL manual "FLUSH Statement", "KILL Statement"; C API mysql_send_query().
 */
#ifndef CBSNAP_MYSQL_LOCK_H
#define CBSNAP_MYSQL_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/err.h"

/* How to log in. Strings are borrowed for the life of the object; "" means the library's default.
 */
struct mysql_login {
    const char *socket;       /* UNIX socket path */
    const char *socket_owner; /* account of its owner where anybody may place one; default: mysql */
    const char *user;         /* default: root */
    const char *password_file; /* first line is the password; refused when others can read it */
    int connect_timeout_ms;
};

struct lock_limits {
    /*
     * How long one request may wait before it is cancelled on the server: the longest any writer
     * queues behind us, and up to a second more where the server is slow to obey. But MySQL, and
     * MariaDB before 10.4, keep new statements off a table until the old ones on it have ended,
     * once a request has come that far, whether or not it is cancelled. So nothing is asked while a
     * statement that has tables open is older than two seconds, where the server shows that
     * (performance_schema.metadata_locks); a younger one that goes on can do it.
     */
    int try_ms;
    int tries;      /* then give up with ERR_LOCK */
    int victims;    /* sessions queued behind us at which a try is given up early */
    int guard_s;    /* do not even try while a statement runs for longer than this */
    int backoff_ms; /* first pause between tries; doubles up to 8 times this, with +-50 % jitter */
};

enum lock_outcome { LOCK_GRANTED, LOCK_TIMEOUT, LOCK_VICTIMS, LOCK_BUSY, LOCK_ERROR };
const char *lock_outcome_name(enum lock_outcome o);

struct lock_try {
    uint32_t waited_ms; /* for LOCK_BUSY: until it was given up, nothing having been asked */
    uint32_t victims;   /* most seen at once */
    enum lock_outcome outcome;
};

#define LOCK_MAX_TRIES 64

/* Owns its strings; position_release() frees. Absent text is NULL, absent numbers have !has_. */
struct position {
    char *binlog_file;
    uint64_t binlog_offset; /* valid with binlog_file */
    char *gtid_set;         /* blanks and newlines removed; "" is a known, empty set */
    bool has_lsn, has_checkpoint, has_server_id;
    uint64_t lsn, checkpoint;
    char *server_uuid; /* NULL on MariaDB */
    uint32_t server_id;
    char *server_version;
    const char *source; /* static: "log_status", "SHOW BINARY LOG STATUS", ... */
};
void position_release(struct position *p);

struct lock_report {
    struct lock_try try[LOCK_MAX_TRIES];
    unsigned tries;
    int64_t requested_us; /* monotonic: when the granted (else the last) try was sent */
    int64_t locked_us;    /* monotonic: when the server's grant was read; 0 if never */
};

struct mysql_lock;

/* Connects to nothing yet. NULL only when out of file descriptors. */
struct mysql_lock *mysql_lock_new(const struct mysql_login *login);
/* Drops all connections (the server then frees any lock) and the object. Accepts NULL. */
void mysql_lock_free(struct mysql_lock *l);

/* Opens what is not open, checks what is. Cheap when all is well. ERR_AUTH names account and
 * socket; ERR_MYSQL otherwise. */
int mysql_lock_ready(struct mysql_lock *l, struct err *e);

/*
 * Takes the lock within `limits`, then reads the position under it. On success the lock is held
 * and was seen granted; *ret_position is the caller's. On failure nothing is held or pending on
 * the server: ERR_LOCK (not granted; says whom it waited for if that could be seen), ERR_CANCELLED,
 * ERR_MYSQL, ERR_AUTH. *ret_report is filled in either case.
 * When innodb_flush_log_at_trx_commit is 0, FLUSH ENGINE LOGS runs under the lock, for the redo of
 * the last second is then only in the server's memory.
 */
int mysql_lock_take(struct mysql_lock *l, const struct lock_limits *limits,
                    struct position *ret_position, struct lock_report *ret_report, struct err *e);

/* Any thread: makes a mysql_lock_take() in progress (or the next one) end soon with ERR_CANCELLED.
 */
void mysql_lock_cancel(struct mysql_lock *l);

/* The lock connection's socket, to poll while the lock is held: *any* event on it (readable, error,
 * hang-up) means that the lock is lost. -1 when not connected. */
int mysql_lock_fd(const struct mysql_lock *l);

/* UNLOCK TABLES. 0 only if the lock was held until now: ERR_LOST when the connection had gone
 * (also when it was replaced since). Times out after 2 s, then drops the connection. */
int mysql_lock_release(struct mysql_lock *l, struct err *e);

/* Any thread, takes no lock, cannot block: shuts the lock connection's socket down, so that the
 * server lets go at once. mysql_lock_release() then answers ERR_LOST. */
void mysql_lock_sever(struct mysql_lock *l);

/* Seconds that the longest statement of others has been running; 0 when none. Same worker thread.
 */
int mysql_longest_statement(struct mysql_lock *l, uint32_t *ret_s, struct err *e);

/* FLUSH NO_WRITE_TO_BINLOG ENGINE LOGS, or the nearest the server has; before the lock. */
int mysql_flush_logs(struct mysql_lock *l, struct err *e);

#endif
