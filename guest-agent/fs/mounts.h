/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which filesystems this guest has on block devices, and which disk each one lies on.
 * Source: proc(5) /proc/self/mountinfo; sysfs /sys/dev/block/MAJOR:MINOR (partition -> parent disk,
 * device-mapper and md -> slaves), .../serial; /sys/fs/btrfs/UUID/devices (Linux 3.14).
 */
#ifndef CBSNAP_FS_MOUNTS_H
#define CBSNAP_FS_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/err.h"

struct mount {
    char *path;    /* where; for a filesystem mounted several times, the one nearest the root */
    char **others; /* where else */
    size_t other_count;
    char *device; /* kernel name: "vda1", "dm-0" */
    char *disk;   /* whole disk below: "vda"; comma-separated when it lies on several */
    char *serial; /* of each of these, at the same place: "a,,b", empty for a disk that has none
                   * (paths of one disk, as multipath has them, tell the same); "" when none has */
    char *fstype;
    unsigned dev_major, dev_minor;
    bool read_only;
};

struct mount_table {
    struct mount *items; /* in mount order, each filesystem once (bind mounts are the same one) */
    size_t count;
};

/* `proc_root` and `sys_root` are "" for the live system; tests give a directory. */
int mounts_read(struct mount_table *ret, const char *proc_root, const char *sys_root,
                struct err *e);
void mounts_release(struct mount_table *t);

/* The mount that holds `path` (symbolic links resolved, by device number of stat(2)); NULL if it is
 * on none of them (tmpfs, network) or does not exist. */
const struct mount *mounts_holding(const struct mount_table *t, const char *path);

#endif
