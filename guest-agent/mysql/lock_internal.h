/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the lock share: its object, the watch (who runs, who queues, whom to kill), one
 * try, and the reading of the position. Private to this folder; one worker thread.
 */
#ifndef CBSNAP_MYSQL_LOCK_INTERNAL_H
#define CBSNAP_MYSQL_LOCK_INTERNAL_H

#include "guest-agent/mysql/conn.h"

enum lock_state {
    LOCK_NONE,
    LOCK_HELD,
    LOCK_GONE, /* was held, and its connection went before it was released */
};

/* A session that stands in our way, as far as the server shows it. */
struct blocker {
    bool found;
    uint64_t id;
    char user[97];
    uint32_t seconds;
    bool running; /* it runs a statement; else it merely holds a lock (LOCK TABLES, ...) */
};

struct mysql_lock {
    struct mysql_login login;
    struct conn lock, watch, reader;
    int cancel_fd; /* eventfd; written by any thread */
    enum lock_state state;
    const char *process_table; /* static; where sessions are listed; NULL: not yet known */
    bool has_metadata_locks;
    unsigned position_way; /* for position_read() */
    bool lazy_redo;        /* innodb_flush_log_at_trx_commit was 0 when last looked */
};

/* ---- watch.c: all on the watch connection, each bounded ---- */

/* Finds out where this server lists its sessions. */
int watch_probe(struct mysql_lock *l, struct err *e);
/* The number of sessions queued behind our request, in two halves: the answer is awaited by poll.
 */
int watch_victims_send(struct mysql_lock *l, struct err *e);
int watch_victims_read(struct mysql_lock *l, uint32_t *ret, struct err *e);
/* The longest running statement of others. */
int watch_longest(struct mysql_lock *l, struct blocker *ret, struct err *e);
/* Who has had tables open in one statement for longer than WATCH_TABLES_S. Not found also where the
 * server does not show it, or its global lock does not wait for readers. */
#define WATCH_TABLES_S 2
int watch_tables(struct mysql_lock *l, struct blocker *ret, struct err *e);
/* Who most likely kept the lock from us; ret->found is false when it cannot be seen. */
void watch_blocker(struct mysql_lock *l, struct blocker *ret);
/* "thread 57 (user 'app') has been running a statement for 31 s" */
void blocker_text(const struct blocker *b, char *buf, size_t size);
/* KILL [QUERY] of the lock connection `id`; opens a fresh connection when the watch does not
 * answer. */
int watch_kill(struct mysql_lock *l, unsigned long id, bool query_only, struct err *e);

/* ---- try.c ---- */

/*
 * Requests the lock once, unless somebody has had tables open for long: LOCK_BUSY. LOCK_GRANTED:
 * the server answered OK, it is held. Otherwise nothing of ours is held or pending, and e is set
 * for LOCK_ERROR (ERR_CANCELLED among them).
 */
enum lock_outcome lock_try(struct mysql_lock *l, const struct lock_limits *limits,
                           struct lock_try *ret, struct blocker *ret_busy,
                           struct lock_report *report, struct err *e);
/* Makes sure that neither lock nor request of ours is left on the server, at any price: also after
 * a time-out, which has closed the connection. */
void lock_abandon(struct mysql_lock *l);
bool lock_is_cancelled(const struct mysql_lock *l);

/* ---- position.c ---- */

#define POSITION_TIMEOUT_MS 2000 /* each statement */
/*
 * Never on a connection that holds the lock: a server that is in mid-statement does not notice that
 * its client has gone, and keeps what the session holds. *way is the index of the statements that
 * worked last, 0 at first.
 */
int position_read(struct conn *c, unsigned *way, struct position *ret, struct err *e);

#endif
