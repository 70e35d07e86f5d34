/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The abort policy's rules: what one may say, and where it is wrong. */
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
#include "proto/metrics.h"
#include "tests/in_range.h"

static void expect_wrong(const char *text, size_t column, const char *words)
{
    struct policy *p = policy_new();
    struct err e = ERR_INIT;
    size_t at = 0;

    assert_int_equal(policy_add(p, POLICY_REFUSE, text, 7, &at, &e), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    if (at != column || !strstr(e.msg, words))
        fail_msg("'%s' is wrong at %zu: \"%s\"", text, at, e.msg);
    assert_int_equal(policy_count(p), 0);
    policy_free(p);
}

static void expect_right(const char *text)
{
    struct policy *p = policy_new();
    struct err e = ERR_INIT;

    if (policy_add(p, POLICY_WARN, text, 7, NULL, &e) < 0)
        fail_msg("'%s': %s", text, e.msg);
    assert_int_equal(policy_count(p), 1);
    assert_string_equal(policy_rule_text(policy_rule_at(p, 0)), text);
    assert_int_equal(policy_rule_action(policy_rule_at(p, 0)), POLICY_WARN);
    assert_int_equal(policy_rule_line(policy_rule_at(p, 0)), 7);
    policy_free(p);
}

static void rules_that_are_right(void **state)
{
    static const char *const rules[] = {
        "innodb.trx_oldest > 120",
        "innodb.trx_oldest>=2m",
        "  disk.*.write_time > 50 for 5s  ",
        "disk.vdb.write_time\t>\t50us\tfor\t500ms\t",
        "fs./mnt/mysqldata.avail < 2G",
        "fs.*.avail <= 2.5GiB for 1h",
        "system.swap.out > 10M/s",
        "system.swap.out > 10M",
        "system.cpu.iowait >= 99.5%",
        "disk.*.reads > 1000/s for 2m",
        "repl.role == replica",
        "repl.role != standalone for 5s",
        "repl.io_running == no",
        "repl.sql_running != 1",
        "volume.data.throughput > 4096KB/s",
        "volume.data.latency > 2328708",
        "mysql.threads_running == 0",
    };

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(rules); n++)
        expect_right(rules[n]);
}

static void wrong_metrics_are_told(void **state)
{
    (void)state;
    expect_wrong("", 1, "a rule begins with a metric");
    expect_wrong("   ", 4, "a rule begins with a metric");
    expect_wrong("> 5", 1, "a rule begins with a metric");
    expect_wrong("innodb.trx_oldset > 120", 1, "did you mean 'innodb.trx_oldest'?");
    expect_wrong("  trx_oldest > 120", 3, "did you mean 'innodb.trx_oldest'?");
    expect_wrong("disk.vdb.raeds > 1", 1, "did you mean 'disk.*.reads'?");
    expect_wrong("disk.*.writetime > 1", 1, "did you mean 'disk.*.write_time'?");
    expect_wrong("disk.v*.reads > 1", 1, "did you mean 'disk.*.reads'?");
    expect_wrong("disk..reads > 1", 1, "did you mean 'disk.*.reads'?");
    expect_wrong("system.load > 1", 1, "did you mean 'system.load1'?");
    expect_wrong("*.*.reads > 1", 1, "there is no metric '*.*.reads'");
    expect_wrong("* > 1", 1, "docs/metrics.md");
    expect_wrong("the weather > 1", 1, "there is no metric 'the'; docs/metrics.md");
    expect_wrong("DISK.vdb.reads > 1", 1, "there is no metric");
}

static void wrong_operators_are_told(void **state)
{
    (void)state;
    expect_wrong("system.load1", 13, "one of > >= < <= == !=");
    expect_wrong("system.load1 5", 14, "one of > >= < <= == !=");
    expect_wrong("system.load1 = 5", 14, "one of > >= < <= == !=");
    expect_wrong("system.load1 => 5", 14, "one of");
    expect_wrong("system.load1 ! 5", 14, "one of");
    expect_wrong("system.load1 >> 5", 15, "comes a number");
    expect_wrong("system.load1 === 5", 16, "comes a number");
    expect_wrong("repl.role > replica", 11, "is no number: compare it with == or !=");
    expect_wrong("repl.io_running < 1", 17, "is no number");
}

