/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The abort policy: when a rule fires, when it does not, and when nobody can tell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host-coordinator/policy/policy.h"
#include "proto/base/cleanup.h"

#define SECOND INT64_C(1000000)
#define BEGIN  (1000 * SECOND)
#define NOW    (1010 * SECOND) /* the window is ten seconds */

#define FOUND_MAX 8
static struct {
    size_t count;
    struct policy_finding f[FOUND_MAX];
    char *words[FOUND_MAX];
} found;

static void take(void *arg, const struct policy_finding *f)
{
    assert_ptr_equal(arg, &found);
    assert_true(found.count < FOUND_MAX);
    found.words[found.count] = policy_describe(f, -1000 * SECOND);
    found.f[found.count++] = *f;
}

static void forget(void)
{
    for (size_t n = 0; n < found.count; n++)
        free(found.words[n]);
    memset(&found, 0, sizeof(found));
}

/* The policy must outlive what is looked at: released by done(). */
static struct policy *policy;
static struct series *series;

static int setup(void **state)
{
    (void)state;
    policy = policy_new();
    series = series_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    forget();
    policy_free(policy);
    series_free(series);
    return 0;
}

static void evaluate(const char *rule)
{
    struct err e = ERR_INIT;

    forget();
    policy_free(policy);
    policy = policy_new();
    if (policy_add(policy, POLICY_REFUSE, rule, 3, NULL, &e) < 0)
        fail_msg("'%s': %s", rule, e.msg);
    policy_evaluate(policy, series, BEGIN, NOW, take, &found);
}

/* Readings of one value each `step_ms`, from `from_ms` to `to_ms` before now. */
static void readings(const char *name, double value, int from_ms, int to_ms, int step_ms)
{
    for (int ms = from_ms; ms >= to_ms; ms -= step_ms)
        series_add(series, name, NOW - (int64_t)ms * 1000, value);
}

static void expect_fired(const char *rule, bool fires)
{
    evaluate(rule);
    if (found.count != fires || (fires && found.f[0].absent))
        fail_msg("'%s' gave %zu findings, '%s'", rule, found.count,
                 found.count ? found.words[0] : "");
}

static void the_newest_reading_decides(void **state)
{
    (void)state;
    readings("innodb.trx_oldest", 500, 9000, 2000, 1000);
    readings("innodb.trx_oldest", 100, 1000, 1000, 1000);
    expect_fired("innodb.trx_oldest > 120", false);
    expect_fired("innodb.trx_oldest < 120", true);
    assert_string_equal(found.f[0].metric, "innodb.trx_oldest");
    assert_true(found.f[0].value == 100);
    assert_true(found.f[0].at_us == NOW - SECOND);
    assert_true(found.f[0].held_s == 1);
    /* behind the window: not read */
    series_add(series, "innodb.trx_oldest", NOW, 500);
    expect_fired("innodb.trx_oldest > 120", false);
}

static void operators_are_what_they_say(void **state)
{
    static const struct {
        const char *op;
        bool below, same, above;
    } ops[] = {{">", false, false, true}, {">=", false, true, true},  {"<", true, false, false},
               {"<=", true, true, false}, {"==", false, true, false}, {"!=", true, false, true}};

    (void)state;
    readings("system.load1", 5, 1000, 1000, 1000);
    for (size_t n = 0; n < ARRAY_SIZE(ops); n++) {
        char rule[64];

        (void)snprintf(rule, sizeof(rule), "system.load1 %s 6", ops[n].op);
        expect_fired(rule, ops[n].below);
        (void)snprintf(rule, sizeof(rule), "system.load1 %s 5", ops[n].op);
        expect_fired(rule, ops[n].same);
        (void)snprintf(rule, sizeof(rule), "system.load1 %s 4", ops[n].op);
        expect_fired(rule, ops[n].above);
    }
}

