/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The second connection: it counts who queues behind our pending lock, says who is in the way, and
 * cancels on the server.
 *
 * Thread states by version: MySQL 5.5+ shows 'Waiting for global read lock' (statements) and
 * 'Waiting for commit lock' (commits); MariaDB from 10.4 implements the same lock with backup locks
 * and shows 'Waiting for backup lock' for both; all show 'Waiting for table flush' for readers
 * behind the second phase of the lock.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest-agent/mysql/lock_internal.h"

#include "proto/base/clock.h"

#define WATCH_TIMEOUT_MS 1000
/* While our request makes others wait, a watch that does not answer is given up sooner. */
#define KILL_TIMEOUT_MS 300

#define QUEUED_STATES                                                                              \
    "'Waiting for global read lock', 'Waiting for commit lock', 'Waiting for table flush', "       \
    "'Waiting for backup lock', 'Waiting for release of readlock'"

/* Idle sessions, the event scheduler and replication: their TIME says nothing of a statement. */
#define RUNS_A_STATEMENT                                                                           \
    "COMMAND NOT IN ('Sleep', 'Daemon', 'Binlog Dump', 'Binlog Dump GTID')"                        \
    " AND COALESCE(USER, '') NOT IN ('system user', 'event_scheduler', 'unauthenticated user')"    \
    " AND TIME BETWEEN 0 AND 100000000"

int watch_probe(struct mysql_lock *l, struct err *e)
{
    /* reading it takes none of the server's mutexes, unlike the older table; MySQL 8.0.22 and later
     */
    if (!l->watch.mariadb &&
        conn_query(&l->watch, WATCH_TIMEOUT_MS, NULL, NULL,
                   "SELECT 1 FROM performance_schema.processlist LIMIT 1") == 0)
        l->process_table = "performance_schema.processlist";
    else
        l->process_table = "information_schema.PROCESSLIST";
    l->has_metadata_locks =
        conn_is_open(&l->watch) &&
        conn_query(&l->watch, WATCH_TIMEOUT_MS, NULL, NULL,
                   "SELECT m.OWNER_THREAD_ID FROM performance_schema.metadata_locks m"
                   " JOIN performance_schema.threads t ON t.THREAD_ID = m.OWNER_THREAD_ID"
                   " LIMIT 1") == 0;
    if (!conn_is_open(&l->watch))
        return err_set(e, ERR_MYSQL, "the connection was lost while the server was being asked");
    return 0;
}

int watch_victims_send(struct mysql_lock *l, struct err *e)
{
    char sql[512];

    (void)snprintf(sql, sizeof(sql),
                   "SELECT COUNT(*) FROM %s WHERE STATE IN (" QUEUED_STATES
                   ") AND ID NOT IN (%lu, %lu)",
                   l->process_table, l->lock.id, l->watch.id);
    return conn_send(&l->watch, sql, e);
}

int watch_victims_read(struct mysql_lock *l, uint32_t *ret, struct err *e)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;

    if (conn_result(&l->watch, &res, e) < 0)
        return -1;
    row = res ? mysql_fetch_row(res) : NULL;
    if (!row || !row[0])
        return err_set(e, ERR_MYSQL, "the server did not say how many sessions wait");
    *ret = (uint32_t)strtoul(row[0], NULL, 10);
    return 0;
}

/* Reads a row of ID, USER, TIME, COMMAND; no row is no error. */
static void take_blocker(MYSQL_RES *res, struct blocker *ret)
{
    MYSQL_ROW row = res ? mysql_fetch_row(res) : NULL;

    if (!row || !row[0])
        return;
    *ret = (struct blocker){.found = true, .running = row[3] && strcmp(row[3], "Sleep") != 0};
    ret->id = strtoull(row[0], NULL, 10);
    (void)snprintf(ret->user, sizeof(ret->user), "%s", row[1] ? row[1] : "");
    ret->seconds = row[2] ? (uint32_t)strtoul(row[2], NULL, 10) : 0;
}

int watch_longest(struct mysql_lock *l, struct blocker *ret, struct err *e)
{
    AUTO_RESULT MYSQL_RES *res = NULL;

    *ret = (struct blocker){.found = false};
    if (conn_query(&l->watch, WATCH_TIMEOUT_MS, &res, e,
                   "SELECT ID, USER, TIME, COMMAND FROM %s WHERE " RUNS_A_STATEMENT
                   " AND ID NOT IN (%lu, %lu) ORDER BY TIME DESC, ID LIMIT 1",
                   l->process_table, l->lock.id, l->watch.id) < 0)
        return -1;
    take_blocker(res, ret);
    return 0;
}

