/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which rules the readings of a window meet; the semantics are in policy.h. */
#include "host-coordinator/policy/policy_internal.h"

#include <string.h>

struct window {
    const struct series *series;
    int64_t from_us, to_us;
    void (*each)(void *arg, const struct policy_finding *f);
    void *arg;
};

enum judgement { MET, NOT_MET, TOO_SHORT, TOO_OLD };

static const char *const words[] = {
    [TOO_SHORT] = "its readings do not reach back so far",
    [TOO_OLD] = "it has no reading in that time",
};

static bool meets(const struct policy_rule *r, double value)
{
    switch (r->op) {
    case OP_OVER:
        return value > r->limit;
    case OP_AT_LEAST:
        return value >= r->limit;
    case OP_UNDER:
        return value < r->limit;
    case OP_AT_MOST:
        return value <= r->limit;
    case OP_IS:
        return value == r->limit;
    case OP_IS_NOT:
        return value != r->limit;
    }
    return false;
}

static bool text_meets(const struct policy_rule *r, const char *text)
{
    return (strcmp(text, r->word) == 0) == (r->op == OP_IS);
}

/* b - a as seconds; the times may be any numbers. */
static double seconds(int64_t a, int64_t b)
{
    return ((double)b - (double)a) / 1e6;
}

/* When the rule's `for` begins. */
static int64_t since(const struct policy_rule *r, const struct window *w)
{
    return w->to_us < INT64_MIN + r->for_us ? INT64_MIN : w->to_us - r->for_us;
}

static void report(const struct window *w, struct policy_finding *f, enum judgement j)
{
    if (j == NOT_MET)
        return;
    f->absent = j != MET;
    f->why = f->absent ? words[j] : NULL;
    w->each(w->arg, f);
}

/* ---- numbers --------------------------------------------------------------------------------- */

/*
 * `held` is how many readings at the end meet the rule, the oldest of them at `first_us`; `all`:
 * there is none before that, so how long it was met is not known.
 */
static enum judgement judge(const struct policy_rule *r, const struct window *w, size_t held,
                            bool all, int64_t first_us, int64_t newest_us)
{
    if (held == 0)
        return NOT_MET;
    if (r->for_us == 0)
        return MET;
    if (first_us > since(r, w))
        return all ? TOO_SHORT : NOT_MET;
    return newest_us < since(r, w) ? TOO_OLD : MET;
}

/* True if the metric has a reading in the window. */
static bool judge_numbers(const struct policy_rule *r, const struct window *w, size_t metric)
{
    const struct point *p;
    size_t count = series_points(w->series, metric, w->from_us, w->to_us, &p), held = 0;
    struct policy_finding f = {.rule = r, .metric = series_name(w->series, metric)};

    if (count == 0)
        return false;
    while (held < count && meets(r, p[count - 1 - held].value))
        held++;
    f.value = p[count - 1].value;
    f.at_us = p[count - 1].at_us;
    f.held_s = held > 0 ? seconds(p[count - held].at_us, w->to_us) : 0;
    report(w, &f, judge(r, w, held, held == count, held ? p[count - held].at_us : 0, f.at_us));
    return true;
}

static bool numbers(const struct policy_rule *r, const struct window *w)
{
    bool any = false;

    for (size_t n = 0; n < series_count(w->series); n++) {
        if (metric_matches(r->pattern, series_name(w->series, n)))
            any |= judge_numbers(r, w, n);
    }
    return any;
}

/* ---- texts ----------------------------------------------------------------------------------- */

/* Only changes are kept: one is in force until the next. */
static void judge_text(const struct policy_rule *r, const struct window *w,
                       const struct series_text *texts, size_t newest)
{
    const char *name = texts[newest].name;
    int64_t first_us = 0;
    size_t held = 0;
    bool all = true;
    struct policy_finding f = {
        .rule = r, .metric = name, .text = texts[newest].text, .at_us = texts[newest].at_us};

    for (size_t n = newest + 1; n-- > 0 && all;) {
        if (strcmp(texts[n].name, name) != 0)
            continue;
        all = text_meets(r, texts[n].text);
        if (all) {
            first_us = texts[n].at_us;
            held++;
        }
    }
    f.held_s = held > 0 ? seconds(first_us, w->to_us) : 0;
    report(w, &f, judge(r, w, held, all, first_us, w->to_us));
}

static bool told_later(const struct series_text *texts, size_t n, size_t count)
{
    for (size_t later = n + 1; later < count; later++) {
        if (strcmp(texts[later].name, texts[n].name) == 0)
            return true;
    }
    return false;
}

static bool texts(const struct policy_rule *r, const struct window *w)
{
    const struct series_text *list;
    size_t count = series_texts(w->series, &list);
    bool any = false;

    while (count > 0 && list[count - 1].at_us >= w->to_us)
        count--;
    for (size_t n = 0; n < count; n++) {
        if (!metric_matches(r->pattern, list[n].name) || told_later(list, n, count))
            continue;
        judge_text(r, w, list, n);
        any = true;
    }
    return any;
}

/* What is old for a rule is not new because another one looks back further. */
static int64_t later(int64_t from_us, int64_t by_us)
{
    return from_us > INT64_MAX - by_us ? INT64_MAX : from_us + by_us;
}

void policy_evaluate(const struct policy *p, const struct series *s, int64_t from_us, int64_t to_us,
                     void (*each)(void *arg, const struct policy_finding *f), void *arg)
{
    int64_t longest = policy_longest_us(p);

    for (size_t n = 0; n < policy_count(p); n++) {
        const struct policy_rule *r = policy_rule_at(p, n);
        const struct window w = {s, later(from_us, longest - r->for_us), to_us, each, arg};
        struct policy_finding none = {.rule = r,
                                      .metric = r->pattern,
                                      .absent = true,
                                      .why = "there is no reading of it",
                                      .at_us = INT64_MIN};

        if (!(r->word ? texts(r, &w) : numbers(r, &w)))
            each(arg, &none);
    }
}
