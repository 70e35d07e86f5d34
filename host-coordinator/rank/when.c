/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading points in time; see when.h. */
#include "host-coordinator/rank/when.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND_US   INT64_C(1000000)
#define LAST_SECOND INT64_C(253402300799) /* of the year 9999 */

/* Exactly `count` digits; moves on. */
static bool digits(const char **at, int count, int *ret)
{
    int value = 0;

    for (int n = 0; n < count; n++) {
        char c = **at;

        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
        (*at)++;
    }
    *ret = value;
    return true;
}

static bool skip(const char **at, char c)
{
    if (**at != c)
        return false;
    (*at)++;
    return true;
}

static bool read_date(const char **at, struct tm *t)
{
    return digits(at, 4, &t->tm_year) && skip(at, '-') && digits(at, 2, &t->tm_mon) &&
           skip(at, '-') && digits(at, 2, &t->tm_mday);
}

static bool read_minutes(const char **at, struct tm *t)
{
    return digits(at, 2, &t->tm_hour) && skip(at, ':') && digits(at, 2, &t->tm_min);
}

/* timegm() takes 31 February for 3 March: what comes back must be what went in. A leap second is
 * the first of the next minute. */
static bool to_seconds(struct tm t, int64_t *ret)
{
    struct tm again;
    time_t at;

    if (t.tm_hour > 23 || t.tm_min > 59 || t.tm_sec > 60)
        return false;
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    again = t;
    again.tm_hour = again.tm_min = again.tm_sec = 0;
    at = timegm(&again);
    if (at < 0 || again.tm_mon != t.tm_mon || again.tm_mday != t.tm_mday)
        return false;
    *ret = at + t.tm_hour * 3600 + t.tm_min * 60 + t.tm_sec;
    return true;
}

static int64_t read_fraction(const char **at)
{
    int64_t us = 0, unit = SECOND_US / 10;

    for (; **at >= '0' && **at <= '9'; (*at)++, unit /= 10)
        us += (**at - '0') * unit;
    return us;
}

/* "Z", "+01:00", "-05:30": seconds to take off. */
static bool read_zone(const char **at, int64_t *ret)
{
    struct tm t = {.tm_hour = 0};
    int sign = **at == '-' ? -1 : 1;

    *ret = 0;
    if (skip(at, 'Z') || skip(at, 'z'))
        return true;
    if ((!skip(at, '+') && !skip(at, '-')) || !read_minutes(at, &t) || t.tm_hour > 23 ||
        t.tm_min > 59)
        return false;
    *ret = sign * (t.tm_hour * 3600 + t.tm_min * 60);
    return true;
}

static bool in_range(int64_t seconds)
{
    return seconds >= 0 && seconds <= LAST_SECOND;
}

bool when_rfc3339(const char *text, int64_t *ret_wall_us)
{
    struct tm t = {.tm_sec = 0};
    int64_t seconds, zone, fraction = 0;

    if (!text || !read_date(&text, &t) || (!skip(&text, 'T') && !skip(&text, 't')) ||
        !read_minutes(&text, &t) || !skip(&text, ':') || !digits(&text, 2, &t.tm_sec))
        return false;
    if (skip(&text, '.')) {
        if (*text < '0' || *text > '9')
            return false;
        fraction = read_fraction(&text);
    }
    if (!read_zone(&text, &zone) || *text || !to_seconds(t, &seconds) || !in_range(seconds - zone))
        return false;
    *ret_wall_us = (seconds - zone) * SECOND_US + fraction;
    return true;
}

/* As a person types it, without a zone. */
static bool read_typed(const char *text, int64_t *ret_wall_us)
{
    struct tm t = {.tm_sec = 0};
    int64_t seconds;

    if (!read_date(&text, &t) || !skip(&text, ' ') || !read_minutes(&text, &t) ||
        (*text && (!skip(&text, ':') || !digits(&text, 2, &t.tm_sec))) || *text ||
        !to_seconds(t, &seconds))
        return false;
    *ret_wall_us = seconds * SECOND_US;
    return true;
}

static bool read_number(const char **at, int64_t *ret)
{
    int64_t value = 0;
    const char *from = *at;

    for (; **at >= '0' && **at <= '9'; (*at)++) {
        value = value * 10 + (**at - '0');
        if (value > LAST_SECOND)
            return false;
    }
    *ret = value;
    return *at > from;
}

static bool read_epoch(const char *text, int64_t *ret_wall_us)
{
    int64_t seconds;

    if (!skip(&text, '@') || !read_number(&text, &seconds) || *text)
        return false;
    *ret_wall_us = seconds * SECOND_US;
    return true;
}

bool when_span(const char *text, int64_t *ret_us)
{
    static const struct {
        char name;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    int64_t count;

    if (!read_number(&text, &count) || !text[0] || text[1])
        return false;
    for (size_t n = 0; n < sizeof(units) / sizeof(units[0]); n++) {
        if (units[n].name != *text || count > LAST_SECOND / units[n].seconds)
            continue;
        *ret_us = count * units[n].seconds * SECOND_US;
        return true;
    }
    return false;
}

static bool read_ago(const char *text, int64_t now_us, int64_t *ret_wall_us)
{
    int64_t span_us;

    if (!when_span(text, &span_us) || span_us > now_us)
        return false;
    *ret_wall_us = now_us - span_us;
    return true;
}

int when_parse(const char *text, int64_t now_us, int64_t *ret_wall_us, struct err *e)
{
    if (when_rfc3339(text, ret_wall_us) || read_typed(text, ret_wall_us) ||
        read_epoch(text, ret_wall_us) || read_ago(text, now_us, ret_wall_us))
        return 0;
    return err_set(e, ERR_USAGE,
                   "'%s' is no point in time; give 2016-11-04T10:15:00Z, '2016-11-04 10:15' (UTC), "
                   "@1478254500, or how long ago: 90m, 2h, 3d",
                   text);
}

char *when_length(double seconds, char buf[24])
{
    static const struct {
        double up_to, unit;
        const char *name;
        int decimals;
    } rows[] = {
        {9.95, 1, "s", 1},           {99.5, 1, "s", 0},         {99.5 * 60, 60, "min", 0},
        {47.5 * 3600, 3600, "h", 1}, {INFINITY, 86400, "d", 1},
    };
    size_t n = 0;

    while (seconds >= rows[n].up_to && n + 1 < sizeof(rows) / sizeof(rows[0]))
        n++;
    (void)snprintf(buf, 24, "%.*f %s", rows[n].decimals, seconds / rows[n].unit, rows[n].name);
    return buf;
}
