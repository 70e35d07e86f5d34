/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The abort policy: rules of an admin about the time before the freeze. One that refuses stops the
 * run while nothing is touched yet, one that warns is told in the record.
 *
 *     PATTERN OP NUMBER[UNIT] [for DURATION]
 *
 *     innodb.trx_oldest > 120
 *     disk.*.write_time > 50ms for 5s
 *     fs./mnt/mysqldata.avail < 2G
 *     repl.role == replica
 *
 * PATTERN is a metric of the catalogue (proto/metrics.h), whole or with its '*'. OP is one of
 * > >= < <= == !=. A number without unit has the metric's own. Units that fit: K M G T, also as
 * KiB ..., for bytes (powers of 1024); us ms s m h for times; % for percentages; "/s" behind any
 * rate. A text compares with == or != to a word, a yes or no to 0, 1, yes or no.
 *
 * A rule that cannot mean what it says (unknown metric, unit that does not fit, impossible number,
 * anything behind its end) is an error with its column, never a rule that does not fire.
 *
 * Pure: no clock, no files. Times are microseconds. Not thread-safe.
 */
#ifndef CBSNAP_POLICY_H
#define CBSNAP_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host-coordinator/series/series.h"
#include "proto/base/err.h"

#define POLICY_RULES_MAX 1000
#define POLICY_TEXT_MAX  500 /* of one rule */

enum policy_action { POLICY_REFUSE, POLICY_WARN };

struct policy;
struct policy_rule;

struct policy *policy_new(void);
void policy_free(struct policy *p); /* accepts NULL */

/*
 * Adds a rule; `line` is where it stands, for messages. ERR_CONFIG with one sentence on what is
 * wrong and what would be right; *ret_column (may be NULL) is then the byte of `text` where it is
 * wrong, from 1, and the policy is as before.
 */
int policy_add(struct policy *p, enum policy_action action, const char *text, unsigned line,
               size_t *ret_column, struct err *e);

/* Of NULL: no rules. So with all that only looks at a policy. */
size_t policy_count(const struct policy *p);
const struct policy_rule *policy_rule_at(const struct policy *p, size_t n);
const char *policy_rule_text(const struct policy_rule *r); /* as written */
enum policy_action policy_rule_action(const struct policy_rule *r);
unsigned policy_rule_line(const struct policy_rule *r);
const char *policy_action_name(enum policy_action a); /* "refuse" */
/* The longest `for` of all rules; 0 without any: the window must be longer to decide them all. */
int64_t policy_longest_us(const struct policy *p);

/*
 * A rule that fires, or one that cannot be decided (`absent`). Lent for the call only.
 *
 * A rule fires for a metric when the newest reading in the window meets it. With `for D` every
 * reading of the last D must, and the reading that was in force when D began. Readings that do
 * not reach back so far, or of which none is within the last D, decide nothing, unless one of
 * them already does not meet the rule. With '*' each instance is decided for itself; one that
 * meets the rule is enough. Of a text only changes are kept: the last one told is in force until
 * the next, however old it is.
 */
struct policy_finding {
    const struct policy_rule *rule;
    const char *metric; /* full name; the rule's pattern when no instance has a reading */
    bool absent;        /* not decided: `why` says it, in words */
    const char *why;    /* NULL unless absent */
    /* The newest reading. With `absent` only valid if at_us is not INT64_MIN. */
    double value;
    const char *text; /* instead of value, for a metric that is a text; else NULL */
    int64_t at_us;
    double held_s; /* how long readings have met the rule until then, as far as they reach back */
};

/* Calls `each` for every finding, by rule and then in the order in which metrics came. Readings
 * with from_us <= at_us < to_us count; from_us is for the rule with the longest `for`, and later
 * for others by as much as theirs is shorter. */
void policy_evaluate(const struct policy *p, const struct series *s, int64_t from_us, int64_t to_us,
                     void (*each)(void *arg, const struct policy_finding *f), void *arg);

/*
 * One sentence for people, to be freed: the rule, metric and value with unit, since when, the time.
 * `wall_offset_us` is wall clock minus monotonic clock (wall_us() - mono_us()).
 */
char *policy_describe(const struct policy_finding *f, int64_t wall_offset_us);

#endif
