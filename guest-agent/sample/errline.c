/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Level and time of a line; see errline.h. */
#include "guest-agent/sample/errline.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "proto/base/cleanup.h"

struct cursor {
    const char *at, *end;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool take_char(struct cursor *c, char want)
{
    if (c->at == c->end || *c->at != want)
        return false;
    c->at++;
    return true;
}

/* Exactly so many digits; the first may be a blank: "161104  9:15:00". */
static bool take_digits(struct cursor *c, int digits, int *ret)
{
    int n = 0;

    if (c->end - c->at < digits)
        return false;
    for (int k = 0; k < digits; k++) {
        char d = c->at[k];

        if (!is_digit(d) && !(k == 0 && digits == 2 && d == ' '))
            return false;
        n = n * 10 + (d == ' ' ? 0 : d - '0');
    }
    c->at += digits;
    *ret = n;
    return true;
}

static void skip_blanks(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
        c->at++;
}

/* "2016-11-04" or "161104" */
static bool take_date(struct cursor *c, struct tm *tm)
{
    struct cursor try = *c;

    if (take_digits(&try, 4, &tm->tm_year) && take_char(&try, '-') &&
        take_digits(&try, 2, &tm->tm_mon) && take_char(&try, '-') &&
        take_digits(&try, 2, &tm->tm_mday)) {
        tm->tm_year -= 1900;
    } else {
        try = *c;
        if (!take_digits(&try, 2, &tm->tm_year) || !take_digits(&try, 2, &tm->tm_mon) ||
            !take_digits(&try, 2, &tm->tm_mday))
            return false;
        tm->tm_year += 100;
    }
    tm->tm_mon -= 1;
    *c = try;
    return tm->tm_mon >= 0 && tm->tm_mon < 12 && tm->tm_mday >= 1 && tm->tm_mday <= 31;
}

static bool take_clock(struct cursor *c, struct tm *tm)
{
    return take_digits(c, 2, &tm->tm_hour) && take_char(c, ':') && take_digits(c, 2, &tm->tm_min) &&
           take_char(c, ':') && take_digits(c, 2, &tm->tm_sec) && tm->tm_hour < 24 &&
           tm->tm_min < 60 && tm->tm_sec <= 60;
}

/* ".123456"; digits beyond the sixth say nothing to us */
static int64_t take_fraction(struct cursor *c)
{
    int64_t us = 0, unit = 100000;

    if (!take_char(c, '.'))
        return 0;
    for (; c->at < c->end && is_digit(*c->at); c->at++, unit /= 10)
        us += (*c->at - '0') * unit;
    return us;
}

/* "Z" or "+02:00": seconds ahead of UTC */
static bool take_zone(struct cursor *c, int64_t *ret_s)
{
    struct cursor try = *c;
    int hours, minutes;
    bool west;

    *ret_s = 0;
    if (take_char(c, 'Z'))
        return true;
    west = take_char(&try, '-');
    if ((!west && !take_char(&try, '+')) || !take_digits(&try, 2, &hours) ||
        !take_char(&try, ':') || !take_digits(&try, 2, &minutes))
        return false;
    *ret_s = (hours * 60 + minutes) * (west ? -60 : 60);
    *c = try;
    return true;
}

/* Leaves the cursor where it was when there is no time. */
static int64_t take_time(struct cursor *c)
{
    struct cursor try = *c;
    struct tm tm = {.tm_isdst = -1};
    int64_t ahead_s, fraction;
    time_t at;

    if (!take_date(&try, &tm))
        return 0;
    if (!take_char(&try, 'T') && !take_char(&try, ' '))
        return 0;
    if (!take_clock(&try, &tm))
        return 0;
    fraction = take_fraction(&try);
    if (take_zone(&try, &ahead_s))
        at = timegm(&tm) - (time_t)ahead_s;
    else
        at = mktime(&tm);
    *c = try;
    return at > 0 ? (int64_t)at * 1000000 + fraction : 0;
}

static bool starts(const struct cursor *c, const char *word)
{
    size_t len = strlen(word);

    return (size_t)(c->end - c->at) >= len && strncasecmp(c->at, word, len) == 0;
}

/* The level stands behind the time and the thread's number, nowhere else: a note may quote an
 * error. */
static enum sample_line_level level_of(struct cursor *c)
{
    static const struct {
        const char *word;
        enum sample_line_level level;
    } words[] = {{"[error]", LINE_ERROR},
                 {"[warning]", LINE_WARNING},
                 {"[warn]", LINE_WARNING},
                 {"InnoDB: Error", LINE_ERROR},
                 {"InnoDB: Warning", LINE_WARNING}};

    skip_blanks(c);
    while (c->at < c->end && is_digit(*c->at))
        c->at++;
    skip_blanks(c);
    for (size_t n = 0; n < ARRAY_SIZE(words); n++) {
        if (starts(c, words[n].word))
            return words[n].level;
    }
    return LINE_OTHER;
}

/* "10:15:00 UTC - mysqld got signal 11 ;", from 8.0.30 with the date too */
static bool is_crash(struct cursor c)
{
    struct tm tm;

    if (take_clock(&c, &tm))
        skip_blanks(&c);
    else
        skip_blanks(&c);
    return starts(&c, "UTC - mysqld got ") || starts(&c, "UTC - mariadbd got ");
}

struct errline errline_parse(const char *text, size_t len)
{
    struct cursor c = {.at = text, .end = text + len};
    struct errline line = {.level = LINE_OTHER};

    line.at_wall_us = take_time(&c);
    line.level = is_crash(c) ? LINE_ERROR : level_of(&c);
    return line;
}
