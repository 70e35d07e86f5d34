/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Windows of a record: which reading counts where, exact arithmetic, and a size that stays small.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "host-coordinator/plan/windows.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#define SECOND 1000000

/* The run begins at 100 s; ten seconds before the freeze, half a second of it, two after. */
static const struct windows around = {
    .started_us = 100 * SECOND,
    .before_from_us = 95 * SECOND,
    .freeze_from_us = 105 * SECOND,
    .freeze_to_us = 105 * SECOND + SECOND / 2,
    .after_to_us = 107 * SECOND,
};

static double real(const struct record *r, const char *path)
{
    double value;

    if (!record_real(r, path, &value))
        fail_msg("there is no number '%s'", path);
    return value;
}

static int64_t integer(const struct record *r, const char *path)
{
    int64_t value;

    if (!record_int(r, path, &value))
        fail_msg("there is no integer '%s'", path);
    return value;
}

static const struct record *value_of(const struct record *r, const char *window, const char *name)
{
    AUTO_FREE char *path = xasprintf("metrics.%s.values", window);

    return record_member(r, path, name);
}

static void each_reading_counts_in_its_window(void **state)
{
    struct series *s = series_new();
    struct record *r = record_new();
    const struct record *v;

    (void)state;
    /* outside, at each edge, and inside; the edge belongs to the window that begins there */
    series_add(s, "system.load1", around.before_from_us - 1, 1000);
    series_add(s, "system.load1", around.before_from_us, 1);
    series_add(s, "system.load1", 97 * SECOND, 4);
    series_add(s, "system.load1", around.freeze_from_us - 1, 2.5);
    series_add(s, "system.load1", around.freeze_from_us, 7);
    series_add(s, "system.load1", around.freeze_to_us, 8);
    series_add(s, "system.load1", around.after_to_us - 1, 9);
    series_add(s, "system.load1", around.after_to_us, 2000);
    windows_report(r, s, &around);
    v = value_of(r, "before", "system.load1");
    assert_int_equal(integer(v, "count"), 3);
    assert_true(real(v, "min") == 1 && real(v, "max") == 4 && real(v, "mean") == 2.5);
    assert_true(real(v, "last") == 2.5 && real(v, "p95") == 4);
    v = value_of(r, "freeze", "system.load1");
    assert_true(integer(v, "count") == 1 && integer(v, "last") == 7 && integer(v, "p95") == 7);
    v = value_of(r, "after", "system.load1");
    assert_true(integer(v, "count") == 2 && real(v, "mean") == 8.5 && integer(v, "max") == 9);
    assert_true(real(r, "metrics.before.from_ms") == -5000);
    assert_true(real(r, "metrics.before.to_ms") == 5000);
    assert_true(real(r, "metrics.freeze.to_ms") == 5500);
    assert_true(real(r, "metrics.after.to_ms") == 7000);
    assert_string_equal(record_text(r, "metrics.catalogue"), CBSNAP_VERSION);
    record_free(r);
    series_free(s);
}

static void without_a_freeze_all_is_before(void **state)
{
    struct windows w = {.started_us = 1, .before_from_us = 1, .after_to_us = 50};
    struct series *s = series_new();
    struct record *r = record_new();

    (void)state;
    series_add(s, "system.load1", 20, 3);
    windows_report(r, s, &w);
    assert_int_equal(integer(value_of(r, "before", "system.load1"), "count"), 1);
    assert_null(record_member(r, "metrics", "freeze"));
    assert_null(record_member(r, "metrics", "after"));
    record_free(r);
    series_free(s);
}

static void what_was_not_read_is_absent(void **state)
{
    struct series *s = series_new();
    struct record *r = record_new();

    (void)state;
    series_add(s, "mysql.uptime", 97 * SECOND, 3);
    windows_report(r, s, &around);
    assert_non_null(value_of(r, "before", "mysql.uptime"));
    assert_null(value_of(r, "freeze", "mysql.uptime"));
    assert_null(value_of(r, "after", "mysql.uptime"));
    assert_int_equal(integer(r, "readings.missed"), 0);
    record_free(r);
    series_free(s);
}

/* The document again, as a reader gets it. */
static struct record *reread(struct record *r, size_t *ret_len)
{
    AUTO_FREE char *text = record_format(r);
    struct err e = ERR_INIT;
    struct record *again = record_parse(text, "the record", &e);

    assert_non_null(again);
    *ret_len = strlen(text);
    record_free(r);
    return again;
}

