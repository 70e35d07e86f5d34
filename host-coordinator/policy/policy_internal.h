/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a rule is made of; private to this folder. */
#ifndef CBSNAP_POLICY_INTERNAL_H
#define CBSNAP_POLICY_INTERNAL_H

#include "host-coordinator/policy/policy.h"
#include "proto/metrics.h"

enum policy_op { OP_OVER, OP_AT_LEAST, OP_UNDER, OP_AT_MOST, OP_IS, OP_IS_NOT };

struct policy_rule {
    enum policy_action action;
    char *text;
    unsigned line;
    char *pattern;
    const struct metric_row *row;
    enum policy_op op;
    double limit; /* in the metric's own unit */
    char *word;   /* instead of limit, for a text; else NULL */
    int64_t for_us;
};

/*
 * Reads `text` into the fields from `pattern` on; pattern and word are the caller's to free, after
 * a failure too. On failure *ret_at is where in the text it is wrong, from 0.
 */
int policy_parse(struct policy_rule *r, const char *text, size_t *ret_at, struct err *e);

/* The catalogue's name that is most like `name`; NULL when none is like it. */
const char *policy_nearest(const char *name);

#endif
