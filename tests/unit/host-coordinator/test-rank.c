/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ranking: who comes first and why, in words; absent facts; that docs/best.md tells the formula
 * that is used. Times as people write them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host-coordinator/rank/rank.h"
#include "host-coordinator/rank/when.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

/* 2016-11-04T10:15:00Z */
#define WANTED_US (INT64_C(1478254500) * 1000000)

enum { AGE, PROOF, RECOVERY, ERRORS, DEADLOCKS, LOAD };

/* ---- sets ------------------------------------------------------------------------------------ */

static struct set_facts facts[8];
static const struct set_facts *sets[8];
static char names[8][8], times[8][32];
static size_t set_count;

static int forget(void **state)
{
    (void)state;
    set_count = 0;
    return 0;
}

/* A verified set of that age, about which all is known and nothing costs: but its age. */
static struct set_facts *add(double minutes_old)
{
    struct set_facts *f = &facts[set_count];

    facts_init(f);
    (void)snprintf(names[set_count], sizeof(names[0]), "set%zu", set_count);
    (void)clock_iso(WANTED_US - (int64_t)(minutes_old * 6e7), times[set_count]);
    f->set = names[set_count];
    f->started = times[set_count];
    f->verdict = (char *)"application";
    f->verified = (char *)"same";
    f->recovery_ms = 0;
    f->errors = f->deadlocks = f->load1 = 0;
    f->volumes = f->snapshots_kept = 3;
    sets[set_count++] = f;
    return f;
}

/* The sets in the order they were ranked: "1 0 2". */
static void ranks(const char *expected)
{
    struct buf order = BUF_INIT;
    struct ranking r;

    rank_sets(&r, sets, set_count, WANTED_US);
    for (size_t n = 0; n < r.count; n++)
        buf_addf(&order, "%s%s", n ? " " : "", r.sets[n].facts->set + strlen("set"));
    assert_string_equal(buf_text(&order), expected);
    buf_release(&order);
    rank_release(&r);
}

/* A part of the first set that was added. */
static void costs(int part, double cost, const char *words)
{
    char told[RANK_WORDS];
    struct ranking r;
    double sum = 0;

    rank_sets(&r, sets, set_count, WANTED_US);
    for (size_t n = 0; n < r.count; n++) {
        if (r.sets[n].facts != &facts[0])
            continue;
        assert_string_equal(rank_words(&r, &r.sets[n], (size_t)part, told), words);
        if (fabs(r.sets[n].parts[part].cost - cost) > 1e-9)
            fail_msg("%s costs %g, not %g", words, r.sets[n].parts[part].cost, cost);
        for (int p = 0; p < RANK_PARTS; p++)
            sum += r.sets[n].parts[p].cost;
        assert_true(fabs(sum - r.sets[n].cost) < 1e-6);
    }
    rank_release(&r);
}

/* ---- the order ------------------------------------------------------------------------------- */

static void the_newest_comes_first_when_nothing_else_differs(void **state)
{
    (void)state;
    add(90);
    add(10);
    add(2000);
    ranks("1 0 2");
}

static void a_better_verdict_comes_before_any_cost(void **state)
{
    (void)state;
    add(1)->verdict = (char *)"crash";
    add(2)->verdict = (char *)"filesystem";
    add(50000)->errors = 100;
    ranks("2 1 0");
}

static void a_proven_set_is_worth_an_hour(void **state)
{
    (void)state;
    add(0)->verified = NULL;
    add(59.8);
    ranks("1 0");
    set_count = 0;
    add(0)->verified = NULL;
    add(60.2);
    ranks("0 1");
}

static void of_equal_costs_the_newest_comes_first(void **state)
{
    (void)state;
    add(60);
    add(0)->verified = NULL;
    add(45)->errors = 1;
    ranks("1 2 0");
}

static void a_quick_recovery_makes_up_for_age(void **state)
{
    (void)state;
    add(0)->recovery_ms = 10 * 60000;
    add(5)->recovery_ms = 60000;
    ranks("1 0");
}

