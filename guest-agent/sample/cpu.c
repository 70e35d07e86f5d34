/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FAMILY_CPU: the first line of /proc/stat. Source: proc_stat(5). */
#include <stdlib.h>
#include <string.h>

#include "guest-agent/sample/procfile.h"
#include "guest-agent/sample/sources.h"

enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, FIELDS };

struct cpu {
    struct procfile file;
    bool has_previous;
    uint64_t previous[FIELDS];
};

static void *cpu_open(const struct source_config *c)
{
    struct cpu *self = xcalloc(1, sizeof(*self));

    procfile_init(&self->file, c->root, "stat");
    return self;
}

static void cpu_close(void *arg)
{
    struct cpu *self = arg;

    procfile_release(&self->file);
    free(self);
}

static void emit(struct sample *to, const uint64_t now[FIELDS], const uint64_t before[FIELDS])
{
    double delta[FIELDS], total = 0;

    for (int n = 0; n < FIELDS; n++) {
        /* idle and iowait are known to step back a little on some kernels */
        delta[n] = now[n] >= before[n] ? (double)(now[n] - before[n]) : 0;
        total += delta[n];
    }
    if (total <= 0)
        return;
    sample_emit(to, "system.cpu.user", 100 * (delta[USER] + delta[NICE]) / total);
    sample_emit(to, "system.cpu.system",
                100 * (delta[SYSTEM] + delta[IRQ] + delta[SOFTIRQ]) / total);
    sample_emit(to, "system.cpu.iowait", 100 * delta[IOWAIT] / total);
    sample_emit(to, "system.cpu.steal", 100 * delta[STEAL] / total);
    sample_emit(to, "system.cpu.idle", 100 * delta[IDLE] / total);
}

static void cpu_read(void *arg, struct sample *to)
{
    struct cpu *self = arg;
    char *at = procfile_read(&self->file, 512); /* the rest is about single CPUs and interrupts */
    uint64_t now[FIELDS];

    if (!at || strcmp(text_word(&at), "cpu") != 0)
        return;
    for (int n = 0; n < FIELDS; n++) {
        if (!text_number(&at, &now[n]))
            return;
    }
    if (self->has_previous)
        emit(to, now, self->previous);
    memcpy(self->previous, now, sizeof(now));
    self->has_previous = true;
}

const struct source cpu_source = {
    .name = "CPU", .lane = LANE_KERNEL, .open = cpu_open, .read = cpu_read, .close = cpu_close};
