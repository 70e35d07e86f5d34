/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The GTID set at the head of a binary log, out of SHOW BINLOG EVENTS, in the form in which a
 * position tells it (lock.h): what was in the files before this one. Pure. Private to this folder.
 *
 *     MySQL    Previous_gtids  a4d9...:1-1013,\nb5c0...:1-7     -> no blanks
 *     MariaDB  Gtid_list       [0-1-10,0-7-12,1-8-3]            -> 0-7-12,1-8-3: each domain's last
 *
 * Source: MySQL manual "Replication with GTIDs"; MariaDB "Gtid_list_event": all last GTIDs of each
 * domain and server, within a domain the newest last. gtid_binlog_pos has the newest alone.
 */
#ifndef CBSNAP_MYSQL_GTIDHEAD_H
#define CBSNAP_MYSQL_GTIDHEAD_H

/* The set of an event with that type and info, which the caller frees; NULL when it has none. The
 * domains come in ascending order. */
char *gtidhead_of(const char *event_type, const char *info);

#endif
