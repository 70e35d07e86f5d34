/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FAMILY_FS: how full the filesystems on block devices are, each once, by the mount that a freeze
 * names too (fs/mounts.h). Network and pseudo filesystems are never asked: the one can hang, the
 * other has nothing to tell. Source: statvfs(3).
 */
#include <stdlib.h>
#include <sys/statvfs.h>

#include "guest-agent/fs/mounts.h"
#include "guest-agent/sample/sources.h"
#include "proto/base/buf.h"

#define EVERY_MS  10000
#define MOUNT_MAX 64

struct fs {
    const struct source_config *config;
};

static void *fs_open(const struct source_config *c)
{
    struct fs *self = xcalloc(1, sizeof(*self));

    self->config = c;
    return self;
}

static void emit(const char *path, struct sample *to)
{
    struct statvfs v;
    double block;

    if (statvfs(path, &v) < 0 || v.f_blocks == 0)
        return;
    block = (double)v.f_frsize;
    sample_emit_of(to, "fs.*.size", path, (double)v.f_blocks * block);
    sample_emit_of(to, "fs.*.used", path, (double)(v.f_blocks - v.f_bfree) * block);
    sample_emit_of(to, "fs.*.avail", path, (double)v.f_bavail * block);
    if (v.f_files > 0) /* btrfs and the like make inodes as needed */
        sample_emit_of(to, "fs.*.inodes_free", path, (double)v.f_ffree);
}

static void fs_read(void *arg, struct sample *to)
{
    const struct fs *self = arg;
    struct mount_table mounts;

    if (mounts_read(&mounts, self->config->root, self->config->root, NULL) < 0)
        return;
    for (size_t n = 0; n < mounts.count && n < MOUNT_MAX; n++)
        emit(mounts.items[n].path, to);
    mounts_release(&mounts);
}

const struct source fs_source = {.name = "filesystems",
                                 .lane = LANE_FILES,
                                 .every_ms = EVERY_MS,
                                 .open = fs_open,
                                 .read = fs_read,
                                 .close = free};
