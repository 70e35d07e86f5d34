/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets in the order of what they cost; see rank.h. */
#include "host-coordinator/rank/rank.h"

#include "host-coordinator/rank/when.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#include <math.h>
#include <string.h>

/* A measurement this far off says more about the day it was taken than about the VM. */
#define FACTOR_MIN 0.1
#define FACTOR_MAX 10.0

/* ---- who is ranked --------------------------------------------------------------------------- */

/* Best first; -1: no set to go back to. */
static int verdict_order(const char *verdict)
{
    static const char *const order[] = {"application", "filesystem", "crash"};

    for (int n = 0; verdict && n < (int)ARRAY_SIZE(order); n++) {
        if (strcmp(order[n], verdict) == 0)
            return n;
    }
    return -1;
}

/* What is known of an imported set is what the guest's own disk says, and a guest may lie: until a
 * verification has seen that it is true, it is worth no more than its snapshots. (`sound` has seen
 * nothing of what the record says.) */
static int worth(const struct set_facts *f)
{
    return verdict_order(
        f->imported && (!f->verified || strcmp(f->verified, "same") != 0) ? "crash" : f->verdict);
}

enum rank_out rank_judge(const struct set_facts *f, int64_t wanted_us)
{
    int64_t at_us;

    if (verdict_order(f->verdict) < 0)
        return RANK_OUT_VOID;
    if (f->verified && strcmp(f->verified, "same") != 0 && strcmp(f->verified, "sound") != 0)
        return RANK_OUT_DIFFERENT;
    if (f->snapshots_kept < f->volumes)
        return RANK_OUT_GONE;
    if (!when_rfc3339(f->started, &at_us))
        return RANK_OUT_TIME;
    return at_us > wanted_us ? RANK_OUT_AFTER : RANK_IN;
}

const char *rank_out_words(enum rank_out why)
{
    static const char *const words[RANK_OUT_COUNT] = {
        [RANK_IN] = "ranked",
        [RANK_OUT_VOID] = "void",
        [RANK_OUT_DIFFERENT] = "failed verification: what came back is not what was taken",
        [RANK_OUT_GONE] = "not kept by the appliance any more",
        [RANK_OUT_AFTER] = "younger than the time wanted",
        [RANK_OUT_TIME] = "without a time in the record",
    };

    return words[why];
}

/* ---- the middle of a few numbers ------------------------------------------------------------- */

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sorts them; `none` when there are none. */
static double middle(double *numbers, size_t count, double none)
{
    if (count == 0)
        return none;
    qsort(numbers, count, sizeof(*numbers), compare_numbers);
    return (numbers[(count - 1) / 2] + numbers[count / 2]) / 2;
}

/* What this VM's recoveries took, compared with what was predicted for them. */
static void calibrate(struct ranking *r, const struct set_facts *const *sets, size_t count)
{
    AUTO_FREE double *ratios = xcalloc(count + 1, sizeof(*ratios));

    for (size_t n = 0; n < count; n++) {
        double ratio = sets[n]->recovery_ms / 1000 / rank_recovery_s(sets[n]);

        if (!isnan(ratio) && ratio > 0)
            ratios[r->factor_from++] = ratio;
    }
    r->factor = fmin(fmax(middle(ratios, r->factor_from, 1), FACTOR_MIN), FACTOR_MAX);
}

/* ---- the sum --------------------------------------------------------------------------------- */

/* What is shown is what counts: parts of a tenth, which add up for whoever checks. */
static double tenths(double cost)
{
    return round(cost * 10) / 10;
}

static struct rank_view view(const struct ranking *all, const struct ranked *set)
{
    return (struct rank_view){
        .facts = set->facts,
        .age_s = (double)(all->wanted_us - set->at_us) / 1e6,
        .recovery_s = set->recovery_s,
        .recovery_measured = set->recovery_measured,
        .factor = all->factor,
    };
}

static void judge(const struct ranking *all, struct ranked *set)
{
    double measured_s = set->facts->recovery_ms / 1000;
    struct rank_view v;

    set->recovery_measured = !isnan(measured_s);
    set->recovery_s =
        set->recovery_measured ? measured_s : rank_recovery_s(set->facts) * all->factor;
    v = view(all, set);
    for (size_t p = 0; p < RANK_PARTS; p++) {
        double cost = rank_part_rows[p].judge(&v, NULL);

        set->parts[p] = (struct rank_part){.cost = tenths(cost), .read = !isnan(cost)};
    }
}

char *rank_words(const struct ranking *all, const struct ranked *set, size_t part,
                 char words[RANK_WORDS])
{
    struct rank_view v = view(all, set);

    words[0] = '\0';
    (void)rank_part_rows[part].judge(&v, words);
    return words;
}

/* An absent fact neither moves a set up nor down. */
static void fill_absent(struct ranking *r, size_t part)
{
    AUTO_FREE double *costs = xcalloc(r->count + 1, sizeof(*costs));
    size_t count = 0;
    double neutral;

    for (size_t n = 0; n < r->count; n++) {
        if (r->sets[n].parts[part].read)
            costs[count++] = r->sets[n].parts[part].cost;
    }
    neutral = tenths(middle(costs, count, 0));
    for (size_t n = 0; n < r->count; n++) {
        if (!r->sets[n].parts[part].read)
            r->sets[n].parts[part].cost = neutral;
    }
}

static int best_first(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    int order = worth(x->facts) - worth(y->facts);

    if (order == 0)
        order = compare_numbers(&x->cost, &y->cost);
    if (order == 0)
        order = (x->at_us < y->at_us) - (x->at_us > y->at_us);
    if (order == 0 && x->facts->set && y->facts->set)
        order = strcmp(y->facts->set, x->facts->set);
    return order;
}

void rank_sets(struct ranking *ret, const struct set_facts *const *sets, size_t count,
               int64_t wanted_us)
{
    struct ranking r = {.sets = xcalloc(count + 1, sizeof(*r.sets)), .wanted_us = wanted_us};

    calibrate(&r, sets, count);
    for (size_t n = 0; n < count; n++) {
        enum rank_out why = rank_judge(sets[n], wanted_us);
        struct ranked *set = &r.sets[r.count];

        r.out[why]++;
        if (why != RANK_IN)
            continue;
        r.count++;
        set->facts = sets[n];
        (void)when_rfc3339(sets[n]->started, &set->at_us);
        judge(&r, set);
    }
    for (size_t p = 0; p < RANK_PARTS; p++)
        fill_absent(&r, p);
    for (size_t n = 0; n < r.count; n++) {
        double sum = 0;

        for (size_t p = 0; p < RANK_PARTS; p++)
            sum += r.sets[n].parts[p].cost;
        r.sets[n].cost = tenths(sum);
    }
    if (r.count > 1)
        qsort(r.sets, r.count, sizeof(*r.sets), best_first);
    *ret = r;
}

void rank_release(struct ranking *r)
{
    free(r->sets);
    *r = (struct ranking){.sets = NULL};
}
