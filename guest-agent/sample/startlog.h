/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a server has said since it started: its warnings and errors, and how far recovery found the
 * redo log. Fed with the lines of its error log, from a file or from elsewhere; the lines of runs
 * before this one are told apart by the process id in the line with which a server begins, else by
 * their time.
 *
 *     [System] [MY-010116] [Server] /usr/sbin/mysqld (mysqld 9.7.0) starting as process 1234
 *     [Note] Starting MariaDB 10.11.6-MariaDB source revision ... as process 1234
 *
 * How far recovery found the log, the last such line counts:
 *
 *     InnoDB: Doing recovery: scanned up to log sequence number 5772636095 (0%)  MySQL 5.5-9,
 *                                                                                MariaDB to 10.4
 *     InnoDB: End of log at LSN=46300                                            MariaDB 10.5+
 *
 * MySQL 8 and later write that at log_error_verbosity 3 alone. A MariaDB that was shut down well
 * says where its log ends all the same. One thread per object.
 */
#ifndef CBSNAP_SAMPLE_STARTLOG_H
#define CBSNAP_SAMPLE_STARTLOG_H

#include <stdbool.h>
#include <sys/types.h>

#include "guest-agent/sample/errline.h"

#define STARTLOG_LINES      50 /* the newest are kept */
#define STARTLOG_BYTES_MAX  (4 << 20)
#define STARTLOG_LINE_BYTES 501

struct startlog_line {
    struct errline head;
    char text[STARTLOG_LINE_BYTES];
};

struct startlog {
    pid_t pid;             /* of the run that counts; 0: not known */
    int64_t since_wall_us; /* when it began; 0: not known. Neither: every line counts */
    bool counting;         /* the line before was of this run */
    uint32_t errors, kept; /* how many there were: errors; lines kept or dropped for newer ones */
    bool has_recovered;
    uint64_t recovered_lsn;
    struct startlog_line *lines; /* a ring */
};

void startlog_init(struct startlog *s, pid_t pid, int64_t since_wall_us);
void startlog_release(struct startlog *s);

/* A line as it stands in a file. */
void startlog_add(struct startlog *s, const char *text, size_t len);
/* One whose level and time are known otherwise, and that is of this run. */
void startlog_add_known(struct startlog *s, struct errline head, const char *text);
/* The last STARTLOG_BYTES_MAX of a file. Blocks on its disk. -1: it cannot be read. */
int startlog_read(struct startlog *s, const char *path);

/* How many are kept, and the oldest of them first. */
size_t startlog_count(const struct startlog *s);
const struct startlog_line *startlog_at(const struct startlog *s, size_t n);
/* The text of the last error, one that is more than a signal if there is; NULL when there was none
 * among those kept. */
const char *startlog_last_error(const struct startlog *s);

/* The number in a line about how far recovery went. */
bool startlog_recovered(const char *text, uint64_t *ret_lsn);

#endif