static void wrong_numbers_are_told(void **state)
{
    (void)state;
    expect_wrong("system.load1 >", 15, "comes a number from 0");
    expect_wrong("system.load1 > -1", 16, "comes a number from 0");
    expect_wrong("system.load1 > +1", 16, "comes a number from 0");
    expect_wrong("system.load1 > .5", 16, "comes a number from 0");
    expect_wrong("system.load1 > nan", 16, "comes a number from 0");
    expect_wrong("system.load1 > inf", 16, "comes a number from 0");
    expect_wrong("system.load1 > 5.", 16, "'5.' is no number");
    expect_wrong("system.load1 > 5.5.5", 16, "'5.5.5' is no number");
    expect_wrong("system.load1 > 0x10", 17, "unit 'x10' does not fit");
    expect_wrong("system.load1 > 1e3", 17, "unit 'e3' does not fit");
    expect_wrong("system.load1 > 1,5", 17, "unit ',5' does not fit");
    expect_wrong("system.load1 > 9999999999999999", 16, "at most 15 digits");
    expect_wrong("system.cpu.user > 101%", 19, "101% is more than 'system.cpu.user' can be");
    expect_wrong("fs./.avail > 999999999T", 14, "more than 'fs.*.avail' can be");
    expect_wrong("repl.io_running == 2", 20, "compare it with 0, 1, yes or no");
    expect_wrong("repl.io_running == ", 20, "compare it with");
    expect_wrong("repl.role ==", 13, "comes a word");
    expect_wrong("repl.role == replca", 14, "write replica, source or standalone");
}

/* One unit of each kind for every kind: only those that fit are taken. */
static void units_must_fit(void **state)
{
    static const struct {
        const char *metric, *fitting[12];
    } cases[] = {
        {"system.load1", {NULL}},
        {"disk.vdb.reads", {"/s"}},
        {"fs./.avail", {"B", "K", "M", "G", "T", "KiB", "MiB", "GiB", "TiB"}},
        {"disk.vdb.read_bytes", {"B", "K", "M", "G", "T", "KiB", "MiB", "GiB", "TiB", "/s", "M/s"}},
        {"volume.x.throughput", {"K", "KB", "KB/s", "M", "MB", "M/s", "/s", "G"}},
        {"system.cpu.user", {"%"}},
        {"disk.vdb.wait", {"us", "ms", "s", "m", "h"}},
        {"innodb.trx_oldest", {"us", "ms", "s", "m", "h"}},
        {"volume.x.latency", {NULL}},
    };
    static const char *const all[] = {
        "B",  "K",  "M", "G", "T", "KiB", "MiB", "GiB", "TiB", "/s",  "M/s", "KB/s", "KB", "MB",
        "us", "ms", "s", "m", "h", "%",   "d",   "min", "k",   "//s", "GB",  "s/s",  "Mi", "bytes"};

    (void)state;
    for (size_t c = 0; c < ARRAY_SIZE(cases); c++) {
        for (size_t n = 0; n < ARRAY_SIZE(all); n++) {
            char text[100];
            bool fits = false;

            for (size_t f = 0; f < ARRAY_SIZE(cases[c].fitting) && cases[c].fitting[f]; f++)
                fits |= strcmp(cases[c].fitting[f], all[n]) == 0;
            (void)snprintf(text, sizeof(text), "%s > 1%s", cases[c].metric, all[n]);
            if (fits)
                expect_right(text);
            else
                expect_wrong(text, strlen(text) - strlen(all[n]) + 1, "does not fit");
        }
    }
    expect_wrong("fs./.avail < 2s", 15,
                 "unit 's' does not fit 'fs.*.avail', which is in bytes: "
                 "write K, M, G, T, or none");
    expect_wrong("system.load1 > 2G", 17, "which is in 1: write none");
}

