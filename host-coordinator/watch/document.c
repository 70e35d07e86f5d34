/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See document.h. */
#include "host-coordinator/watch/document.h"

#include <time.h>

#include "proto/base/cleanup.h"

#define TOLD_US INT64_C(30000000) /* the slow sources are read every 5 s or so */

static void set_time(struct record *to, const char *path, int64_t wall_us)
{
    time_t at = (time_t)(wall_us / 1000000);
    char text[40];
    struct tm tm;

    if (wall_us && gmtime_r(&at, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
        record_set_text(to, path, text);
}

static void add_metrics(struct record *to, const struct view_input *in)
{
    const struct series *s = in->facts.series;

    for (size_t n = 0; n < series_count(s); n++) {
        double value;

        if (view_value(in, series_name(s, n), &value))
            record_set_member_number(to, "metrics", series_name(s, n), value);
    }
}

static void add_texts(struct record *to, const struct view_input *in)
{
    const struct series_text *list;
    size_t count = series_texts(in->facts.series, &list);

    for (size_t n = 0; n < count; n++) /* the later ones replace the earlier */
        record_set_member_text(to, "texts", list[n].name, list[n].text);
}

static void add_transactions(struct record *to, const struct view_input *in)
{
    const struct series_trx *list;
    size_t count = series_trxs(in->facts.series, &list);

    record_set_empty(to, "transactions");
    for (size_t n = 0; n < count; n++) {
        struct record *item;

        if (list[n].at_us < in->facts.newest_us - INT64_C(2500) * in->facts.pace_ms)
            continue;
        item = record_append(to, "transactions");
        record_set_text(item, "id", list[n].id);
        record_set_int(item, "thread", (int64_t)list[n].thread);
        record_set_text(item, "user", list[n].user);
        record_set_int(item, "age_s", list[n].age_s);
        record_set_int(item, "rows_modified", (int64_t)list[n].rows_modified);
        record_set_text(item, "statement", list[n].statement);
    }
}

static void add_errors(struct record *to, const struct view_input *in)
{
    static const char *const levels[] = {"other", "warning", "error"};
    const struct series_line *list;
    size_t count = series_lines(in->facts.series, &list);

    record_set_empty(to, "errors");
    for (size_t n = 0; n < count; n++) {
        struct record *item = record_append(to, "errors");

        set_time(item, "time", list[n].at_wall_us);
        if (list[n].level >= 0 && (size_t)list[n].level < ARRAY_SIZE(levels))
            record_set_text(item, "level", levels[list[n].level]);
        record_set_text(item, "text", list[n].text);
    }
}

static void add_deleted(struct record *to, const struct view_input *in)
{
    const struct series_file_open *list;
    size_t count = series_files(in->facts.series, &list);

    record_set_empty(to, "deleted");
    for (size_t n = 0; n < count; n++) {
        struct record *item;

        if (list[n].at_us < in->facts.newest_us - TOLD_US)
            continue;
        item = record_append(to, "deleted");
        record_set_text(item, "path", list[n].path);
        record_set_int(item, "bytes", (int64_t)list[n].bytes);
    }
}

struct record *document_make(const struct view_input *in)
{
    struct record *to = record_new();

    record_set_text(to, "domain", in->facts.domain);
    set_time(to, "time", in->now_wall_us);
    record_set_text(to, "state", in->facts.state == FOLLOW_LIVE ? "live" : in->facts.words);
    if (*in->facts.agent)
        record_set_text(to, "agent", in->facts.agent);
    if (*in->facts.server)
        record_set_text(to, "server", in->facts.server);
    (void)record_make_object(to, "metrics");
    (void)record_make_object(to, "texts");
    add_metrics(to, in);
    add_texts(to, in);
    add_transactions(to, in);
    add_errors(to, in);
    add_deleted(to, in);
    return to;
}
