/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a record to its facts: a row per fact; see facts.h. Members of a record: docs/record.md. */
#include "host-coordinator/index/facts.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/metrics.h"

#include <math.h>
#include <string.h>

/* Transactions are listed at a slow pace: one that was told this long before the freeze may well
 * have lasted until then. */
#define TRX_PACE_MS 15000.0

/* ---- readings -------------------------------------------------------------------------------- */

static double real_at(const struct record *r, const char *path)
{
    double value;

    return r && record_real(r, path, &value) ? value : NAN;
}

/* What the window says of a metric: "last", "mean", ... */
static double reading(const struct record *r, const char *window, const char *metric,
                      const char *which)
{
    AUTO_FREE char *values = xasprintf("metrics.%s.values", window);

    return real_at(record_member(r, values, metric), which);
}

static double before_last(const struct record *r, const char *metric)
{
    return reading(r, "before", metric, "last");
}

static const char *const windows[] = {"before", "freeze", "after"};

/* Of a metric that counts anew at each reading. */
static double sum_around(const struct record *r, const char *metric)
{
    double sum = NAN;

    for (size_t n = 0; n < ARRAY_SIZE(windows); n++) {
        double here =
            round(reading(r, windows[n], metric, "mean") * reading(r, windows[n], metric, "count"));

        if (!isnan(here))
            sum = isnan(sum) ? here : sum + here;
    }
    return sum;
}

/* Of a counter that only rises: fmin() and fmax() pass over what is absent. */
static double rise_around(const struct record *r, const char *metric)
{
    double from = NAN, to = NAN;

    for (size_t n = 0; n < ARRAY_SIZE(windows); n++) {
        from = fmin(from, reading(r, windows[n], metric, "min"));
        to = fmax(to, reading(r, windows[n], metric, "max"));
    }
    return to - from;
}

/* ---- one function per fact that is no plain member ------------------------------------------- */

/* Both ends were read under the lock: nearer to the truth than any sample. */
static double checkpoint_age(const struct record *r)
{
    double age = real_at(r, "position.innodb_lsn") - real_at(r, "position.innodb_lsn_checkpoint");

    return age >= 0 ? age : before_last(r, "innodb.checkpoint_age");
}

static double dirty_bytes(const struct record *r)
{
    return before_last(r, "innodb.pool_dirty");
}

static double history_length(const struct record *r)
{
    return before_last(r, "innodb.history_length");
}

static double trx_long(const struct record *r)
{
    return before_last(r, "innodb.trx_long");
}

static double trx_oldest(const struct record *r)
{
    return before_last(r, "innodb.trx_oldest");
}

static bool open_at_freeze(const struct record *trx, double freeze_ms)
{
    double told_ms = real_at(trx, "at_ms");
    double began_ms = told_ms - real_at(trx, "age_s") * 1000;

    return told_ms >= freeze_ms - TRX_PACE_MS && began_ms < freeze_ms;
}

/* A list without items tells only when transactions could be read at all. */
static double trx_rows(const struct record *r)
{
    double freeze_ms = real_at(r, "metrics.before.to_ms"), sum = 0;

    if (isnan(trx_oldest(r)) || isnan(freeze_ms))
        return NAN;
    for (size_t n = 0; n < record_count(r, "transactions"); n++) {
        const struct record *trx = record_at(r, "transactions", n);
        double rows = real_at(trx, "rows_modified");

        if (trx && open_at_freeze(trx, freeze_ms) && rows > 0)
            sum += rows;
    }
    return sum;
}

static double load1(const struct record *r)
{
    return reading(r, "before", "system.load1", "mean");
}

static double threads_running(const struct record *r)
{
    return reading(r, "before", "mysql.threads_running", "mean");
}

static void slower(void *arg, const char *name, const struct record *member)
{
    double *slowest = arg;

    if (metric_matches("disk.*.write_time", name))
        *slowest = fmax(*slowest, real_at(member, "mean"));
}

static double write_ms(const struct record *r)
{
    double slowest = NAN;

    record_members(r, "metrics.before.values", slower, &slowest);
    return slowest;
}

static double errors(const struct record *r)
{
    return sum_around(r, "mysql.errlog.errors");
}

static double deadlocks(const struct record *r)
{
    return rise_around(r, "innodb.deadlocks.total");
}

static double volumes(const struct record *r)
{
    size_t count = record_count(r, "volumes");

    return count > 0 ? (double)count : NAN;
}

