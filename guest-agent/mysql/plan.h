/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The catalogue's FAMILY_SERVER rows as a plan: which names to ask the server for, and how the
 * answers make up each row. Apart from the catalogue this is text and numbers alone, so that the
 * grammar of `source` (proto/metrics.h) can be tested without a server. Private to this folder.
 */
#ifndef CBSNAP_MYSQL_PLAN_H
#define CBSNAP_MYSQL_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/metrics.h"

enum term_from { FROM_STATUS, FROM_VARIABLE, FROM_INNODB_METRICS, FROM_COUNT };

/* One name to ask for; each is there once, however many rows use it. */
struct plan_term {
    enum term_from from;
    char *name;
};

struct plan_sum {
    size_t *terms; /* places in plan.terms */
    size_t count;
};

struct plan_row {
    const struct metric_row *row;
    struct plan_sum *sums; /* the alternatives, best first; none when the row is computed */
    size_t count;
};

struct plan {
    struct plan_term *terms;
    size_t term_count;
    struct plan_row *rows;
    size_t row_count;
};

/* What the server answered, at the place of its term. Doubles are exact up to 2^53: 9 PB of log. */
struct plan_value {
    bool has;
    bool disabled; /* the server has it, but does not count it now */
    double value;
};

/* Of all rows of FAMILY_SERVER among these. */
void plan_make(struct plan *p, const struct metric_row *rows, size_t count);
void plan_release(struct plan *p);
/* The place of a term, added when it is new. */
size_t plan_term(struct plan *p, enum term_from from, const char *name);
bool plan_asks(const struct plan *p, enum term_from from);

/* Takes in one answer; a name that is not asked for, or a text that is no number, is left out. */
void plan_take(const struct plan *p, struct plan_value *values, enum term_from from,
               const char *name, const char *text);
void plan_take_disabled(const struct plan *p, struct plan_value *values, enum term_from from,
                        const char *name);

/* The row's value by the first alternative of which the server has a term. That alternative's
 * place, or -1 when it has none; *ret is untouched then. */
int plan_eval(const struct plan_row *r, const struct plan_value *values, double *ret);

#endif
