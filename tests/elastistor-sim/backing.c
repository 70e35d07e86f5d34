/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sparse files, reflinks and their fallback; see backing.h. */
#include "tests/elastistor-sim/backing.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

static int open_file(const char *path, int flags, int *ret_fd, struct err *e)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot open '%s'", path);
    *ret_fd = fd;
    return 0;
}

static int size_of(int fd, const char *path, int64_t *ret, struct err *e)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot stat '%s'", path);
    *ret = st.st_size;
    return 0;
}

static bool no_reflink(int error)
{
    return error == EOPNOTSUPP || error == ENOTTY || error == EXDEV || error == EINVAL ||
           error == ENOSYS;
}

/* Punches what `from` does not have and copies what it has. */
static int copy_sparse(int from, int to, int64_t size)
{
    int64_t at = 0;

    while (at < size) {
        off_t data = lseek(from, at, SEEK_DATA), hole;

        if (data < 0 && errno != ENXIO)
            return -1;
        if (data < 0)
            data = size;
        if (data > at &&
            fallocate(to, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, data - at) < 0)
            return -1;
        if (data >= size)
            return 0;
        hole = lseek(from, data, SEEK_HOLE);
        if (hole < 0)
            return -1;
        for (off_t in = data, out = data; in < hole;)
            if (copy_file_range(from, &in, to, &out, (size_t)(hole - in), 0) <= 0)
                return -1;
        at = hole;
    }
    return 0;
}

static int copy_content(int from, int to, int64_t size)
{
    if (ioctl(to, FICLONE, from) == 0)
        return 0;
    return no_reflink(errno) ? copy_sparse(from, to, size) : -1;
}

int backing_probe(const char *dir, bool *ret_reflink, struct err *e)
{
    AUTO_FREE char *a = xasprintf("%s/.probe-a", dir);
    AUTO_FREE char *b = xasprintf("%s/.probe-b", dir);
    AUTO_CLOSE int fa = -1;
    AUTO_CLOSE int fb = -1;

    if (open_file(a, O_RDWR | O_CREAT | O_TRUNC, &fa, e) < 0 ||
        open_file(b, O_RDWR | O_CREAT | O_TRUNC, &fb, e) < 0)
        return -1;
    if (ftruncate(fa, 65536) < 0 || pwrite(fa, "x", 1, 0) != 1)
        return err_set_sys(e, ERR_IO, errno, "cannot write '%s'", a);
    *ret_reflink = ioctl(fb, FICLONE, fa) == 0;
    unlink(a);
    unlink(b);
    return 0;
}

int backing_mkdirs(const char *path, struct err *e)
{
    AUTO_FREE char *copy = xstrdup(path);

    for (char *slash = strchr(copy + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = 0;
        if (mkdir(copy, 0700) < 0 && errno != EEXIST)
            return err_set_sys(e, ERR_IO, errno, "cannot make directory '%s'", copy);
        if (!slash)
            return 0;
        *slash = '/';
    }
}

/* A file is filled under a temporary name; what a killed run left there is overwritten. */
static int publish(const char *tmp, const char *path, struct err *e)
{
    if (rename(tmp, path) == 0)
        return 0;
    err_set_sys(e, ERR_IO, errno, "cannot rename '%s' to '%s'", tmp, path);
    unlink(tmp);
    return -1;
}

int backing_create(const char *path, int64_t size, struct err *e)
{
    AUTO_FREE char *tmp = xasprintf("%s.new", path);
    AUTO_CLOSE int fd = -1;

    if (open_file(tmp, O_RDWR | O_CREAT | O_TRUNC, &fd, e) < 0)
        return -1;
    if (ftruncate(fd, size) < 0) {
        err_set_sys(e, ERR_IO, errno, "cannot give '%s' %lld bytes", path, (long long)size);
        unlink(tmp);
        return -1;
    }
    return publish(tmp, path, e);
}

int backing_flush(const char *path, struct err *e)
{
    AUTO_CLOSE int fd = -1;

    if (open_file(path, O_RDONLY, &fd, e) < 0)
        return -1;
    /* write-back without a barrier: the point is a short reflink afterwards, not power cuts */
    if (sync_file_range(fd, 0, 0,
                        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                            SYNC_FILE_RANGE_WAIT_AFTER) < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot write back '%s'", path);
    return 0;
}

int backing_clone(const char *from, const char *to, struct err *e)
{
    AUTO_FREE char *tmp = xasprintf("%s.new", to);
    AUTO_CLOSE int src = -1;
    AUTO_CLOSE int dst = -1;
    int64_t size = 0;

    if (open_file(from, O_RDONLY, &src, e) < 0 || size_of(src, from, &size, e) < 0 ||
        open_file(tmp, O_RDWR | O_CREAT | O_TRUNC, &dst, e) < 0)
        return -1;
    if (copy_content(src, dst, size) < 0 || ftruncate(dst, size) < 0) {
        err_set_sys(e, ERR_IO, errno, "cannot copy '%s' to '%s'", from, to);
        unlink(tmp);
        return -1;
    }
    return publish(tmp, to, e);
}

int backing_restore(const char *from, const char *to, struct err *e)
{
    AUTO_CLOSE int src = -1;
    AUTO_CLOSE int dst = -1;
    int64_t size = 0;

    if (open_file(from, O_RDONLY, &src, e) < 0 || size_of(src, from, &size, e) < 0 ||
        open_file(to, O_RDWR, &dst, e) < 0)
        return -1;
    if (copy_content(src, dst, size) < 0 || ftruncate(dst, size) < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot put '%s' back into '%s'", from, to);
    return 0;
}

int backing_resize(const char *path, int64_t size, struct err *e)
{
    AUTO_CLOSE int fd = -1;

    if (open_file(path, O_RDWR, &fd, e) < 0)
        return -1;
    if (ftruncate(fd, size) < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot resize '%s'", path);
    return 0;
}

int backing_remove(const char *path, struct err *e)
{
    if (unlink(path) < 0 && errno != ENOENT)
        return err_set_sys(e, ERR_IO, errno, "cannot remove '%s'", path);
    return 0;
}

int64_t backing_used(const char *path)
{
    struct stat st;

    return stat(path, &st) < 0 ? 0 : (int64_t)st.st_blocks * 512;
}

#define EXTENTS 128

int64_t backing_unique(const char *path)
{
    AUTO_FREE struct fiemap *map =
        xcalloc(1, sizeof(*map) + EXTENTS * sizeof(struct fiemap_extent));
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    int64_t unique = 0;
    uint64_t at = 0;

    if (fd < 0)
        return 0;
    for (;;) {
        *map = (struct fiemap){
            .fm_start = at, .fm_length = FIEMAP_MAX_OFFSET - at, .fm_extent_count = EXTENTS};
        if (ioctl(fd, FS_IOC_FIEMAP, map) < 0)
            return backing_used(path); /* where extents cannot be seen, none is shared */
        if (map->fm_mapped_extents == 0)
            return unique;
        for (uint32_t i = 0; i < map->fm_mapped_extents; i++) {
            const struct fiemap_extent *x = &map->fm_extents[i];

            if (!(x->fe_flags & FIEMAP_EXTENT_SHARED))
                unique += (int64_t)x->fe_length;
            if (x->fe_flags & FIEMAP_EXTENT_LAST)
                return unique;
            at = x->fe_logical + x->fe_length;
        }
    }
}