static void what_cannot_be_gone_back_to_is_left_out(void **state)
{
    struct ranking r;

    (void)state;
    add(1)->verdict = (char *)"void";
    add(1)->verdict = NULL;
    add(1)->verified = (char *)"different";
    add(1)->snapshots_kept = 2;
    add(-1);
    add(1)->started = (char *)"yesterday";
    add(1)->volumes = NAN; /* an old record: nothing says that they are gone */
    rank_sets(&r, sets, set_count, WANTED_US);
    assert_int_equal(r.count, 1);
    assert_ptr_equal(r.sets[0].facts, &facts[6]);
    assert_int_equal(r.out[RANK_OUT_VOID], 2);
    assert_int_equal(r.out[RANK_OUT_DIFFERENT], 1);
    assert_int_equal(r.out[RANK_OUT_GONE], 1);
    assert_int_equal(r.out[RANK_OUT_AFTER], 1);
    assert_int_equal(r.out[RANK_OUT_TIME], 1);
    rank_release(&r);
    set_count = 0;
    rank_sets(&r, sets, 0, WANTED_US);
    assert_int_equal(r.count, 0);
    rank_release(&r);
}

/* ---- the words ------------------------------------------------------------------------------- */

static void each_part_says_what_it_costs(void **state)
{
    struct set_facts *f = add(12);

    (void)state;
    costs(AGE, 12, "12 min older than the time wanted");
    costs(PROOF, 0, "verified: what came back is what was taken");
    costs(ERRORS, 0, "no error lines");
    costs(DEADLOCKS, 0, "no deadlocks");
    f->verified = NULL;
    f->errors = 1;
    f->deadlocks = 3;
    f->load1 = 4.2;
    f->recovery_ms = 90000;
    costs(PROOF, 60, "never verified");
    costs(RECOVERY, 1.5, "recovery took 90 s when it was verified");
    costs(ERRORS, 15, "1 error line around it");
    costs(DEADLOCKS, 1.5, "3 deadlocks around it");
    costs(LOAD, 2.1, "load average 4.2 just before it");
    f->errors = 1e9;
    f->deadlocks = 1e9;
    f->load1 = 1e9;
    costs(ERRORS, 120, "1000000000 error lines around it");
    costs(DEADLOCKS, 5, "1000000000 deadlocks around it");
    costs(LOAD, 10, "load average 1000000000.0 just before it");
}

static void recovery_is_predicted_and_corrected_by_what_was_measured(void **state)
{
    struct set_facts *f = add(0), *proven;

    (void)state;
    f->recovery_ms = NAN;
    f->checkpoint_age_bytes = 400e6; /* 20 s */
    f->dirty_bytes = 327.68e6;       /* 10 s */
    f->trx_rows = 100000;            /* 5 s; and 5 s to start */
    costs(RECOVERY, 0.7,
          "400.0 MB of log to recover, 327.7 MB of changed pages, 100000 rows to roll back: "
          "about 40 s");
    f->dirty_bytes = f->trx_rows = NAN;
    costs(RECOVERY, 0.4,
          "400.0 MB of log to recover, no reading of innodb.pool_dirty, no reading of "
          "transactions: about 25 s");
    proven = add(1);
    proven->checkpoint_age_bytes = 100e6; /* predicted: 10 s */
    proven->dirty_bytes = proven->trx_rows = 0;
    proven->recovery_ms = 30000;
    costs(RECOVERY, 1.3,
          "400.0 MB of log to recover, no reading of innodb.pool_dirty, no reading of "
          "transactions: about 75 s (x3 as measured)");
    proven->recovery_ms = 1e9; /* nobody believes that of the others */
    costs(RECOVERY, 4.2,
          "400.0 MB of log to recover, no reading of innodb.pool_dirty, no reading of "
          "transactions: about 4 min (x10 as measured)");
}

static void what_nobody_read_moves_no_set(void **state)
{
    struct set_facts *f = add(10);

    (void)state;
    f->errors = f->deadlocks = f->load1 = f->recovery_ms = NAN;
    costs(ERRORS, 0, "no reading of mysql.errlog.errors");
    add(20)->errors = 1;
    add(30)->errors = 3;
    add(40)->errors = 2;
    /* neither as good as none, nor as bad as the worst: as the middle of the others */
    costs(ERRORS, 30, "no reading of mysql.errlog.errors");
    costs(DEADLOCKS, 0, "no reading of innodb.deadlocks.total");
    costs(LOAD, 0, "no reading of system.load1");
    costs(RECOVERY, 0, "no reading of innodb.checkpoint_age");
    ranks("1 0 3 2");
}

/* ---- the document ---------------------------------------------------------------------------- */

static char *read_text(const char *path)
{
    AUTO_FCLOSE FILE *f = fopen(path, "r");
    struct buf text = BUF_INIT;
    size_t n;

    if (!f)
        fail_msg("cannot read %s: tests run in the top directory", path);
    do {
        n = fread(buf_reserve(&text, 4096), 1, 4096, f);
        text.len += n;
    } while (n > 0);
    buf_add(&text, "", 0);
    return buf_steal(&text);
}

