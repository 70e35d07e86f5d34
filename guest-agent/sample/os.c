/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operating system's metrics: load, CPU, memory, swap, disks and the agent itself. A family is
 * one row of the table at the end.
 *
 * Source: proc(5); Linux Documentation/admin-guide/iostats.rst. Rates are over the time between the
 * stamps of two samples.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "guest-agent/sample/os.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#define DISK_MAX     64
#define SECTOR_BYTES 512 /* /proc/diskstats counts in these, whatever the disk's own are */

enum {
    CPU_USER,
    CPU_NICE,
    CPU_SYSTEM,
    CPU_IDLE,
    CPU_IOWAIT,
    CPU_IRQ,
    CPU_SOFTIRQ,
    CPU_STEAL,
    CPU_N
};

struct disk {
    char name[32];
    uint64_t reads, read_sectors, read_ms;
    uint64_t writes, write_sectors, write_ms;
    uint64_t inflight, busy_ms, weighted_ms;
    bool has_flushes;
    uint64_t flushes;
};

struct os_sampler {
    char *proc_root;
    int64_t previous_us; /* stamp of the previous sample; 0 at the first */
    bool has_cpu, has_swap, has_usage;
    uint64_t cpu[CPU_N];
    uint64_t swap_in, swap_out;
    int64_t usage_us;
    struct disk disks[DISK_MAX];
    size_t disk_count;
};

struct os_sampler *os_sampler_new(const char *proc_root)
{
    struct os_sampler *o = xcalloc(1, sizeof(*o));

    o->proc_root = xstrdup(proc_root);
    return o;
}

void os_sampler_free(struct os_sampler *o)
{
    if (!o)
        return;
    free(o->proc_root);
    free(o);
}

static FILE *open_proc(const struct os_sampler *o, const char *name)
{
    AUTO_FREE char *path = xasprintf("%s/proc/%s", o->proc_root, name);

    return fopen(path, "re");
}

/* Seconds since the previous sample; 0 at the first. */
static double elapsed_s(const struct os_sampler *o, const struct sample *s)
{
    if (o->previous_us == 0 || s->mono_us <= o->previous_us)
        return 0;
    return (double)(s->mono_us - o->previous_us) / 1e6;
}

/* A counter that went backwards (a device replaced, a wrap) has no rate. */
static void emit_rate(struct sample *s, const char *name, uint64_t now, uint64_t before,
                      double scale, double seconds)
{
    if (seconds > 0 && now >= before)
        sample_emit(s, name, (double)(now - before) * scale / seconds);
}

/* ---- load, CPU ---- */

static void read_load(struct os_sampler *o, struct sample *s)
{
    AUTO_FCLOSE FILE *f = open_proc(o, "loadavg");
    double one, five, fifteen;

    if (!f || fscanf(f, "%lf %lf %lf", &one, &five, &fifteen) != 3)
        return;
    sample_emit(s, "system.load1", one);
    sample_emit(s, "system.load5", five);
    sample_emit(s, "system.load15", fifteen);
}

static void emit_cpu(struct sample *s, const uint64_t now[CPU_N], const uint64_t before[CPU_N])
{
    double delta[CPU_N], total = 0;

    for (int n = 0; n < CPU_N; n++) {
        /* idle and iowait are known to step back a little on some kernels */
        delta[n] = now[n] >= before[n] ? (double)(now[n] - before[n]) : 0;
        total += delta[n];
    }
    if (total <= 0)
        return;
    sample_emit(s, "system.cpu.user", 100 * (delta[CPU_USER] + delta[CPU_NICE]) / total);
    sample_emit(s, "system.cpu.system",
                100 * (delta[CPU_SYSTEM] + delta[CPU_IRQ] + delta[CPU_SOFTIRQ]) / total);
    sample_emit(s, "system.cpu.iowait", 100 * delta[CPU_IOWAIT] / total);
    sample_emit(s, "system.cpu.steal", 100 * delta[CPU_STEAL] / total);
    sample_emit(s, "system.cpu.idle", 100 * delta[CPU_IDLE] / total);
}

