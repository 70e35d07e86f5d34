/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cells that flow over the width, and tables with a line for each instance; see view_internal.h. */
#include "host-coordinator/watch/view_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/cleanup.h"

#define CELL_LABEL 12
#define CELL_WIDTH 25 /* with two blanks behind it */
#define NAME_WIDTH 14
#define SPARK_MAX  60
#define INSTANCES  64 /* lines of one table; a guest with more mounts has the rest left out */

/* ---- fresh values ---------------------------------------------------------------------------- */

#define FRESH_MAX_US   INT64_C(65000000) /* a source that costs much is read once a minute */
#define FRESH_FIRST_US INT64_C(15000000) /* a single point does not tell its pace */

/* Each source has its own pace: two and a half of its intervals without a point are one missing. */
static int64_t fresh_us(const struct view_input *in, const struct point *p, size_t count)
{
    int64_t pace_us = INT64_C(1000) * in->facts.pace_ms, own_us = FRESH_FIRST_US * 2 / 5;

    if (count > 1)
        own_us = p[count - 1].at_us - p[count - 2].at_us;
    if (own_us > FRESH_MAX_US)
        own_us = FRESH_MAX_US;
    own_us = (own_us > pace_us ? own_us : pace_us) * 5 / 2;
    return own_us < FRESH_MAX_US || own_us < pace_us * 5 / 2 ? own_us : FRESH_MAX_US;
}

static size_t fresh_points(const struct view_input *in, const char *metric,
                           const struct point **ret)
{
    const struct series *s = in->facts.series;
    const struct metric_row *row = metric_find(metric);
    int64_t limit_us = row && row->family == FAMILY_VOLUME ? in->now_us : in->facts.newest_us;
    size_t at, count;

    if (!series_find(s, metric, &at))
        return 0;
    count = series_points(s, at, INT64_MIN, INT64_MAX, ret);
    return count > 0 && (*ret)[count - 1].at_us >= limit_us - fresh_us(in, *ret, count) ? count : 0;
}

bool view_value(const struct view_input *in, const char *metric, double *ret)
{
    const struct point *p;
    size_t count = fresh_points(in, metric, &p);

    if (count == 0)
        return false;
    *ret = p[count - 1].value;
    return true;
}

/* What a gauge that only grows grows by; absent when it was set back. */
static bool growth(const struct view_input *in, const char *metric, double *ret)
{
    const struct point *p;
    size_t count = fresh_points(in, metric, &p);

    if (count < 2 || p[count - 1].value < p[count - 2].value)
        return false;
    *ret = (p[count - 1].value - p[count - 2].value) /
           ((double)(p[count - 1].at_us - p[count - 2].at_us) / 1e6);
    return true;
}

/* ---- cells ----------------------------------------------------------------------------------- */

static const char *cell_text(const struct view_input *in, const struct cell *c,
                             char text[NUMBER_SIZE])
{
    const struct metric_row *row = metric_find(c->metric);
    enum metric_unit unit = row ? row->unit : UNIT_ONE;
    double value;

    if (c->rate ? !growth(in, c->metric, &value) : !view_value(in, c->metric, &value))
        return "-";
    if (c->rate)
        unit = unit == UNIT_BYTES ? UNIT_BYTES_PER_S : UNIT_PER_S;
    return number_text(text, value, unit);
}

