/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Turning what a run knows into its record. The members are described in docs/record.md. */
#ifndef CBSNAP_REPORT_H
#define CBSNAP_REPORT_H

#include "host-coordinator/plan/run.h"

/* Before the freeze: identity, and a verdict that is true if nothing more is ever written. */
void report_begun(struct run *r);
/* The volumes of the set, without their snapshots. */
void report_volumes(struct run *r);
/* What became of the snapshots. */
void report_snapshots(struct run *r);
/* The first link of the chain that was not seen to hold, in words; NULL when all were. */
const char *report_missing_link(const struct run *r);
/* At the end: verdict with reasons, position, times, witness, snapshots. `why` is NULL on success.
 * Called again when publishing failed: with the reason. */
void report_outcome(struct run *r, const struct err *why);
/* The windows of what was read around the freeze, and the series file beside the record. Once. */
void report_readings(struct run *r);
/* When the run ended, by now. */
void report_ended(struct run *r);

#endif
