/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether the server means by a path what we mean by it. One in a container, in a chroot or in a
 * mount namespace of its own may have another file there, and names a datadir that is not the one
 * of that name here.
 *
 * Source: proc_pid_root(5), proc_pid_mounts(5): /proc/PID/root is the filesystem as that process
 * sees it. Looking through it takes CAP_SYS_PTRACE, as for /proc/PID/fd, also where the process is
 * in a user namespace of its own.
 */
#ifndef CBSNAP_MYSQL_SIGHT_H
#define CBSNAP_MYSQL_SIGHT_H

#include <stdbool.h>
#include <sys/types.h>

#include "proto/base/err.h"

enum sight { SIGHT_SAME, SIGHT_OTHER, SIGHT_UNKNOWN };

/* Compares what is there, not how it came there: a bind mount of the same directory is the same,
 * and so is what neither has. SIGHT_UNKNOWN, with the reason in `e`: process 0, one that is gone or
 * may not be looked at. `proc_root` is "" for the live system; tests give a directory. */
enum sight sight_of(const char *proc_root, pid_t pid, const char *path, struct err *e);

/* Nothing is there for that process. False also where that cannot be told. */
bool sight_lacks(const char *proc_root, pid_t pid, const char *path);

/* Tells each place below `dir`, whose links are resolved, at which something is mounted for that
 * process, or for us if it cannot be looked at. `name` is the part of the path below `dir`. Not a
 * place that only waits for automount: what comes to be mounted there is a mount of its own. */
int sight_mounts(const char *proc_root, pid_t pid, const char *dir,
                 void (*found)(void *arg, const char *path, const char *name), void *arg,
                 struct err *e);

#endif
