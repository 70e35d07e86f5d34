/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See owner.h. */
#include "proto/base/owner.h"

#include <libgen.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

void owner_as_directory(int fd, const char *path)
{
    AUTO_FREE char *copy = xstrdup(path);
    struct stat dir, own;

    if (geteuid() != 0 || stat(dirname(copy), &dir) < 0 || fstat(fd, &own) < 0 ||
        (S_ISREG(own.st_mode) && own.st_nlink > 1) ||
        (own.st_uid == dir.st_uid && own.st_gid == dir.st_gid))
        return;
    if (fchown(fd, dir.st_uid, dir.st_gid) < 0)
        return; /* no right to, or a filesystem that keeps no owners */
}