int watch_tables(struct mysql_lock *l, struct blocker *ret, struct err *e)
{
    AUTO_RESULT MYSQL_RES *res = NULL;

    *ret = (struct blocker){.found = false};
    if (l->watch.mariadb || !l->has_metadata_locks)
        return 0;
    if (conn_query(&l->watch, WATCH_TIMEOUT_MS, &res, e,
                   "SELECT t.PROCESSLIST_ID, t.PROCESSLIST_USER, t.PROCESSLIST_TIME,"
                   " t.PROCESSLIST_COMMAND"
                   " FROM performance_schema.metadata_locks m"
                   " JOIN performance_schema.threads t ON t.THREAD_ID = m.OWNER_THREAD_ID"
                   " WHERE m.OBJECT_TYPE = 'TABLE' AND m.LOCK_STATUS = 'GRANTED'"
                   " AND t.PROCESSLIST_USER NOT IN ('system user', 'event_scheduler')"
                   " AND t.PROCESSLIST_TIME BETWEEN 0 AND 100000000"
                   /* LOCK TABLES READ of a session that is idle keeps its tables open, too */
                   " AND (m.LOCK_TYPE = 'SHARED_READ_ONLY' OR (t.PROCESSLIST_TIME >= %d AND"
                   " t.PROCESSLIST_COMMAND NOT IN"
                   " ('Sleep', 'Daemon', 'Binlog Dump', 'Binlog Dump GTID')))"
                   " AND t.PROCESSLIST_ID NOT IN (%lu, %lu, %lu)"
                   " ORDER BY t.PROCESSLIST_TIME DESC LIMIT 1",
                   WATCH_TABLES_S, l->lock.id, l->watch.id, l->reader.id) < 0)
        return -1;
    take_blocker(res, ret);
    return 0;
}

/* Whoever holds what our lock conflicts with: exact, but only some servers show it. */
static void blocker_by_lock(struct mysql_lock *l, struct blocker *ret)
{
    AUTO_RESULT MYSQL_RES *res = NULL;

    if (conn_query(&l->watch, WATCH_TIMEOUT_MS, &res, NULL,
                   "SELECT t.PROCESSLIST_ID, t.PROCESSLIST_USER, t.PROCESSLIST_TIME,"
                   " t.PROCESSLIST_COMMAND FROM performance_schema.metadata_locks m"
                   " JOIN performance_schema.threads t ON t.THREAD_ID = m.OWNER_THREAD_ID"
                   " WHERE m.OBJECT_TYPE IN ('GLOBAL', 'COMMIT') AND m.LOCK_STATUS = 'GRANTED'"
                   " AND m.LOCK_TYPE IN ('INTENTION_EXCLUSIVE', 'SHARED')"
                   " AND t.PROCESSLIST_ID NOT IN (%lu, %lu)"
                   " ORDER BY t.PROCESSLIST_TIME DESC LIMIT 1",
                   l->lock.id, l->watch.id) < 0)
        return;
    take_blocker(res, ret);
}

void watch_blocker(struct mysql_lock *l, struct blocker *ret)
{
    struct blocker b = {.found = false};

    if (l->has_metadata_locks)
        blocker_by_lock(l, &b);
    if (!b.found && conn_is_open(&l->watch))
        (void)watch_longest(l, &b, NULL);
    if (b.found)
        *ret = b;
}

void blocker_text(const struct blocker *b, char *buf, size_t size)
{
    if (b->running)
        (void)snprintf(buf, size, "thread %llu (user '%s') has been running a statement for %u s",
                       (unsigned long long)b->id, b->user, b->seconds);
    else
        (void)snprintf(buf, size, "thread %llu (user '%s') holds a lock and is idle since %u s",
                       (unsigned long long)b->id, b->user, b->seconds);
}

int watch_kill(struct mysql_lock *l, unsigned long id, bool query_only, struct err *e)
{
    const char *what = query_only ? "KILL QUERY" : "KILL";

    if (conn_is_open(&l->watch) &&
        conn_query(&l->watch, KILL_TIMEOUT_MS, NULL, e, "%s %lu", what, id) == 0)
        return 0;
    /* the server answered "no such thread": nothing is left to kill */
    if (conn_is_open(&l->watch))
        return -1;
    if (conn_open(&l->watch, e) < 0)
        return -1;
    return conn_query(&l->watch, KILL_TIMEOUT_MS, NULL, e, "%s %lu", what, id);
}