static void units_are_converted(void **state)
{
    (void)state;
    readings("innodb.trx_oldest", 120, 1000, 1000, 1000);
    expect_fired("innodb.trx_oldest == 2m", true);
    expect_fired("innodb.trx_oldest == 120s", true);
    expect_fired("innodb.trx_oldest == 120000ms", true);
    readings("disk.vdb.wait", 1500, 1000, 1000, 1000);
    expect_fired("disk.vdb.wait == 1.5s", true);
    expect_fired("disk.vdb.wait == 1500000us", true);
    expect_fired("disk.vdb.wait == 0.025m", true);
    readings("fs./mnt/mysqldata.avail", 2147483648.0, 1000, 1000, 1000);
    expect_fired("fs./mnt/mysqldata.avail == 2G", true);
    expect_fired("fs./mnt/mysqldata.avail == 2048MiB", true);
    expect_fired("fs./mnt/mysqldata.avail == 2097152K", true);
    readings("volume.data.throughput", 2048, 1000, 1000, 1000);
    expect_fired("volume.data.throughput == 2MB/s", true);
    readings("system.cpu.user", 0.1, 1000, 1000, 1000);
    expect_fired("system.cpu.user == 0.1%", true);
    readings("repl.io_running", 0, 1000, 1000, 1000);
    expect_fired("repl.io_running == no", true);
    expect_fired("repl.io_running != no", false);
    expect_fired("repl.io_running == 1", false);
}

static void for_wants_every_reading(void **state)
{
    (void)state;
    readings("disk.vdb.write_time", 60, 9000, 500, 1000);
    expect_fired("disk.vdb.write_time > 50 for 5s", true);
    assert_true(found.f[0].held_s == 9);
    /* one that does not, long ago, in time, or just now */
    readings("disk.vdc.write_time", 60, 9000, 8000, 1000);
    readings("disk.vdc.write_time", 40, 7000, 7000, 1000);
    readings("disk.vdc.write_time", 60, 6000, 1000, 1000);
    expect_fired("disk.vdc.write_time > 50 for 5s", true);
    assert_true(found.f[0].held_s == 6);
    expect_fired("disk.vdc.write_time > 50 for 6s", true);
    expect_fired("disk.vdc.write_time > 50 for 6001ms", false);
    expect_fired("disk.vdc.write_time > 50 for 7s", false);
    readings("disk.vdc.write_time", 40, 500, 500, 500);
    expect_fired("disk.vdc.write_time > 50 for 500ms", false);
}

/* The reading in force when the time began counts, though it is older. */
static void for_counts_the_reading_in_force(void **state)
{
    (void)state;
    readings("innodb.trx_oldest", 10, 9000, 9000, 1);
    readings("innodb.trx_oldest", 200, 4000, 1000, 3000);
    expect_fired("innodb.trx_oldest > 120 for 4s", true);
    expect_fired("innodb.trx_oldest > 120 for 3s", true);
    expect_fired("innodb.trx_oldest > 120 for 5s", false);
}

static void expect_undecided(const char *rule, const char *metric, const char *why)
{
    evaluate(rule);
    assert_int_equal(found.count, 1);
    assert_true(found.f[0].absent);
    assert_string_equal(found.f[0].metric, metric);
    if (!strstr(found.f[0].why, why) || !strstr(found.words[0], why))
        fail_msg("'%s': %s", rule, found.words[0]);
}

