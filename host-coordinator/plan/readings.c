/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The readings of a run, in its record and in the file beside it; see report.h. */
#include "host-coordinator/plan/report.h"
#include "host-coordinator/plan/volumes_watch.h"
#include "host-coordinator/plan/windows.h"

#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <string.h>

/* The stall as the guest tells it, if it lies within what we saw ourselves. */
static void stall_by_guest(const struct run *r, struct windows *w)
{
    const Cbsnap__Released *rel = r->freeze.released ? r->freeze.released->released : NULL;
    int64_t from, to, slack = r->clock_uncertainty_us;

    if (!rel || !rel->has_lock_requested_us || !rel->has_unlocked_us ||
        !run_from_guest(r, rel->lock_requested_us, &from) ||
        !run_from_guest(r, run_writes_end_us(rel), &to) || from > to ||
        from < w->freeze_from_us - slack || to > w->freeze_to_us + slack)
        return;
    w->freeze_from_us = from;
    w->freeze_to_us = to;
}

/* `freeze` is what writers felt; all is `before` in a run that froze nothing. */
static struct windows windows_of(const struct run *r)
{
    struct windows w = {.started_us = r->started_us, .after_to_us = mono_us()};

    w.before_from_us = r->started_us - (int64_t)r->conf->history_ms * 1000;
    if (r->readings_from_us > w.before_from_us)
        w.before_from_us = r->readings_from_us;
    if (!r->freeze.started)
        return w;
    w.freeze_from_us = r->freeze.since_us;
    w.freeze_to_us = r->freeze.released_us ? r->freeze.released_us : w.after_to_us;
    stall_by_guest(r, &w);
    return w;
}

static void report_wall_offset(struct run *r)
{
    int64_t ms;

    if (r->clocks_related &&
        windows_wall_offset_ms(r->series, r->clock_offset_us, mono_us(), wall_us(), &ms))
        record_set_int(r->record, "guest.wall_offset_ms", ms);
}

/* What the appliance remembered of each volume, as it tells it. */
static void report_history(struct run *r)
{
    for (size_t n = 0; r->watch && n < r->volume_count; n++) {
        struct record *volume = record_at(r->record, "volumes", n);
        const struct volume_past *past;
        size_t count = volumes_watch_history(r->watch, n, &past);

        record_clear(volume, "history");
        for (size_t p = 0; p < count; p++) {
            struct record *item = record_append(volume, "history");

            record_set_text(item, "time", past[p].time);
            record_set_real(item, "iops", past[p].iops);
        }
    }
}

/* Our own readings, which the log did not see come. */
static void log_volumes(struct run *r)
{
    for (size_t n = 0; n < series_count(r->series); n++) {
        const char *name = series_name(r->series, n);
        const struct point *p;
        size_t count;

        if (!series_is_host(r->series, n))
            continue;
        count = series_points(r->series, n, INT64_MIN, INT64_MAX, &p);
        for (size_t i = 0; i < count; i++)
            series_log_take_host(r->log, name, p[i].at_us, p[i].value);
    }
}

static void write_series(struct run *r, const struct windows *w)
{
    const char *domain = r->ops->name(r->domain);
    AUTO_FREE char *path = series_file_path(r->conf->state_dir, domain, r->set);
    struct series_head head = {
        .started_us = r->started_us,
        .started_wall_us = r->started_wall_us,
        .related = r->clocks_related,
        .clock_offset_us = r->clock_offset_us,
        .clock_uncertainty_us = r->clock_uncertainty_us,
        .freeze_from_us = w->freeze_from_us,
        .freeze_to_us = w->freeze_to_us,
    };
    struct err e = ERR_INIT;

    (void)snprintf(head.set, sizeof(head.set), "%s", r->set);
    (void)snprintf(head.domain, sizeof(head.domain), "%s", domain);
    log_volumes(r);
    if (series_file_write(path, &head, r->log, &e) < 0) {
        run_note_once(r, "the series of readings could not be kept: %s", e.msg);
        log_warn("%s", e.msg);
    }
}

/* What the guest sends has bounds, one by one; together they are beyond what is read back, and a
 * record that nobody can read is worth less than one without readings. */
static void keep_readable(struct run *r)
{
    if (store_has_room(r->record))
        return;
    windows_leave_out(r->record);
    run_note_once(r,
                  "the readings are too many for a record and are not in it: what the agent of "
                  "domain '%s' sent is in the series alone",
                  r->domain_name);
}

void report_readings(struct run *r)
{
    struct windows w;

    run_relate_clocks(r);
    w = windows_of(r);
    windows_report(r->record, r->series, &w);
    if (series_odd_names(r->series))
        run_note_once(r,
                      "the agent of domain '%s' named metrics with control characters: what it "
                      "read under these names is left out",
                      r->domain_name);
    report_wall_offset(r);
    report_history(r);
    keep_readable(r);
    write_series(r, &w);
}
