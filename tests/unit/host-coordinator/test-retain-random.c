/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What retention promises for any sets, held against thousands of random calendars. What each rule
 * keeps is also said here in another way: set by set, with the C library's calendar, without
 * sorting. RETAIN_SEED=N, as a failure tells it, begins with the calendar that failed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/clock.h"
#include "tests/unit/host-coordinator/calendar.h"

#define CALENDARS 4000

static uint64_t first_seed;

#define DEMAND(c, true_that, ...)                                                                  \
    do {                                                                                           \
        if (!(true_that)) {                                                                        \
            print_error("RETAIN_SEED=%llu: ", (unsigned long long)(c)->seed);                      \
            fail_msg(__VA_ARGS__);                                                                 \
        }                                                                                          \
    } while (0)

static void each(void (*test)(struct calendar *c))
{
    AUTO_FREE struct calendar *c = xcalloc(1, sizeof(*c));

    for (uint64_t n = 0; n < CALENDARS; n++) {
        make(c, first_seed + n);
        test(c);
    }
}

/* ---- the same said differently --------------------------------------------------------------- */

static bool newer(const struct retain_set *a, const struct retain_set *b)
{
    return a->started_us > b->started_us ||
           (a->started_us == b->started_us && strcmp(a->id, b->id) > 0);
}

static bool usable(const struct calendar *c, size_t n, bool verified)
{
    const struct retain_set *s = &c->sets[n];

    return s->good && !s->verify_failed && s->started_us <= c->rules.now_us &&
           (!verified || s->verified);
}

static bool same_bucket(const struct calendar *c, size_t a, size_t b, size_t rule)
{
    return a == b || (c->labels[a][rule][0] && !strcmp(c->labels[a][rule], c->labels[b][rule]));
}

/* Is it the newest of those in its bucket that count? */
static bool leads(const struct calendar *c, size_t n, size_t rule)
{
    bool verified = rule == RETAIN_VERIFIED;

    for (size_t m = 0; m < c->count; m++) {
        if (usable(c, m, verified) && newer(&c->sets[m], &c->sets[n]) && same_bucket(c, m, n, rule))
            return false;
    }
    return usable(c, n, verified);
}

/* How many buckets are there, from this set's on? 0: it stands for none. */
static size_t place(const struct calendar *c, size_t n, size_t rule)
{
    size_t count = 1;

    if (!leads(c, n, rule))
        return 0;
    for (size_t m = 0; m < c->count; m++)
        count += leads(c, m, rule) && newer(&c->sets[m], &c->sets[n]);
    return count;
}

static bool is_newest(const struct calendar *c, size_t n, bool verified)
{
    for (size_t m = 0; m < c->count; m++) {
        if (usable(c, m, verified) && newer(&c->sets[m], &c->sets[n]))
            return false;
    }
    return usable(c, n, verified);
}

static bool is_within(const struct calendar *c, size_t n)
{
    int64_t from = INT64_MIN;

    for (size_t m = 0; m < c->count; m++) {
        if (usable(c, m, false) && c->sets[m].started_us > from)
            from = c->sets[m].started_us;
    }
    return usable(c, n, false) && c->sets[n].started_us > from - c->rules.within_us;
}

static bool may_be_good(const struct retain_set *s)
{
    return s->good || s->pins & RETAIN_PIN_UNKNOWN;
}

/* Besides rules, pins and the future. */
static bool tells_something(const struct calendar *c, size_t n)
{
    bool any = false, older = false;

    for (size_t m = 0; m < c->count; m++) {
        const struct retain_set *other = &c->sets[m];

        if (c->sets[n].good && usable(c, m, true) && newer(other, &c->sets[n]))
            return false;
        if (!c->sets[n].good && may_be_good(other) && other->keep &&
            other->started_us <= c->rules.now_us) {
            any = any || other->good;
            older = older || other->started_us <= c->sets[n].started_us;
        }
    }
    return c->sets[n].good ? c->sets[n].verify_failed : !any || older;
}

