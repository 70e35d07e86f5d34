/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Retention by hand: each rule at the edges of its calendar, what stays whatever the rules say, and
 * the words. test-retain-random.c has the properties that hold for any sets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "host-coordinator/rank/when.h"
#include "host-coordinator/retain/bucket.h"
#include "proto/base/cleanup.h"

static struct retain_rules rules;
static struct retain_set sets[16];
static char ids[16][8];
static size_t set_count;

static int64_t at(const char *time)
{
    int64_t us = 0;

    if (!when_rfc3339(time, &us))
        fail_msg("the test has no time in '%s'", time);
    return us;
}

static int forget(void **state)
{
    (void)state;
    set_count = 0;
    rules = (struct retain_rules){.now_us = at("2200-01-01T00:00:00Z")};
    return 0;
}

/* A good set, but: x not good, v verified, f failed verification, c clones, j journal, s safety,
 * u unknown. Later ones have greater ids. */
static struct retain_set *add(const char *started, const char *but)
{
    struct retain_set *s = &sets[set_count];

    (void)snprintf(ids[set_count], sizeof(ids[0]), "set%02zu", set_count);
    *s = (struct retain_set){
        .id = ids[set_count++],
        .started_us = at(started),
        .good = !strchr(but, 'x'),
        .verified = strchr(but, 'v'),
        .verify_failed = strchr(but, 'f'),
        .pins = (strchr(but, 'c') ? RETAIN_PIN_CLONES : 0U) |
                (strchr(but, 'j') ? RETAIN_PIN_JOURNAL : 0U) |
                (strchr(but, 's') ? RETAIN_PIN_SAFETY : 0U) |
                (strchr(but, 'u') ? RETAIN_PIN_UNKNOWN : 0U),
    };
    return s;
}

static void add_all(const char *const *times, size_t count)
{
    for (size_t n = 0; n < count; n++)
        (void)add(times[n], "");
}
#define ADD(...)                                                                                   \
    add_all((const char *const[]){__VA_ARGS__}, ARRAY_SIZE(((const char *const[]){__VA_ARGS__})))

/* Which sets stay, by the order they were added in: "0 2". */
static void keeps(const char *expected)
{
    struct buf kept = BUF_INIT;

    retain_decide(&rules, sets, set_count);
    for (size_t n = 0; n < set_count; n++) {
        if (sets[n].keep)
            buf_addf(&kept, "%s%zu", kept.len ? " " : "", n);
    }
    assert_string_equal(buf_text(&kept), expected);
    buf_release(&kept);
}

static void because(size_t set, const char *expected)
{
    struct buf words = BUF_INIT;

    retain_decide(&rules, sets, set_count);
    retain_words(&rules, &sets[set], &words);
    assert_string_equal(buf_text(&words), expected);
    buf_release(&words);
}

/* ---- rules ----------------------------------------------------------------------------------- */

static void the_last_ones_stay_whatever_order_they_come_in(void **state)
{
    (void)state;
    ADD("2026-11-03T10:00:00Z", "2026-11-05T10:00:00Z", "2026-11-04T10:00:00Z",
        "2026-11-02T10:00:00Z");
    rules.keep[RETAIN_LAST] = 2;
    keeps("1 2");
    rules.keep[RETAIN_LAST] = 4;
    keeps("0 1 2 3");
    rules.keep[RETAIN_LAST] = SIZE_MAX;
    keeps("0 1 2 3");
}

static void of_an_hour_the_newest_stays_and_empty_hours_do_not_count(void **state)
{
    (void)state;
    ADD("2026-11-03T13:59:59.999999Z", "2026-11-03T14:00:00Z", "2026-11-03T14:20:00Z",
        "2026-11-03T14:59:59.999999Z", "2026-11-03T19:00:00Z", "2026-11-02T14:30:00Z");
    rules.keep[RETAIN_HOURLY] = 3;
    keeps("0 3 4");
    because(3, "hourly 2026-11-03T14");
    rules.keep[RETAIN_HOURLY] = 4;
    keeps("0 3 4 5"); /* the same hour of another day is another hour */
}

static void a_year_ends_at_midnight_utc(void **state)
{
    (void)state;
    ADD("2026-12-31T23:59:59.999999Z", "2027-01-01T00:00:00Z", "2026-12-31T22:00:00Z",
        "2027-01-01T00:30:00+01:00");
    rules.keep[RETAIN_DAILY] = 2;
    keeps("0 1");
    rules.keep[RETAIN_DAILY] = 0;
    rules.keep[RETAIN_MONTHLY] = 2;
    keeps("0 1");
    rules.keep[RETAIN_MONTHLY] = 0;
    rules.keep[RETAIN_YEARLY] = 2;
    keeps("0 1");
    because(0, "yearly 2026");
    because(1, "yearly 2027, the last good set");
    rules.keep[RETAIN_YEARLY] = 0;
    rules.keep[RETAIN_WEEKLY] = 2;
    keeps("1"); /* one week: 2026-W53 reaches into 2027 */
    because(1, "weekly 2026-W53, the last good set");
}

