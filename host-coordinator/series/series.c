/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Points of many metrics by name, and their statistics; see series.h. */
#include "host-coordinator/series/series_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

struct series *series_new(void)
{
    return xcalloc(1, sizeof(struct series));
}

void series_free(struct series *s)
{
    if (!s)
        return;
    for (size_t n = 0; n < s->count; n++) {
        free(s->rows[n].name);
        free(s->rows[n].points);
    }
    free(s->rows);
    free(s->index);
    free(s->by_id);
    series_lists_release(s);
    free(s);
}

/* ---- rows by name ---------------------------------------------------------------------------- */

static size_t hash(const char *name)
{
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */

    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * UINT64_C(1099511628211);
    return (size_t)(h % SERIES_SLOTS);
}

/* The slot of `name`, or the empty one where it belongs. */
static size_t slot_of(const struct series *s, const char *name)
{
    size_t at = hash(name);

    while (s->index[at] && strcmp(s->rows[s->index[at] - 1].name, name) != 0)
        at = (at + 1) % SERIES_SLOTS;
    return at;
}

struct series_row *series_row(struct series *s, const char *name, bool host)
{
    size_t at;

    if (!s->index)
        s->index = xcalloc(SERIES_SLOTS, sizeof(*s->index));
    at = slot_of(s, name);
    if (!s->index[at]) {
        if (s->count == SERIES_NAMES_MAX)
            return NULL;
        if (s->count == s->cap) {
            s->cap = s->cap ? s->cap * 2 : 256;
            s->rows = xrealloc(s->rows, s->cap * sizeof(*s->rows));
        }
        s->rows[s->count++] = (struct series_row){.name = xstrdup(name), .host = host};
        s->index[at] = (uint16_t)s->count;
    }
    return &s->rows[s->index[at] - 1];
}

/* ---- points ---------------------------------------------------------------------------------- */

void series_push(struct series *s, struct series_row *row, int64_t at_us, double value)
{
    /* a row is one side's: the guest cannot speak for the appliance, nor use up its room */
    if (!row || (s->points >= SERIES_POINTS_MAX && !row->host) || !isfinite(value) ||
        (row->count > 0 && at_us <= row->points[row->count - 1].at_us)) {
        s->dropped++;
        return;
    }
    if (row->count == row->cap) {
        row->cap = row->cap ? row->cap * 2 : 32;
        row->points = xrealloc(row->points, row->cap * sizeof(*row->points));
    }
    row->points[row->count++] = (struct point){.at_us = at_us, .value = value};
    s->points++;
}

void series_add(struct series *s, const char *name, int64_t at_us, double value)
{
    struct series_row *row = series_row(s, name, true);

    series_push(s, row && row->host ? row : NULL, at_us, value);
}

void series_set_clock(struct series *s, int64_t offset_us)
{
    int64_t shift = series_host_time(s->offset_us, offset_us); /* old offset - new one */

    for (size_t n = 0; n < s->count; n++) {
        for (size_t p = 0; p < s->rows[n].count && !s->rows[n].host; p++)
            s->rows[n].points[p].at_us =
                (int64_t)((uint64_t)s->rows[n].points[p].at_us + (uint64_t)shift);
    }
    series_lists_shift(s, shift);
    s->offset_us = offset_us;
}

/* ---- reading --------------------------------------------------------------------------------- */

size_t series_count(const struct series *s)
{
    return s->count;
}

const char *series_name(const struct series *s, size_t metric)
{
    return s->rows[metric].name;
}

bool series_is_host(const struct series *s, size_t metric)
{
    return s->rows[metric].host;
}

bool series_find(const struct series *s, const char *name, size_t *ret_metric)
{
    size_t at;

    if (!s->index)
        return false;
    at = slot_of(s, name);
    if (!s->index[at])
        return false;
    *ret_metric = (size_t)s->index[at] - 1;
    return s->rows[*ret_metric].count > 0;
}

/* The first point at or after `at_us`. */
static size_t lower_bound(const struct series_row *row, int64_t at_us)
{
    size_t low = 0, high = row->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (row->points[middle].at_us < at_us)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t series_points(const struct series *s, size_t metric, int64_t from_us, int64_t to_us,
                     const struct point **ret)
{
    const struct series_row *row = &s->rows[metric];
    size_t first = lower_bound(row, from_us);
    size_t last = to_us == INT64_MAX ? row->count : lower_bound(row, to_us);

    *ret = row->points ? row->points + first : NULL;
    return last > first ? last - first : 0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* The smallest value that 95 of 100 do not exceed (nearest rank). */
static double percentile_95(const struct point *p, size_t count)
{
    AUTO_FREE double *values = xcalloc(count, sizeof(*values));

    for (size_t n = 0; n < count; n++)
        values[n] = p[n].value;
    qsort(values, count, sizeof(*values), by_value);
    return values[(count * 95 + 99) / 100 - 1];
}

bool series_stats(const struct series *s, size_t metric, int64_t from_us, int64_t to_us,
                  struct stats *ret)
{
    const struct point *p;
    size_t count = series_points(s, metric, from_us, to_us, &p);
    double sum = 0;

    if (count == 0)
        return false;
    *ret = (struct stats){.min = p[0].value, .max = p[0].value, .count = count};
    for (size_t n = 0; n < count; n++) {
        ret->min = p[n].value < ret->min ? p[n].value : ret->min;
        ret->max = p[n].value > ret->max ? p[n].value : ret->max;
        sum += p[n].value / (double)count; /* divided first: a sum of large ones may overflow */
    }
    ret->mean = sum;
    ret->last = p[count - 1].value;
    ret->p95 = percentile_95(p, count);
    return true;
}

bool series_newest(const struct series *s, int64_t *ret_guest_us, int64_t *ret_wall_us)
{
    if (!s->any)
        return false;
    *ret_guest_us = s->newest_us;
    *ret_wall_us = s->newest_wall_us;
    return true;
}

uint64_t series_missed(const struct series *s)
{
    return s->missed;
}

uint64_t series_dropped(const struct series *s)
{
    return s->dropped;
}

bool series_odd_names(const struct series *s)
{
    return s->odd_names;
}