/* ---- properties ------------------------------------------------------------------------------ */

static void check_rules(struct calendar *c)
{
    for (size_t n = 0; n < c->count; n++) {
        const struct retain_set *set = &c->sets[n];

        for (size_t r = 0; r < RETAIN_RULES; r++) {
            size_t expected = place(c, n, r);

            if (expected > c->rules.keep[r])
                expected = 0;
            DEMAND(c, set->nth[r] == expected, "%s: %s has it at %zu, not %zu", set->id,
                   retain_rule_names[r], set->nth[r], expected);
        }
        DEMAND(c, !!(set->why & RETAIN_WHY_WITHIN) == (c->rules.within_us && is_within(c, n)),
               "%s: within", set->id);
    }
}

static void check_keep(struct calendar *c)
{
    for (size_t n = 0; n < c->count; n++) {
        const struct retain_set *set = &c->sets[n];
        bool stays = set->pins || set->started_us > c->rules.now_us || is_newest(c, n, false) ||
                     is_newest(c, n, true) || tells_something(c, n) ||
                     (c->rules.within_us && is_within(c, n));

        for (size_t r = 0; r < RETAIN_RULES; r++) {
            size_t nth = place(c, n, r);

            stays = stays || (nth && nth <= c->rules.keep[r]);
        }
        DEMAND(c, set->keep == stays, "%s: keep is %d", set->id, set->keep);
    }
}

/* The promises as a user would put them, without "usable" and the future. */
static void check_promises(struct calendar *c)
{
    const struct retain_set *good = NULL, *verified = NULL;

    for (size_t n = 0; n < c->count; n++) {
        const struct retain_set *set = &c->sets[n];
        bool passed = set->good && set->verified && !set->verify_failed;

        DEMAND(c, set->keep || !set->pins, "%s is pinned and goes", set->id);
        if (set->good && (!good || newer(set, good)))
            good = set;
        if (passed && (!verified || newer(set, verified)))
            verified = set;
    }
    DEMAND(c, !good || good->keep, "%s is the last good set and goes", good->id);
    DEMAND(c, !verified || verified->keep, "%s is the last verified set and goes", verified->id);
}

/* Of N buckets that a rule asks for, as many hold a set that stays as there are. */
static void check_numbers(struct calendar *c)
{
    for (size_t r = 0; r < RETAIN_RULES; r++) {
        size_t buckets = 0, stay = 0, unusable = 0;

        for (size_t n = 0; n < c->count; n++) {
            buckets += leads(c, n, r);
            stay += c->sets[n].nth[r] > 0 && c->sets[n].keep;
            unusable += c->sets[n].nth[r] > 0 && (!c->sets[n].good || c->sets[n].verify_failed);
        }
        DEMAND(c, stay == (buckets < c->rules.keep[r] ? buckets : c->rules.keep[r]),
               "%s %zu keeps %zu sets of %zu", retain_rule_names[r], c->rules.keep[r], stay,
               buckets);
        DEMAND(c, unusable == 0, "%s keeps what is no use", retain_rule_names[r]);
    }
}

static void check_again(struct calendar *c)
{
    struct retain_set left[SETS_MAX];
    size_t count = 0, m = 0;

    for (size_t n = 0; n < c->count; n++) {
        if (c->sets[n].keep)
            left[count++] = c->sets[n];
    }
    retain_decide(&c->rules, left, count);
    for (size_t n = 0; n < c->count; n++) {
        if (!c->sets[n].keep)
            continue;
        DEMAND(c, left[m].keep, "%s goes when pruned again", left[m].id);
        DEMAND(c, left[m].why == c->sets[n].why, "%s stays for another reason", left[m].id);
        assert_memory_equal(left[m].nth, c->sets[n].nth, sizeof(left[m].nth));
        m++;
    }
}

