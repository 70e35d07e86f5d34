/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Readings by name and time, and what a guest that lies can do to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host-coordinator/series/series.h"
#include "proto/base/cleanup.h"
#include "tests/in_range.h"

static void name(struct series *s, uint32_t id, const char *text)
{
    Cbsnap__Name one = CBSNAP__NAME__INIT, *list[] = {&one};
    Cbsnap__Names m = CBSNAP__NAMES__INIT;

    MSG_SET(&one, id, id);
    one.name = (char *)text;
    m.n_name = 1;
    m.name = list;
    series_names(s, &m);
}

static void sample(struct series *s, int64_t at_us, uint32_t id, double value)
{
    Cbsnap__Sample m = CBSNAP__SAMPLE__INIT;

    MSG_SET(&m, mono_us, at_us);
    m.n_id = m.n_value = 1;
    m.id = &id;
    m.value = &value;
    series_sample(s, &m);
}

static size_t find(const struct series *s, const char *text)
{
    size_t metric = SIZE_MAX;

    assert_true(series_find(s, text, &metric));
    return metric;
}

static void windows_have_their_statistics(void **state)
{
    struct series *s = series_new();
    struct stats st;

    (void)state;
    name(s, 3, "innodb.lsn");
    for (int n = 1; n <= 100; n++)
        sample(s, n * 10, 3, n);
    assert_true(series_stats(s, find(s, "innodb.lsn"), INT64_MIN, INT64_MAX, &st));
    assert_int_equal(st.count, 100);
    assert_true(st.min == 1 && st.max == 100 && st.last == 100 && st.p95 == 95);
    assert_true(fabs(st.mean - 50.5) < 1e-9);
    assert_true(series_stats(s, 0, 100, 200, &st)); /* 10..19: the end is not in it */
    assert_int_equal(st.count, 10);
    assert_true(st.min == 10 && st.max == 19 && st.p95 == 19);
    assert_false(series_stats(s, 0, 2000, INT64_MAX, &st));
    series_free(s);
}

static void guest_times_move_with_the_clock(void **state)
{
    struct series *s = series_new();
    const struct point *p;

    (void)state;
    name(s, 0, "system.load1");
    sample(s, 1000, 0, 1);
    series_add(s, "volume.v.iops", 1000, 5);
    series_set_clock(s, 400);
    sample(s, 2000, 0, 2);
    assert_int_equal(series_points(s, find(s, "system.load1"), INT64_MIN, INT64_MAX, &p), 2);
    assert_int_equal(p[0].at_us, 600);
    assert_int_equal(p[1].at_us, 1600);
    series_set_clock(s, 500);
    assert_int_equal(p[0].at_us, 500);
    assert_int_equal(series_points(s, find(s, "volume.v.iops"), INT64_MIN, INT64_MAX, &p), 1);
    assert_int_equal(p[0].at_us, 1000);
    series_free(s);
}

static void lies_are_dropped_and_counted(void **state)
{
    struct series *s = series_new();
    Cbsnap__Sample m = CBSNAP__SAMPLE__INIT;
    uint32_t ids[] = {1, 2};
    double value = 1;
    size_t metric;

    (void)state;
    sample(s, 10, 7, 1); /* no such name */
    assert_int_equal(series_dropped(s), 1);
    name(s, UINT32_MAX, "x");
    name(s, 1, "");
    assert_int_equal(series_dropped(s), 3);
    name(s, 1, "a");
    sample(s, 10, 1, 1);
    sample(s, 10, 1, 2); /* not after the one before */
    sample(s, 5, 1, 2);
    sample(s, 20, 1, NAN);
    assert_int_equal(series_dropped(s), 6);
    MSG_SET(&m, mono_us, 30);
    m.n_id = 2;
    m.n_value = 1;
    m.id = ids;
    m.value = &value;
    series_sample(s, &m);
    assert_int_equal(series_dropped(s), 7);
    /* the appliance is ours to speak for */
    series_add(s, "volume.v.iops", 1, 1);
    name(s, 2, "volume.v.iops");
    sample(s, 40, 2, 99);
    assert_int_equal(series_dropped(s), 9);
    name(s, 3, "volume.w.latency"); /* nor may the guest be first */
    assert_int_equal(series_dropped(s), 10);
    series_add(s, "volume.w.latency", 1, 7);
    assert_true(series_find(s, "volume.w.latency", &metric) && series_is_host(s, metric));
    sample(s, INT64_MAX, 1, 3);
    series_set_clock(s, INT64_MIN);
    assert_true(series_find(s, "a", &metric));
    series_free(s);
}

static void a_name_has_no_control_characters(void **state)
{
    static const char *const odd[] = {"\1", "fs./mnt/a\nb.used", "disk.\x1b[2J.writes", "x\x7f",
                                      "fs./\xc2\x9b.used"};
    static const char *const good[] = {"fs./mnt/gr\xc3\xb6\xc3\x9f\x65 und \"mehr\".used",
                                       "fs./\xff.used", "~"};
    struct series *s = series_new();

    (void)state;
    for (uint32_t n = 0; n < ARRAY_SIZE(good); n++)
        name(s, n, good[n]);
    assert_int_equal(series_dropped(s), 0);
    assert_int_equal(series_count(s), ARRAY_SIZE(good));
    assert_false(series_odd_names(s));
    for (uint32_t n = 0; n < ARRAY_SIZE(odd); n++) {
        name(s, 100 + n, odd[n]);
        sample(s, 10, 100 + n, 1);
        assert_int_equal(series_dropped(s), 2 * (n + 1));
    }
    assert_int_equal(series_count(s), ARRAY_SIZE(good));
    assert_true(series_odd_names(s));
    series_free(s);
}

