/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See words.h. */
#include "host-coordinator/watch/words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/cleanup.h"

/* ---- numbers --------------------------------------------------------------------------------- */

/* Three digits, and a letter for what they are multiplied by. */
static void scaled(char text[NUMBER_SIZE], double value, double base, const char *unit)
{
    static const char letters[] = " kMGTPE";
    size_t n = 0;
    double shown = fabs(value);

    while (shown >= (base > 1000 ? 1000 : 999.5) && letters[n + 1]) {
        shown /= base;
        n++;
    }
    if (value < 0)
        shown = -shown;
    (void)snprintf(text, NUMBER_SIZE, "%.*f%.*s%s",
                   fabs(shown) < 9.95 && shown != floor(shown) ? 1 : 0, shown, n > 0, &letters[n],
                   unit);
}

static void duration(char text[NUMBER_SIZE], double s)
{
    long long whole = s < 0 ? 0 : s > 1e12 ? 1000000000000LL : (long long)s;

    if (whole >= 86400)
        (void)snprintf(text, NUMBER_SIZE, "%lld d %lld h", whole / 86400, whole / 3600 % 24);
    else if (whole >= 3600)
        (void)snprintf(text, NUMBER_SIZE, "%lld h %lld m", whole / 3600, whole / 60 % 60);
    else if (whole >= 60)
        (void)snprintf(text, NUMBER_SIZE, "%lld m %lld s", whole / 60, whole % 60);
    else
        (void)snprintf(text, NUMBER_SIZE, "%.*f s", s < 9.95 && s != floor(s), s);
}

const char *number_text(char text[NUMBER_SIZE], double value, enum metric_unit unit)
{
    switch (unit) {
    case UNIT_BYTES:
        scaled(text, value, 1024, "B");
        break;
    case UNIT_BYTES_PER_S:
        scaled(text, value, 1024, "B/s");
        break;
    case UNIT_KB_PER_S:
        scaled(text, value * 1000, 1000, "B/s");
        break;
    case UNIT_PER_S:
        scaled(text, value, 1000, "/s");
        break;
    case UNIT_PERCENT:
        (void)snprintf(text, NUMBER_SIZE, "%.0f%%", fmin(fmax(value, -9999), 9999));
        break;
    case UNIT_MS:
        if (fabs(value) >= 10000)
            duration(text, value / 1000);
        else
            (void)snprintf(text, NUMBER_SIZE, "%.*f ms", fabs(value) < 9.95 && value != 0, value);
        break;
    case UNIT_S:
        duration(text, value);
        break;
    case UNIT_BOOL:
        (void)snprintf(text, NUMBER_SIZE, "%s", value != 0 ? "yes" : "no");
        break;
    default:
        if (fabs(value) < 100 && value != floor(value))
            (void)snprintf(text, NUMBER_SIZE, "%.2f", value);
        else
            scaled(text, value, 1000, "");
    }
    return text;
}

/* ---- text ------------------------------------------------------------------------------------ */

/* How many bytes the UTF-8 character at `s` has, and which it is; 0 when it is none. */
static size_t decode(const unsigned char *s, unsigned *ret)
{
    static const unsigned smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = s[0] < 0x80 ? 1 : s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : s[0] >= 0xC2 ? 2 : 0;
    unsigned c = len == 1 ? s[0] : s[0] & (0xFFu >> (len + 1));

    if (len == 0 || s[0] > 0xF4)
        return 0;
    for (size_t n = 1; n < len; n++) {
        if ((s[n] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (s[n] & 0x3F);
    }
    if (c < smallest[len] || (c >= 0xD800 && c < 0xE000) || c > 0x10FFFF)
        return 0;
    *ret = c;
    return len;
}

/* Letters of scripts that are written one to a column, from left to right: a terminal shows them
 * as they are. All else (marks that combine, direction marks, wide ones) is not worth the risk. */
static bool plain(unsigned c, bool utf8)
{
    if (c < 0x80)
        return c >= 0x20 && c != 0x7F;
    return utf8 && ((c >= 0xA1 && c < 0x300 && c != 0xAD) || (c >= 0x370 && c < 0x483) ||
                    (c >= 0x48A && c < 0x530) || (c >= 0x2010 && c <= 0x2027) || c == 0x20AC);
}

void text_safe(struct buf *to, const char *text, size_t columns, bool utf8)
{
    const unsigned char *at = (const unsigned char *)(text ? text : "-");

    for (; *at && columns > 0; columns--) {
        unsigned c = 0;
        size_t len = decode(at, &c);

        if (len > 0 && plain(c, utf8))
            buf_add(to, at, len);
        else
            buf_add(to, c == '\n' || c == '\t' ? " " : "?", 1);
        at += len > 0 ? len : 1;
    }
}

size_t text_columns(const char *text)
{
    size_t count = 0;

    for (; *text; text++)
        count += (*text & 0xC0) != 0x80;
    return count;
}

void text_cut(char *text, size_t columns)
{
    for (; *text; text++) {
        if ((*text & 0xC0) == 0x80)
            continue;
        if (columns-- == 0) {
            *text = '\0';
            return;
        }
    }
}

/* ---- sparklines ------------------------------------------------------------------------------ */

void spark(struct buf *to, const double *values, size_t count, double max, bool utf8)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const ascii[] = {"_", ".", ":", "-", "=", "+", "*", "#"};

    for (size_t n = 0; n < count; n++) {
        size_t level = max > 0 && values[n] > 0 ? (size_t)(values[n] / max * 7.999) : 0;
        const char *mark = (utf8 ? blocks : ascii)[level < 8 ? level : 7];

        if (values[n] < 0)
            mark = " ";
        buf_add(to, mark, strlen(mark));
    }
}
