/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows that are missing here; see absent.h. */
#include "guest-agent/sample/absent.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guest-agent/sample/sources.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/metrics.h"

#define BETWEEN_US 200000 /* some ticks of the clock that CPU time is counted in */

static const struct source *const asked[] = {&loadavg_source, &cpu_source, &meminfo_source,
                                             &vmstat_source,  &net_source, &disk_source,
                                             &fs_source};

/* The first that fits counts. NULL: depends on requests, and is no fault. */
static const struct {
    const char *pattern, *reason;
} reasons[] = {
    {"disk.*.read_time", NULL},
    {"disk.*.write_time", NULL},
    {"disk.*.wait", NULL},
    {"disk.*.flushes", "this kernel does not count flushes; Linux 5.5 and later do"},
    {"disk.*", "there is no whole disk in /proc/diskstats"},
    {"system.mem.available", "this kernel does not tell it; Linux 3.14 and later do"},
    {"fs.*.inodes_free", "no filesystem here has a fixed number of inodes"},
    {"fs.*", "no filesystem here lies on a block device"},
    {"net.*", "there is no interface but loopback"},
};

static bool is_seen(const struct names *names, const char *pattern)
{
    for (size_t n = 0; n < names_count(names); n++) {
        if (metric_matches(pattern, names_at(names, n)))
            return true;
    }
    return false;
}

static const char *reason_of(const struct metric_row *row, char *buf, size_t size)
{
    for (size_t n = 0; n < ARRAY_SIZE(reasons); n++) {
        if (metric_matches(reasons[n].pattern, row->name))
            return reasons[n].reason;
    }
    (void)snprintf(buf, size, "this kernel does not tell %s", row->source);
    return buf;
}

static void read_twice(const char *root, struct names *names)
{
    struct source_config config = {.root = root};
    void *selves[ARRAY_SIZE(asked)];

    for (size_t n = 0; n < ARRAY_SIZE(asked); n++)
        selves[n] = asked[n]->open(&config);
    for (int round = 0; round < 2; round++) {
        struct sample *s = sample_new(names);

        for (size_t n = 0; n < ARRAY_SIZE(asked); n++)
            asked[n]->read(selves[n], s);
        sample_free(s);
        if (round == 0)
            usleep(BETWEEN_US);
    }
    for (size_t n = 0; n < ARRAY_SIZE(asked); n++)
        asked[n]->close(selves[n]);
}

void os_rows_absent(const char *root,
                    void (*absent)(void *arg, const char *name, const char *reason), void *arg)
{
    struct names *names = names_new();
    char buf[128];

    read_twice(root, names);
    for (size_t n = 0; n < metric_row_count && metric_rows[n].family <= FAMILY_DISK; n++) {
        const char *reason = reason_of(&metric_rows[n], buf, sizeof(buf));

        if (reason && !is_seen(names, metric_rows[n].name))
            absent(arg, metric_rows[n].name, reason);
    }
    names_free(names);
}