static void names_are_bounded(void **state)
{
    struct series *s = series_new();
    char text[32];

    (void)state;
    for (uint32_t n = 0; n < SERIES_NAMES_MAX; n++) {
        (void)snprintf(text, sizeof(text), "n%u", n);
        name(s, n, text);
    }
    assert_int_equal(series_dropped(s), 0);
    name(s, 0, "one too many");
    assert_int_equal(series_dropped(s), 1);
    assert_int_equal(series_count(s), SERIES_NAMES_MAX);
    series_free(s);
}

static void lists_keep_each_once_as_last_told(void **state)
{
    struct series *s = series_new();
    Cbsnap__Transaction trx = CBSNAP__TRANSACTION__INIT, *trxs[] = {&trx};
    Cbsnap__ServerLine line = CBSNAP__SERVER_LINE__INIT, *lines[] = {&line};
    Cbsnap__Sample m = CBSNAP__SAMPLE__INIT;
    const struct series_trx *t;
    const struct series_line *l;

    (void)state;
    trx.id = (char[]){"42"};
    line.text = (char[]){"a line"};
    m.n_transaction = m.n_line = 1;
    m.transaction = trxs;
    m.line = lines;
    for (int n = 1; n <= 3000; n++) {
        MSG_SET(&m, mono_us, n);
        MSG_SET(&trx, age_s, (uint32_t)n);
        series_sample(s, &m);
    }
    assert_int_equal(series_trxs(s, &t), 1);
    assert_int_equal(t->age_s, 3000);
    assert_int_equal(t->at_us, 3000);
    /* the newest, and no more than the list holds */
    assert_int_in_range(series_lines(s, &l), SERIES_LIST_MAX / 2, SERIES_LIST_MAX);
    assert_int_equal(l[series_lines(s, &l) - 1].at_us, 3000);
    assert_int_equal(series_lines(s, &l) + series_dropped(s), 3000);
    assert_string_equal(l[0].text, "a line");
    series_free(s);
}

static void text(struct series *s, int64_t at_us, uint32_t id, const char *value)
{
    Cbsnap__TextValue one = CBSNAP__TEXT_VALUE__INIT, *list[] = {&one};
    Cbsnap__Sample m = CBSNAP__SAMPLE__INIT;

    MSG_SET(&one, id, id);
    one.text = (char *)value;
    MSG_SET(&m, mono_us, at_us);
    m.n_text = 1;
    m.text = list;
    series_sample(s, &m);
}

static void a_long_text_that_stays_is_kept_once(void **state)
{
    struct series *s = series_new();
    char endless[3 * SERIES_TEXT_MAX] = "x";
    const struct series_text *texts;

    (void)state;
    for (size_t n = 1; n + 2 < sizeof(endless); n += 2)
        memcpy(endless + n, "\xC3\xA4", 2);
    name(s, 1, "repl.role");
    text(s, 1, 1, endless);
    text(s, 2, 1, endless);
    assert_int_equal(series_texts(s, &texts), 1);
    assert_int_equal(strlen(texts[0].text), SERIES_TEXT_MAX - 1); /* no half of a character */
    endless[SERIES_TEXT_MAX - 1] = '\0';
    text(s, 3, 1, endless);
    assert_int_equal(series_texts(s, &texts), 1);
    text(s, 4, 1, "x");
    assert_int_equal(series_texts(s, &texts), 2);
    series_free(s);
}

static void forgetting_keeps_what_still_holds(void **state)
{
    struct series *s = series_new();
    const struct series_text *texts;
    const struct series_line *lines;
    const struct point *p;

    (void)state;
    name(s, 0, "system.load1");
    name(s, 1, "repl.role");
    name(s, 2, "repl.source");
    text(s, 1, 1, "source");
    text(s, 2, 2, "a");
    text(s, 3, 2, "b");
    for (int n = 10; n < 3000; n++) {
        Cbsnap__ServerLine line = CBSNAP__SERVER_LINE__INIT, *list[] = {&line};
        Cbsnap__Sample m = CBSNAP__SAMPLE__INIT;

        line.text = (char[]){"a line"};
        MSG_SET(&m, mono_us, n);
        m.n_line = 1;
        m.line = list;
        series_sample(s, &m);
        sample(s, n, 0, n);
        series_forget(s, n - 99);
    }
    assert_int_equal(series_dropped(s), 0); /* the limits were never reached */
    assert_int_equal(series_points(s, find(s, "system.load1"), INT64_MIN, INT64_MAX, &p), 100);
    assert_true(p[0].at_us == 2900 && p[99].value == 2999);
    assert_int_equal(series_lines(s, &lines), 100);
    assert_int_equal(lines[0].at_us, 2900);
    assert_int_equal(series_texts(s, &texts), 2);
    assert_string_equal(texts[0].text, "source");
    assert_string_equal(texts[1].text, "b");
    series_forget(s, 5000);
    assert_int_equal(series_points(s, 0, INT64_MIN, INT64_MAX, &p), 0);
    assert_int_equal(series_texts(s, &texts), 2);
    sample(s, 6000, 0, 1);
    assert_int_equal(series_points(s, 0, INT64_MIN, INT64_MAX, &p), 1);
    series_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_have_their_statistics),
        cmocka_unit_test(guest_times_move_with_the_clock),
        cmocka_unit_test(lies_are_dropped_and_counted),
        cmocka_unit_test(a_name_has_no_control_characters),
        cmocka_unit_test(names_are_bounded),
        cmocka_unit_test(lists_keep_each_once_as_last_told),
        cmocka_unit_test(a_long_text_that_stays_is_kept_once),
        cmocka_unit_test(forgetting_keeps_what_still_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
