/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One process as /proc tells it: when it started, and which unit of systemd it belongs to.
 * `root` is "" for the live system. Stateless; reads only /proc.
 * Source: proc_pid_stat(5) starttime, in clock ticks since boot; cgroups(7) /proc/PID/cgroup.
 */
#ifndef CBSNAP_SAMPLE_PROCINFO_H
#define CBSNAP_SAMPLE_PROCINFO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Microseconds of CLOCK_BOOTTIME at its start, true to a tick (10 ms). False: no such process. */
bool procinfo_started(const char *root, pid_t pid, int64_t *ret_boot_us);
/* The same by the wall clock as it goes now; 0: not known. */
int64_t procinfo_started_wall(const char *root, pid_t pid);
int64_t procinfo_boot_now(void);

/* False for one that is gone, or dead and not yet waited for. */
bool procinfo_lives(const char *root, pid_t pid);

/* "mysql.service"; NULL when it is in none. The caller frees. */
char *procinfo_unit(const char *root, pid_t pid);

/* The file that its standard error goes to: where a server logs, also before it answers. NULL when
 * that is no file. The caller frees. */
char *procinfo_log(const char *root, pid_t pid);

/* A database server that runs here, the oldest by number; 0: none. */
pid_t procinfo_server(const char *root);

#endif
