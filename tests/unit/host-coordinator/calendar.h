/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random sets and rules for test-retain-random.c: the same for the same seed. */
#ifndef CBSNAP_TESTS_CALENDAR_H
#define CBSNAP_TESTS_CALENDAR_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "host-coordinator/retain/retain.h"
#include "proto/base/cleanup.h"

#define SETS_MAX 40
#define SECOND   INT64_C(1000000)
#define DAY      (86400 * SECOND)

struct calendar {
    uint64_t seed;
    struct retain_rules rules;
    struct retain_set sets[SETS_MAX];
    char ids[SETS_MAX][32];
    char labels[SETS_MAX][RETAIN_RULES][32]; /* each set's bucket; "": the rule has none */
    size_t count;
};

/* splitmix64 */
static uint64_t random_bits(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static int64_t below(uint64_t *state, int64_t limit)
{
    return (int64_t)(random_bits(state) % (uint64_t)limit);
}

static bool chance(uint64_t *state, int percent)
{
    return below(state, 100) < percent;
}

/* Most begin a little before a moment where calendars have an edge. */
static int64_t random_begin(uint64_t *state)
{
    static const int64_t edges[] = {
        1609113600, /* 2020-12-28: week 53 */
        1609459200, /* 2021-01-01 */
        1609718400, /* 2021-01-04: week 1 */
        1735516800, /* 2024-12-30: week 1 of 2025 */
        1709164800, /* 2024-02-29 */
        1709251200, /* 2024-03-01 */
        1793664000, /* 2026-11-03 */
        4107542400, /* 2100-03-01, after no leap day */
        0,
    };

    if (chance(state, 20))
        return below(state, 200 * 365 * DAY);
    return (edges[below(state, ARRAY_SIZE(edges))]) * SECOND - below(state, 10 * DAY);
}

static int64_t random_step(uint64_t *state, int style)
{
    static const int64_t steps[] = {
        SECOND / 1000, 1200 * SECOND, 3600 * SECOND, 8 * 3600 * SECOND,
        DAY,           5 * DAY,       20 * DAY,      360 * DAY,
    };
    int64_t step = steps[style < (int)ARRAY_SIZE(steps) ? style : below(state, ARRAY_SIZE(steps))];

    if (chance(state, 10))
        return 0;
    if (chance(state, 5))
        return -below(state, 10 * step); /* somebody set the clock */
    return chance(state, 50) ? step : 1 + below(state, 3 * step);
}

static void random_rules(uint64_t *state, struct retain_rules *rules)
{
    for (size_t r = 0; r < RETAIN_RULES; r++) {
        if (chance(state, 35))
            rules->keep[r] = (size_t)below(state, chance(state, 80) ? 6 : 50);
    }
    if (chance(state, 25) || !retain_rules_any(rules))
        rules->within_us = 1 + below(state, chance(state, 50) ? 2 * DAY : 60 * DAY);
}

static void write_labels(struct calendar *c, size_t n)
{
    static const char *const formats[RETAIN_RULES] = {
        [RETAIN_HOURLY] = "%Y-%m-%dT%H", [RETAIN_DAILY] = "%Y-%m-%d", [RETAIN_WEEKLY] = "%G-W%V",
        [RETAIN_MONTHLY] = "%Y-%m",      [RETAIN_YEARLY] = "%Y",
    };
    int64_t us = c->sets[n].started_us;
    time_t seconds = (time_t)(us / SECOND - (us % SECOND < 0));
    struct tm tm;

    (void)gmtime_r(&seconds, &tm);
    for (size_t r = 0; r < RETAIN_RULES; r++) {
        if (formats[r])
            (void)strftime(c->labels[n][r], sizeof(c->labels[n][r]), formats[r], &tm);
    }
}

static struct retain_set random_set(uint64_t *state, int sick_percent)
{
    return (struct retain_set){
        .good = !chance(state, sick_percent),
        .verified = chance(state, 25),
        .verify_failed = chance(state, sick_percent / 2),
        .pins = chance(state, 5) ? 1U << below(state, 6) : 0,
    };
}

static void make(struct calendar *c, uint64_t seed)
{
    uint64_t state = seed;
    int64_t at = random_begin(&state);
    int style = (int)below(&state, 10), sick_percent = (int)below(&state, 40);

    *c = (struct calendar){.seed = seed, .count = (size_t)below(&state, SETS_MAX + 1)};
    random_rules(&state, &c->rules);
    for (size_t n = 0; n < c->count; n++) {
        struct retain_set *set = &c->sets[n];

        *set = random_set(&state, sick_percent);
        (void)snprintf(c->ids[n], sizeof(c->ids[n]), "%04llx-%zu",
                       (unsigned long long)below(&state, 65536), n);
        set->id = c->ids[n];
        set->started_us = at += random_step(&state, style);
        write_labels(c, n);
    }
    c->rules.now_us = at + DAY;
    if (c->count > 0 && chance(&state, 25)) /* some are of the future */
        c->rules.now_us = c->sets[below(&state, (int64_t)c->count)].started_us;
    if (c->count > 0 && chance(&state, 25)) { /* one is exactly as old as within */
        int64_t age_us = at - c->sets[below(&state, (int64_t)c->count)].started_us;

        if (age_us > 0)
            c->rules.within_us = age_us;
    }
    retain_decide(&c->rules, c->sets, c->count);
}

#endif
