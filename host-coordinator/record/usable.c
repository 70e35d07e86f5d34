/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Could a run write its records and its journal? Asked without writing; see store.h. */
#include "host-coordinator/record/store.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#include <errno.h>
#include <libgen.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int no_write(const char *path, int why, struct err *e)
{
    (void)err_set_sys(e, ERR_IO, why, "a run could not write '%s'", path);
    if (why == EACCES || why == EPERM)
        (void)err_hint(e, "all below state_dir belongs to the user that runs cbsnap-coord");
    return -1;
}

/* What is not there yet can be made: whoever asks has asked of its folder. */
static int check_write(const char *path, bool folder, struct err *e)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return errno == ENOENT ? 0 : no_write(path, errno, e);
    if (folder && !S_ISDIR(st.st_mode))
        return no_write(path, ENOTDIR, e);
    return access(path, R_OK | W_OK | (folder ? X_OK : 0)) < 0 ? no_write(path, errno, e) : 0;
}

/* Root may have the blocks that are kept for it. What tells no size is not judged. */
static int check_room(const char *folder, struct err *e)
{
    struct statvfs fs;
    uint64_t room;

    if (statvfs(folder, &fs) < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot read the free space of '%s'", folder);
    room = (uint64_t)(geteuid() == 0 ? fs.f_bfree : fs.f_bavail) * fs.f_frsize;
    if (fs.f_blocks > 0 && room < STORE_ROOM_BYTES)
        return err_set(e, ERR_IO, "%llu KiB are free in '%s', and a record may need %d: make room",
                       (unsigned long long)room / 1024, folder, STORE_ROOM_BYTES / 1024);
    if (fs.f_files > 0 && fs.f_ffree == 0)
        return err_set(e, ERR_IO, "no file can be made in '%s': no inodes are left; make room",
                       folder);
    return 0;
}

/* Files that another user's run may have made. */
static int check_domain(const char *records, const char *journal, const char *domain,
                        const char *uuid, struct err *e)
{
    AUTO_FREE char *folder = xasprintf("%s/%s", records, domain);
    AUTO_FREE char *chain = xasprintf("%s/chain.jsonl", folder);
    AUTO_FREE char *lock = xasprintf("%s/%s.lock", journal, uuid);

    return store_check_name(domain, e) < 0 || check_write(folder, true, e) < 0 ||
                   check_write(chain, false, e) < 0 || check_write(lock, false, e) < 0
               ? -1
               : 0;
}

int store_usable(const char *state_dir, const char *domain, const char *uuid, struct err *e)
{
    AUTO_FREE char *copy = xstrdup(state_dir);
    const char *top = access(state_dir, F_OK) == 0 ? state_dir : dirname(copy);
    AUTO_FREE char *records = xasprintf("%s/records", state_dir);
    AUTO_FREE char *journal = xasprintf("%s/journal", state_dir);

    if (access(top, F_OK) < 0)
        return no_write(top, errno, e);
    if (check_write(top, true, e) < 0 || check_write(records, true, e) < 0 ||
        check_write(journal, true, e) < 0 ||
        (domain && check_domain(records, journal, domain, uuid, e) < 0))
        return -1;
    return check_room(top, e);
}
