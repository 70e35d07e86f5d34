/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that are whole or not there; see replace.h. */
#include "proto/base/replace.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <unistd.h>

static int fail(const struct replace *f, struct err *e)
{
    return err_set_sys(e, ERR_IO, errno, "cannot write '%s'", f->path);
}

int replace_begin(struct replace *f, const char *path, mode_t mode, struct err *e)
{
    *f = (struct replace){.path = xstrdup(path), .temp = xasprintf("%s.tmp", path)};
    /* one that is there may be a link to, or another name of, what must not be written */
    (void)unlink(f->temp);
    f->fd = open(f->temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (f->fd < 0)
        return fail(f, e);
    owner_as_directory(f->fd, f->temp);
    return 0;
}

int replace_add(struct replace *f, const void *data, size_t len, struct err *e)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = write(f->fd, at, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(f, e);
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

static int sync_parent(const char *path)
{
    AUTO_FREE char *copy = xstrdup(path);
    AUTO_CLOSE int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? -1 : fsync(fd);
}

int replace_end(struct replace *f, bool keep, struct err *e)
{
    int rc = keep ? 0 : -1;

    if (keep && (fsync(f->fd) < 0 || rename(f->temp, f->path) < 0 || sync_parent(f->path) < 0))
        rc = fail(f, e);
    if (rc < 0 && f->fd >= 0)
        (void)unlink(f->temp);
    if (f->fd >= 0)
        close(f->fd);
    free(f->path);
    free(f->temp);
    return rc;
}