static double snapshots_kept(const struct record *r)
{
    size_t count = record_count(r, "volumes"), kept = 0;

    for (size_t n = 0; n < count; n++) {
        const struct record *volume = record_at(r, "volumes", n);
        const char *state = volume ? record_text(volume, "snapshot.state") : NULL;

        if (!state)
            return NAN; /* unknown: the run has not ended */
        if (strcmp(state, "kept") == 0)
            kept++;
    }
    return count > 0 ? (double)kept : NAN;
}

/* ---- the table ------------------------------------------------------------------------------- */

#define TEXT(member, path_)                                                                        \
    {                                                                                              \
        .name = #member, .kind = FACT_TEXT, .at = offsetof(struct set_facts, member),              \
        .path = path_                                                                              \
    }
#define NUMBER(member, path_)                                                                      \
    {                                                                                              \
        .name = #member, .kind = FACT_NUMBER, .at = offsetof(struct set_facts, member),            \
        .path = path_                                                                              \
    }
#define FOUND(member, function)                                                                    \
    {                                                                                              \
        .name = #member, .kind = FACT_NUMBER, .at = offsetof(struct set_facts, member),            \
        .number = function                                                                         \
    }

const struct fact_row fact_rows[] = {
    TEXT(set, "set"),
    TEXT(domain, "domain.name"),
    TEXT(uuid, "domain.uuid"),
    TEXT(verdict, "verdict"),
    TEXT(started, "started"),
    TEXT(ended, "ended"),
    NUMBER(write_stall_ms, "stall.write_ms"),
    TEXT(binlog_file, "position.binlog_file"),
    NUMBER(binlog_offset, "position.binlog_offset"),
    TEXT(gtid_set, "position.gtid_set"),
    TEXT(verified, "verify.result"),
    TEXT(verified_at, "verify.ended"),
#define LISTED 12 /* up to here */
    TEXT(imported, "imported.from"),
    TEXT(server_version, "position.server_version"),
    FOUND(volumes, volumes),
    FOUND(snapshots_kept, snapshots_kept),
    NUMBER(recovery_ms, "verify.recovery_ms"),
    FOUND(checkpoint_age_bytes, checkpoint_age),
    FOUND(dirty_bytes, dirty_bytes),
    FOUND(history_length, history_length),
    FOUND(trx_long, trx_long),
    FOUND(trx_oldest_s, trx_oldest),
    FOUND(trx_rows, trx_rows),
    FOUND(load1, load1),
    FOUND(threads_running, threads_running),
    FOUND(write_ms, write_ms),
    FOUND(errors, errors),
    FOUND(deadlocks, deadlocks),
};
const size_t fact_row_count = ARRAY_SIZE(fact_rows);
const size_t fact_listed_count = LISTED;

char **fact_text(struct set_facts *f, const struct fact_row *row)
{
    return (void *)((char *)f + row->at);
}

double *fact_number(struct set_facts *f, const struct fact_row *row)
{
    return (void *)((char *)f + row->at);
}

void facts_init(struct set_facts *f)
{
    for (size_t n = 0; n < fact_row_count; n++) {
        if (fact_rows[n].kind == FACT_TEXT)
            *fact_text(f, &fact_rows[n]) = NULL;
        else
            *fact_number(f, &fact_rows[n]) = NAN;
    }
}

void facts_read(struct set_facts *ret, const struct record *r)
{
    facts_init(ret);
    for (size_t n = 0; n < fact_row_count; n++) {
        const struct fact_row *row = &fact_rows[n];
        const char *text = row->kind == FACT_TEXT ? record_text(r, row->path) : NULL;

        if (text)
            *fact_text(ret, row) = xstrdup(text);
        else if (row->kind == FACT_NUMBER)
            *fact_number(ret, row) = row->number ? row->number(r) : real_at(r, row->path);
    }
}

void facts_release(struct set_facts *f)
{
    for (size_t n = 0; n < fact_row_count; n++) {
        if (fact_rows[n].kind == FACT_TEXT)
            free(*fact_text(f, &fact_rows[n]));
    }
    facts_init(f);
}

/* Whole numbers keep all their digits. */
static void set_number(struct record *to, const char *name, double value)
{
    if (value == floor(value) && fabs(value) < 9e15)
        record_set_int(to, name, (int64_t)value);
    else
        record_set_real(to, name, value);
}

void facts_report(struct record *to, const struct set_facts *f, size_t count)
{
    struct set_facts copy = *f;

    for (size_t n = 0; n < count; n++) {
        const struct fact_row *row = &fact_rows[n];

        if (row->kind == FACT_TEXT)
            record_set_text(to, row->name, *fact_text(&copy, row));
        else if (!isnan(*fact_number(&copy, row)))
            set_number(to, row->name, *fact_number(&copy, row));
    }
}
