/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See sight.h. */
#include "guest-agent/mysql/sight.h"

#include <errno.h>
#include <limits.h>
#include <mntent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#define LOOKS       3     /* a file may be replaced, dropped or rotated between two looks */
#define MOUNT_BYTES 16384 /* of a line; overlays have long options */

static bool is_absence(int number)
{
    return number == ENOENT || number == ENOTDIR || number == ELOOP;
}

/* Links are resolved here first: an absolute one in the other's sight would lead back into ours. */
static enum sight compare(const char *root, const char *path, int *ret_errno)
{
    AUTO_FREE char *real = realpath(path, NULL);
    AUTO_FREE char *theirs = xasprintf("%s%s", root, real ? real : path);
    struct stat own, other;
    int own_errno = stat(path, &own) < 0 ? errno : 0;
    int other_errno = stat(theirs, &other) < 0 ? errno : 0;

    *ret_errno = own_errno && !is_absence(own_errno) ? own_errno : other_errno;
    if (!own_errno && !other_errno)
        return own.st_dev == other.st_dev && own.st_ino == other.st_ino ? SIGHT_SAME : SIGHT_OTHER;
    if (*ret_errno && !is_absence(*ret_errno))
        return SIGHT_UNKNOWN;
    return own_errno && other_errno ? SIGHT_SAME : SIGHT_OTHER;
}

static FILE *open_mounts(const char *proc_root, pid_t pid, struct err *e)
{
    AUTO_FREE char *theirs = xasprintf("%s/proc/%d/mounts", proc_root, (int)pid);
    AUTO_FREE char *own = xasprintf("%s/proc/self/mounts", proc_root);
    FILE *f = pid > 0 ? setmntent(theirs, "re") : NULL;

    if (!f)
        f = setmntent(own, "re");
    if (!f)
        err_set_sys(e, ERR_IO, errno, "cannot read the mounts from '%s'", own);
    return f;
}

/* What `path` is called below `dir`; NULL if it is not. */
static const char *name_in(const char *dir, const char *path)
{
    size_t len = strcmp(dir, "/") == 0 ? 0 : strlen(dir);

    return strncmp(path, dir, len) == 0 && path[len] == '/' && path[len + 1] ? path + len + 1
                                                                             : NULL;
}

int sight_mounts(const char *proc_root, pid_t pid, const char *dir,
                 void (*found)(void *arg, const char *path, const char *name), void *arg,
                 struct err *e)
{
    AUTO_FREE char *real = realpath(dir, NULL);
    AUTO_FREE char *line = xcalloc(1, MOUNT_BYTES);
    FILE *f = open_mounts(proc_root, pid, e);
    struct mntent m;

    if (!f)
        return -1;
    while (getmntent_r(f, &m, line, MOUNT_BYTES)) {
        const char *name = name_in(real ? real : dir, m.mnt_dir);

        if (name && strcmp(m.mnt_type, "autofs") != 0)
            found(arg, m.mnt_dir, name);
    }
    (void)endmntent(f);
    return 0;
}

bool sight_lacks(const char *proc_root, pid_t pid, const char *path)
{
    AUTO_FREE char *root = xasprintf("%s/proc/%d/root", proc_root, (int)pid);
    AUTO_FREE char *theirs = xasprintf("%s%s", root, path);
    struct stat st;

    return pid > 0 && stat(theirs, &st) < 0 && is_absence(errno) && stat(root, &st) == 0;
}

enum sight sight_of(const char *proc_root, pid_t pid, const char *path, struct err *e)
{
    AUTO_FREE char *root = xasprintf("%s/proc/%d/root", proc_root, (int)pid);
    enum sight sight = SIGHT_OTHER;
    int number = 0;
    struct stat st;

    if (pid <= 0) {
        err_set(e, ERR_NOT_FOUND, "which process the server is cannot be told");
        return SIGHT_UNKNOWN;
    }
    for (int n = 0; n < LOOKS && sight == SIGHT_OTHER; n++)
        sight = compare(root, path, &number);
    if (sight == SIGHT_OTHER && stat(root, &st) < 0) {
        number = errno;
        sight = SIGHT_UNKNOWN;
    }
    if (sight == SIGHT_UNKNOWN)
        err_set_sys(e, ERR_IO, number, "cannot look at '%s' as process %d sees it", path, (int)pid);
    return sight;
}
