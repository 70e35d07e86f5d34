/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FAMILY_MEMINFO and FAMILY_VMSTAT: memory and swap. Source: proc_meminfo(5), proc_vmstat(5). */
#include <stdlib.h>

#include "guest-agent/sample/keyed.h"
#include "guest-agent/sample/procfile.h"
#include "guest-agent/sample/sources.h"

#define TEXT_MAX (64 * 1024)
/* The kernel writes some 200 counters for it, of which two are ours. */
#define VMSTAT_MS 1000

struct memory {
    struct procfile file;
    struct keyed *rows;
};

static void *memory_open(const char *root, const char *name, enum metric_family family)
{
    struct memory *self = xcalloc(1, sizeof(*self));

    procfile_init(&self->file, root, name);
    self->rows = keyed_new(family);
    return self;
}

static void *meminfo_open(const struct source_config *c)
{
    return memory_open(c->root, "meminfo", FAMILY_MEMINFO);
}

static void *vmstat_open(const struct source_config *c)
{
    return memory_open(c->root, "vmstat", FAMILY_VMSTAT);
}

static void memory_read(void *arg, struct sample *to)
{
    struct memory *self = arg;
    char *text = procfile_read(&self->file, TEXT_MAX);

    if (text)
        keyed_read(self->rows, text, to);
}

static void memory_close(void *arg)
{
    struct memory *self = arg;

    procfile_release(&self->file);
    keyed_free(self->rows);
    free(self);
}

const struct source meminfo_source = {.name = "memory",
                                      .lane = LANE_KERNEL,
                                      .open = meminfo_open,
                                      .read = memory_read,
                                      .close = memory_close};
const struct source vmstat_source = {.name = "swap",
                                     .lane = LANE_KERNEL,
                                     .every_ms = VMSTAT_MS,
                                     .open = vmstat_open,
                                     .read = memory_read,
                                     .close = memory_close};
