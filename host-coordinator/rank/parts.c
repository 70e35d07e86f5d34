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

static void add_words(char *words, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add_words(char *words, const char *format, ...)
{
    size_t used = words ? strlen(words) : 0;
    va_list ap;

    if (!words)
        return;
    va_start(ap, format);
    (void)vsnprintf(words + used, RANK_WORDS - used, format, ap);
    va_end(ap);
}

static void predicted_words(char *words, const struct rank_view *set)
{
    const struct set_facts *f = set->facts;
    char length[24];

    add_words(words, "%.1f MB of log to recover", f->checkpoint_age_bytes / 1e6);
    if (isnan(f->dirty_bytes))
        add_words(words, ", no reading of innodb.pool_dirty");
    else
        add_words(words, ", %.1f MB of changed pages", f->dirty_bytes / 1e6);
    if (isnan(f->trx_rows))
        add_words(words, ", no reading of transactions");
    else if (f->trx_rows > 0)
        add_words(words, ", %.0f rows to roll back", f->trx_rows);
    add_words(words, ": about %s", when_length(set->recovery_s, length));
    if (set->factor != 1)
        add_words(words, " (x%.2g as measured)", set->factor);
}

static double judge_recovery(const struct rank_view *set, char *words)
{
    char length[24];

    if (isnan(set->recovery_s))
        add_words(words, "no reading of innodb.checkpoint_age");
    else if (!set->recovery_measured)
        predicted_words(words, set);
    else
        add_words(words, "recovery took %s when it was verified",
                  when_length(set->recovery_s, length));
    return set->recovery_s / 60 * COST_RECOVERY_MIN;
}

/* ---- the other parts ------------------------------------------------------------------------- */

static double judge_age(const struct rank_view *set, char *words)
{
    char length[24];

    add_words(words, "%s older than the time wanted", when_length(set->age_s, length));
    return set->age_s / 60;
}

/* rank_judge() has left out the sets that were found to differ. */
static double judge_proof(const struct rank_view *set, char *words)
{
    const char *verified = set->facts->verified;

    if (!verified && set->facts->imported)
        add_words(words, "imported and never verified: ranked as 'crash', for its verdict is the "
                         "guest's word");
    else if (!verified)
        add_words(words, "never verified");
    else if (strcmp(verified, "same") == 0)
        add_words(words, "verified: what came back is what was taken");
    else
        add_words(words, "recovers and is sound, but has no position to compare with%s",
                  set->facts->imported ? "; imported: ranked as 'crash'" : "");
    if (verified && strcmp(verified, "same") == 0)
        return 0;
    return verified ? COST_UNPROVEN / 2 : COST_UNPROVEN;
}

/* A cost that grows with a number, up to a most; fmin() would pass over what is absent. */
static double up_to(double most, double cost)
{
    return isnan(cost) || cost < most ? cost : most;
}

static void count_words(char *words, double count, const char *what, const char *metric)
{
    if (isnan(count))
        add_words(words, "no reading of %s", metric);
    else if (count == 0)
        add_words(words, "no %ss", what);
    else
        add_words(words, "%.0f %s%s around it", count, what, count == 1 ? "" : "s");
}

static double judge_errors(const struct rank_view *set, char *words)
{
    count_words(words, set->facts->errors, "error line", "mysql.errlog.errors");
    return up_to(COST_ERRORS_MAX, set->facts->errors * COST_ERROR);
}

static double judge_deadlocks(const struct rank_view *set, char *words)
{
    count_words(words, set->facts->deadlocks, "deadlock", "innodb.deadlocks.total");
    return up_to(COST_DEADLOCKS_MAX, set->facts->deadlocks * COST_DEADLOCK);
}

static double judge_load(const struct rank_view *set, char *words)
{
    if (isnan(set->facts->load1))
        add_words(words, "no reading of system.load1");
    else
        add_words(words, "load average %.1f just before it", set->facts->load1);
    return up_to(COST_LOAD_MAX, set->facts->load1 * COST_LOAD);
}

const struct rank_part_row rank_part_rows[RANK_PARTS] = {
    {"age", judge_age},       {"proof", judge_proof},         {"recovery", judge_recovery},
    {"errors", judge_errors}, {"deadlocks", judge_deadlocks}, {"load", judge_load},
};
