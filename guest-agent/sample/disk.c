/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FAMILY_DISK: whole disks only. Source: Linux Documentation/admin-guide/iostats.rst.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest-agent/sample/procfile.h"
#include "guest-agent/sample/rate.h"
#include "guest-agent/sample/sources.h"
#include "proto/base/cleanup.h"

#define DISK_MAX     64
#define TEXT_MAX     (128 * 1024)
#define SECTOR_BYTES 512 /* /proc/diskstats counts in these, whatever the disk's own are */

/* Fields after the name, by position; since Linux 4.18 discards follow, since 5.5 flushes. */
enum {
    READS,
    READS_MERGED,
    READ_SECTORS,
    READ_MS,
    WRITES,
    WRITES_MERGED,
    WRITE_SECTORS,
    WRITE_MS,
    INFLIGHT,
    BUSY_MS,
    WEIGHTED_MS,
    NEEDED, /* so many has every kernel */
    FLUSHES = 15,
    FIELDS
};

struct disk {
    char name[32];
    size_t fields; /* that the kernel tells */
    uint64_t v[FIELDS];
};

struct disks {
    struct procfile file;
    int64_t previous_us;
    struct disk previous[DISK_MAX];
    size_t count;
};

static void *disk_open(const struct source_config *c)
{
    struct disks *self = xcalloc(1, sizeof(*self));

    procfile_init(&self->file, c->root, "diskstats");
    return self;
}

static void disk_close(void *arg)
{
    struct disks *self = arg;

    procfile_release(&self->file);
    free(self);
}

/* ---- which ones ---- */

/* Not disks of the guest, or made of other disks and thus counted there already. */
static bool is_left_out(const char *name)
{
    static const char *const heads[] = {"loop", "ram", "zram", "sr", "fd", "dm-", "md"};

    for (size_t n = 0; n < ARRAY_SIZE(heads); n++) {
        if (strncmp(name, heads[n], strlen(heads[n])) == 0)
            return true;
    }
    return false;
}

/* "vda1" of "vda", "nvme0n1p2" of "nvme0n1": by name, since the kernel lists a disk before its
 * parts. */
static bool is_part_of(const char *name, const char *disk)
{
    size_t len = strlen(disk);

    if (len == 0 || strncmp(name, disk, len) != 0)
        return false;
    name += len;
    if (isdigit((unsigned char)disk[len - 1])) {
        if (*name != 'p')
            return false;
        name++;
    }
    return *name && name[strspn(name, "0123456789")] == '\0';
}

static bool is_partition(const char *name, const struct disk *disks, size_t count)
{
    for (size_t n = 0; n < count; n++) {
        if (is_part_of(name, disks[n].name))
            return true;
    }
    return false;
}

static bool parse(char *line, struct disk *d)
{
    uint64_t number;

    *d = (struct disk){.fields = 0};
    if (!text_number(&line, &number) || !text_number(&line, &number))
        return false;
    if (snprintf(d->name, sizeof(d->name), "%s", text_word(&line)) >= (int)sizeof(d->name))
        return false;
    while (d->fields < FIELDS && text_number(&line, &d->v[d->fields]))
        d->fields++;
    return d->fields >= NEEDED;
}

/* ---- values ---- */

static void emit_times(struct sample *to, const struct disk *d, const double delta[FIELDS])
{
    double requests = delta[READS] + delta[WRITES];
    double wait;

    if (delta[READS] > 0)
        sample_emit_of(to, "disk.*.read_time", d->name, delta[READ_MS] / delta[READS]);
    if (delta[WRITES] > 0)
        sample_emit_of(to, "disk.*.write_time", d->name, delta[WRITE_MS] / delta[WRITES]);
    if (requests <= 0)
        return;
    /* an estimate: the kernel does not tell time in the queue from time in the device */
    wait = (delta[READ_MS] + delta[WRITE_MS] - delta[BUSY_MS]) / requests;
    sample_emit_of(to, "disk.*.wait", d->name, wait > 0 ? wait : 0);
}

/* False when a counter went back: another disk under the same name. */
static bool subtract(const struct disk *d, const struct disk *before, double delta[FIELDS])
{
    for (size_t n = 0; n < FIELDS; n++) {
        if (n != INFLIGHT && d->v[n] < before->v[n])
            return false;
        delta[n] = (double)d->v[n] - (double)before->v[n];
    }
    return true;
}

static void emit(struct sample *to, const struct disk *d, const struct disk *before, double seconds)
{
    double delta[FIELDS], util;

    sample_emit_of(to, "disk.*.inflight", d->name, (double)d->v[INFLIGHT]);
    if (!before || seconds <= 0 || !subtract(d, before, delta))
        return;
    sample_emit_of(to, "disk.*.reads", d->name, delta[READS] / seconds);
    sample_emit_of(to, "disk.*.writes", d->name, delta[WRITES] / seconds);
    if (d->fields > FLUSHES)
        sample_emit_of(to, "disk.*.flushes", d->name, delta[FLUSHES] / seconds);
    sample_emit_of(to, "disk.*.read_bytes", d->name, delta[READ_SECTORS] * SECTOR_BYTES / seconds);
    sample_emit_of(to, "disk.*.write_bytes", d->name,
                   delta[WRITE_SECTORS] * SECTOR_BYTES / seconds);
    sample_emit_of(to, "disk.*.queue", d->name, delta[WEIGHTED_MS] / (seconds * 1000));
    util = delta[BUSY_MS] / (seconds * 10);
    /* the two clocks differ by a tick */
    sample_emit_of(to, "disk.*.util", d->name, util < 100 ? util : 100);
    emit_times(to, d, delta);
}

static const struct disk *find(const struct disks *self, const char *name)
{
    for (size_t n = 0; n < self->count; n++) {
        if (strcmp(self->previous[n].name, name) == 0)
            return &self->previous[n];
    }
    return NULL;
}

static void disk_read(void *arg, struct sample *to)
{
    struct disks *self = arg;
    double seconds = seconds_between(self->previous_us, to->mono_us);
    char *text = procfile_read(&self->file, TEXT_MAX), *line;
    struct disk now[DISK_MAX] = {{.name = ""}};
    size_t count = 0;

    while (text && count < DISK_MAX && (line = text_line(&text))) {
        struct disk *d = &now[count];

        if (!parse(line, d) || is_left_out(d->name) || is_partition(d->name, now, count))
            continue;
        emit(to, d, find(self, d->name), seconds);
        count++;
    }
    memcpy(self->previous, now, count * sizeof(now[0]));
    self->count = count;
    self->previous_us = to->mono_us;
}

const struct source disk_source = {.name = "disks",
                                   .lane = LANE_KERNEL,
                                   .open = disk_open,
                                   .read = disk_read,
                                   .close = disk_close};
