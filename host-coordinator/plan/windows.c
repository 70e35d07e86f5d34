/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From readings to a record's windows and lists; see windows.h. */
#include "host-coordinator/plan/windows.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#include <math.h>
#include <string.h>

#define TEXT_MAX        1000
#define NAME_MAX_LENGTH 255

enum { BEFORE, FREEZE, AFTER, WINDOW_COUNT };

struct window {
    const char *name;
    int64_t from_us, to_us; /* equal: it does not exist */
};

struct span {
    struct window in[WINDOW_COUNT];
    int64_t started_us;
};

static struct span span_of(const struct windows *w)
{
    bool frozen = w->freeze_from_us != 0;
    int64_t end = w->after_to_us > w->freeze_to_us ? w->after_to_us : w->freeze_to_us;

    return (struct span){
        .started_us = w->started_us,
        .in = {{"before", w->before_from_us, frozen ? w->freeze_from_us : w->after_to_us},
               {"freeze", w->freeze_from_us, frozen ? w->freeze_to_us : w->freeze_from_us},
               {"after", w->freeze_to_us, frozen ? end : w->freeze_to_us}},
    };
}

/* The window that holds that moment, or NULL. */
static const struct window *window_at(const struct span *s, int64_t at_us)
{
    for (int n = 0; n < WINDOW_COUNT; n++) {
        if (at_us >= s->in[n].from_us && at_us < s->in[n].to_us)
            return &s->in[n];
    }
    return NULL;
}

/* As reals: the guest may send any number. To the microsecond, and no digits beyond. */
static void set_ms(struct record *r, const char *path, const struct span *s, int64_t at_us)
{
    record_set_real(r, path, ((double)at_us - (double)s->started_us) / 1000.0);
}

/* The guest's words, in the length that a record has room for. */
static void set_text(struct record *r, const char *path, const char *text)
{
    record_set_told(r, path, text, TEXT_MAX);
}

/* ---- metrics --------------------------------------------------------------------------------- */

static void report_stats(struct record *r, const struct stats *st)
{
    record_set_number(r, "min", st->min);
    record_set_number(r, "mean", st->mean);
    record_set_number(r, "max", st->max);
    record_set_number(r, "last", st->last);
    record_set_number(r, "p95", st->p95);
    record_set_int(r, "count", (int64_t)st->count);
}

/* What each text metric said last, by the end of the window. */
static void report_texts(struct record *r, const struct series *s, const struct window *w)
{
    const struct series_text *texts;
    size_t count = series_texts(s, &texts);

    for (size_t n = 0; n < count; n++) {
        AUTO_FREE char *text = record_told(texts[n].text, TEXT_MAX);

        if (texts[n].at_us < w->to_us && strlen(texts[n].name) <= NAME_MAX_LENGTH)
            record_set_member_text(r, "texts", texts[n].name, text);
    }
}