static void what_cannot_be_decided_is_told(void **state)
{
    (void)state;
    expect_undecided("innodb.trx_oldest > 120", "innodb.trx_oldest", "no reading");
    expect_undecided("disk.*.reads > 120", "disk.*.reads", "no reading");
    expect_undecided("repl.role == replica", "repl.role", "no reading");
    assert_true(found.f[0].at_us == INT64_MIN);
    /* before the window only */
    series_add(series, "innodb.trx_oldest", BEGIN - 1, 500);
    expect_undecided("innodb.trx_oldest > 120", "innodb.trx_oldest", "no reading");
    /* readings do not reach back so far */
    readings("disk.vdb.write_time", 60, 3000, 1000, 1000);
    expect_undecided("disk.*.write_time > 50 for 5s", "disk.vdb.write_time", "do not reach back");
    assert_true(found.f[0].value == 60 && found.f[0].held_s == 3);
    expect_fired("disk.*.write_time > 50 for 3s", true);
    /* nor does the window */
    readings("disk.vdc.read_time", 60, 20000, 1000, 1000);
    expect_undecided("disk.*.read_time > 50 for 11s", "disk.vdc.read_time", "do not reach back");
    /* but one reading that does not meet it is enough to know */
    readings("disk.vdb.write_time", 40, 500, 500, 500);
    expect_fired("disk.*.write_time > 50 for 5s", false);
    /* idle since: nothing is known about the last five seconds */
    readings("disk.vdd.wait", 60, 9000, 6000, 1000);
    expect_undecided("disk.*.wait > 50 for 5s", "disk.vdd.wait", "no reading in that time");
    expect_fired("disk.*.wait > 70 for 5s", false);
    expect_fired("disk.*.wait > 50", true);
}

static void every_instance_is_looked_at(void **state)
{
    (void)state;
    readings("disk.vda.write_time", 60, 9000, 1000, 1000);
    readings("disk.vdb.write_time", 10, 9000, 1000, 1000);
    readings("disk.vdc.write_time", 70, 2000, 1000, 1000);
    readings("disk.vdd.write_time", 80, 9000, 1000, 1000);
    readings("disk.vda.read_time", 90, 9000, 1000, 1000);
    evaluate("disk.*.write_time > 50");
    assert_int_equal(found.count, 3);
    assert_string_equal(found.f[0].metric, "disk.vda.write_time");
    assert_string_equal(found.f[1].metric, "disk.vdc.write_time");
    assert_string_equal(found.f[2].metric, "disk.vdd.write_time");
    evaluate("disk.*.write_time > 50 for 5s");
    assert_int_equal(found.count, 3);
    assert_false(found.f[0].absent);
    assert_true(found.f[1].absent);
    assert_false(found.f[2].absent);
    expect_fired("disk.vdb.write_time > 50", false);
    expect_fired("disk.vdd.write_time > 50", true);
    /* an instance that nobody ever saw */
    expect_undecided("disk.vdx.write_time > 50", "disk.vdx.write_time", "no reading");
}

static void say_role(const char *role, int64_t at_us)
{
    char name[] = "repl.role", text[32];
    Cbsnap__Name names = CBSNAP__NAME__INIT, *name_list[] = {&names};
    Cbsnap__Names told = CBSNAP__NAMES__INIT;
    Cbsnap__TextValue value = CBSNAP__TEXT_VALUE__INIT, *value_list[] = {&value};
    Cbsnap__Sample sample = CBSNAP__SAMPLE__INIT;

    (void)snprintf(text, sizeof(text), "%s", role);
    names.has_id = value.has_id = sample.has_mono_us = true;
    names.name = name;
    told.name = name_list;
    told.n_name = sample.n_text = 1;
    value.text = text;
    sample.text = value_list;
    sample.mono_us = at_us;
    series_names(series, &told);
    series_sample(series, &sample);
}

/* Only changes of a text are kept, so the last one holds however old it is. */
static void texts_are_in_force_until_they_change(void **state)
{
    (void)state;
    say_role("source", BEGIN - 100 * SECOND);
    expect_fired("repl.role == source", true);
    assert_string_equal(found.f[0].text, "source");
    assert_non_null(strstr(found.words[0], "repl.role was 'source'"));
    expect_fired("repl.role == replica", false);
    expect_fired("repl.role != replica", true);
    expect_fired("repl.role == source for 60s", true);
    expect_undecided("repl.role == source for 120s", "repl.role", "do not reach back");
    say_role("replica", NOW - 4 * SECOND);
    expect_fired("repl.role == source", false);
    expect_fired("repl.role == replica for 4s", true);
    expect_fired("repl.role == replica for 5s", false);
    say_role("standalone", NOW);
    expect_fired("repl.role == replica for 4s", true);
}

