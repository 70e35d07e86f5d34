/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows of readings, merged by time; see show_series.h. */
#include "host-coordinator/command/show_series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/plain.h"
#include "proto/metrics.h"

#define CELL_MAX 64 /* of a table: longer text is cut */

/* One metric: its points, or its texts if it has those. */
struct column {
    const char *name;
    const struct point *points;
    const struct series_text **texts;
    size_t count, next; /* the first that is not printed yet */
};

struct table {
    struct column *columns;
    size_t count;
    const struct series_head *head;
    int64_t zero_us; /* offsets count from here */
};

static int64_t time_of(const struct column *c, size_t n)
{
    return c->texts ? c->texts[n]->at_us : c->points[n].at_us;
}

/* The shortest text that reads back as the same number. */
static char *number_text(double value)
{
    for (int digits = 6; digits < 17; digits += 3) {
        char *text = xasprintf("%.*g", digits, value);

        if (strtod(text, NULL) == value)
            return text;
        free(text);
    }
    return xasprintf("%.17g", value);
}

static char *cell_text(const struct column *c, size_t n)
{
    char *text = c->texts ? xstrdup(c->texts[n]->text) : number_text(c->points[n].value);

    err_plain(text);
    return text;
}

static const char *unit_of(const char *name)
{
    const struct metric_row *row = metric_find(name);

    return row ? metric_unit_name(row->unit) : "?"; /* a later agent knows more metrics */
}

/* A file may hold any time: reckoned as reals, which cannot overflow. */
static double offset_ms(const struct table *t, int64_t at_us)
{
    return ((double)at_us - (double)t->zero_us) / 1000.0;
}

static const char *iso_of(const struct table *t, int64_t at_us, char buf[32])
{
    double wall = (double)t->head->started_wall_us + ((double)at_us - (double)t->head->started_us);

    return clock_iso(wall > 9e18 ? INT64_MAX : wall < -9e18 ? INT64_MIN : (int64_t)wall, buf);
}

/* ---- choosing -------------------------------------------------------------------------------- */

static struct column *add_column(struct table *t, const char *name)
{
    t->columns = xrealloc(t->columns, (t->count + 1) * sizeof(*t->columns));
    t->columns[t->count] = (struct column){.name = name};
    return &t->columns[t->count++];
}

static void choose_numbers(struct table *t, const struct series *s, const char *pattern)
{
    for (size_t n = 0; n < series_count(s); n++) {
        const struct point *points;
        size_t count = series_points(s, n, INT64_MIN, INT64_MAX, &points);
        struct column *c;

        if (count == 0 || !metric_matches(pattern, series_name(s, n)))
            continue;
        c = add_column(t, series_name(s, n));
        c->points = points;
        c->count = count;
    }
}

static void choose_texts(struct table *t, const struct series *s, const char *pattern)
{
    const struct series_text *texts;
    size_t count = series_texts(s, &texts);

    for (size_t n = 0; n < count; n++) {
        struct column *c = NULL;

        if (!metric_matches(pattern, texts[n].name))
            continue;
        for (size_t k = 0; k < t->count && !c; k++) {
            if (t->columns[k].texts && strcmp(t->columns[k].name, texts[n].name) == 0)
                c = &t->columns[k];
        }
        if (!c)
            c = add_column(t, texts[n].name);
        c->texts = xrealloc(c->texts, (c->count + 1) * sizeof(struct series_text *));
        c->texts[c->count++] = &texts[n];
    }
}

static void release(struct table *t)
{
    for (size_t n = 0; n < t->count; n++)
        free(t->columns[n].texts);
    free(t->columns);
}

/* ---- names near to one that is not there ----------------------------------------------------- */

#define NEAR_MAX  5
#define NEAR_NAME 128

/* Insertions, removals and replacements that make one of the other (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
    size_t row[NEAR_NAME + 1], len = strnlen(b, NEAR_NAME);

    for (size_t n = 0; n <= len; n++)
        row[n] = n;
    for (size_t k = 0; a[k] && k < NEAR_NAME; k++) {
        size_t corner = row[0];

        row[0] = k + 1;
        for (size_t n = 1; n <= len; n++) {
            size_t best = corner + (a[k] != b[n - 1]);

            corner = row[n];
            best = row[n] + 1 < best ? row[n] + 1 : best;
            row[n] = row[n - 1] + 1 < best ? row[n - 1] + 1 : best;
        }
    }
    return row[len];
}

struct near {
    const char *name;
    size_t distance;
};

static int by_distance(const void *a, const void *b)
{
    const struct near *x = a, *y = b;

    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int refuse(const struct series *s, const struct series_head *head, const char *pattern,
                  struct err *e)
{
    struct table all = {.count = 0};
    AUTO_FREE struct near *near = NULL;
    struct buf names = BUF_INIT;

    choose_numbers(&all, s, "*");
    choose_texts(&all, s, "*");
    near = xcalloc(all.count, sizeof(*near));
    for (size_t n = 0; n < all.count; n++)
        near[n] = (struct near){all.columns[n].name, strstr(all.columns[n].name, pattern)
                                                         ? 0
                                                         : distance(pattern, all.columns[n].name)};
    qsort(near, all.count, sizeof(*near), by_distance);
    for (size_t n = 0; n < all.count && n < NEAR_MAX; n++)
        buf_addf(&names, "%s%.60s", n == 0 ? "" : ", ", near[n].name);
    if (all.count == 0)
        err_set(e, ERR_NOT_FOUND, "set '%s' has no readings at all", head->set);
    else
        err_set(e, ERR_NOT_FOUND, "set '%s' has no readings of '%.60s'; near it are: %s", head->set,
                pattern, buf_text(&names));
    buf_release(&names);
    release(&all);
    return -1;
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* The time of the next row: the earliest that any column has; false at the end. */
static bool next_time(const struct table *t, int64_t *ret_us)
{
    bool any = false;

    for (size_t n = 0; n < t->count; n++) {
        const struct column *c = &t->columns[n];

        if (c->next < c->count && (!any || time_of(c, c->next) < *ret_us)) {
            *ret_us = time_of(c, c->next);
            any = true;
        }
    }
    return any;
}