void draw_cells(struct page *p, const struct panel *panel)
{
    size_t across = p->in->width / CELL_WIDTH > 0 ? p->in->width / CELL_WIDTH : 1, n = 0;
    struct buf line = BUF_INIT;

    for (const struct cell *c = panel->cells; c->label; c++) {
        char text[NUMBER_SIZE];

        buf_addf(&line, "%-*s%*s  ", CELL_LABEL, c->label, CELL_WIDTH - CELL_LABEL - 2,
                 cell_text(p->in, c, text));
        if (++n % across == 0 || !c[1].label) {
            page_add(p, TONE_PLAIN, buf_text(&line));
            buf_clear(&line);
        }
    }
    buf_release(&line);
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* "disk.vdb.reads" for "disk.*.writes" and "vdb"; the caller frees. */
static char *metric_of(const char *pattern, const char *instance)
{
    const char *star = strchr(pattern, '*');

    return xasprintf("%.*s%s%s", (int)(star - pattern), pattern, instance, star + 1);
}

/* The instance in a name that fits; the caller frees. */
static char *instance_of(const char *pattern, const char *name)
{
    size_t before = (size_t)(strchr(pattern, '*') - pattern);
    size_t after = strlen(pattern) - before - 1;

    return xasprintf("%.*s", (int)(strlen(name) - before - after), name + before);
}

static bool known(char *const *names, size_t count, const char *name)
{
    while (count-- > 0) {
        if (strcmp(names[count], name) == 0)
            return true;
    }
    return false;
}

/* Whoever has a fresh value in any column has a line. */
static size_t instances(const struct view_input *in, const struct column *columns,
                        char *ret[INSTANCES])
{
    size_t count = 0;

    for (size_t n = 0; n < series_count(in->facts.series); n++) {
        const char *name = series_name(in->facts.series, n);
        double value;

        for (const struct column *c = columns; c->head && count < INSTANCES; c++) {
            char *instance;

            if (!metric_matches(c->metric, name) || !view_value(in, name, &value))
                continue;
            instance = instance_of(c->metric, name);
            if (known(ret, count, instance))
                free(instance);
            else
                ret[count++] = instance;
            break;
        }
    }
    return count;
}

/* A place for each reading, the newest at the right. */
static void add_spark(struct page *p, struct buf *line, const char *metric, size_t width)
{
    int64_t step_us = INT64_C(1000) * p->in->facts.pace_ms, newest_us = p->in->facts.newest_us;
    double values[SPARK_MAX], max = 0;
    const struct point *points;
    size_t at, count = 0;

    for (size_t n = 0; n < width; n++)
        values[n] = -1;
    if (series_find(p->in->facts.series, metric, &at))
        count = series_points(p->in->facts.series, at, newest_us - step_us * (int64_t)width,
                              INT64_MAX, &points);
    for (size_t n = 0; n < count; n++) {
        int64_t back = (newest_us - points[n].at_us + step_us / 2) / step_us;
        size_t place = width - 1 - (back < 0 ? 0 : (size_t)back);

        if (back >= (int64_t)width)
            continue;
        values[place] = fmax(values[place], points[n].value);
        max = fmax(max, points[n].value);
    }
    spark(line, values, width, max, p->in->utf8);
    buf_add(line, " ", 1);
}

static void add_value(struct page *p, struct buf *line, const struct column *c, const char *metric,
                      const char *whole)
{
    const struct metric_row *row = metric_find(metric);
    const char *shown = "-";
    char text[NUMBER_SIZE];
    double value, all;

    if (view_value(p->in, metric, &value) &&
        (!whole || (view_value(p->in, whole, &all) && all > 0)))
        shown = whole ? number_text(text, value / all * 100, UNIT_PERCENT)
                      : number_text(text, value, row ? row->unit : UNIT_ONE);
    buf_addf(line, "%*s ", (int)c->width, shown);
}

static void add_name(struct page *p, struct buf *line, const char *name)
{
    struct buf safe = BUF_INIT;

    text_safe(&safe, name, NAME_WIDTH, p->in->utf8);
    buf_addf(line, "%s%*s ", buf_text(&safe), (int)(NAME_WIDTH - text_columns(buf_text(&safe))),
             "");
    buf_release(&safe);
}

/* Sparklines share what the values leave. */
static size_t spark_width(const struct page *p, const struct column *columns)
{
    size_t used = NAME_WIDTH + 1, sparks = 0, left;

    for (const struct column *c = columns; c->head; c++) {
        if (c->spark)
            sparks++;
        else
            used += c->width + 1;
    }
    if (sparks == 0 || used + sparks >= p->in->width)
        return 0;
    left = (p->in->width - used) / sparks - 1;
    return left < 6 ? 0 : left > SPARK_MAX ? SPARK_MAX : left;
}

static void add_head(struct page *p, const struct panel *panel, size_t sparks)
{
    struct buf line = BUF_INIT;

    buf_addf(&line, "%-*s ", NAME_WIDTH, "");
    for (const struct column *c = panel->columns; c->head; c++) {
        if (!c->spark)
            buf_addf(&line, "%*s ", (int)c->width, c->head);
        else if (sparks > 0)
            buf_addf(&line, "%-*.*s ", (int)sparks, (int)sparks, c->head);
    }
    page_add(p, TONE_DIM, buf_text(&line));
    buf_release(&line);
}

static void add_row(struct page *p, const struct panel *panel, const char *instance, size_t sparks)
{
    struct buf line = BUF_INIT;

    add_name(p, &line, instance);
    for (const struct column *c = panel->columns; c->head; c++) {
        AUTO_FREE char *metric = metric_of(c->metric, instance);
        AUTO_FREE char *whole = c->of ? metric_of(c->of, instance) : NULL;

        if (!c->spark)
            add_value(p, &line, c, metric, whole);
        else if (sparks > 0)
            add_spark(p, &line, metric, sparks);
    }
    page_add(p, TONE_PLAIN, buf_text(&line));
    buf_release(&line);
}

void draw_table(struct page *p, const struct panel *panel)
{
    size_t sparks = spark_width(p, panel->columns);
    char *names[INSTANCES];
    size_t count = instances(p->in, panel->columns, names);

    if (count > 0)
        add_head(p, panel, sparks);
    for (size_t n = 0; n < count; n++) {
        add_row(p, panel, names[n], sparks);
        free(names[n]);
    }
}
