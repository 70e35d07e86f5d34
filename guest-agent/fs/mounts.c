/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading mountinfo and following block devices down to whole disks; see mounts.h. */
#include "guest-agent/fs/mounts.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

/* Device-mapper on md on partitions: three. More is a loop in a made-up tree. */
#define MAX_DEPTH 8

/* ---- disks ---- */

/* Disk and serial at the same place: an empty one says that this disk has none. */
struct disks {
    struct buf names, serials; /* comma-separated */
    bool any_serial;
};

static bool has_word(const char *list, const char *want)
{
    size_t len = strlen(want);

    while (*list) {
        size_t part = strcspn(list, ",");

        if (part == len && memcmp(list, want, len) == 0)
            return true;
        list += part;
        list += *list == ',';
    }
    return false;
}

static bool exists(const char *dir, const char *name)
{
    AUTO_FREE char *path = xasprintf("%s/%s", dir, name);

    return access(path, F_OK) == 0;
}

static size_t read_bytes(const char *dir, const char *name, char *out, size_t size)
{
    AUTO_FREE char *path = xasprintf("%s/%s", dir, name);
    AUTO_FCLOSE FILE *f = fopen(path, "re");

    return f ? fread(out, 1, size, f) : 0;
}

static void trim(char *s)
{
    size_t len = strlen(s), lead = strspn(s, " \t\n");

    while (len > lead && isspace((unsigned char)s[len - 1]))
        s[--len] = '\0';
    memmove(s, s + lead, len - lead + 1);
}

/* virtio-blk has `serial`, NVMe `device/serial`, SCSI its vital product data page 0x80: four bytes
 * of header, then the text. */
static void read_serial(const char *disk, char out[256])
{
    static const char *const files[] = {"serial", "device/serial"};
    size_t len;

    for (size_t n = 0; n < ARRAY_SIZE(files); n++) {
        len = read_bytes(disk, files[n], out, 255);
        out[len] = '\0';
        trim(out);
        if (*out)
            return;
    }
    len = read_bytes(disk, "device/vpd_pg80", out, 255);
    out[len] = '\0';
    if (len > 4) {
        memmove(out, out + 4, len - 4 + 1);
        trim(out);
    } else {
        *out = '\0';
    }
}

static void add_disk(const char *dir, struct disks *disks)
{
    const char *name = strrchr(dir, '/') + 1, *comma = disks->names.len ? "," : "";
    char serial[256];

    if (has_word(buf_text(&disks->names), name))
        return;
    read_serial(dir, serial);
    buf_addf(&disks->names, "%s%s", comma, name);
    buf_addf(&disks->serials, "%s%s", comma, serial);
    disks->any_serial |= *serial != '\0';
}

static void follow(char *dir, struct disks *disks, int depth);

/* The devices that a directory links to; how many. */
static size_t follow_links(const char *links, struct disks *disks, int depth)
{
    DIR *d = depth <= MAX_DEPTH ? opendir(links) : NULL;
    struct dirent *entry;
    size_t count = 0;

    while (d && (entry = readdir(d))) {
        AUTO_FREE char *link = NULL, *device = NULL;

        if (entry->d_name[0] == '.')
            continue;
        link = xasprintf("%s/%s", links, entry->d_name);
        device = realpath(link, NULL);
        if (device) {
            follow(device, disks, depth);
            count++;
        }
    }
    if (d)
        closedir(d);
    return count;
}

/* `dir` is a device's directory in sysfs, all links resolved. */
static void follow(char *dir, struct disks *disks, int depth)
{
    AUTO_FREE char *slaves = NULL;

    if (exists(dir, "partition")) /* of an array, too */
        *strrchr(dir, '/') = '\0';
    slaves = xasprintf("%s/slaves", dir);
    if (follow_links(slaves, disks, depth + 1) == 0)
        add_disk(dir, disks);
}

/* btrfs spans devices by itself: the others are beside the one that is mounted, not below it. */
static void follow_pool(const char *sys_root, const char *device, struct disks *disks)
{
    AUTO_FREE char *pools = xasprintf("%s/sys/fs/btrfs", sys_root);
    DIR *d = opendir(pools);
    struct dirent *entry;

    while (d && (entry = readdir(d))) {
        AUTO_FREE char *devices = xasprintf("%s/%s/devices", pools, entry->d_name);

        if (exists(devices, device))
            (void)follow_links(devices, disks, 1);
    }
    if (d)
        closedir(d);
}

/* False when there is no such block device: not ours to freeze. */
static bool resolve(struct mount *m, const char *sys_root, unsigned dev_major, unsigned dev_minor)
{
    AUTO_FREE char *link = xasprintf("%s/sys/dev/block/%u:%u", sys_root, dev_major, dev_minor);
    AUTO_FREE char *dir = realpath(link, NULL);
    struct disks disks = {.any_serial = false};

    if (!dir)
        return false;
    m->device = xstrdup(strrchr(dir, '/') + 1);
    follow(dir, &disks, 0);
    if (strcmp(m->fstype, "btrfs") == 0)
        follow_pool(sys_root, m->device, &disks);
    if (!disks.any_serial)
        buf_clear(&disks.serials);
    m->disk = buf_steal(&disks.names);
    m->serial = buf_steal(&disks.serials);
    return true;
}