static void check_more(struct calendar *c)
{
    for (size_t r = 0; r <= RETAIN_RULES; r++) {
        struct retain_rules more = c->rules;
        struct retain_set sets[SETS_MAX];

        memcpy(sets, c->sets, sizeof(sets));
        if (r < RETAIN_RULES)
            more.keep[r] += 1 + c->seed % 4;
        else
            more.within_us = (more.within_us > 0 ? more.within_us : 0) + DAY;
        retain_decide(&more, sets, c->count);
        for (size_t n = 0; n < c->count; n++)
            DEMAND(c, sets[n].keep || !c->sets[n].keep, "%s goes when more is asked of rule %zu",
                   sets[n].id, r);
    }
}

static void check_order(struct calendar *c)
{
    struct retain_set sets[SETS_MAX];
    uint64_t state = ~c->seed;

    memcpy(sets, c->sets, sizeof(sets));
    for (size_t n = c->count; n > 1; n--) {
        size_t with = (size_t)below(&state, (int64_t)n);
        struct retain_set moved = sets[n - 1];

        sets[n - 1] = sets[with];
        sets[with] = moved;
    }
    retain_decide(&c->rules, sets, c->count);
    for (size_t n = 0; n < c->count; n++) {
        size_t m = 0;

        while (strcmp(sets[m].id, c->sets[n].id) != 0)
            m++;
        DEMAND(c,
               sets[m].keep == c->sets[n].keep && sets[m].why == c->sets[n].why &&
                   memcmp(sets[m].nth, c->sets[n].nth, sizeof(sets[m].nth)) == 0,
               "%s fares differently in another order", sets[m].id);
    }
}

static void check_words(struct calendar *c)
{
    for (size_t n = 0; n < c->count; n++) {
        struct buf words = BUF_INIT;

        retain_words(&c->rules, &c->sets[n], &words);
        DEMAND(c, words.len > 0, "%s: no words", c->sets[n].id);
        for (size_t r = 0; r < RETAIN_RULES; r++) {
            AUTO_FREE char *label = xasprintf("%s %s", retain_rule_names[r], c->labels[n][r]);

            if (c->labels[n][r][0])
                DEMAND(c, !c->sets[n].nth[r] == !strstr(buf_text(&words), label), "'%s' and '%s'",
                       buf_text(&words), label);
        }
        buf_release(&words);
    }
}

#define PROPERTY(name, check)                                                                      \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        each(check);                                                                               \
    }
PROPERTY(each_rule_keeps_what_the_oracle_says, check_rules)
PROPERTY(nothing_else_stays_or_goes, check_keep)
PROPERTY(the_last_good_the_last_verified_and_pinned_sets_stay, check_promises)
PROPERTY(a_rule_keeps_as_many_as_it_says_or_there_are, check_numbers)
PROPERTY(pruning_again_removes_nothing, check_again)
PROPERTY(more_never_removes_more, check_more)
PROPERTY(the_order_does_not_matter, check_order)
PROPERTY(the_words_name_the_bucket, check_words)

int main(void)
{
    const char *seed = getenv("RETAIN_SEED");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_keeps_what_the_oracle_says),
        cmocka_unit_test(nothing_else_stays_or_goes),
        cmocka_unit_test(the_last_good_the_last_verified_and_pinned_sets_stay),
        cmocka_unit_test(a_rule_keeps_as_many_as_it_says_or_there_are),
        cmocka_unit_test(pruning_again_removes_nothing),
        cmocka_unit_test(more_never_removes_more),
        cmocka_unit_test(the_order_does_not_matter),
        cmocka_unit_test(the_words_name_the_bucket),
    };

    /* no time zone may matter */
    (void)setenv("TZ", "ODD-11:30", 1);
    tzset();
    first_seed = seed ? strtoull(seed, NULL, 10) : (uint64_t)wall_us();
    print_message("calendars from RETAIN_SEED=%llu on\n", (unsigned long long)first_seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
