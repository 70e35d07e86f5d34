/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mark: one row per set in a table of the administrator's, committed just before the set's lock
 * is taken. A server that was gone back to and holds this row, and none that is newer, is where the
 * set says, seen through its own tables.
 *
 *     CREATE TABLE cbsnap.mark (set_id VARCHAR(64) PRIMARY KEY, at_wall_us BIGINT NOT NULL)
 *
 * Rights: SELECT, INSERT, UPDATE, DELETE on that table; REPLICATION CLIENT. On a server that is
 * read_only or a replica nothing is written, whatever the account may do: there the row would be a
 * transaction of its own.
 *
 * Each call logs in anew and blocks for at most the connect timeout and some 2 s. Threads: any.
 */
#ifndef CBSNAP_MYSQL_MARK_H
#define CBSNAP_MYSQL_MARK_H

#include "guest-agent/mysql/lock.h"

/* In the order in which they were written, whatever the clocks said meanwhile: a row's time is
 * later than that of each row before it. */
#define MARK_NEWEST_FIRST "at_wall_us DESC, set_id DESC"

/* "schema.table", each of letters, digits, '_' and '$', at most 64. */
bool mark_name_is(const char *name);

/*
 * Writes the row, with the time `now_wall_us` unless another row's is as late, and keeps the 100
 * newest. The statement is killed on the server when
 * it has waited for 1 s (behind somebody's global lock, say), and when `stop` says so, which is
 * asked every 20 ms: it must not stand in the way of our own lock. ERR_CANCELLED then; ERR_REFUSED
 * on a server that is read-only or a replica; else as conn.h. Rows that cannot be pruned are only
 * logged.
 */
int mark_write(const struct mysql_login *login, const char *table, const char *set,
               int64_t now_wall_us, bool (*stop)(void *arg), void *arg, struct err *e);

#endif
