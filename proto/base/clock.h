/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Time. Every deadline and duration uses the monotonic clock (a stepped wall clock must never
 * lengthen a freeze); wall time is only for people and records.
 */
#ifndef CBSNAP_BASE_CLOCK_H
#define CBSNAP_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

static inline int64_t clock_us(clockid_t id)
{
    struct timespec ts;

    (void)clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* microseconds since some fixed point of this boot */
static inline int64_t mono_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

static inline int64_t mono_ms(void)
{
    return mono_us() / 1000;
}

/* the point so many milliseconds from now: a deadline */
static inline int64_t mono_in_ms(int ms)
{
    return mono_us() + (int64_t)ms * 1000;
}

/* microseconds since 1970-01-01 UTC */
static inline int64_t wall_us(void)
{
    return clock_us(CLOCK_REALTIME);
}

/* A peer may say any number. One beyond 36,000 years is no time; sums of some within do not
 * overflow. */
#define CLOCK_SANE_US (INT64_C(1) << 60)
static inline bool clock_sane(int64_t us)
{
    return us > -CLOCK_SANE_US && us < CLOCK_SANE_US;
}

/* "2016-11-04T10:15:00.123Z", from 1970 to 9999: beyond, the nearest of these. The buffer holds at
 * least 32 bytes and is returned */
char *clock_iso(int64_t at_wall_us, char buf[32]);

#endif
