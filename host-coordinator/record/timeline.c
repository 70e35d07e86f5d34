/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Drawing a record as text; see timeline.h. */
#include "host-coordinator/record/timeline.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/plain.h"

#include <string.h>

#define BAR_WIDTH 48

static const char *or_dash(const char *text)
{
    return text && *text ? text : "-";
}

static void print_line(FILE *to, const char *label, const char *value)
{
    if (value && *value)
        plain_line(to, "  %-12s %s", label, value);
}

static void print_head(FILE *to, const struct record *r)
{
    double ms;

    plain_line(to, "set %s of domain %s", or_dash(record_text(r, "set")),
               or_dash(record_text(r, "domain.name")));
    plain_line(to, "  %-12s %s", "verdict", or_dash(record_text(r, "verdict")));
    for (size_t n = 0; n < record_count(r, "reasons"); n++)
        plain_line(to, "  %-12s %s", n == 0 ? "because" : "",
                   or_dash(record_text_at(r, "reasons", n)));
    for (size_t n = 0; n < record_count(r, "notes"); n++)
        plain_line(to, "  %-12s %s", n == 0 ? "note" : "", or_dash(record_text_at(r, "notes", n)));
    print_line(to, "started", record_text(r, "started"));
    print_line(to, "server", record_text(r, "position.server_version"));
    if (record_real(r, "stall.write_ms", &ms))
        plain_line(to, "  %-12s %.1f ms from the request for the lock until it was released",
                   "write stall", ms);
    if (record_real(r, "stall.freeze_ms", &ms))
        plain_line(to, "  %-12s %.1f ms at most", "frozen", ms);
}

static void print_position(FILE *to, const struct record *r)
{
    int64_t number;

    if (record_text(r, "position.binlog_file") && record_int(r, "position.binlog_offset", &number))
        plain_line(to, "  %-12s %s offset %lld", "binlog", record_text(r, "position.binlog_file"),
                   (long long)number);
    print_line(to, "GTID set", record_text(r, "position.gtid_set"));
    if (record_int(r, "position.innodb_lsn", &number))
        plain_line(to, "  %-12s %lld", "InnoDB LSN", (long long)number);
    print_line(to, "server UUID", record_text(r, "position.server_uuid"));
}

/* ---- what became of it ----------------------------------------------------------------------- */

#define RESTORES_MAX 5 /* the last, the others are counted */

static const char *result_of(const struct record *act)
{
    const char *result = or_dash(record_text(act, "result"));

    return strcmp(result, "different") == 0 ? "DIFFERENT" : result;
}

static const char *ended(const struct record *act)
{
    return or_dash(record_text(act, "ended"));
}

/* What differs, and what else is to be known: of a set that is `sound`, why it is no more. */
static void print_comparison(FILE *to, const struct record *act)
{
    for (size_t n = 0; n < record_count(act, "differences"); n++) {
        const struct record *one = record_at(act, "differences", n);

        plain_line(to, "  %-12s %s: expected %s, found %s", "", or_dash(record_text(one, "what")),
                   or_dash(record_text(one, "expected")), or_dash(record_text(one, "found")));
    }
    for (size_t n = 0; n < record_count(act, "notes"); n++)
        plain_line(to, "  %-12s %s", "", or_dash(record_text_at(act, "notes", n)));
}

static void print_restore(FILE *to, const struct record *act)
{
    const char *copy = record_text(act, "to"), *safety = record_text(act, "safety");

    plain_line(to, "  %-12s %s, %s%s: %s%s%s", "went back", ended(act),
               copy ? "as another VM, " : or_dash(record_text(act, "method")), copy ? copy : "",
               result_of(act), safety ? "; what was before is set " : "", safety ? safety : "");
    print_comparison(to, act);
}

static void print_fate(FILE *to, const struct record *r)
{
    const struct record *verify = record_object(r, "verify");
    size_t count = record_count(r, "restores");

    print_line(to, "imported", record_text(r, "imported.from"));
    print_line(to, "safety of", record_text(r, "safety_of"));
    if (verify) {
        plain_line(to, "  %-12s %s, %s", "verified", ended(verify), result_of(verify));
        print_comparison(to, verify);
    }
    if (count > RESTORES_MAX)
        plain_line(to, "  %-12s %zu more, see --json", "went back", count - RESTORES_MAX);
    for (size_t n = count > RESTORES_MAX ? count - RESTORES_MAX : 0; n < count; n++)
        print_restore(to, record_at(r, "restores", n));
}

