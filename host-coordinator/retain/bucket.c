/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The calendar; see bucket.h. */
#include "host-coordinator/retain/bucket.h"

#include <stdio.h>

#define HOUR_US INT64_C(3600000000)
#define DAY_US  (24 * HOUR_US)

/* Years are counted from March on, so that the leap day is a year's last one, and in eras of 400
 * years, which all have the same length. */
#define ERA_DAYS     146097
#define EPOCH_IN_ERA 719468 /* days from 0000-03-01 to 1970-01-01 */

struct date {
    int64_t year;
    int month, day; /* from 1 */
};

/* Rounds down, also what lies before 1970. */
static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static struct date date_of(int64_t day)
{
    int64_t from_march = day + EPOCH_IN_ERA;
    int64_t era = floor_div(from_march, ERA_DAYS);
    int64_t in_era = from_march - era * ERA_DAYS;
    /* each leap day so far makes a year begin a day later, but for that of the hundreds */
    int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / (ERA_DAYS - 1)) / 365;
    int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
    int month = (int)((5 * in_year + 2) / 153); /* March is 0; five months have 153 days */

    return (struct date){
        .year = era * 400 + year + (month >= 10),
        .month = month < 10 ? month + 3 : month - 9,
        .day = (int)(in_year - (153 * month + 2) / 5) + 1,
    };
}

/* Weeks begin on Monday; 1970-01-01 was a Thursday. */
static int64_t week_of(int64_t day)
{
    return floor_div(day + 3, 7);
}

/* A week belongs to the year that its Thursday is in (ISO 8601). */
static void week_name(int64_t day, char name[BUCKET_NAME])
{
    int64_t thursday = week_of(day) * 7, first = thursday;
    int64_t year = date_of(thursday).year;
    int week = 0;

    for (; date_of(first).year == year; first -= 7)
        week++;
    (void)snprintf(name, BUCKET_NAME, "%04lld-W%02d", (long long)year, week);
}

bool bucket_shared(enum retain_rule rule)
{
    return rule >= RETAIN_HOURLY && rule <= RETAIN_YEARLY;
}

int64_t bucket_of(enum retain_rule rule, int64_t wall_us)
{
    int64_t day = floor_div(wall_us, DAY_US);

    switch (rule) {
    case RETAIN_HOURLY:
        return floor_div(wall_us, HOUR_US);
    case RETAIN_DAILY:
        return day;
    case RETAIN_WEEKLY:
        return week_of(day);
    case RETAIN_MONTHLY:
        return date_of(day).year * 12 + date_of(day).month;
    case RETAIN_YEARLY:
        return date_of(day).year;
    default:
        return wall_us;
    }
}

char *bucket_name(enum retain_rule rule, int64_t wall_us, char name[BUCKET_NAME])
{
    int64_t day = floor_div(wall_us, DAY_US);
    int hour = (int)(floor_div(wall_us, HOUR_US) - day * 24);
    struct date d = date_of(day);
    int length;

    if (rule == RETAIN_WEEKLY) {
        week_name(day, name);
        return name;
    }
    length = snprintf(name, BUCKET_NAME, "%04lld", (long long)d.year);
    if (rule != RETAIN_YEARLY)
        length += snprintf(name + length, BUCKET_NAME - (size_t)length, "-%02d", d.month);
    if (rule == RETAIN_DAILY || rule == RETAIN_HOURLY)
        length += snprintf(name + length, BUCKET_NAME - (size_t)length, "-%02d", d.day);
    if (rule == RETAIN_HOURLY)
        (void)snprintf(name + length, BUCKET_NAME - (size_t)length, "T%02d", hour);
    return name;
}
