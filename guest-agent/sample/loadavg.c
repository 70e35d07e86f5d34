/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FAMILY_LOADAVG. Source: proc_loadavg(5). */
#include <stdlib.h>

#include "guest-agent/sample/procfile.h"
#include "guest-agent/sample/sources.h"
#include "proto/base/cleanup.h"

static void *loadavg_open(const struct source_config *c)
{
    struct procfile *f = xcalloc(1, sizeof(*f));

    procfile_init(f, c->root, "loadavg");
    return f;
}

static void loadavg_close(void *self)
{
    procfile_release(self);
    free(self);
}

static void loadavg_read(void *self, struct sample *to)
{
    static const char *const names[] = {"system.load1", "system.load5", "system.load15"};
    char *at = procfile_read(self, 256), *end;

    for (size_t n = 0; at && n < ARRAY_SIZE(names); n++) {
        double value = strtod(at, &end);

        if (end == at)
            return;
        sample_emit(to, names[n], value);
        at = end;
    }
}

const struct source loadavg_source = {.name = "load average",
                                      .lane = LANE_KERNEL,
                                      .open = loadavg_open,
                                      .read = loadavg_read,
                                      .close = loadavg_close};
