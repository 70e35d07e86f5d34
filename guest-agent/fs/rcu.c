/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Expedited RCU grace periods while filesystems are being frozen; see freeze.h.
 *
 * The marker is written whole (temporary file, rename) before the kernel's switch is touched: half
 * a marker would make the restart after a crash restore nonsense.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "guest-agent/fs/freeze.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

static int read_switch(const char *path, char *out, size_t size, struct err *e)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot open '%s'", path);
    n = read(fd, out, size - 1);
    if (n < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot read '%s'", path);
    out[n] = '\0';
    out[strcspn(out, "\n")] = '\0';
    if (!*out || out[strspn(out, "0123456789")])
        return err_set(e, ERR_IO, "'%s' holds \"%s\", which is no number", path, out);
    return 0;
}

static int write_text(const char *path, int flags, const char *text, struct err *e)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0600);

    if (fd < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot open '%s' for writing", path);
    if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        return err_set_sys(e, ERR_IO, errno, "cannot write '%s'", path);
    return 0;
}

static int write_marker(const char *marker, const char *text, struct err *e)
{
    AUTO_FREE char *temporary = xasprintf("%s.new", marker);

    if (write_text(temporary, O_CREAT | O_TRUNC, text, e) < 0)
        return -1;
    if (rename(temporary, marker) < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot rename '%s'", temporary);
    return 0;
}

int rcu_expedite(const char *sys_root, const char *marker, struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/sys/kernel/rcu_expedited", sys_root);
    char old[24];

    if (access(path, F_OK) < 0)
        return 0;
    /* a marker that is there holds the value from before a crash: the one to go back to */
    if (access(marker, F_OK) < 0 &&
        (read_switch(path, old, sizeof(old), e) < 0 || write_marker(marker, old, e) < 0))
        return -1;
    return write_text(path, 0, "1", e);
}

int rcu_restore(const char *sys_root, const char *marker, struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/sys/kernel/rcu_expedited", sys_root);
    char old[24];

    if (access(marker, F_OK) < 0)
        return 0;
    if (read_switch(marker, old, sizeof(old), e) < 0)
        return -1;
    if (access(path, F_OK) == 0 && write_text(path, 0, old, e) < 0)
        return -1;
    if (unlink(marker) < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot remove '%s'", marker);
    return 0;
}
