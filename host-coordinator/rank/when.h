/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Points in time as people write them. Pure; UTC throughout. */
#ifndef CBSNAP_RANK_WHEN_H
#define CBSNAP_RANK_WHEN_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/err.h"

/*
 * Reads one of
 *     2016-11-04T10:15:00Z, also with a fraction, or with +01:00 in place of Z    (RFC 3339)
 *     2016-11-04 10:15, also with seconds                                         (UTC)
 *     @1478254500                                                                 (since 1970)
 *     90m, 2h, 3d, 1w                                                             (ago)
 * from 1970 to 9999; `now_us` is what "ago" counts from. ERR_USAGE shows the forms.
 */
int when_parse(const char *text, int64_t now_us, int64_t *ret_wall_us, struct err *e);

/* As records tell it: the first of those forms. */
bool when_rfc3339(const char *text, int64_t *ret_wall_us);

/* The last of those forms, as a length of time; 0 is one, and what exceeds the year 9999 is none.
 */
bool when_span(const char *text, int64_t *ret_us);

/* "12 s", "3 min", "5.2 h", "8.1 d": a length of time for people. The buffer is returned. */
char *when_length(double seconds, char buf[24]);

#endif