static void read_cpu(struct os_sampler *o, struct sample *s)
{
    AUTO_FCLOSE FILE *f = open_proc(o, "stat");
    uint64_t now[CPU_N];

    if (!f || fscanf(f, "cpu %" SCNu64, &now[0]) != 1)
        return;
    for (int n = 1; n < CPU_N; n++) {
        if (fscanf(f, "%" SCNu64, &now[n]) != 1)
            return;
    }
    if (o->has_cpu)
        emit_cpu(s, now, o->cpu);
    memcpy(o->cpu, now, sizeof(now));
    o->has_cpu = true;
}

/* ---- memory, swap ---- */

static void read_memory(struct os_sampler *o, struct sample *s)
{
    static const struct {
        const char *key, *name;
    } rows[] = {
        {"MemTotal:", "system.mem.total"},
        {"MemAvailable:", "system.mem.available"},
        {"Dirty:", "system.mem.dirty"},
        {"Writeback:", "system.mem.writeback"},
    };
    AUTO_FCLOSE FILE *f = open_proc(o, "meminfo");
    char line[256], key[64];
    uint64_t kib, swap_total = 0, swap_free = 0;
    int swap_seen = 0;

    while (f && fgets(line, sizeof(line), f)) {
        if (sscanf(line, "%63s %" SCNu64 " kB", key, &kib) != 2)
            continue;
        for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
            if (strcmp(key, rows[n].key) == 0)
                sample_emit(s, rows[n].name, (double)kib * 1024);
        }
        if (strcmp(key, "SwapTotal:") == 0)
            swap_total = kib, swap_seen++;
        if (strcmp(key, "SwapFree:") == 0)
            swap_free = kib, swap_seen++;
    }
    if (swap_seen == 2 && swap_total >= swap_free)
        sample_emit(s, "system.swap.used", (double)(swap_total - swap_free) * 1024);
}

static void read_swap(struct os_sampler *o, struct sample *s)
{
    AUTO_FCLOSE FILE *f = open_proc(o, "vmstat");
    double page = (double)sysconf(_SC_PAGESIZE), seconds = elapsed_s(o, s);
    uint64_t in = 0, out = 0, value;
    char key[64];
    int seen = 0;

    while (f && fscanf(f, "%63s %" SCNu64, key, &value) == 2) {
        if (strcmp(key, "pswpin") == 0)
            in = value, seen++;
        if (strcmp(key, "pswpout") == 0)
            out = value, seen++;
    }
    if (seen == 2 && o->has_swap) {
        emit_rate(s, "system.swap.in", in, o->swap_in, page, seconds);
        emit_rate(s, "system.swap.out", out, o->swap_out, page, seconds);
    }
    o->has_swap = seen == 2;
    o->swap_in = in;
    o->swap_out = out;
}

/* ---- disks ---- */

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

static bool parse_disk(const char *line, struct disk *d)
{
    int fields;

    *d = (struct disk){.has_flushes = false};
    fields =
        sscanf(line,
               "%*u %*u %31s %" SCNu64 " %*u %" SCNu64 " %" SCNu64 " %" SCNu64 " %*u %" SCNu64
               " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %*u %*u %*u %*u %" SCNu64,
               d->name, &d->reads, &d->read_sectors, &d->read_ms, &d->writes, &d->write_sectors,
               &d->write_ms, &d->inflight, &d->busy_ms, &d->weighted_ms, &d->flushes);
    d->has_flushes = fields == 11; /* Linux 5.5 and later */
    return fields >= 10;
}

static void disk_emit(struct sample *s, const struct disk *d, const char *what, double value)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "disk.%s.%s", d->name, what);
    sample_emit(s, name, value);
}

static void emit_times(struct sample *s, const struct disk *d, const struct disk *p)
{
    double reads = (double)(d->reads - p->reads), writes = (double)(d->writes - p->writes);
    double read_ms = (double)(d->read_ms - p->read_ms);
    double write_ms = (double)(d->write_ms - p->write_ms);
    double busy_ms = (double)(d->busy_ms - p->busy_ms);
    double wait;

    if (reads > 0)
        disk_emit(s, d, "read_time", read_ms / reads);
    if (writes > 0)
        disk_emit(s, d, "write_time", write_ms / writes);
    if (reads + writes <= 0)
        return;
    /* an estimate: the kernel does not tell time in the queue from time in the device */
    wait = (read_ms + write_ms - busy_ms) / (reads + writes);
    disk_emit(s, d, "wait", wait > 0 ? wait : 0);
}

