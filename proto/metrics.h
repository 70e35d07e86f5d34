/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The catalogue of metrics: every name that a sample, a record, a policy's rule or a screen may
 * use is one row of the table in metrics.c, with its unit, kind and source. The reference page
 * docs/metrics.md is printed from it (`cbsnap-agent metrics --markdown`).
 *
 * Adding a metric is adding a row. For the families that read "KEY VALUE" sources the row is all
 * there is to do: its `source` is what the reader looks up (see the grammar at `source`).
 *
 * A name may hold one '*': it stands for the instance ("disk.*.reads" is "disk.vdb.reads",
 * "fs.*.used" is "fs./mnt/mysqldata.used"), which is not empty and may hold dots and slashes.
 */
#ifndef CBSNAP_METRICS_H
#define CBSNAP_METRICS_H

#include <stdbool.h>
#include <stddef.h>

/* What one reader reads at once. */
enum metric_family {
    FAMILY_LOADAVG,   /* /proc/loadavg */
    FAMILY_CPU,       /* /proc/stat */
    FAMILY_MEMINFO,   /* /proc/meminfo */
    FAMILY_VMSTAT,    /* /proc/vmstat */
    FAMILY_NET,       /* /proc/net/dev */
    FAMILY_FS,        /* statvfs(3) */
    FAMILY_DISK,      /* /proc/diskstats */
    FAMILY_PROCESS,   /* /proc/PID/status of mysqld */
    FAMILY_SERVER,    /* the server's status and variables */
    FAMILY_ERROR_LOG, /* the server's error log */
    FAMILY_DELETED,   /* /proc/PID/fd of mysqld */
    FAMILY_TRX,       /* information_schema.INNODB_TRX */
    FAMILY_REPL,      /* SHOW REPLICA STATUS */
    FAMILY_VOLUME,    /* the appliance, read by the coordinator */
    FAMILY_AGENT,     /* the agent itself */
    FAMILY_COUNT
};

enum metric_unit {
    UNIT_ONE,
    UNIT_PER_S,
    UNIT_BYTES,
    UNIT_BYTES_PER_S,
    UNIT_KB_PER_S, /* as the appliance reports it */
    UNIT_PERCENT,
    UNIT_MS,
    UNIT_S,
    UNIT_BOOL,     /* 0 or 1 */
    UNIT_REPORTED, /* a number whose unit its source does not tell */
    UNIT_TEXT,
    UNIT_COUNT
};

enum metric_kind {
    KIND_GAUGE,
    KIND_RATE,    /* per second or in percent, over the time since the reading before */
    KIND_COUNTER, /* since the server or the agent started */
    KIND_TEXT,
};

struct metric_row {
    const char *name;
    enum metric_family family;
    enum metric_unit unit;
    enum metric_kind kind;
    /*
     * Where the value comes from.
     * FAMILY_MEMINFO, _VMSTAT, _PROCESS: the key, without its colon.
     * FAMILY_SERVER: alternatives divided by '|', the first that the server has counts; each a sum
     * of terms divided by '+': a status variable, '@' and a system variable, or '%' and a row of
     * information_schema.INNODB_METRICS. A term of a sum that the server lacks counts as nothing.
     * A source in parentheses is computed, in words for people.
     * All others: words for people.
     */
    const char *source;
    const char *help; /* one line; says "estimate" where it is one */
};

extern const struct metric_row metric_rows[];
extern const size_t metric_row_count;

/* The row of a full name ("disk.vdb.reads"); NULL when there is none. */
const struct metric_row *metric_find(const char *name);
/* Does `name` fit `pattern`, which may hold one '*'? A name fits itself. */
bool metric_matches(const char *pattern, const char *name);
/* Could a name that the catalogue has fit `pattern`, such as "disk.*.reads", "disk.vdb.reads"? The
 * row or NULL. A '*' may stand for the instance only. */
const struct metric_row *metric_of_pattern(const char *pattern);

const char *metric_unit_name(enum metric_unit u);     /* "bytes/s", "ms", "1" */
const char *metric_kind_name(enum metric_kind k);     /* "gauge" */
const char *metric_family_name(enum metric_family f); /* "disk" */

#endif
