/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a series is made of; private to this folder. */
#ifndef CBSNAP_SERIES_INTERNAL_H
#define CBSNAP_SERIES_INTERNAL_H

#include "host-coordinator/series/series.h"

#define SERIES_SLOTS (SERIES_NAMES_MAX * 2) /* open addressing, at most half full */

struct series_row {
    char *name;
    bool host; /* stamped by our own clock */
    struct point *points;
    size_t count, cap;
};

struct series {
    struct series_row *rows;
    size_t count, cap;
    uint16_t *index; /* row + 1 by hash of the name; 0 is empty */
    uint16_t *by_id; /* row + 1 by the id that the guest gave the name; 0: not told */
    size_t points;
    int64_t offset_us;
    bool any;
    int64_t newest_us, newest_wall_us;
    uint64_t missed, dropped;
    bool odd_names;

    struct series_text *texts;
    struct series_trx *trxs;
    struct series_line *lines;
    struct series_file_open *files;
    size_t text_count, trx_count, line_count, file_count;
};

/* The guest may send any number: no overflow, as it would be undefined. */
static inline int64_t series_host_time(int64_t guest_us, int64_t offset_us)
{
    return (int64_t)((uint64_t)guest_us - (uint64_t)offset_us);
}

/* The row of that name, made on first sight; NULL when there are too many. */
struct series_row *series_row(struct series *s, const char *name, bool host);
/* Drops and counts what cannot be taken; `row` may be NULL. */
void series_push(struct series *s, struct series_row *row, int64_t at_us, double value);

void series_lists_take(struct series *s, const Cbsnap__Sample *m, int64_t at_us);
void series_lists_shift(struct series *s, int64_t shift_us);
void series_lists_release(struct series *s);

#endif
