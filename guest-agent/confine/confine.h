/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving up the rights that the agent does not need. It stays user 0: the server's auth_socket asks
 * for that, and /sys/kernel/rcu_expedited, the port and /run belong to it. What root may do beyond
 * its own files goes, but for
 *
 *     CAP_SYS_ADMIN         FIFREEZE, FITHAW
 *     CAP_SYS_PTRACE        /proc/PID/fd of the server, which is another user
 *     CAP_DAC_READ_SEARCH   the same, its error log, links in its datadir; nothing is written there
 *     CAP_IPC_LOCK          only where the limit on locked memory is too low and cannot be raised
 *
 * from all sets, the bounding set included; no program that it starts can get more back, nor can it
 * enter a namespace, mount, or open a file by its number. It bounds mistakes, and is no wall
 * against foreign code that runs as user 0 (docs/security.md).
 *
 * The filter of system calls is a list of what is refused, with EPERM, and lets all else pass. A
 * list of what is allowed would be narrower, and would kill or lame the agent on the day on which
 * libc or a library of the server begins to use a new call: perhaps in a freeze. What it would add
 * is little, for most calls do nothing that the capabilities above do not already bound. So refused
 * is what those three open besides what they are kept for (mount, setns, bpf, ptrace,
 * open_by_handle_at and so on), what has often been a way into the kernel (io_uring, keyctl,
 * userfaultfd), foreign instruction sets, and, unless programs are to be run, execve.
 *
 * Rights belong to threads: called before the first is made. Errors are told, and the agent goes
 * on: one that does not start would leave a filesystem frozen that its predecessor froze. Source:
 * capabilities(7), prctl(2), seccomp(2), ptrace(2) "access mode checking", proc(5), fs/ioctl.c
 * (FIFREEZE).
 */
#ifndef CBSNAP_CONFINE_H
#define CBSNAP_CONFINE_H

#include <stdbool.h>

#include "proto/base/err.h"

struct confine_needs {
    bool programs; /* runs systemctl, journalctl, innochecksum: a guest that verifies */
    bool ipc_lock; /* locks memory against a limit */
};

/* -1: some of it could not be done; all else was. *e says what first failed. */
int confine(const struct confine_needs *needs, struct err *e);

/* Whether there is a filter for this kind of machine. */
bool confine_filters(void);

/* Private to the folder: filter.c. */
int filter_load(bool programs, struct err *e);

#endif
