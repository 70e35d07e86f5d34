/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which set to go back to: sets in order of a cost that a person can follow. Its unit is a minute
 * of data age: a set that costs 30 is as good as one that costs nothing and is half an hour older.
 * The formula is the table in parts.c with the constants at its head; docs/best.md explains it.
 *
 * Better verdicts come first (application, filesystem, crash), within one the lower cost, of equal
 * ones the newest. A fact that nobody read is neutral: its part counts as the middle of what it is
 * for the other sets, and says so.
 *
 * Pure: no clock, no files. Facts are borrowed and must outlive the ranking. Not thread-safe.
 */
#ifndef CBSNAP_RANK_H
#define CBSNAP_RANK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host-coordinator/index/facts.h"

#define RANK_PARTS 6
#define RANK_WORDS 160

struct rank_part {
    double cost;
    bool read; /* false: the fact is absent, the cost that of the middle of the others */
};

struct ranked {
    const struct set_facts *facts;
    int64_t at_us;     /* wall time of the set */
    double recovery_s; /* measured or predicted; NAN when nothing is known */
    bool recovery_measured;
    double cost; /* the sum of the parts */
    struct rank_part parts[RANK_PARTS];
};

/* Why a set is not ranked. */
enum rank_out {
    RANK_IN,
    RANK_OUT_VOID,      /* its verdict promises nothing */
    RANK_OUT_DIFFERENT, /* verification found a difference */
    RANK_OUT_GONE,      /* the appliance does not keep all of its snapshots */
    RANK_OUT_AFTER,     /* younger than the time wanted */
    RANK_OUT_TIME,      /* the record does not tell when it was taken */
    RANK_OUT_COUNT
};

struct ranking {
    struct ranked *sets; /* best first */
    size_t count;
    size_t out[RANK_OUT_COUNT]; /* how many are left out, by reason */
    int64_t wanted_us;
    double factor; /* measured over predicted recovery time of this VM's verified sets; 1: none */
    size_t factor_from; /* how many verified sets it is the middle of */
};

/* What a part needs to judge a set. */
struct rank_view {
    const struct set_facts *facts;
    double age_s;
    double recovery_s;
    bool recovery_measured;
    double factor;
};

struct rank_part_row {
    const char *name;
    /* The cost, NAN when its fact is absent. `words`, unless NULL, holds RANK_WORDS characters and
     * gets the reason. */
    double (*judge)(const struct rank_view *set, char *words);
};
extern const struct rank_part_row rank_part_rows[RANK_PARTS];

/* `wanted_us`: sets after it are left out, and age counts back from it. Call rank_release(). */
void rank_sets(struct ranking *ret, const struct set_facts *const *sets, size_t count,
               int64_t wanted_us);
void rank_release(struct ranking *r);

/* Why a part of a set costs what it does. Returned is the buffer. */
char *rank_words(const struct ranking *all, const struct ranked *set, size_t part,
                 char words[RANK_WORDS]);

/* Would this set be ranked, and if not, why? */
enum rank_out rank_judge(const struct set_facts *f, int64_t wanted_us);
const char *rank_out_words(enum rank_out why); /* "void", "younger than the time wanted", ... */

/* Seconds of recovery that the facts predict; NAN when not even the log's length is known. */
double rank_recovery_s(const struct set_facts *f);

#endif
