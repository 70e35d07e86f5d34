/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The formula: what a set costs, part by part, in minutes of data age. docs/best.md is this table
 * in prose; see rank.h. */
#include "host-coordinator/rank/rank.h"

#include "host-coordinator/rank/when.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the constants --------------------------------------------------------------------------- */

/* What is worth as much as a minute of data that is not lost. */
#define COST_UNPROVEN      60.0 /* never verified: worth an hour of data */
#define COST_RECOVERY_MIN  1.0  /* a minute of waiting for the database */
#define COST_ERROR         15.0 /* a line in the error log, */
#define COST_ERRORS_MAX    120.0
#define COST_DEADLOCK      0.5 /* a deadlock, */
#define COST_DEADLOCKS_MAX 5.0
#define COST_LOAD          0.5 /* one more runnable process, */
#define COST_LOAD_MAX      10.0

/* How long a recovery takes: start, log to read, changed pages to fetch (16 KiB pages, 2,000 a
 * second), rows to put back. A guess for machines unknown; verified sets correct it. */
#define RECOVERY_START_S 5.0
#define LOG_BYTES_PER_S  20e6
#define PAGE_BYTES_PER_S (2000 * 16384.0)
#define ROWS_PER_S       20000.0

/* ---- recovery -------------------------------------------------------------------------------- */

static double or_0(double value)
{
    return isnan(value) ? 0 : value;
}

double rank_recovery_s(const struct set_facts *f)
{
    if (isnan(f->checkpoint_age_bytes))
        return NAN;
    return RECOVERY_START_S + f->checkpoint_age_bytes / LOG_BYTES_PER_S +
           or_0(f->dirty_bytes) / PAGE_BYTES_PER_S + or_0(f->trx_rows) / ROWS_PER_S;
}

static void add_words(struct rank_part *part, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void add_words(struct rank_part *part, const char *format, ...)
{
    size_t used = strlen(part->words);
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(part->words + used, sizeof(part->words) - used, format, ap);
    va_end(ap);
}

static void recovery_words(struct rank_part *part, const struct ranked *r, double factor)
{
    const struct set_facts *f = r->facts;
    char length[24];

    add_words(part, "%.1f MB of log to recover", f->checkpoint_age_bytes / 1e6);
    if (isnan(f->dirty_bytes))
        add_words(part, ", no reading of innodb.pool_dirty");
    else
        add_words(part, ", %.1f MB of changed pages", f->dirty_bytes / 1e6);
    if (isnan(f->trx_rows))
        add_words(part, ", no reading of transactions");
    else if (f->trx_rows > 0)
        add_words(part, ", %.0f rows to roll back", f->trx_rows);
    add_words(part, ": about %s", when_length(r->recovery_s, length));
    if (factor != 1)
        add_words(part, " (x%.2g as measured)", factor);
}

static void judge_recovery(struct rank_part *part, struct ranked *r, const struct ranking *all,
                           int64_t wanted_us)
{
    char length[24];

    (void)wanted_us;
    r->recovery_measured = !isnan(r->facts->recovery_ms);
    r->recovery_s = r->recovery_measured ? r->facts->recovery_ms / 1000
                                         : rank_recovery_s(r->facts) * all->factor;
    part->cost = r->recovery_s / 60 * COST_RECOVERY_MIN;
    if (r->recovery_measured)
        add_words(part, "recovery took %s when it was verified",
                  when_length(r->recovery_s, length));
    else if (isnan(part->cost))
        add_words(part, "no reading of innodb.checkpoint_age");
    else
        recovery_words(part, r, all->factor);
}

/* ---- the other parts ------------------------------------------------------------------------- */

static void judge_age(struct rank_part *part, struct ranked *r, const struct ranking *all,
                      int64_t wanted_us)
{
    double seconds = (double)(wanted_us - r->at_us) / 1e6;
    char length[24];

    (void)all;
    part->cost = seconds / 60;
    add_words(part, "%s older than the time wanted", when_length(seconds, length));
}

/* rank_judge() has left out the sets that were found to differ. */
static void judge_proof(struct rank_part *part, struct ranked *r, const struct ranking *all,
                        int64_t wanted_us)
{
    (void)all;
    (void)wanted_us;
    part->cost = r->facts->verified ? 0 : COST_UNPROVEN;
    add_words(part,
              r->facts->verified ? "verified: what came back is what was taken" : "never verified");
}

/* So many of a thing, each for so much, up to a most. */
static void judge_count(struct rank_part *part, double count, double each, double most,
                        const char *what, const char *metric)
{
    part->cost = fmin(count * each, most);
    if (isnan(count)) {
        part->cost = NAN; /* fmin() passes over what is absent */
        add_words(part, "no reading of %s", metric);
    } else if (count == 0) {
        add_words(part, "no %ss", what);
    } else {
        add_words(part, "%.0f %s%s", count, what, count == 1 ? "" : "s");
    }
}

static void judge_errors(struct rank_part *part, struct ranked *r, const struct ranking *all,
                         int64_t wanted_us)
{
    (void)all;
    (void)wanted_us;
    judge_count(part, r->facts->errors, COST_ERROR, COST_ERRORS_MAX, "error line",
                "mysql.errlog.errors");
    if (part->cost > 0)
        add_words(part, " in the server's log around it");
}

static void judge_deadlocks(struct rank_part *part, struct ranked *r, const struct ranking *all,
                            int64_t wanted_us)
{
    (void)all;
    (void)wanted_us;
    judge_count(part, r->facts->deadlocks, COST_DEADLOCK, COST_DEADLOCKS_MAX, "deadlock",
                "innodb.deadlocks.total");
    if (part->cost > 0)
        add_words(part, " around it");
}

static void judge_load(struct rank_part *part, struct ranked *r, const struct ranking *all,
                       int64_t wanted_us)
{
    double load = r->facts->load1;

    (void)all;
    (void)wanted_us;
    part->cost = isnan(load) ? NAN : fmin(load * COST_LOAD, COST_LOAD_MAX);
    if (isnan(load))
        add_words(part, "no reading of system.load1");
    else
        add_words(part, "load average %.1f just before it", load);
}

const struct rank_part_row rank_part_rows[RANK_PARTS] = {
    {"age", judge_age},       {"proof", judge_proof},         {"recovery", judge_recovery},
    {"errors", judge_errors}, {"deadlocks", judge_deadlocks}, {"load", judge_load},
};