static void emit_disk(struct sample *s, const struct disk *d, const struct disk *p, double seconds)
{
    double util;

    disk_emit(s, d, "inflight", (double)d->inflight);
    if (!p || seconds <= 0 || d->reads < p->reads || d->writes < p->writes ||
        d->read_sectors < p->read_sectors || d->write_sectors < p->write_sectors ||
        d->read_ms < p->read_ms || d->write_ms < p->write_ms || d->busy_ms < p->busy_ms ||
        d->weighted_ms < p->weighted_ms)
        return;
    disk_emit(s, d, "reads", (double)(d->reads - p->reads) / seconds);
    disk_emit(s, d, "writes", (double)(d->writes - p->writes) / seconds);
    if (d->has_flushes && p->has_flushes && d->flushes >= p->flushes)
        disk_emit(s, d, "flushes", (double)(d->flushes - p->flushes) / seconds);
    disk_emit(s, d, "read_bytes",
              (double)(d->read_sectors - p->read_sectors) * SECTOR_BYTES / seconds);
    disk_emit(s, d, "write_bytes",
              (double)(d->write_sectors - p->write_sectors) * SECTOR_BYTES / seconds);
    disk_emit(s, d, "queue", (double)(d->weighted_ms - p->weighted_ms) / (seconds * 1000));
    util = (double)(d->busy_ms - p->busy_ms) / (seconds * 10);
    disk_emit(s, d, "util", util < 100 ? util : 100); /* the two clocks differ by a tick */
    emit_times(s, d, p);
}

static const struct disk *find_disk(const struct os_sampler *o, const char *name)
{
    for (size_t n = 0; n < o->disk_count; n++) {
        if (strcmp(o->disks[n].name, name) == 0)
            return &o->disks[n];
    }
    return NULL;
}

static void read_disks(struct os_sampler *o, struct sample *s)
{
    AUTO_FCLOSE FILE *f = open_proc(o, "diskstats");
    struct disk now[DISK_MAX] = {{.reads = 0}}, d;
    size_t count = 0;
    char line[512];

    while (f && count < DISK_MAX && fgets(line, sizeof(line), f)) {
        if (!parse_disk(line, &d) || is_left_out(d.name) || is_partition(d.name, now, count))
            continue;
        emit_disk(s, &d, find_disk(o, d.name), elapsed_s(o, s));
        now[count++] = d;
    }
    memcpy(o->disks, now, count * sizeof(now[0]));
    o->disk_count = count;
}

/* ---- the agent itself ---- */

static int64_t us_of(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

static void read_agent(struct os_sampler *o, struct sample *s)
{
    AUTO_FCLOSE FILE *f = open_proc(o, "self/statm");
    double seconds = elapsed_s(o, s);
    struct rusage usage;
    uint64_t pages;
    int64_t now;

    if (f && fscanf(f, "%*u %" SCNu64, &pages) == 1)
        sample_emit(s, "agent.rss", (double)pages * (double)sysconf(_SC_PAGESIZE));
    if (getrusage(RUSAGE_SELF, &usage) < 0)
        return;
    now = us_of(usage.ru_utime) + us_of(usage.ru_stime);
    if (o->has_usage && seconds > 0)
        sample_emit(s, "agent.cpu", (double)(now - o->usage_us) / (seconds * 1e4));
    o->usage_us = now;
    o->has_usage = true;
}

/* ---- the table ---- */

static void (*const sources[])(struct os_sampler *o, struct sample *s) = {
    read_load, read_cpu, read_memory, read_swap, read_disks, read_agent,
};

void os_sampler_read(struct os_sampler *o, struct sample *into)
{
    for (size_t n = 0; n < ARRAY_SIZE(sources); n++)
        sources[n](o, into);
    o->previous_us = into->mono_us;
}