static void the_same_month_of_another_year_is_another_month(void **state)
{
    (void)state;
    ADD("2026-11-03T10:00:00Z", "2025-11-03T10:00:00Z", "2025-10-31T10:00:00Z",
        "2025-10-01T10:00:00Z");
    rules.keep[RETAIN_MONTHLY] = 3;
    keeps("0 1 2");
    because(2, "monthly 2025-10");
}

static void weeks_are_those_of_iso_8601(void **state)
{
    (void)state;
    ADD("2021-01-03T23:59:59Z", /* Sunday of 2020-W53, */
        "2020-12-28T00:00:00Z", /* which began on this Monday, */
        "2020-12-27T23:59:59Z", /* and 2020-W52 is over */
        "2021-01-04T00:00:00Z", /* 2021-W01 */
        "2024-12-30T00:00:00Z", /* 2025-W01 begins in 2024 */
        "2024-12-29T23:00:00Z", "2025-01-05T10:00:00Z");
    rules.keep[RETAIN_WEEKLY] = 9;
    keeps("0 2 3 5 6");
    because(0, "weekly 2020-W53");
    because(2, "weekly 2020-W52");
    because(3, "weekly 2021-W01");
    because(5, "weekly 2024-W52");
    because(6, "weekly 2025-W01, the last good set");
}

static void a_leap_day_is_a_day_of_february(void **state)
{
    (void)state;
    ADD("2024-02-28T10:00:00Z", "2024-02-29T10:00:00Z", "2024-03-01T10:00:00Z");
    rules.keep[RETAIN_DAILY] = 3;
    keeps("0 1 2");
    because(1, "daily 2024-02-29");
    rules.keep[RETAIN_DAILY] = 0;
    rules.keep[RETAIN_MONTHLY] = 3;
    keeps("1 2");
    because(1, "monthly 2024-02");
}

static void rules_do_not_use_up_each_others_buckets(void **state)
{
    (void)state;
    /* Sunday, Saturday; the Sundays before. borg would keep 4 as well: there 0 is daily alone. */
    ADD("2026-11-22T10:00:00Z", "2026-11-21T10:00:00Z", "2026-11-15T10:00:00Z",
        "2026-11-08T10:00:00Z", "2026-11-01T10:00:00Z");
    rules.keep[RETAIN_DAILY] = 2;
    rules.keep[RETAIN_WEEKLY] = 3;
    keeps("0 1 2 3");
    because(0, "daily 2026-11-22, weekly 2026-W47, the last good set");
    because(4, "no rule keeps it");
}

static void the_oldest_gets_nothing_for_being_so(void **state)
{
    (void)state;
    ADD("2026-11-22T10:00:00Z", "2026-11-21T10:00:00Z", "2026-11-20T10:00:00Z");
    rules.keep[RETAIN_MONTHLY] = 6;
    keeps("0");
}

static void within_counts_back_from_the_newest_usable_set(void **state)
{
    (void)state;
    add("2026-11-22T10:00:00Z", "x");
    add("2026-11-21T10:00:00Z", "f");
    ADD("2026-11-20T10:00:00Z", "2026-11-18T10:00:00.000001Z", "2026-11-18T10:00:00Z");
    add("2026-11-19T10:00:00Z", "x");
    rules.within_us = INT64_C(2) * 86400 * 1000000;
    keeps("0 1 2 3 5");
    because(3, "within 2d of the newest");
    rules.within_us = INT64_C(36) * 3600 * 1000000;
    because(2, "within 36h of the newest, the last good set");
    rules.within_us = 90000;
    because(2, "within 90ms of the newest, the last good set");
    rules.within_us = -1;
    assert_false(retain_rules_any(&rules));
}

/* ---- what counts ----------------------------------------------------------------------------- */

