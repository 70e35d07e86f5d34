/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Readings over time: what the guest's samples and the coordinator's own readings of the appliance
 * said, each metric as a row of points on the host's monotonic clock. The record's windows, the
 * abort policy and the live view read from here; the series file (series_file.h) keeps it.
 *
 * The guest is not trusted: names, points and lists are bounded (SERIES_*_MAX), what is over is
 * dropped and counted, as are samples that go back in time, or whose time is none (clock_sane()),
 * ids without a name, and names with control characters, which no metric has.
 *
 * Times are microseconds. Not thread-safe. Slices lent are valid until the next change.
 */
#ifndef CBSNAP_SERIES_H
#define CBSNAP_SERIES_H

#include "proto/message.h"

#define SERIES_NAMES_MAX  4096
#define SERIES_POINTS_MAX 4000000 /* of all metrics together: 64 MB */
#define SERIES_LIST_MAX   1000    /* of each list, the newest */
#define SERIES_NAME_MAX   255     /* bytes of a name */
#define SERIES_TEXT_MAX   1000    /* bytes of a text, a line, a statement, a path; more is cut */

struct point {
    int64_t at_us;
    double value;
};

struct stats {
    double min, mean, max, last, p95; /* p95: the smallest value that 95 % do not exceed */
    size_t count;
};

struct series_text {
    int64_t at_us;
    const char *name; /* of the metric */
    char *text;
};

struct series_trx {
    int64_t at_us;               /* of the sample that told it last */
    char *id, *user, *statement; /* NULL when not told */
    uint64_t thread, rows_modified;
    uint32_t age_s;
};

struct series_line {
    int64_t at_us;      /* of the sample that brought it */
    int64_t at_wall_us; /* as the line says, by the guest's clock; 0 when it does not */
    int level;          /* Cbsnap__ServerLine__Level */
    char *text;
};

struct series_file_open { /* deleted and still open */
    int64_t at_us;        /* of the sample that told it last */
    char *path;
    uint64_t bytes;
};

struct series;
struct series *series_new(void);
void series_free(struct series *s); /* accepts NULL */

/* What the guest sent. An agent that restarted begins with Names again. */
void series_names(struct series *s, const Cbsnap__Names *m);
void series_sample(struct series *s, const Cbsnap__Sample *m);
/* One reading of our own, by the host's clock. A value that is no finite number is not taken. */
void series_add(struct series *s, const char *name, int64_t at_us, double value);
/*
 * Guest clock minus host clock. Moves all points that the guest sent, those to come too; call it
 * again when the clocks are better known. Before the first call the guest's clock is taken as is.
 */
void series_set_clock(struct series *s, int64_t offset_us);

size_t series_count(const struct series *s); /* metrics */
const char *series_name(const struct series *s, size_t metric);
/* Read by ourselves, with series_add(); the guest cannot add to it. */
bool series_is_host(const struct series *s, size_t metric);
/* The metric of that full name; false when no point of it has come. */
bool series_find(const struct series *s, const char *name, size_t *ret_metric);
/* The points with from_us <= at_us < to_us, oldest first; how many. INT64_MIN and _MAX: all. */
size_t series_points(const struct series *s, size_t metric, int64_t from_us, int64_t to_us,
                     const struct point **ret);
/* False when there is no point in the window. */
bool series_stats(const struct series *s, size_t metric, int64_t from_us, int64_t to_us,
                  struct stats *ret);

/*
 * Forgets points, transactions, lines and files before that time; of each text the one that still
 * holds then is kept. For who looks on for days: without it the limits above are reached.
 */
void series_forget(struct series *s, int64_t before_us);

/* Lists, oldest first; transactions and files once each, as last told. */
size_t series_texts(const struct series *s, const struct series_text **ret); /* changes only */
size_t series_trxs(const struct series *s, const struct series_trx **ret);
size_t series_lines(const struct series *s, const struct series_line **ret);
size_t series_files(const struct series *s, const struct series_file_open **ret);

/* Of the guest's samples: when the newest was read, by its own clock and by its wall clock; false
 * before the first. */
bool series_newest(const struct series *s, int64_t *ret_guest_us, int64_t *ret_wall_us);
uint64_t series_missed(const struct series *s);  /* readings that the agent skipped */
uint64_t series_dropped(const struct series *s); /* values that were not taken, see above */
/* The guest gave a metric a name with control characters. */
bool series_odd_names(const struct series *s);

#endif