static void findings_are_told_in_words(void **state)
{
    (void)state;
    readings("disk.vdb.write_time", 63.25, 9000, 500, 500);
    readings("fs./mnt.avail", 1610612736, 1000, 1000, 1000);
    readings("fs./.avail", 512, 1000, 1000, 1000);
    readings("system.cpu.user", 99.5, 1000, 1000, 1000);
    readings("repl.sql_running", 0, 1000, 1000, 1000);
    evaluate("disk.*.write_time > 50 for 5s");
    assert_string_equal(found.words[0],
                        "disk.vdb.write_time was 63.25 ms at 1970-01-01T00:00:09.500Z, beyond the "
                        "limit for 9.0 s: rule 'refuse = disk.*.write_time > 50 for 5s' of line 3");
    evaluate("fs.*.avail < 2G");
    assert_non_null(strstr(found.words[0], "fs./mnt.avail was 1.5 GiB at"));
    assert_non_null(strstr(found.words[1], "fs./.avail was 512 bytes at"));
    evaluate("system.cpu.user > 1");
    assert_non_null(strstr(found.words[0], "was 99.5 % at"));
    evaluate("repl.sql_running == no");
    assert_non_null(strstr(found.words[0], "repl.sql_running was no at"));
    evaluate("innodb.trx_oldest > 2m");
    assert_string_equal(found.words[0], "innodb.trx_oldest: rule 'refuse = innodb.trx_oldest > 2m' "
                                        "of line 3 is not decided, there is no reading of it");
}

static void windows_of_any_size_are_safe(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(policy_add(policy, POLICY_WARN, "system.load1 > 1 for 1000h", 1, NULL, &e), 0);
    assert_int_equal(policy_add(policy, POLICY_WARN, "system.load1 > 1 for 5s", 1, NULL, &e), 0);
    assert_true(policy_longest_us(policy) == 3600 * 1000 * SECOND);
    series_add(series, "system.load1", INT64_MIN + 5, 2);
    series_add(series, "system.load1", INT64_MAX - 5, 2);
    policy_evaluate(policy, series, INT64_MIN, INT64_MAX, take, &found);
    assert_int_equal(found.count, 2);
    forget();
    policy_evaluate(policy, series, INT64_MIN, INT64_MIN + 10, take, &found);
    assert_int_equal(found.count, 2);
    forget();
    policy_evaluate(policy, series, NOW, BEGIN, take, &found);
    assert_int_equal(found.count, 2);
    assert_true(found.f[0].absent && found.f[1].absent);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

/* A rule that looks back for hours does not make an hour-old reading new for the others. */
static void each_rule_looks_back_as_far_as_it_needs(void **state)
{
    (void)state;
    readings("innodb.trx_oldest", 500, 9000, 8000, 1000);
    forget();
    assert_int_equal(policy_add(policy, POLICY_REFUSE, "innodb.trx_oldest > 120", 1, NULL, NULL),
                     0);
    assert_int_equal(
        policy_add(policy, POLICY_REFUSE, "innodb.trx_oldest > 120 for 9s", 2, NULL, NULL), 0);
    policy_evaluate(policy, series, BEGIN, NOW, take, &found);
    assert_int_equal(found.count, 2);
    assert_true(found.f[0].absent);
    assert_false(found.f[1].absent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_newest_reading_decides),
        CASE(each_rule_looks_back_as_far_as_it_needs),
        CASE(operators_are_what_they_say),
        CASE(units_are_converted),
        CASE(for_wants_every_reading),
        CASE(for_counts_the_reading_in_force),
        CASE(what_cannot_be_decided_is_told),
        CASE(every_instance_is_looked_at),
        CASE(texts_are_in_force_until_they_change),
        CASE(findings_are_told_in_words),
        CASE(windows_of_any_size_are_safe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