static void integers_keep_all_digits_and_reals_six(void **state)
{
    struct series *s = series_new();
    struct record *r = record_new();
    const struct record *v;
    size_t len;

    (void)state;
    for (int n = 0; n < 7; n++) {
        series_add(s, "innodb.lsn", 96 * SECOND + n, 123456789012345.0);
        series_add(s, "system.cpu.user", 96 * SECOND + n, 1.0 / 3);
        series_add(s, "disk.vda.write_bytes", 96 * SECOND + n, 1234567.89);
        series_add(s, "agent.cpu", 96 * SECOND + n, 0.00001234567);
    }
    windows_report(r, s, &around);
    r = reread(r, &len);
    v = value_of(r, "before", "innodb.lsn");
    assert_int_equal(integer(v, "last"), 123456789012345);
    assert_int_equal(integer(v, "mean"), 123456789012345);
    assert_true(real(value_of(r, "before", "system.cpu.user"), "last") == 0.333333);
    assert_int_equal(integer(value_of(r, "before", "disk.vda.write_bytes"), "max"), 1234568);
    assert_true(real(value_of(r, "before", "agent.cpu"), "min") == 0.0000123457);
    record_free(r);
    series_free(s);
}

/* 250 metrics in three windows, with numbers as long as they come. */
static void a_large_guest_has_a_small_record(void **state)
{
    struct series *s = series_new();
    struct record *r = record_new();
    size_t len;

    (void)state;
    for (int n = 0; n < 250; n++) {
        AUTO_FREE char *name = xasprintf("disk.nvme%dn1.write_bytes", n);

        for (int at = 95; at < 107; at++)
            series_add(s, name, at * SECOND + SECOND / 4, at * 1.0e9 / 7 + n);
    }
    windows_report(r, s, &around);
    r = reread(r, &len);
    print_message("# 250 metrics in three windows: %zu bytes\n", len);
    assert_true(len < 150 * 1024);
    assert_non_null(value_of(r, "after", "disk.nvme249n1.write_bytes"));
    record_free(r);
    series_free(s);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static Cbsnap__Sample sample_at(int64_t at_us)
{
    Cbsnap__Sample m = CBSNAP__SAMPLE__INIT;

    MSG_SET(&m, mono_us, at_us);
    return m;
}

static void say(struct series *s, int64_t at_us, const char *text)
{
    Cbsnap__ServerLine line = CBSNAP__SERVER_LINE__INIT, *lines[] = {&line};
    Cbsnap__Sample m = sample_at(at_us);

    MSG_SET(&line, at_wall_us, 1478254500123000);
    MSG_SET(&line, level, CBSNAP__SERVER_LINE__LEVEL__ERROR);
    line.text = (char *)text;
    m.n_line = 1;
    m.line = lines;
    series_sample(s, &m);
}

static void lists_hold_what_the_windows_saw(void **state)
{
    Cbsnap__Transaction trx = CBSNAP__TRANSACTION__INIT, *trxs[] = {&trx};
    Cbsnap__OpenFile file = CBSNAP__OPEN_FILE__INIT, *files[] = {&file};
    Cbsnap__Sample m = sample_at(106 * SECOND);
    struct series *s = series_new();
    struct record *r = record_new();
    const struct record *item;

    (void)state;
    say(s, 90 * SECOND, "too early");
    say(s, 96 * SECOND, "in time");
    trx.id = (char *)"421";
    trx.user = (char *)"app";
    MSG_SET(&trx, age_s, 77);
    MSG_SET(&trx, rows_modified, UINT64_MAX);
    file.path = (char *)"/mnt/data/#sql-1";
    MSG_SET(&file, bytes, 4096);
    m.n_transaction = m.n_deleted = 1;
    m.transaction = trxs;
    m.deleted = files;
    MSG_SET(&m, missed, 3);
    series_sample(s, &m);
    windows_report(r, s, &around);
    assert_int_equal(record_count(r, "errors"), 1);
    item = record_at(r, "errors", 0);
    assert_string_equal(record_text(item, "text"), "in time");
    assert_string_equal(record_text(item, "window"), "before");
    assert_string_equal(record_text(item, "level"), "error");
    assert_string_equal(record_text(item, "time"), "2016-11-04T10:15:00.123Z");
    assert_true(real(item, "at_ms") == -4000);
    item = record_at(r, "transactions", 0);
    assert_string_equal(record_text(item, "window"), "after");
    assert_int_equal(integer(item, "age_s"), 77);
    assert_int_equal(integer(item, "rows_modified"), INT64_MAX);
    assert_null(record_text(item, "statement"));
    assert_string_equal(record_text(record_at(r, "deleted_files", 0), "path"), "/mnt/data/#sql-1");
    assert_int_equal(integer(r, "readings.missed"), 3);
    record_free(r);
    series_free(s);
}

static void the_last_errors_are_kept_and_the_rest_counted(void **state)
{
    struct series *s = series_new();
    struct record *r = record_new();
    char text[32];

    (void)state;
    for (int n = 0; n < 130; n++) {
        (void)snprintf(text, sizeof(text), "line %d", n);
        say(s, 96 * SECOND + n, text);
    }
    windows_report(r, s, &around);
    windows_report(r, s, &around); /* anew, not twice */
    assert_int_equal(record_count(r, "errors"), WINDOWS_LIST_MAX);
    assert_string_equal(record_text(record_at(r, "errors", 0), "text"), "line 30");
    assert_int_equal(integer(r, "readings.errors_left_out"), 30);
    assert_int_equal(record_count(r, "transactions"), 0);
    record_free(r);
    series_free(s);
}

static void endless_text_is_cut_between_characters(void **state)
{
    struct series *s = series_new();
    struct record *r = record_new();
    AUTO_FREE char *text = xcalloc(1, 300001);
    const char *kept;
    size_t len;

    (void)state;
    text[0] = 'x';
    for (size_t n = 1; n < 299999; n += 2)
        memcpy(text + n, "\xC3\xA4", 2);
    for (int n = 0; n < 200; n++)
        say(s, 96 * SECOND + n, text);
    windows_report(r, s, &around);
    r = reread(r, &len);
    assert_true(len < 1024 * 1024);
    kept = record_text(record_at(r, "errors", 0), "text");
    assert_int_equal(strlen(kept), 999);
    assert_memory_equal(kept, text, 999);
    record_free(r);
    series_free(s);
}

static void a_text_metric_has_its_last_word_of_each_window(void **state)
{
    Cbsnap__Name name = CBSNAP__NAME__INIT, *names[] = {&name};
    Cbsnap__Names told = CBSNAP__NAMES__INIT;
    struct series *s = series_new();
    struct record *r = record_new();
    static const struct {
        int64_t at_us;
        const char *text;
    } said[] = {{96 * SECOND, "replica"}, {106 * SECOND, "source"}};
    AUTO_FREE char *all = NULL;

    (void)state;
    MSG_SET(&name, id, 1);
    name.name = (char *)"repl.role";
    told.n_name = 1;
    told.name = names;
    series_names(s, &told);
    for (size_t n = 0; n < ARRAY_SIZE(said); n++) {
        Cbsnap__TextValue text = CBSNAP__TEXT_VALUE__INIT, *texts[] = {&text};
        Cbsnap__Sample m = sample_at(said[n].at_us);

        MSG_SET(&text, id, 1);
        text.text = (char *)said[n].text;
        m.n_text = 1;
        m.text = texts;
        series_sample(s, &m);
    }
    windows_report(r, s, &around);
    all = record_format(r);
    assert_non_null(strstr(strstr(all, "\"before\""), "{\"repl.role\": \"replica\"}"));
    assert_non_null(strstr(strstr(all, "\"freeze\""), "{\"repl.role\": \"replica\"}"));
    assert_non_null(strstr(strstr(all, "\"after\""), "{\"repl.role\": \"source\"}"));
    record_free(r);
    series_free(s);
}

/* ---- wall clocks ----------------------------------------------------------------------------- */

static void wall_clocks_are_compared_at_one_moment(void **state)
{
    struct series *s = series_new();
    Cbsnap__Sample m = sample_at(7 * SECOND); /* guest's clock; the host's was then 107 s */
    int64_t ms;

    (void)state;
    assert_false(windows_wall_offset_ms(s, 0, 0, 0, &ms));
    MSG_SET(&m, wall_us, 1478254500 * INT64_C(1000000) + 250000);
    series_sample(s, &m);
    /* the host looks at its clocks three seconds later: its wall clock was then 10:14:58 */
    assert_true(
        windows_wall_offset_ms(s, -100 * SECOND, 110 * SECOND, 1478254501 * INT64_C(1000000), &ms));
    assert_int_equal(ms, 2250);
    m = sample_at(8 * SECOND); /* a sample without wall time */
    series_sample(s, &m);
    assert_false(windows_wall_offset_ms(s, 0, 0, 0, &ms));
    m = sample_at(INT64_MAX);
    MSG_SET(&m, wall_us, INT64_MIN);
    series_sample(s, &m);
    (void)windows_wall_offset_ms(s, INT64_MIN, INT64_MIN, INT64_MAX, &ms);
    series_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_reading_counts_in_its_window),
        cmocka_unit_test(without_a_freeze_all_is_before),
        cmocka_unit_test(what_was_not_read_is_absent),
        cmocka_unit_test(integers_keep_all_digits_and_reals_six),
        cmocka_unit_test(a_large_guest_has_a_small_record),
        cmocka_unit_test(lists_hold_what_the_windows_saw),
        cmocka_unit_test(the_last_errors_are_kept_and_the_rest_counted),
        cmocka_unit_test(endless_text_is_cut_between_characters),
        cmocka_unit_test(a_text_metric_has_its_last_word_of_each_window),
        cmocka_unit_test(wall_clocks_are_compared_at_one_moment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
