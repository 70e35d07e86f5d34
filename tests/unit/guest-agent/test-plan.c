/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the catalogue's sources to what is asked, and from answers back to values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "guest-agent/mysql/plan.h"

#define ROW(name, source)                                                                          \
    {                                                                                              \
        name, FAMILY_SERVER, UNIT_ONE, KIND_GAUGE, source, ""                                      \
    }

static const struct metric_row rows[] = {
    ROW("one", "Uptime"),
    {"other", FAMILY_VMSTAT, UNIT_ONE, KIND_GAUGE, "pswpin", ""},
    ROW("sum", "Com_insert+Com_update"),
    ROW("either", "Innodb_deadlocks|%lock_deadlocks"),
    ROW("renamed", "@table_open_cache|@table_cache"),
    ROW("made", "(something | less + something)"),
    ROW("again", "Uptime|Com_insert"),
};

struct fixture {
    struct plan plan;
    struct plan_value values[16];
};

static int start(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    plan_make(&f->plan, rows, sizeof(rows) / sizeof(rows[0]));
    *state = f;
    return 0;
}

static int finish(void **state)
{
    struct fixture *f = *state;

    plan_release(&f->plan);
    free(f);
    return 0;
}

static const struct plan_row *row_of(const struct fixture *f, const char *name)
{
    for (size_t n = 0; n < f->plan.row_count; n++) {
        if (strcmp(f->plan.rows[n].row->name, name) == 0)
            return &f->plan.rows[n];
    }
    fail_msg("no row %s", name);
    return NULL;
}

/* -1: no value */
static double eval(const struct fixture *f, const char *name)
{
    double value = -1;

    (void)plan_eval(row_of(f, name), f->values, &value);
    return value;
}

static void names_are_asked_once(void **state)
{
    const struct fixture *f = *state;

    assert_int_equal(f->plan.row_count, 6);  /* those of the server alone */
    assert_int_equal(f->plan.term_count, 7); /* Uptime and Com_insert are shared */
    assert_string_equal(f->plan.terms[4].name, "lock_deadlocks");
    assert_int_equal(f->plan.terms[4].from, FROM_INNODB_METRICS);
    assert_string_equal(f->plan.terms[5].name, "table_open_cache");
    assert_int_equal(f->plan.terms[5].from, FROM_VARIABLE);
}

static void computed_rows_ask_nothing(void **state)
{
    const struct fixture *f = *state;

    assert_int_equal(row_of(f, "made")->count, 0);
    assert_true(eval(f, "made") == -1);
}

static void first_alternative_that_is_there_counts(void **state)
{
    struct fixture *f = *state;
    double value;

    assert_true(eval(f, "either") == -1);
    plan_take(&f->plan, f->values, FROM_INNODB_METRICS, "lock_deadlocks", "7");
    assert_int_equal(plan_eval(row_of(f, "either"), f->values, &value), 1);
    assert_true(value == 7);
    /* servers differ in letter case */
    plan_take(&f->plan, f->values, FROM_STATUS, "INNODB_DEADLOCKS", "3");
    assert_int_equal(plan_eval(row_of(f, "either"), f->values, &value), 0);
    assert_true(value == 3);
    plan_take(&f->plan, f->values, FROM_VARIABLE, "table_cache", "400");
    assert_true(eval(f, "renamed") == 400);
}

/* A name means something only where it was asked for. */
static void sources_do_not_mix(void **state)
{
    struct fixture *f = *state;

    plan_take(&f->plan, f->values, FROM_STATUS, "table_open_cache", "1");
    plan_take(&f->plan, f->values, FROM_STATUS, "lock_deadlocks", "1");
    plan_take(&f->plan, f->values, FROM_STATUS, "no_such_name", "1");
    assert_true(eval(f, "renamed") == -1);
    assert_true(eval(f, "either") == -1);
}

static void a_missing_term_of_a_sum_is_nothing(void **state)
{
    struct fixture *f = *state;

    plan_take(&f->plan, f->values, FROM_STATUS, "Com_update", "5");
    assert_true(eval(f, "sum") == 5);
    plan_take(&f->plan, f->values, FROM_STATUS, "Com_insert", "4");
    assert_true(eval(f, "sum") == 9);
}

static void only_numbers_are_values(void **state)
{
    static const char *const bad[] = {"",    "ON",  "1e5",   "0x10", "inf", "nan",
                                      "12 ", " 12", "1.2.3", "-",    "--1", "1-1"};
    struct fixture *f = *state;

    for (size_t n = 0; n < sizeof(bad) / sizeof(bad[0]); n++) {
        plan_take(&f->plan, f->values, FROM_STATUS, "Uptime", bad[n]);
        if (eval(f, "one") != -1)
            fail_msg("'%s' was taken for %f", bad[n], eval(f, "one"));
    }
    plan_take(&f->plan, f->values, FROM_STATUS, "Uptime", NULL);
    assert_true(eval(f, "one") == -1);
    plan_take(&f->plan, f->values, FROM_STATUS, "Uptime", "-2.5");
    assert_true(eval(f, "one") == -2.5);
    plan_take(&f->plan, f->values, FROM_STATUS, "Uptime", "9007199254740992");
    assert_true(eval(f, "one") == 9007199254740992.0);
}

/* The catalogue that ships keeps to the grammar. */
static void the_catalogue_can_be_read(void **state)
{
    struct plan p;

    (void)state;
    plan_make(&p, metric_rows, metric_row_count);
    assert_true(p.row_count > 20);
    for (size_t n = 0; n < p.term_count; n++) {
        const char *name = p.terms[n].name;

        if (!*name || name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")])
            fail_msg("'%s' is no name of a variable", name);
    }
    plan_release(&p);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(names_are_asked_once),
        CASE(computed_rows_ask_nothing),
        CASE(first_alternative_that_is_there_counts),
        CASE(sources_do_not_mix),
        CASE(a_missing_term_of_a_sum_is_nothing),
        CASE(only_numbers_are_values),
        cmocka_unit_test(the_catalogue_can_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