static void attempts_use_up_nothing_and_stay_as_long_as_a_good_set_before_them(void **state)
{
    (void)state;
    add("2026-11-22T10:00:00Z", "x");
    add("2026-11-21T10:00:00Z", "");
    add("2026-11-21T12:00:00Z", "x");
    add("2026-11-20T10:00:00Z", "xv");
    add("2026-11-19T10:00:00Z", "");
    add("2026-11-19T10:00:00Z", "x");
    add("2026-11-19T09:59:59Z", "x");
    add("2026-11-18T10:00:00Z", "");
    rules.keep[RETAIN_DAILY] = 2;
    rules.keep[RETAIN_VERIFIED] = 1;
    keeps("0 1 2 3 4 5");
    because(3, "tells of an attempt since the oldest good set kept");
    because(6, "an attempt older than every good set kept");
    sets[7].pins = RETAIN_PIN_CLONES;
    keeps("0 1 2 3 4 5 6 7");
}

static void without_a_good_set_all_attempts_stay(void **state)
{
    (void)state;
    add("2026-11-22T10:00:00Z", "x");
    add("2020-11-21T10:00:00Z", "x");
    rules.keep[RETAIN_LAST] = 1;
    keeps("0 1");
}

static void a_set_that_failed_verification_stays_until_a_newer_one_passes(void **state)
{
    (void)state;
    add("2026-11-22T10:00:00Z", "f");
    add("2026-11-21T10:00:00Z", "");
    add("2026-11-20T10:00:00Z", "v");
    add("2026-11-19T10:00:00Z", "fv");
    rules.keep[RETAIN_LAST] = 1;
    rules.keep[RETAIN_VERIFIED] = 2;
    keeps("0 1 2");
    because(0, "failed verification, and no newer set has passed");
    because(1, "last 1, the last good set");
    because(2, "verified 1, the last verified set");
    because(3, "failed verification, and a newer set has passed");
    add("2026-11-23T10:00:00Z", "v");
    keeps("2 4");
}

static void the_last_good_and_the_last_verified_set_stay(void **state)
{
    (void)state;
    add("2026-11-22T10:00:00Z", "");
    add("2026-11-21T10:00:00Z", "");
    add("2026-11-20T10:00:00Z", "v");
    add("2026-11-19T10:00:00Z", "v");
    rules.within_us = 1;
    keeps("0 2");
    rules.within_us = 0;
    rules.keep[RETAIN_VERIFIED] = 2;
    keeps("0 2 3");
    because(0, "the last good set");
    because(3, "verified 2");
}

static void what_is_pinned_stays(void **state)
{
    (void)state;
    add("2026-11-22T10:00:00Z", "");
    add("2026-11-21T10:00:00Z", "c");
    add("2026-11-21T11:00:00Z", "");
    add("2026-11-20T10:00:00Z", "xj");
    add("2026-11-19T10:00:00Z", "fs");
    add("2026-11-18T10:00:00Z", "xu");
    add("2026-11-17T10:00:00Z", "")->pins = 1U << 20;
    add("2026-11-16T10:00:00Z", "");
    rules.keep[RETAIN_LAST] = 1;
    keeps("0 1 3 4 5 6");
    because(1, "has clones");
    because(4, "failed verification, and no newer set has passed, the safety of a restore");
    sets[0].verified = true;
    because(4, "the safety of a restore");
    because(6, "pinned");
    sets[3].pins = sets[5].pins = RETAIN_PIN_JOURNAL | RETAIN_PIN_UNKNOWN | RETAIN_PIN_CLONES;
    sets[6].pins = 0;
    sets[4].pins = 0;
    keeps("0 1 3 5");
    because(
        5,
        "has clones, a journal names it, whether it is whole, or how old, could not be found out");
}

/* An appliance has not told of all of the set of the 15th, which would have kept the attempt. */
static void a_set_that_may_be_good_keeps_what_a_good_one_would(void **state)
{
    (void)state;
    add("2026-11-22T10:00:00Z", "");
    add("2026-11-20T10:00:00Z", "x");
    add("2026-11-15T10:00:00Z", "xu");
    add("2026-11-14T10:00:00Z", "x");
    rules.keep[RETAIN_LAST] = 1;
    keeps("0 1 2");
    because(2, "whether it is whole, or how old, could not be found out");
    sets[0].good = false; /* and with none that is good for sure nothing goes */
    keeps("0 1 2 3");
}

/* ---- clocks that were wrong ------------------------------------------------------------------ */

static void a_set_from_the_future_stays_and_pushes_nothing_out(void **state)
{
    (void)state;
    add("2031-01-01T00:00:00Z", "v");
    add("2026-11-22T10:00:00Z", "v");
    add("2026-11-21T10:00:00Z", "");
    add("2026-11-15T10:00:00Z", "x");
    rules.now_us = at("2026-11-22T10:00:00Z");
    rules.keep[RETAIN_LAST] = 1;
    keeps("0 1");
    because(0, "started in the future: a clock was wrong");
    because(1, "last 1, the last good set, the last verified set");
    rules.within_us = INT64_C(30) * 86400 * 1000000;
    keeps("0 1 2");
    sets[1].good = sets[2].good = false; /* what the future holds says nothing of their age */
    keeps("0 1 2 3");
    rules.now_us = at("2031-01-01T00:00:00Z");
    keeps("0");
}