/* What a part costs per unit is found by experiment, and looked for in the part's row. */
static void row_tells(const char *document, int part, const char *format, double cost)
{
    AUTO_FREE char *begin = xasprintf("| `%s` |", rank_part_rows[part].name);
    AUTO_FREE char *number = xasprintf(format, cost);
    const char *at = strstr(document, begin);
    AUTO_FREE char *row = at ? strndup(at, strcspn(at, "\n")) : NULL;

    if (!row)
        fail_msg("docs/best.md has no row for the part '%s'", rank_part_rows[part].name);
    if (!strstr(row, number))
        fail_msg("docs/best.md: '%s' is not in '%s'", number, row);
}

static double cost_of(int part)
{
    struct ranking r;
    double cost;

    rank_sets(&r, sets, set_count, WANTED_US);
    cost = r.sets[0].parts[part].cost;
    rank_release(&r);
    return cost;
}

static void the_document_tells_the_formula(void **state)
{
    AUTO_FREE char *document = read_text("docs/best.md");
    struct set_facts *f = add(1);

    (void)state;
    f->verified = NULL;
    f->recovery_ms = 60000;
    f->errors = f->deadlocks = f->load1 = 1;
    row_tells(document, AGE, "%g a minute", cost_of(AGE));
    row_tells(document, PROOF, "%g never verified", cost_of(PROOF));
    row_tells(document, RECOVERY, "%g a minute", cost_of(RECOVERY));
    row_tells(document, ERRORS, "%g each", cost_of(ERRORS));
    row_tells(document, DEADLOCKS, "%g each", cost_of(DEADLOCKS));
    row_tells(document, LOAD, "%g for each 1.0", cost_of(LOAD));
    f->errors = f->deadlocks = f->load1 = 1e6;
    row_tells(document, ERRORS, "at most %g", cost_of(ERRORS));
    row_tells(document, DEADLOCKS, "at most %g", cost_of(DEADLOCKS));
    row_tells(document, LOAD, "at most %g", cost_of(LOAD));
    f->checkpoint_age_bytes = 20e6;
    f->dirty_bytes = 32.768e6 * 2;
    f->trx_rows = 20000 * 3;
    assert_non_null(strstr(document, "5                                     the server's start"));
    assert_non_null(strstr(document, "/ 20 MB/s"));
    assert_non_null(strstr(document, "/ 32.8 MB/s"));
    assert_non_null(strstr(document, "/ 20,000 a second"));
    assert_true(fabs(rank_recovery_s(f) - (5 + 1 + 2 + 3)) < 1e-9);
    for (int why = RANK_IN + 1; why < RANK_OUT_COUNT; why++)
        assert_non_null(rank_out_words((enum rank_out)why));
}

/* ---- time ------------------------------------------------------------------------------------ */

static void times_are_read_as_people_write_them(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds; /* against WANTED_US */
    } good[] = {
        {"2016-11-04T10:15:00Z", 0},
        {"2016-11-04T10:15:00.000Z", 0},
        {"2016-11-04t10:15:01z", 1},
        {"2016-11-04T11:15:00+01:00", 0},
        {"2016-11-04T04:45:00-05:30", 0},
        {"2016-11-04 10:15", 0},
        {"2016-11-04 10:15:07", 7},
        {"@1478254500", 0},
        {"90m", -5400},
        {"2h", -7200},
        {"3d", -259200},
        {"1w", -604800},
        {"45s", -45},
        {"0h", 0},
        {"2016-02-29 00:00", -21550500},
        {"2016-11-04T10:14:60Z", 0},
        {"1970-01-01T00:00:00Z", -1478254500},
    };

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(good); n++) {
        struct err e = ERR_INIT;
        int64_t at = -1;

        if (when_parse(good[n].text, WANTED_US, &at, &e) < 0)
            fail_msg("%s", e.msg);
        if (at != WANTED_US + good[n].seconds * 1000000)
            fail_msg("'%s' is %lld", good[n].text, (long long)(at - WANTED_US) / 1000000);
    }
}

