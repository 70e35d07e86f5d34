/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mounts of a set, FIFREEZE as a question, and syncfs; see freeze.h. Thawing is thaw.c's. */
#include "guest-agent/fs/freeze_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "proto/base/buf.h"

static int real_ioctl(int fd, unsigned long request)
{
    return ioctl(fd, request, 0);
}

int (*fs_ioctl_for_tests)(int fd, unsigned long request) = real_ioctl;

static struct mount copy_mount(const struct mount *m)
{
    struct mount c = *m;

    c.path = xstrdup(m->path);
    c.others = NULL; /* it is open by now */
    c.other_count = 0;
    c.device = xstrdup(m->device);
    c.disk = xstrdup(m->disk);
    c.serial = xstrdup(m->serial);
    c.fstype = xstrdup(m->fstype);
    return c;
}

/* By device number; where each subvolume has one of its own (btrfs), that it is no disk's. */
static bool is_on(const struct stat *st, const struct mount *m)
{
    return major(st->st_dev) == m->dev_major &&
           (m->dev_major == 0 || minor(st->st_dev) == m->dev_minor);
}

/* Another filesystem mounted over the path would be thawed in its stead: not opened then. */
static int open_place(const struct mount *m, const char *path, int *ret_errno)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0) {
        *ret_errno = errno;
        return -1;
    }
    if (fstat(fd, &st) < 0) {
        *ret_errno = errno;
    } else if (!is_on(&st, m)) {
        *ret_errno = EXDEV;
    } else {
        return fd;
    }
    close(fd);
    return -1;
}

static int open_mount(const struct mount *m, int *ret_errno)
{
    int fd = open_place(m, m->path, ret_errno), ignored;

    for (size_t n = 0; fd < 0 && n < m->other_count; n++)
        fd = open_place(m, m->others[n], &ignored);
    return fd;
}

struct fs_set *fs_set_open(const struct mount_table *t)
{
    struct fs_set *s = xcalloc(1, sizeof(*s));

    s->items = xcalloc(t->count ? t->count : 1, sizeof(*s->items));
    for (size_t n = 0; n < t->count; n++) {
        struct fs_entry *item = &s->items[s->count];

        if (t->items[n].read_only)
            continue;
        item->mount = copy_mount(&t->items[n]);
        item->fd = open_mount(&t->items[n], &item->open_errno);
        item->set = s;
        s->count++;
    }
    fs_threads_init(s);
    return s;
}

void fs_set_close(struct fs_set *s)
{
    if (!s)
        return;
    fs_threads_end(s);
    for (size_t n = 0; n < s->count; n++) {
        struct fs_entry *item = &s->items[n];

        if (item->fd >= 0)
            close(item->fd);
        free(item->mount.path);
        free(item->mount.device);
        free(item->mount.disk);
        free(item->mount.serial);
        free(item->mount.fstype);
    }
    free(s->items);
    free(s);
}

size_t fs_set_count(const struct fs_set *s)
{
    return s->count;
}

const struct mount *fs_set_mount(const struct fs_set *s, size_t n)
{
    return &s->items[n].mount;
}

const char *fs_result_problem(const struct fs_result *r)
{
    switch (r->answer) {
    case FS_UNABLE:
        return "this kind of filesystem cannot be frozen";
    case FS_COVERED:
        return "another filesystem is mounted over it";
    case FS_FAILED:
        return strerror(r->sys_errno);
    case FS_FROZEN:
    case FS_NOT_FROZEN:
        break;
    }
    return NULL;
}

struct fs_result fs_not_opened(const struct fs_entry *item)
{
    return (struct fs_result){.answer = item->open_errno == EXDEV ? FS_COVERED : FS_FAILED,
                              .sys_errno = item->open_errno};
}

static struct fs_result probe(int fd)
{
    while (fs_ioctl_for_tests(fd, FIFREEZE) < 0) {
        if (errno == EBUSY)
            return (struct fs_result){.answer = FS_FROZEN};
        if (fs_cannot_freeze(errno))
            return (struct fs_result){.answer = FS_UNABLE, .sys_errno = errno};
        if (errno != EINTR)
            return (struct fs_result){.answer = FS_FAILED, .sys_errno = errno};
    }
    /* It was not frozen, and is now, by us. That the watchdog may have thawed it meanwhile is fine.
     */
    struct fs_result r = fs_thaw_one(fd);

    return r.answer == FS_FAILED ? r : (struct fs_result){.answer = FS_NOT_FROZEN};
}

void fs_set_probe(struct fs_set *s, struct fs_result *results)
{
    for (size_t n = 0; n < s->count; n++) {
        const struct fs_entry *item = &s->items[n];

        results[n] = item->fd >= 0 ? probe(item->fd) : fs_not_opened(item);
    }
}

void fs_set_sync(struct fs_set *s)
{
    for (size_t n = 0; n < s->count; n++) {
        if (s->items[n].fd >= 0)
            (void)syncfs(s->items[n].fd); /* a failed write-back is the freeze's to report */
    }
}
