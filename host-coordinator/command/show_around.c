/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The few readings of a record that tell a person whether the moment was calm; see show_series.h.
 */
#include "host-coordinator/command/show_series.h"

#include <math.h>
#include <string.h>

#include "proto/base/cleanup.h"
#include "proto/base/plain.h"
#include "proto/metrics.h"

#define LIST_MAX 5 /* of a list: the last, the others are counted */

static const char *const telling[] = {
    "system.load1",          "system.cpu.iowait",     "system.cpu.steal", "system.mem.dirty",
    "disk.*.write_time",     "mysql.threads_running", "mysql.writes",     "innodb.trx_oldest",
    "innodb.checkpoint_age", "innodb.pool_dirty",     "innodb.deadlocks", "mysql.errlog.errors",
    "mysql.errlog.warnings",
};

/* ---- numbers with their units ---------------------------------------------------------------- */

static void print_bytes(char text[32], double bytes, const char *per)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t n = 0;

    for (; fabs(bytes) >= 1024 && n + 1 < ARRAY_SIZE(units); n++)
        bytes /= 1024;
    (void)snprintf(text, 32, n == 0 ? "%.0f %s%s" : "%.1f %s%s", bytes, units[n], per);
}

static const char *number(char text[32], const char *name, double value)
{
    const struct metric_row *row = metric_find(name);
    enum metric_unit unit = row ? row->unit : UNIT_ONE;
    bool bare = unit == UNIT_ONE || unit == UNIT_REPORTED || unit == UNIT_BOOL;

    if (unit == UNIT_BYTES || unit == UNIT_BYTES_PER_S)
        print_bytes(text, value, unit == UNIT_BYTES ? "" : "/s");
    else
        (void)snprintf(text, 32, value == floor(value) ? "%.0f%s%s" : "%.2f%s%s", value,
                       bare ? "" : " ", bare ? "" : metric_unit_name(unit));
    return text;
}

static const char *statistic(char text[32], const struct record *r, const char *window,
                             const char *name, const char *which)
{
    char path[64];
    const struct record *stats;
    double value;

    (void)snprintf(path, sizeof(path), "metrics.%s.values", window);
    stats = record_member(r, path, name);
    if (!stats || !record_real(stats, which, &value))
        return "-";
    return number(text, name, value);
}

/* ---- metrics --------------------------------------------------------------------------------- */

struct around {
    FILE *to;
    const struct record *r;
    const char *pattern;
    bool after; /* of the window `after`: those that `before` has are printed already */
};

static void print_metric(void *arg, const char *name, const struct record *stats)
{
    const struct around *a = arg;
    char text[4][32];

    (void)stats;
    if (!metric_matches(a->pattern, name) ||
        (a->after && record_member(a->r, "metrics.before.values", name)))
        return;
    plain_line(a->to, "  %-24.40s %12s %12s   %12s %12s", name,
               statistic(text[0], a->r, "before", name, "mean"),
               statistic(text[1], a->r, "before", name, "max"),
               statistic(text[2], a->r, "after", name, "mean"),
               statistic(text[3], a->r, "after", name, "max"));
}

static void print_metrics(FILE *to, const struct record *r)
{
    plain_line(to, "  %-24s %12s %12s   %12s %12s", "", "before: mean", "max", "after: mean",
               "max");
    for (size_t n = 0; n < ARRAY_SIZE(telling); n++) {
        struct around a = {.to = to, .r = r, .pattern = telling[n]};

        record_members(r, "metrics.before.values", print_metric, &a);
        a.after = true;
        record_members(r, "metrics.after.values", print_metric, &a);
    }
}

/* ---- lists ----------------------------------------------------------------------------------- */

static const char *text_of(const struct record *item, const char *path)
{
    const char *text = item ? record_text(item, path) : NULL;

    return text ? text : "-";
}

/* The index of the first of a list's items that is worth printing; says how many are not. */
static size_t first_shown(FILE *to, const struct record *r, const char *list, const char *what)
{
    size_t count = record_count(r, list);

    if (count > LIST_MAX)
        plain_line(to, "  %-12s %zu more, see --json", what, count - LIST_MAX);
    return count > LIST_MAX ? count - LIST_MAX : 0;
}

static void print_errors(FILE *to, const struct record *r)
{
    for (size_t n = first_shown(to, r, "errors", "server log"); n < record_count(r, "errors");
         n++) {
        const struct record *item = record_at(r, "errors", n);

        plain_line(to, "  %-12s %s %s: %s", "server log", text_of(item, "time"),
                   text_of(item, "level"), text_of(item, "text"));
    }
}

static void print_transactions(FILE *to, const struct record *r)
{
    size_t n = first_shown(to, r, "transactions", "long trx");

    for (; n < record_count(r, "transactions"); n++) {
        const struct record *item = record_at(r, "transactions", n);
        int64_t age_s = 0, rows = 0;

        if (!item)
            continue;
        (void)record_int(item, "age_s", &age_s);
        (void)record_int(item, "rows_modified", &rows);
        plain_line(to, "  %-12s %s of %s, %lld s old, %lld rows modified: %s", "long trx",
                   text_of(item, "id"), text_of(item, "user"), (long long)age_s, (long long)rows,
                   text_of(item, "statement"));
    }
}

static void print_clocks(FILE *to, const struct record *r)
{
    int64_t uncertainty_us, offset_ms, missed, dropped;

    if (record_int(r, "guest.clock_uncertainty_us", &uncertainty_us))
        plain_line(to, "  %-12s the guest's readings are placed to within %.1f ms", "clocks",
                   (double)uncertainty_us / 1000.0);
    if (record_int(r, "guest.wall_offset_ms", &offset_ms))
        plain_line(to, "  %-12s the guest's wall clock is %lld ms %s the host's", "",
                   llabs((long long)offset_ms), offset_ms < 0 ? "behind" : "ahead of");
    if (record_int(r, "readings.missed", &missed) && record_int(r, "readings.dropped", &dropped) &&
        (missed > 0 || dropped > 0))
        plain_line(to, "  %-12s %lld skipped by the agent, %lld values not taken", "readings",
                   (long long)missed, (long long)dropped);
}

void show_around(FILE *to, const struct record *r)
{
    if (!record_text(r, "metrics.catalogue"))
        return;
    fputs("\naround the freeze\n", to);
    print_metrics(to, r);
    print_errors(to, r);
    print_transactions(to, r);
    print_clocks(to, r);
}
