/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whatever an agent sends, the record of a good set can be read: it is shown, restored, verified
 * and removed by it, and with one that cannot be read no orphan of any VM is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>

#include "host-coordinator/policy/policy.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/slow.h"
#include "tests/unit/host-coordinator/take_world.h"

/* As a later command reads it; the caller frees. */
static struct record *reread(off_t *ret_size)
{
    struct store_names names;
    struct err e = ERR_INIT;
    struct record *r;
    struct stat st;

    assert_int_equal(store_names(&names, w.dir, "db", &e), 0);
    assert_int_equal(names.count, 1);
    AUTO_FREE char *path = xasprintf("%s/records/%s", w.dir, names.names[0]);
    assert_int_equal(stat(path, &st), 0);
    r = store_read(path, &e);
    if (!r)
        fail_msg("%lld bytes: %s", (long long)st.st_size, e.msg);
    store_names_release(&names);
    *ret_size = st.st_size;
    return r;
}

/* A good set, with readings of before, in and after its freeze. */
static struct record *take_from(enum agent_fault fault, off_t *ret_size)
{
    struct outcome out;

    w.conf.before_ms = 500 * (int)slowness();
    w.conf.after_ms = 1000 * (int)slowness();
    w.conf.history_ms = 60000;
    out = take_with(fault);
    assert_good(&out);
    assert_true(out.series);
    return reread(ret_size);
}

static bool has_note(const struct record *r, const char *words)
{
    for (size_t n = 0; n < record_count(r, "notes"); n++) {
        if (strstr(record_text_at(r, "notes", n), words))
            return true;
    }
    return false;
}

static void names_that_are_none_are_left_out_and_no_others(void **state)
{
    static const char *const windows[] = {"before", "freeze", "after"};
    struct record *r;
    off_t size;

    (void)state;
    r = take_from(AGENT_ODD_NAMES, &size);
    assert_true(size < 65536);
    assert_true(has_note(r, "named metrics with control characters"));
    for (size_t n = 0; n < ARRAY_SIZE(windows); n++) {
        AUTO_FREE char *values = xasprintf("metrics.%s.values", windows[n]);

        if (!record_member(r, values, "system.load1"))
            fail_msg("nothing was read %s", windows[n]);
    }
    record_free(r);
}

static void readings_that_are_too_long_are_left_out(void **state)
{
    struct record *r;
    int64_t number;
    off_t size;

    (void)state;
    r = take_from(AGENT_LONG_TEXTS, &size);
    assert_true(size < 65536);
    assert_true(has_note(r, "the readings are too many for a record"));
    assert_null(record_member(r, "metrics", "before"));
    assert_true(record_int(r, "readings.dropped", &number));
    assert_int_equal(record_count(r, "volumes"), 3);
    record_free(r);
}

static void findings_of_the_policy_have_an_end(void **state)
{
    struct err e = ERR_INIT;
    struct record *r;
    int64_t left_out = 0;
    off_t size;

    (void)state;
    w.conf.policy = policy_new();
    assert_int_equal(policy_add(w.conf.policy, POLICY_WARN, "disk.*.write_time > 1", 1, NULL, &e),
                     0);
    r = take_from(AGENT_MANY_DISKS, &size);
    assert_int_equal(record_count(r, "policy.findings"), 100);
    assert_true(record_int(r, "policy.findings_left_out", &left_out));
    assert_int_equal(left_out, SERIES_NAMES_MAX - 100);
    assert_true(record_count(r, "notes") < 120);
    record_free(r);
}

static void what_an_agent_says_of_itself_is_bounded(void **state)
{
    struct record *r;
    off_t size;

    (void)state;
    r = take_from(AGENT_BOASTS, &size);
    assert_true(size < 131072);
    assert_int_equal(strlen(record_text(r, "server.version")), RUN_TOLD_MAX);
    assert_int_equal(strlen(record_text(r, "position.source")), RUN_TOLD_MAX);
    assert_int_equal(record_count(r, "lock_tries"), 64);
    assert_int_equal(record_count(r, "volumes"), 3);
    record_free(r);
}

static void hear_note(void *arg, const char *text)
{
    (void)arg, (void)text;
}

/* A check says what its reader may have meant otherwise; each run of each other domain does not. */
static void a_check_tells_of_excluded_disks_that_are_none(void **state)
{
    struct err e = ERR_INIT;
    struct record *r;
    struct run check;
    off_t size;

    (void)state;
    w.conf.exclude = (char *)"vdy vdz";
    run_init(&check, &w.conf, &domain_fake, w.loop, "", "db");
    check.report.note = hear_note;
    assert_int_equal(step_domain(&check, &e), 0);
    assert_int_equal(step_way_back(&check, &e), 0);
    assert_true(has_note(check.record, "no disk of domain 'db': 'vdy', 'vdz'"));
    run_release(&check);
    r = take_from(AGENT_GOOD, &size);
    assert_false(has_note(r, "vdz"));
    record_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TAKE_TEST(names_that_are_none_are_left_out_and_no_others),
        TAKE_TEST(readings_that_are_too_long_are_left_out),
        TAKE_TEST(findings_of_the_policy_have_an_end),
        TAKE_TEST(what_an_agent_says_of_itself_is_bounded),
        TAKE_TEST(a_check_tells_of_excluded_disks_that_are_none),
    };

    return cmocka_run_group_tests_name("snapshot: record", tests, NULL, NULL);
}
