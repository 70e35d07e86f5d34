/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which deleted files are the server's own temporary ones. */
#ifndef CBSNAP_SAMPLE_DELETED_H
#define CBSNAP_SAMPLE_DELETED_H

#include <stdbool.h>

/*
 * True for a path, as /proc/PID/fd tells it without " (deleted)", that the server deleted itself
 * right after making it, so that it goes with the descriptor:
 *   prefix and six characters of mkstemp(3): "ib" (InnoDB's status, deadlocks, sorting), "ML"
 *     (cache of the binary log), "MY" (sorting), "ST" (repair of MyISAM and Aria tables)
 *   "mysql_temptable." and six more (8.0 and later: TempTable on disk)
 *   '#' and digits: made with O_TMPFILE, never had a name
 *   memfd, [aio], /dev/zero, /SYSV...: no files at all
 * Source: mysys/mf_tempfile.c of MySQL and MariaDB; open(2); mmap(2).
 */
bool deleted_is_temporary(const char *path);

#endif
