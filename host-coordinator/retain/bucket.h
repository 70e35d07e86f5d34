/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hours, days, ISO weeks, months and years of the proleptic Gregorian calendar, in UTC. Counted
 * here: gmtime_r() follows TZ where that names a zone with leap seconds, and a dry run must say
 * what the run does. Pure, total over int64_t.
 */
#ifndef CBSNAP_RETAIN_BUCKET_H
#define CBSNAP_RETAIN_BUCKET_H

#include "host-coordinator/retain/retain.h"

#define BUCKET_NAME 32

/* Do a rule's sets share buckets? Not with "last" and "verified". */
bool bucket_shared(enum retain_rule rule);

/* Equal for times in one bucket, greater for later buckets; of a rule with shared buckets. */
int64_t bucket_of(enum retain_rule rule, int64_t wall_us);

/* "2026-11-03T14", "2026-11-03", "2026-W45", "2026-11", "2026". The buffer is returned. */
char *bucket_name(enum retain_rule rule, int64_t wall_us, char name[BUCKET_NAME]);

#endif