static void report_window(struct record *rec, const struct series *s, const struct span *span,
                          const struct window *w)
{
    struct record *r;

    if (w->from_us >= w->to_us)
        return;
    r = record_make_member(rec, "metrics", w->name);
    set_ms(r, "from_ms", span, w->from_us);
    set_ms(r, "to_ms", span, w->to_us);
    for (size_t n = 0; n < series_count(s); n++) {
        struct stats st;

        if (strlen(series_name(s, n)) <= NAME_MAX_LENGTH &&
            series_stats(s, n, w->from_us, w->to_us, &st))
            report_stats(record_make_member(r, "values", series_name(s, n)), &st);
    }
    report_texts(r, s, w);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static const char *level_name(int level)
{
    return level == CBSNAP__SERVER_LINE__LEVEL__ERROR     ? "error"
           : level == CBSNAP__SERVER_LINE__LEVEL__WARNING ? "warning"
                                                          : "other";
}

/* A number that the guest counts without sign. */
static void set_count(struct record *r, const char *path, uint64_t value)
{
    record_set_int(r, path, value < INT64_MAX ? (int64_t)value : INT64_MAX);
}

/* An item for what was read then; NULL when no window holds that moment. */
static struct record *add_item(struct record *rec, const char *list, const struct span *span,
                               int64_t at_us)
{
    const struct window *w = window_at(span, at_us);
    struct record *item = w ? record_append(rec, list) : NULL;

    if (item) {
        set_ms(item, "at_ms", span, at_us);
        record_set_text(item, "window", w->name);
    }
    return item;
}

/* The last ones are kept, and the rest is counted. */
static void end_list(struct record *rec, const char *list)
{
    AUTO_FREE char *left_out = xasprintf("readings.%s_left_out", list);
    size_t removed = record_keep_last(rec, list, WINDOWS_LIST_MAX);

    if (removed > 0)
        record_set_int(rec, left_out, (int64_t)removed);
}

static void report_errors(struct record *rec, const struct series *s, const struct span *span)
{
    const struct series_line *lines;
    size_t count = series_lines(s, &lines);
    char at[32];

    record_set_empty(rec, "errors");
    for (size_t n = 0; n < count; n++) {
        struct record *item = add_item(rec, "errors", span, lines[n].at_us);

        if (!item)
            continue;
        if (lines[n].at_wall_us > 0)
            record_set_text(item, "time", clock_iso(lines[n].at_wall_us, at));
        record_set_text(item, "level", level_name(lines[n].level));
        set_text(item, "text", lines[n].text);
    }
    end_list(rec, "errors");
}

static void report_transactions(struct record *rec, const struct series *s, const struct span *span)
{
    const struct series_trx *trxs;
    size_t count = series_trxs(s, &trxs);

    record_set_empty(rec, "transactions");
    for (size_t n = 0; n < count; n++) {
        struct record *item = add_item(rec, "transactions", span, trxs[n].at_us);

        if (!item)
            continue;
        set_text(item, "id", trxs[n].id);
        if (trxs[n].thread)
            set_count(item, "thread", trxs[n].thread);
        set_text(item, "user", trxs[n].user);
        record_set_int(item, "age_s", trxs[n].age_s);
        set_count(item, "rows_modified", trxs[n].rows_modified);
        set_text(item, "statement", trxs[n].statement);
    }
    end_list(rec, "transactions");
}

static void report_deleted(struct record *rec, const struct series *s, const struct span *span)
{
    const struct series_file_open *files;
    size_t count = series_files(s, &files);

    record_set_empty(rec, "deleted_files");
    for (size_t n = 0; n < count; n++) {
        struct record *item = add_item(rec, "deleted_files", span, files[n].at_us);

        if (!item)
            continue;
        set_text(item, "path", files[n].path);
        set_count(item, "bytes", files[n].bytes);
    }
    end_list(rec, "deleted_files");
}

void windows_report(struct record *rec, const struct series *s, const struct windows *w)
{
    struct span span = span_of(w);

    record_clear(rec, "metrics");
    record_clear(rec, "readings");
    record_set_text(rec, "metrics.catalogue", CBSNAP_VERSION);
    for (int n = 0; n < WINDOW_COUNT; n++)
        report_window(rec, s, &span, &span.in[n]);
    set_count(rec, "readings.missed", series_missed(s));
    set_count(rec, "readings.dropped", series_dropped(s));
    report_errors(rec, s, &span);
    report_transactions(rec, s, &span);
    report_deleted(rec, s, &span);
}

void windows_leave_out(struct record *rec)
{
    record_clear(rec, "metrics");
    record_clear(rec, "errors");
    record_clear(rec, "transactions");
    record_clear(rec, "deleted_files");
}

bool windows_wall_offset_ms(const struct series *s, int64_t offset_us, int64_t host_mono_us,
                            int64_t host_wall_us, int64_t *ret_ms)
{
    int64_t guest_us, guest_wall_us;
    double ms;

    if (!series_newest(s, &guest_us, &guest_wall_us) || guest_wall_us == 0)
        return false;
    /* reals cannot overflow, and of a millisecond in 285,000 years they lose nothing */
    ms = ((double)guest_wall_us -
          ((double)host_wall_us + ((double)guest_us - (double)offset_us - (double)host_mono_us))) /
         1000.0;
    if (fabs(ms) > 9e15)
        return false;
    *ret_ms = (int64_t)llround(ms);
    return true;
}