/* ---- mountinfo ---- */

/* "\040" and the like: the kernel escapes blank, tab, newline and backslash. */
static void unescape(char *s)
{
    char *to = s;

    while (*s) {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
            s[3] >= '0' && s[3] <= '7') {
            *to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
            s += 4;
        } else {
            *to++ = *s++;
        }
    }
    *to = '\0';
}

struct line {
    unsigned dev_major, dev_minor;
    char *path, *fstype, *source, *super_options;
};

/* "36 35 98:0 /root /mnt ro,noatime master:1 - ext3 /dev/root rw,errors=continue" */
static bool parse(char *text, struct line *ret)
{
    char *dash = strstr(text, " - ");
    char *save = NULL, *field[6], *tail[3];

    if (!dash)
        return false;
    *dash = '\0';
    for (int n = 0; n < 6; n++) {
        field[n] = strtok_r(n ? NULL : text, " \n", &save);
        if (!field[n])
            return false;
    }
    for (int n = 0; n < 3; n++) {
        tail[n] = strtok_r(n ? NULL : dash + 3, " \n", &save);
        if (!tail[n])
            return false;
    }
    if (sscanf(field[2], "%u:%u", &ret->dev_major, &ret->dev_minor) != 2)
        return false;
    unescape(field[4]);
    unescape(tail[1]);
    ret->path = field[4];
    ret->fstype = tail[0];
    ret->source = tail[1];
    ret->super_options = tail[2];
    return true;
}

static size_t depth_of(const char *path)
{
    size_t depth = 0;

    for (; *path; path++)
        depth += *path == '/' && path[1];
    return depth;
}

static bool nearer(const char *a, const char *b)
{
    size_t da = depth_of(a), db = depth_of(b);

    return da != db ? da < db : strlen(a) < strlen(b);
}

static void mount_clear(struct mount *m)
{
    for (size_t n = 0; n < m->other_count; n++)
        free(m->others[n]);
    free(m->others);
    free(m->path);
    free(m->device);
    free(m->disk);
    free(m->serial);
    free(m->fstype);
}

static bool same_device(const struct mount *m, unsigned dev_major, unsigned dev_minor)
{
    return m->dev_major == dev_major && m->dev_minor == dev_minor;
}

/* One more place of a filesystem that is known already. */
static void add_place(struct mount *m, const char *path)
{
    m->others = xrealloc(m->others, (m->other_count + 1) * sizeof(*m->others));
    if (nearer(path, m->path)) {
        m->others[m->other_count++] = m->path;
        m->path = xstrdup(path);
    } else {
        m->others[m->other_count++] = xstrdup(path);
    }
}

static void add(struct mount_table *t, const struct line *line, const char *sys_root)
{
    struct mount m = {.dev_major = line->dev_major, .dev_minor = line->dev_minor};
    unsigned dev_major = line->dev_major, dev_minor = line->dev_minor;
    struct stat st;

    for (size_t n = 0; n < t->count; n++) {
        if (!same_device(&t->items[n], dev_major, dev_minor))
            continue;
        add_place(&t->items[n], line->path);
        return;
    }
    /* btrfs has a device number of its own; its source names one of its disks */
    if (dev_major == 0) {
        if (strncmp(line->source, "/dev/", 5) != 0 || stat(line->source, &st) < 0 ||
            !S_ISBLK(st.st_mode))
            return;
        dev_major = major(st.st_rdev);
        dev_minor = minor(st.st_rdev);
    }
    m.fstype = xstrdup(line->fstype);
    if (!resolve(&m, sys_root, dev_major, dev_minor)) {
        free(m.fstype);
        return;
    }
    m.path = xstrdup(line->path);
    m.read_only = has_word(line->super_options, "ro");
    t->items = xrealloc(t->items, (t->count + 1) * sizeof(*t->items));
    t->items[t->count++] = m;
}

int mounts_read(struct mount_table *ret, const char *proc_root, const char *sys_root, struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/proc/self/mountinfo", proc_root);
    AUTO_FCLOSE FILE *f = fopen(path, "re");
    AUTO_FREE char *text = NULL;
    struct mount_table t = {.items = NULL};
    size_t cap = 0;
    struct line line;

    if (!f)
        return err_set_sys(e, ERR_IO, errno, "cannot read the mounts from '%s'", path);
    while (getline(&text, &cap, f) >= 0) {
        if (parse(text, &line))
            add(&t, &line, sys_root);
    }
    if (ferror(f)) {
        mounts_release(&t);
        return err_set_sys(e, ERR_IO, errno, "cannot read the mounts from '%s'", path);
    }
    *ret = t;
    return 0;
}

void mounts_release(struct mount_table *t)
{
    for (size_t n = 0; n < t->count; n++)
        mount_clear(&t->items[n]);
    free(t->items);
    *t = (struct mount_table){.items = NULL};
}

const struct mount *mounts_holding(const struct mount_table *t, const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return NULL;
    for (size_t n = 0; n < t->count; n++) {
        if (same_device(&t->items[n], major(st.st_dev), minor(st.st_dev)))
            return &t->items[n];
    }
    return NULL;
}
