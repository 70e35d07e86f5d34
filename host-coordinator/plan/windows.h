/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the readings around a freeze say, as members of the record (docs/record.md: metrics, errors,
 * transactions, deleted_files, readings). Reads the series only; main thread.
 */
#ifndef CBSNAP_WINDOWS_H
#define CBSNAP_WINDOWS_H

#include "host-coordinator/record/record.h"
#include "host-coordinator/series/series.h"

#define WINDOWS_LIST_MAX                                                                           \
    100 /* of each list: the last; readings.LIST_left_out counts the others                        \
         */

/* All by the host's monotonic clock. A window holds its beginning and not its end. */
struct windows {
    int64_t started_us;                   /* of the run: the record's times count from it */
    int64_t before_from_us;               /* where the window `before` begins */
    int64_t freeze_from_us, freeze_to_us; /* 0 when nothing was frozen: all is `before` then */
    int64_t after_to_us;                  /* where the readings end */
};

/* A record that has them already (publishing failed, the verdict changed) gets them anew. */
void windows_report(struct record *rec, const struct series *s, const struct windows *w);

/* Takes all that out of the record again, but how many readings were missed. */
void windows_leave_out(struct record *rec);

/*
 * Guest's wall clock minus the host's, in ms, at the newest sample: what to subtract from a time in
 * the guest's logs. The sample tells both of the guest's clocks at one moment; `offset_us` (guest's
 * monotonic clock minus ours) moves that moment to our monotonic clock, and a pair of our own two
 * clocks to our wall clock. False while no sample told a wall time.
 */
bool windows_wall_offset_ms(const struct series *s, int64_t offset_us, int64_t host_mono_us,
                            int64_t host_wall_us, int64_t *ret_ms);

#endif
