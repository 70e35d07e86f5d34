/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking at a socket before it is used; see socket.h. */
#include "guest-agent/mysql/socket.h"

#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

/* May anybody write to one of the folders that `path` names? */
static bool passes_public_folder(const char *path)
{
    AUTO_FREE char *folder = xstrdup(path);
    struct stat st;
    char *slash;

    while ((slash = strrchr(folder, '/'))) {
        slash[slash == folder] = '\0'; /* the root's own stays */
        if (stat(folder, &st) == 0 && st.st_mode & S_IWOTH)
            return true;
        if (slash == folder)
            break;
    }
    return false;
}

/* By the path as it is written, and by where its links lead. (What a stranger links to in a public
 * folder with the sticky bit, the kernel does not follow: fs.protected_symlinks.) */
static bool anybody_can_place(const char *path)
{
    AUTO_FREE char *resolved = realpath(path, NULL);

    return passes_public_folder(path) || !resolved || passes_public_folder(resolved);
}

/* From the file alone: other sources of accounts may wait for a disk, or for the network. */
static bool is_named(const char *name, uid_t uid)
{
    AUTO_FCLOSE FILE *f = fopen("/etc/passwd", "re");
    struct passwd entry, *found;
    char text[1024];

    while (f && fgetpwent_r(f, &entry, text, sizeof(text), &found) == 0) {
        if (strcmp(found->pw_name, name) == 0)
            return found->pw_uid == uid;
    }
    return false;
}

static bool is_account(const char *account, uid_t uid)
{
    if (isdigit((unsigned char)*account))
        return strtoul(account, NULL, 10) == uid;
    return is_named(account, uid);
}

int socket_check(int fd, const char *path, uid_t self, const char *owner, struct err *e)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot look at the socket '%s'", path);
    if (st.st_uid == 0 || st.st_uid == self || !anybody_can_place(path) ||
        is_account(owner, st.st_uid))
        return 0;
    return err_set(
        e, ERR_CONFIG,
        "the socket '%s' is user %u's, neither root's nor '%s's, and anybody can write to "
        "a folder on the way: not logged in there (name its owner: socket_owner, or have "
        "the server make it in a folder of its own)",
        path, (unsigned)st.st_uid, owner);
}