static void a_clock_set_back_makes_later_sets_older(void **state)
{
    (void)state;
    ADD("2026-11-22T10:00:00Z", "2026-11-22T11:00:00Z", "2026-11-22T09:00:00Z",
        "2026-11-22T09:30:00Z");
    rules.keep[RETAIN_LAST] = 2;
    keeps("0 1");
    rules.keep[RETAIN_LAST] = 0;
    rules.keep[RETAIN_HOURLY] = 3;
    keeps("0 1 3");
}

static void of_the_same_moment_the_greater_id_is_newer(void **state)
{
    (void)state;
    ADD("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z");
    sets[0].id = "set99";
    rules.keep[RETAIN_DAILY] = 5;
    keeps("0");
    rules.keep[RETAIN_LAST] = 2;
    keeps("0 2");
}

static void any_time_has_a_bucket(void **state)
{
    static const struct {
        int64_t us;
        const char *hour, *week;
    } rows[] = {
        {0, "1970-01-01T00", "1970-W01"},
        {-1, "1969-12-31T23", "1970-W01"},
        {INT64_C(-259200000001), "1969-12-28T23", "1969-W52"},
        {INT64_C(-11676096000000000), "1600-01-01T00", "1599-W52"},
        {INT64_C(4107542400000000), "2100-03-01T00", "2100-W09"},
        {INT64_C(4107542399999999), "2100-02-28T23", "2100-W08"},
        {INT64_C(951782400000000), "2000-02-29T00", "2000-W09"},
        {INT64_MAX, "294247-01-10T04", "294247-W01"},
        {INT64_MIN, "-290308-12-21T19", "-290308-W51"},
    };
    char name[BUCKET_NAME];

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
        assert_string_equal(bucket_name(RETAIN_HOURLY, rows[n].us, name), rows[n].hour);
        assert_string_equal(bucket_name(RETAIN_WEEKLY, rows[n].us, name), rows[n].week);
    }
    ADD("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z");
    sets[0].started_us = rules.now_us = INT64_MAX;
    sets[1].started_us = INT64_MIN;
    rules.within_us = INT64_MAX;
    keeps("0 2");
    rules.keep[RETAIN_YEARLY] = 3;
    keeps("0 1 2");
}

/* ---- no rules -------------------------------------------------------------------------------- */

static void without_a_rule_nothing_goes(void **state)
{
    (void)state;
    add("2026-11-22T10:00:00Z", "");
    add("2026-11-21T10:00:00Z", "");
    add("2026-11-20T10:00:00Z", "x");
    assert_false(retain_rules_any(&rules));
    keeps("0 1 2");
    because(1, "no rule was given");
    for (size_t r = 0; r < RETAIN_RULES; r++) {
        assert_non_null(retain_rule_names[r]);
        rules.keep[r] = 1;
        assert_true(retain_rules_any(&rules));
        rules.keep[r] = 0;
    }
    rules.within_us = 1;
    assert_true(retain_rules_any(&rules));
    keeps("0");
    retain_decide(&rules, NULL, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, forget)
    const struct CMUnitTest tests[] = {
        TEST(the_last_ones_stay_whatever_order_they_come_in),
        TEST(of_an_hour_the_newest_stays_and_empty_hours_do_not_count),
        TEST(a_year_ends_at_midnight_utc),
        TEST(the_same_month_of_another_year_is_another_month),
        TEST(weeks_are_those_of_iso_8601),
        TEST(a_leap_day_is_a_day_of_february),
        TEST(rules_do_not_use_up_each_others_buckets),
        TEST(the_oldest_gets_nothing_for_being_so),
        TEST(within_counts_back_from_the_newest_usable_set),
        TEST(attempts_use_up_nothing_and_stay_as_long_as_a_good_set_before_them),
        TEST(without_a_good_set_all_attempts_stay),
        TEST(a_set_that_failed_verification_stays_until_a_newer_one_passes),
        TEST(the_last_good_and_the_last_verified_set_stay),
        TEST(what_is_pinned_stays),
        TEST(a_set_that_may_be_good_keeps_what_a_good_one_would),
        TEST(a_set_from_the_future_stays_and_pushes_nothing_out),
        TEST(a_clock_set_back_makes_later_sets_older),
        TEST(of_the_same_moment_the_greater_id_is_newer),
        TEST(any_time_has_a_bucket),
        TEST(without_a_rule_nothing_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
