/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One line of a server's error log: how bad, and when. Knows the forms of MySQL 5.5 to 9 and
 * MariaDB 5.5 to 11. Pure: any bytes may come.
 *
 *     161104 10:15:00 [ERROR] ...                                   5.5; MariaDB to 10.0
 *     161104 10:15:00  InnoDB: Error: ...                           5.5
 *     2016-11-04 10:15:00 1234 [Warning] ...                        5.6; MariaDB from 10.1
 *     2016-11-04T10:15:00.123456Z 0 [ERROR] [MY-010119] [Server] .. 5.7; 8.0 and later
 *     10:15:00 UTC - mysqld got signal 11 ;                         a crash, which has no level
 *
 * Source: MySQL manual "Error Log Output Format"; MariaDB "Error Log".
 */
#ifndef CBSNAP_SAMPLE_ERRLINE_H
#define CBSNAP_SAMPLE_ERRLINE_H

#include "guest-agent/sample/sample.h"

struct errline {
    enum sample_line_level level;
    int64_t at_wall_us; /* 0: it tells none. Without a zone it is local time */
};

struct errline errline_parse(const char *text, size_t len);

#endif