static void what_is_no_time_is_refused_with_the_forms(void **state)
{
    static const char *const bad[] = {
        "",
        "now",
        "yesterday",
        "2016-11-04",
        "2016-11-04T10:15",
        "2016-11-04T10:15:00",
        "2016-11-04T10:15:00.Z",
        "2016-11-04T10:15:00Z ",
        "2016-11-04T10:15:00+25:00",
        "2016-02-30 10:15",
        "2015-02-29 10:15",
        "2016-13-01 10:15",
        "2016-00-01 10:15",
        "2016-11-04 24:15",
        "2016-11-04 10:60",
        "2016-11-04 10:15:",
        "16-11-04 10:15",
        "1969-12-31T23:59:59Z",
        "@",
        "@-1",
        "@1478254500.5",
        "@99999999999999999999",
        "2",
        "h",
        "2 h",
        "-2h",
        "2y",
        "2hh",
        "99999999999d",
        "99999999999999999999h",
        "2016-11-04 1a:15",
    };

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(bad); n++) {
        struct err e = ERR_INIT;
        int64_t at = 77;

        if (when_parse(bad[n], WANTED_US, &at, &e) == 0)
            fail_msg("'%s' was taken for %lld", bad[n], (long long)at);
        assert_int_equal(e.code, ERR_USAGE);
        assert_non_null(strstr(e.msg, "is no point in time; give 2016-11-04T10:15:00Z"));
    }
}

static void a_span_is_a_length_and_nothing_else(void **state)
{
    static const char *const bad[] = {"",
                                      "3",
                                      "h",
                                      "-2h",
                                      "2 h",
                                      "2hh",
                                      "2y",
                                      "@2",
                                      "500ms",
                                      "2016-11-04 10:15",
                                      "1.5h",
                                      "9999999999w",
                                      "253402300800s",
                                      "18446744073709551617m"};
    int64_t us = 77;

    (void)state;
    assert_true(when_span("90m", &us));
    assert_int_equal(us, INT64_C(5400) * 1000000);
    assert_true(when_span("2w", &us));
    assert_int_equal(us, INT64_C(14) * 86400 * 1000000);
    assert_true(when_span("100000d", &us)); /* longer ago than 1970 */
    assert_int_equal(us, INT64_C(100000) * 86400 * 1000000);
    assert_true(when_span("0d", &us));
    assert_int_equal(us, 0);
    for (size_t n = 0; n < ARRAY_SIZE(bad); n++) {
        if (when_span(bad[n], &us))
            fail_msg("'%s' was taken for %lld us", bad[n], (long long)us);
    }
}

static void lengths_have_the_unit_that_fits(void **state)
{
    static const struct {
        double seconds;
        const char *text;
    } rows[] = {
        {0, "0.0 s"},      {9.94, "9.9 s"},    {14.2, "14 s"},  {99.6, "2 min"},
        {720, "12 min"},   {5940, "99 min"},   {6000, "1.7 h"}, {86400, "24.0 h"},
        {259200, "3.0 d"}, {1e9, "11574.1 d"}, {-3, "-3.0 s"},
    };
    char text[24];

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(rows); n++)
        assert_string_equal(when_length(rows[n].seconds, text), rows[n].text);
}

/* Its verdict is the guest's word; a verification makes it ours. */
static void an_imported_set_counts_once_verified(void **state)
{
    (void)state;
    add(0)->verified = NULL; /* the guest may have made it up */
    facts[0].imported = (char *)"/mnt/root/set0.json";
    add(5000)->verified = NULL;
    add(9000)->verdict = (char *)"crash";
    ranks("1 0 2");
    costs(PROOF, 60,
          "imported and never verified: ranked as 'crash', for its verdict is the guest's word");
    facts[0].verified = (char *)"sound"; /* of a record without a position: nothing was compared */
    ranks("1 0 2");
    facts[0].verified = (char *)"same";
    ranks("0 1 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_newest_comes_first_when_nothing_else_differs, forget),
        cmocka_unit_test_setup(a_better_verdict_comes_before_any_cost, forget),
        cmocka_unit_test_setup(a_proven_set_is_worth_an_hour, forget),
        cmocka_unit_test_setup(of_equal_costs_the_newest_comes_first, forget),
        cmocka_unit_test_setup(a_quick_recovery_makes_up_for_age, forget),
        cmocka_unit_test_setup(what_cannot_be_gone_back_to_is_left_out, forget),
        cmocka_unit_test_setup(an_imported_set_counts_once_verified, forget),
        cmocka_unit_test_setup(each_part_says_what_it_costs, forget),
        cmocka_unit_test_setup(recovery_is_predicted_and_corrected_by_what_was_measured, forget),
        cmocka_unit_test_setup(what_nobody_read_moves_no_set, forget),
        cmocka_unit_test_setup(the_document_tells_the_formula, forget),
        cmocka_unit_test(times_are_read_as_people_write_them),
        cmocka_unit_test(what_is_no_time_is_refused_with_the_forms),
        cmocka_unit_test(a_span_is_a_length_and_nothing_else),
        cmocka_unit_test(lengths_have_the_unit_that_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
