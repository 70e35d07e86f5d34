/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which sets are kept; see retain.h. */
#include "host-coordinator/retain/bucket.h"
#include "proto/base/cleanup.h"

#include <string.h>

bool retain_rules_any(const struct retain_rules *rules)
{
    for (size_t r = 0; r < RETAIN_RULES; r++) {
        if (rules->keep[r] > 0)
            return true;
    }
    return rules->within_us > 0;
}

/* ---- what a set is --------------------------------------------------------------------------- */

/* All sets, newest first: the same whatever order they came in. */
struct view {
    const struct retain_rules *rules;
    struct retain_set **sets;
    size_t count;
};

static int newest_first(const void *a, const void *b)
{
    const struct retain_set *x = *(struct retain_set *const *)a;
    const struct retain_set *y = *(struct retain_set *const *)b;

    if (x->started_us != y->started_us)
        return x->started_us < y->started_us ? 1 : -1;
    return strcmp(y->id, x->id);
}

static bool future(const struct view *v, const struct retain_set *set)
{
    return set->started_us > v->rules->now_us;
}

/* To go back to, with an age to be judged by. */
static bool counts(const struct view *v, const struct retain_set *set)
{
    return set->good && !set->verify_failed && !future(v, set);
}

/* NULL: none. */
static struct retain_set *newest(const struct view *v, bool verified)
{
    for (size_t n = 0; n < v->count; n++) {
        if (counts(v, v->sets[n]) && (v->sets[n]->verified || !verified))
            return v->sets[n];
    }
    return NULL;
}

/* ---- rules ----------------------------------------------------------------------------------- */

static void keep_buckets(const struct view *v, enum retain_rule rule)
{
    const struct retain_set *before = NULL;
    size_t nth = 0;

    for (size_t n = 0; n < v->count && nth < v->rules->keep[rule]; n++) {
        struct retain_set *set = v->sets[n];

        if (!counts(v, set) || (rule == RETAIN_VERIFIED && !set->verified))
            continue;
        /* in this order a bucket's sets are neighbours */
        if (before && bucket_shared(rule) &&
            bucket_of(rule, before->started_us) == bucket_of(rule, set->started_us))
            continue;
        set->nth[rule] = ++nth;
        before = set;
    }
}

static void keep_within(const struct view *v)
{
    const struct retain_set *from = newest(v, false);

    for (size_t n = 0; from && v->rules->within_us > 0 && n < v->count; n++) {
        struct retain_set *set = v->sets[n];
        /* never negative, and fits even from one end of time to the other */
        uint64_t age_us = (uint64_t)from->started_us - (uint64_t)set->started_us;

        if (counts(v, set) && age_us < (uint64_t)v->rules->within_us)
            set->why |= RETAIN_WHY_WITHIN;
    }
}

/* ---- beyond rules ---------------------------------------------------------------------------- */

static void keep_newest(const struct view *v)
{
    struct retain_set *good = newest(v, false), *verified = newest(v, true);

    if (good)
        good->why |= RETAIN_WHY_LAST_GOOD;
    if (verified)
        verified->why |= RETAIN_WHY_LAST_VERIFIED;
}

static void keep_doubtful(const struct view *v)
{
    const struct retain_set *passed = newest(v, true);

    for (size_t n = 0; n < v->count && v->sets[n] != passed; n++) {
        if (v->sets[n]->good && v->sets[n]->verify_failed)
            v->sets[n]->why |= RETAIN_WHY_DOUBT;
    }
}

static void keep_special(const struct view *v)
{
    bool any = retain_rules_any(v->rules);

    for (size_t n = 0; n < v->count; n++) {
        if (future(v, v->sets[n]))
            v->sets[n]->why |= RETAIN_WHY_FUTURE;
        if (!any)
            v->sets[n]->why |= RETAIN_WHY_NO_RULE;
    }
}

static bool kept(const struct retain_set *set)
{
    for (size_t r = 0; r < RETAIN_RULES; r++) {
        if (set->nth[r])
            return true;
    }
    return set->why || set->pins;
}

/* Perhaps it is good. */
static bool in_doubt(const struct retain_set *set)
{
    return !set->good && set->pins & RETAIN_PIN_UNKNOWN;
}

/* Comes last: it hangs on which good sets are kept. One that may be good counts, lest what it keeps
 * goes because an appliance has once not told of it. */
static void keep_history(const struct view *v)
{
    const struct retain_set *oldest = NULL;

    for (size_t n = 0; n < v->count; n++) {
        if ((v->sets[n]->good || (oldest && in_doubt(v->sets[n]))) && !future(v, v->sets[n]) &&
            kept(v->sets[n]))
            oldest = v->sets[n];
    }
    for (size_t n = 0; n < v->count; n++) {
        struct retain_set *set = v->sets[n];

        if (!set->good && !in_doubt(set) && (!oldest || set->started_us >= oldest->started_us))
            set->why |= RETAIN_WHY_HISTORY;
    }
}

void retain_decide(const struct retain_rules *rules, struct retain_set *sets, size_t count)
{
    AUTO_FREE struct retain_set **sorted = xcalloc(count + 1, sizeof(struct retain_set *));
    struct view v = {.rules = rules, .sets = sorted, .count = count};

    for (size_t n = 0; n < count; n++) {
        sorted[n] = &sets[n];
        sets[n].why = 0;
        memset(sets[n].nth, 0, sizeof(sets[n].nth));
    }
    qsort(sorted, count, sizeof(struct retain_set *), newest_first);
    for (enum retain_rule r = RETAIN_LAST; r < RETAIN_RULES; r++)
        keep_buckets(&v, r);
    keep_within(&v);
    keep_newest(&v);
    keep_doubtful(&v);
    keep_special(&v);
    keep_history(&v);
    for (size_t n = 0; n < count; n++)
        sets[n].keep = kept(&sets[n]);
}
