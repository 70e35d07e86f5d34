/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lengths of time as people write them: 500ms, 5s, 2m, 1h. Pure. */
#ifndef CBSNAP_BASE_DURATION_H
#define CBSNAP_BASE_DURATION_H

#include <stddef.h>
#include <stdint.h>

#define DURATION_MAX_US (INT64_C(1000) * 3600 * 1000000) /* 1000 h */

/*
 * Reads a whole number and its unit (us, ms, s, m, h) from the beginning of `text`; 0 needs no
 * unit. Returns how many characters that took, or 0 if there is no such length of time, or one
 * over DURATION_MAX_US. What follows is the caller's.
 */
size_t duration_parse(const char *text, int64_t *ret_us);

#endif