static void nothing_may_follow(void **state)
{
    (void)state;
    expect_wrong("fs./.avail < 2 G", 16, "'G' is not expected");
    expect_wrong("system.load1 > 5 fro 5s", 18, "'fro' is not expected");
    expect_wrong("system.load1 > 5 for5s", 18, "'for5s' is not expected");
    expect_wrong("system.load1 > 5 for", 21, "behind 'for' comes a time");
    expect_wrong("system.load1 > 5 for 5", 22, "behind 'for' comes a time");
    expect_wrong("system.load1 > 5 for 0s", 22, "behind 'for' comes a time");
    expect_wrong("system.load1 > 5 for 5d", 22, "behind 'for' comes a time");
    expect_wrong("system.load1 > 5 for 5s,", 22, "behind 'for' comes a time");
    expect_wrong("system.load1 > 5 for 99999999999999999999s", 22, "behind 'for' comes a time");
    expect_wrong("system.load1 > 5 for 5s for 5s", 25, "'for' is not expected");
    expect_wrong("repl.role == replica source", 22, "'source' is not expected");
}

static void rules_are_bounded(void **state)
{
    struct policy *p = policy_new();
    char text[POLICY_TEXT_MAX + 2];
    struct err e = ERR_INIT;

    (void)state;
    memset(text, 'x', sizeof(text));
    text[POLICY_TEXT_MAX + 1] = '\0';
    expect_wrong(text, 1, "longer than 500");
    text[POLICY_TEXT_MAX] = '\0';
    expect_wrong(text, 1, "there is no metric");
    for (int n = 0; n < POLICY_RULES_MAX; n++)
        assert_int_equal(policy_add(p, POLICY_WARN, "system.load1 > 5", 1, NULL, &e), 0);
    assert_int_equal(policy_add(p, POLICY_WARN, "system.load1 > 5", 1, NULL, &e), -1);
    assert_int_equal(policy_count(p), POLICY_RULES_MAX);
    policy_free(p);
    policy_free(NULL);
}

/* Whatever is cut off or put into a good rule: no crash, and the column is within the text. */
static void damaged_rules_are_harmless(void **state)
{
    static const char whole[] = "disk.*.write_time >= 50.25ms for 500ms";
    static const char bytes[] = " *.<>=!%/s0\t\x01\xff";

    (void)state;
    for (size_t n = 0; n < sizeof(whole); n++) {
        for (size_t b = 0; b < sizeof(bytes); b++) {
            struct policy *p = policy_new();
            struct err e = ERR_INIT;
            char text[sizeof(whole)];
            size_t at = 1;

            memcpy(text, whole, sizeof(whole));
            text[n] = bytes[b]; /* the last one is the end */
            text[sizeof(whole) - 1] = '\0';
            (void)policy_add(p, POLICY_REFUSE, text, 1, &at, &e);
            assert_int_in_range(at, 1, strlen(text) + 1);
            policy_free(p);
        }
    }
}

static void every_metric_can_be_in_a_rule(void **state)
{
    (void)state;
    for (size_t n = 0; n < metric_row_count; n++) {
        char text[100];
        const char *limit = metric_rows[n].unit == UNIT_TEXT ? "replica" : "1";

        (void)snprintf(text, sizeof(text), "%s == %s for 5s", metric_rows[n].name, limit);
        expect_right(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_that_are_right),
        cmocka_unit_test(wrong_metrics_are_told),
        cmocka_unit_test(wrong_operators_are_told),
        cmocka_unit_test(wrong_numbers_are_told),
        cmocka_unit_test(units_must_fit),
        cmocka_unit_test(nothing_may_follow),
        cmocka_unit_test(rules_are_bounded),
        cmocka_unit_test(damaged_rules_are_harmless),
        cmocka_unit_test(every_metric_can_be_in_a_rule),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