/* What the column has for this row, for the caller to free; NULL for nothing. */
static char *take_cell(struct column *c, int64_t at_us)
{
    if (c->next == c->count || time_of(c, c->next) != at_us)
        return NULL;
    return cell_text(c, c->next++);
}

/* ---- CSV: RFC 4180 --------------------------------------------------------------------------- */

static void put_field(FILE *to, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, to);
        return;
    }
    putc('"', to);
    for (; *text; text++)
        fputs(*text == '"' ? "\"\"" : (char[]){*text, '\0'}, to);
    putc('"', to);
}

static void print_csv(FILE *to, struct table *t)
{
    int64_t at_us = 0;
    char iso[32];

    fputs("time,offset_ms", to);
    for (size_t n = 0; n < t->count; n++) {
        AUTO_FREE char *name = xstrdup(t->columns[n].name);

        err_plain(name);
        putc(',', to);
        put_field(to, name);
    }
    fputs("\r\n", to);
    while (next_time(t, &at_us)) {
        fprintf(to, "%s,%.3f", iso_of(t, at_us, iso), offset_ms(t, at_us));
        for (size_t n = 0; n < t->count; n++) {
            AUTO_FREE char *cell = take_cell(&t->columns[n], at_us);

            putc(',', to);
            put_field(to, cell ? cell : "");
        }
        fputs("\r\n", to);
    }
}

/* ---- a table for people ---------------------------------------------------------------------- */

static int width_of(const struct column *c)
{
    size_t width = 16, name = strlen(c->name), unit = strlen(unit_of(c->name));

    width = name > width ? name : width;
    width = unit > width ? unit : width;
    for (size_t n = 0; c->texts && n < c->count; n++) {
        size_t text = strnlen(c->texts[n]->text, CELL_MAX);

        width = text > width ? text : width;
    }
    return (int)(width < 256 ? width : 256);
}

static void print_table(FILE *to, struct table *t)
{
    AUTO_FREE int *width = xcalloc(t->count, sizeof(*width));
    struct buf names = BUF_INIT, units = BUF_INIT, row = BUF_INIT;
    int64_t at_us = 0;
    char iso[32];

    for (size_t n = 0; n < t->count; n++) {
        width[n] = width_of(&t->columns[n]);
        buf_addf(&names, "  %*.*s", width[n], width[n], t->columns[n].name);
        buf_addf(&units, "  %*s", width[n], unit_of(t->columns[n].name));
    }
    plain_line(to, "%-24s  %12s%s", "time", t->head->freeze_from_us ? "from freeze" : "from start",
               buf_text(&names));
    plain_line(to, "%-24s  %12s%s", "UTC", "ms", buf_text(&units));
    while (next_time(t, &at_us)) {
        buf_clear(&row);
        for (size_t n = 0; n < t->count; n++) {
            AUTO_FREE char *cell = take_cell(&t->columns[n], at_us);

            /* words may be cut, numbers never */
            buf_addf(&row, "  %*.*s", width[n], t->columns[n].texts ? width[n] : -1, cell ?: "");
        }
        plain_line(to, "%-24s  %12.3f%s", iso_of(t, at_us, iso), offset_ms(t, at_us),
                   buf_text(&row));
    }
    buf_release(&names);
    buf_release(&units);
    buf_release(&row);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void add_points(struct record *item, const struct table *t, const struct column *c)
{
    char iso[32];

    for (size_t n = 0; n < c->count; n++) {
        record_append_text(item, "time", iso_of(t, time_of(c, n), iso));
        record_append_real(item, "offset_ms", offset_ms(t, time_of(c, n)));
        if (c->texts)
            record_append_text(item, "text", c->texts[n]->text);
        else
            record_append_real(item, "value", c->points[n].value);
    }
}

static void print_json(FILE *to, const struct table *t)
{
    struct record *doc = record_new();
    AUTO_FREE char *text = NULL;

    record_set_text(doc, "set", t->head->set);
    record_set_text(doc, "domain", t->head->domain);
    record_set_text(doc, "offset_from", t->head->freeze_from_us ? "freeze" : "start");
    for (size_t n = 0; n < t->count; n++) {
        struct record *item = record_append(doc, "metrics");

        record_set_text(item, "name", t->columns[n].name);
        record_set_text(item, "unit", unit_of(t->columns[n].name));
        add_points(item, t, &t->columns[n]);
    }
    text = record_format(doc);
    fputs(text, to);
    record_free(doc);
}

int show_series(FILE *to, const struct series *s, const struct series_head *head,
                const char *pattern, enum series_form form, struct err *e)
{
    struct table t = {.head = head};

    t.zero_us = head->freeze_from_us ? head->freeze_from_us : head->started_us;
    choose_numbers(&t, s, pattern);
    choose_texts(&t, s, pattern);
    if (t.count == 0)
        return refuse(s, head, pattern, e);
    if (form == SERIES_CSV)
        print_csv(to, &t);
    else if (form == SERIES_JSON)
        print_json(to, &t);
    else
        print_table(to, &t);
    release(&t);
    return 0;
}
