/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How often a source may be read, given what its readings take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "guest-agent/sample/pace.h"
#include "tests/in_range.h"

#define SECOND INT64_C(1000000)

/* Readings in so many seconds of rounds, each taking so long. */
static int readings(struct pace *p, int64_t *now, int seconds, int64_t step_us, int64_t took_us)
{
    int count = 0;

    for (int64_t until = *now + seconds * SECOND; *now < until; *now += step_us) {
        if (!pace_due(p, *now))
            continue;
        pace_spent(p, *now, took_us);
        count++;
    }
    return count;
}

static void cheap_ones_are_read_each_round(void **state)
{
    struct pace p;
    int64_t now = SECOND;

    (void)state;
    pace_init(&p, 0, 2);
    assert_int_equal(readings(&p, &now, 60, SECOND / 10, 500), 600);
}

static void the_interval_is_kept(void **state)
{
    struct pace p;
    int64_t now = SECOND;

    (void)state;
    pace_init(&p, 5000, 2);
    assert_true(pace_due(&p, now)); /* at once */
    assert_int_equal(readings(&p, &now, 60, SECOND, 500), 12);
    pace_init(&p, 5000, 2);
    assert_int_equal(readings(&p, &now, 60, SECOND / 10, 500), 12);
    pace_init(&p, 5000, 2); /* rounds that are rarer than the interval */
    assert_int_equal(readings(&p, &now, 600, 60 * SECOND, 500), 10);
}

/* 20 ms each, 2 %: once a second in the long run, however often it is asked. */
static void a_share_of_the_time(void **state)
{
    struct pace p;
    int64_t now = SECOND;
    int count;

    (void)state;
    pace_init(&p, 0, 2);
    (void)readings(&p, &now, 60, SECOND / 10, 20000); /* what was saved is used up */
    count = readings(&p, &now, 100, SECOND / 10, 20000);
    assert_int_in_range(count, 99, 101);
    pace_init(&p, 0, 2);
    assert_int_equal(readings(&p, &now, 60, SECOND, 20000), 60);
}

static void one_slow_reading_is_forgiven(void **state)
{
    struct pace p;
    int64_t now = SECOND;

    (void)state;
    pace_init(&p, 0, 2);
    pace_spent(&p, now, 60000); /* a login */
    now += SECOND;
    assert_int_equal(readings(&p, &now, 10, SECOND, 1000), 10);
}

static void an_hour_of_rest_is_not_saved_up(void **state)
{
    struct pace p;
    int64_t now = SECOND;

    (void)state;
    pace_init(&p, 0, 2);
    pace_spent(&p, now, 0);
    now += 3600 * SECOND;
    assert_int_in_range(readings(&p, &now, 10, SECOND / 10, 20000), 10, 17);
}

static void the_slowest_is_tried_every_five_seconds(void **state)
{
    struct pace p;
    int64_t now = SECOND;

    (void)state;
    pace_init(&p, 0, 2);
    pace_spent(&p, now, 3600 * SECOND);
    assert_false(pace_due(&p, now + 4 * SECOND));
    assert_true(pace_due(&p, now + 5 * SECOND));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cheap_ones_are_read_each_round),
        cmocka_unit_test(the_interval_is_kept),
        cmocka_unit_test(a_share_of_the_time),
        cmocka_unit_test(one_slow_reading_is_forgiven),
        cmocka_unit_test(an_hour_of_rest_is_not_saved_up),
        cmocka_unit_test(the_slowest_is_tried_every_five_seconds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