/* ---- the run --------------------------------------------------------------------------------- */

struct axis {
    double from, to; /* ms */
};

static int column(const struct axis *a, double ms)
{
    double span = a->to - a->from;
    double at = span > 0 ? (ms - a->from) / span * BAR_WIDTH : 0;

    return at < 0 ? 0 : at > BAR_WIDTH ? BAR_WIDTH : (int)(at + 0.5);
}

/* One row: name, bar, duration. A row shorter than one column still shows a mark. */
static void print_bar(FILE *to, const struct axis *a, const char *name, double from, double until,
                      const char *remark)
{
    char bar[BAR_WIDTH + 1];
    int first = column(a, from), last = column(a, until);

    memset(bar, ' ', BAR_WIDTH);
    bar[BAR_WIDTH] = '\0';
    if (last <= first)
        last = first + 1;
    if (last > BAR_WIDTH) {
        last = BAR_WIDTH;
        first = first >= last ? last - 1 : first;
    }
    memset(bar + first, '#', (size_t)(last - first));
    plain_line(to, "  %-20.20s |%s| %8.1f ms%s%s", name, bar, until - from, remark ? "  " : "",
               remark ? remark : "");
}

static bool span_of(const struct record *item, double *from, double *until)
{
    return record_real(item, "start_ms", from) && record_real(item, "end_ms", until);
}

/* The stretch worth drawing large: from the first critical phase to the end of the last. */
static bool critical_axis(const struct record *r, struct axis *a)
{
    bool any = false;

    for (size_t n = 0; n < record_count(r, "phases"); n++) {
        const struct record *phase = record_at(r, "phases", n);
        double from, until;

        if (!record_bool(phase, "critical") || !span_of(phase, &from, &until))
            continue;
        a->from = any && a->from < from ? a->from : from;
        a->to = any && a->to > until ? a->to : until;
        any = true;
    }
    return any;
}

static void print_phases(FILE *to, const struct record *r, const struct axis *a, bool critical)
{
    for (size_t n = 0; n < record_count(r, "phases"); n++) {
        const struct record *phase = record_at(r, "phases", n);
        const char *error = record_text(phase, "error");
        AUTO_FREE char *failed = error ? xasprintf("failed: %s", error) : NULL;
        double from, until;

        if (record_bool(phase, "critical") == critical && span_of(phase, &from, &until))
            print_bar(to, a, or_dash(record_text(phase, "name")), from, until, failed);
    }
}

static void print_volumes(FILE *to, const struct record *r, const struct axis *a)
{
    for (size_t n = 0; n < record_count(r, "volumes"); n++) {
        const struct record *v = record_at(r, "volumes", n);
        char name[64];
        double from, until;

        if (!record_real(v, "snapshot.start_ms", &from) ||
            !record_real(v, "snapshot.end_ms", &until))
            continue;
        (void)snprintf(name, sizeof(name), "%s %s", or_dash(record_text(v, "target")),
                       or_dash(record_text(v, "mounts")));
        print_bar(to, a, name, from, until, record_text(v, "snapshot.state"));
    }
}

void timeline_print(FILE *to, const struct record *r)
{
    struct axis whole = {.from = 0}, critical;

    print_head(to, r);
    print_position(to, r);
    print_fate(to, r);
    if (!record_real(r, "duration_ms", &whole.to))
        return;
    fprintf(to, "\nthe run, %.0f ms\n", whole.to);
    print_phases(to, r, &whole, false);
    if (critical_axis(r, &critical)) {
        fprintf(to, "\nfrom freeze to thaw, %.0f ms of it\n", critical.to - critical.from);
        print_phases(to, r, &critical, true);
        print_volumes(to, r, &critical);
    }
    if (record_count(r, "volumes") > 0)
        fputs("\nsnapshots\n", to);
    for (size_t n = 0; n < record_count(r, "volumes"); n++) {
        const struct record *v = record_at(r, "volumes", n);

        plain_line(to, "  %-5s %s", or_dash(record_text(v, "target")),
                   or_dash(record_text(v, "snapshot.path")));
    }
}
