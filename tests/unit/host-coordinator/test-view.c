/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a person sees: numbers, guest text made harmless, pages of any size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "host-coordinator/watch/document.h"
#include "host-coordinator/watch/view_internal.h"
#include "proto/base/cleanup.h"

#define NOW INT64_C(1000000000)

/* ---- numbers and text ------------------------------------------------------------------------ */

static void numbers_are_short(void **state)
{
    static const struct {
        double value;
        enum metric_unit unit;
        const char *text;
    } rows[] = {
        {0, UNIT_ONE, "0"},
        {1200000, UNIT_ONE, "1.2M"},
        {999.4, UNIT_ONE, "999"},
        {999.7, UNIT_ONE, "1.0k"},
        {340, UNIT_MS, "340 ms"},
        {1.25, UNIT_MS, "1.2 ms"},
        {0, UNIT_MS, "0 ms"},
        {65000, UNIT_MS, "1 m 5 s"},
        {4294967296, UNIT_BYTES, "4GB"},
        {1536, UNIT_BYTES, "1.5kB"},
        {12.4, UNIT_PERCENT, "12%"},
        {100, UNIT_PERCENT, "100%"},
        {273600, UNIT_S, "3 d 4 h"},
        {59, UNIT_S, "59 s"},
        {0.4, UNIT_S, "0.4 s"},
        {1, UNIT_BOOL, "yes"},
        {2500, UNIT_KB_PER_S, "2.5MB/s"},
        {0.35, UNIT_ONE, "0.35"},
        {-5, UNIT_PER_S, "-5/s"},
        {1e300, UNIT_PERCENT, "9999%"},
    };
    char text[NUMBER_SIZE];

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(rows); n++)
        assert_string_equal(number_text(text, rows[n].value, rows[n].unit), rows[n].text);
    for (int unit = 0; unit < UNIT_COUNT; unit++)
        assert_true(strlen(number_text(text, 1e300, (enum metric_unit)unit)) < NUMBER_SIZE);
}

static void assert_safe(const char *in, size_t columns, bool utf8, const char *out)
{
    struct buf b = BUF_INIT;

    text_safe(&b, in, columns, utf8);
    assert_string_equal(buf_text(&b), out);
    buf_release(&b);
}

static void guest_text_is_harmless(void **state)
{
    (void)state;
    assert_safe("SELECT 1", 80, true, "SELECT 1");
    assert_safe("\033[2J\007x\r\n", 80, true, "?[2J?x? ");
    assert_safe("caf\xc3\xa9", 80, true, "caf\xc3\xa9");
    assert_safe("caf\xc3\xa9", 80, false, "caf?");
    assert_safe("\xc3", 80, true, "?");
    assert_safe("\xc2\x9b"
                "31m",
                80, true, "?31m"); /* CSI in one character */
    assert_safe("a\xe2\x80\xae"
                "b",
                80, true, "a?b");                                /* right to left from here */
    assert_safe("\xe4\xb8\xad", 80, true, "?");                  /* two columns wide */
    assert_safe("\xc0\xaf\xf5\x80\x80\x80", 80, true, "??????"); /* overlong, and beyond Unicode */
    assert_safe("abcdef", 3, true, "abc");
    assert_safe(NULL, 3, true, "-");
}

static void sparklines_tell_absent_from_nothing(void **state)
{
    static const double values[] = {-1, 0, 50, 100};
    struct buf b = BUF_INIT;

    (void)state;
    spark(&b, values, 4, 100, true);
    assert_string_equal(buf_text(&b), " ▁▄█");
    buf_clear(&b);
    spark(&b, values, 4, 100, false);
    assert_string_equal(buf_text(&b), " _-#");
    buf_clear(&b);
    spark(&b, values, 2, 0, false);
    assert_string_equal(buf_text(&b), " _");
    buf_release(&b);
}

/* ---- pages ----------------------------------------------------------------------------------- */

struct guest {
    struct series *series;
    uint32_t names;
};

static void put(struct guest *g, const char *name, int64_t at_us, double value)
{
    Cbsnap__Name one = CBSNAP__NAME__INIT, *list[] = {&one};
    Cbsnap__Names names = CBSNAP__NAMES__INIT;
    Cbsnap__Sample m = CBSNAP__SAMPLE__INIT;
    uint32_t id = g->names++;

    MSG_SET(&one, id, id);
    one.name = (char *)name;
    names.n_name = 1;
    names.name = list;
    series_names(g->series, &names);
    MSG_SET(&m, mono_us, at_us);
    m.n_id = m.n_value = 1;
    m.id = &id;
    m.value = &value;
    series_sample(g->series, &m);
}

static void put_lists(struct guest *g)
{
    Cbsnap__Transaction trx = CBSNAP__TRANSACTION__INIT, *trxs[] = {&trx};
    Cbsnap__ServerLine line = CBSNAP__SERVER_LINE__INIT, *lines[] = {&line};
    Cbsnap__Sample m = CBSNAP__SAMPLE__INIT;

    trx.id = (char[]){"42"};
    trx.user = (char[]){"app"};
    trx.statement = (char[]){"UPDATE t\033[2J SET n = n + 1"};
    MSG_SET(&trx, age_s, 75);
    line.text = (char[]){"disk is full"};
    MSG_SET(&line, level, CBSNAP__SERVER_LINE__LEVEL__ERROR);
    MSG_SET(&m, mono_us, NOW);
    m.n_transaction = m.n_line = 1;
    m.transaction = trxs;
    m.line = lines;
    series_sample(g->series, &m);
}

static int setup(void **state)
{
    struct guest *g = xcalloc(1, sizeof(*g));

    g->series = series_new();
    put(g, "innodb.lsn", NOW - 2000000, 1000);
    put(g, "innodb.lsn", NOW, 3001000);
    put(g, "system.load1", NOW - 1000000, 0.5);
    put(g, "system.load1", NOW, 1.5);
    put(g, "mysql.questions", NOW - 9000000, 5);
    put(g, "mysql.questions", NOW - 8000000, 5); /* read once a second until 8 s ago */
    put(g, "disk.vda.write_bytes", NOW - 1000000, 0);
    put(g, "disk.vda.write_bytes", NOW, 2048);
    put(g, "fs./mnt/mysqldata.size", NOW, 1000);
    put(g, "fs./mnt/mysqldata.used", NOW, 250);
    put_lists(g);
    *state = g;
    return 0;
}

static int teardown(void **state)
{
    struct guest *g = *state;

    series_free(g->series);
    free(g);
    return 0;
}

static struct view_input input(const struct guest *g, size_t width, size_t height)
{
    return (struct view_input){
        .facts = {.state = FOLLOW_LIVE,
                  .words = "",
                  .domain = "db1",
                  .agent = "0.1",
                  .server = "9.7.0",
                  .newest_us = NOW,
                  .pace_ms = 1000,
                  .series = g->series},
        .now_us = NOW + 400000,
        .width = width,
        .height = height,
    };
}

/* Some line that holds all of it. */
static bool shows(const struct view *v, const char *text)
{
    for (size_t n = 0; n < v->count; n++) {
        if (strstr(v->lines[n].text, text))
            return true;
    }
    return false;
}

static void assert_shows(const struct view *v, const char *text)
{
    if (shows(v, text))
        return;
    for (size_t n = 0; n < v->count; n++)
        print_error("%s\n", v->lines[n].text);
    fail_msg("no line holds '%s'", text);
}

static void a_page_tells_what_is_known(void **state)
{
    struct view_input in = input(*state, 120, 0);
    struct view v;

    view_make(&v, &in);
    assert_shows(&v, "db1  live  ");
    assert_shows(&v, "sample 0.4 s ago  MySQL 9.7.0  agent 0.1");
    assert_shows(&v, "load 1 min         1.50");
    assert_shows(&v, "log written     1.4MB/s");
    assert_shows(&v, "/mnt/mysqldata   25% ");
    assert_shows(&v, "2kB/s");
    assert_shows(&v, "1 m 15 s");
    assert_shows(&v, "app  UPDATE t?[2J SET n = n + 1");
    assert_shows(&v, "disk is full");
    assert_int_equal(v.hidden, 0);
    view_release(&v);
}

/* What is not there is not 0, and what is old is not now. */
static void absent_is_shown_as_such(void **state)
{
    struct view_input in = input(*state, 120, 0);
    struct view v;
    double value;

    view_make(&v, &in);
    assert_shows(&v, "questions             -");
    assert_shows(&v, "swap used             -");
    assert_false(shows(&v, "network"));
    assert_false(shows(&v, "appliance"));
    assert_false(view_value(&in, "mysql.questions", &value));
    assert_true(view_value(&in, "system.load1", &value) && value == 1.5);
    view_release(&v);
}

static void a_page_fits_whatever_the_size(void **state)
{
    for (size_t width = 1; width < 150; width += 7) {
        for (size_t height = 1; height < 60; height += 3) {
            for (size_t scroll = 0; scroll < 100; scroll += 33) {
                struct view_input in = input(*state, width, height);
                struct view v;

                in.scroll = scroll;
                in.utf8 = width % 2;
                view_make(&v, &in);
                assert_true(v.count <= (height > 2 ? height : 2));
                for (size_t n = 0; n < v.count; n++)
                    assert_true(text_columns(v.lines[n].text) <= width);
                view_release(&v);
            }
        }
    }
}

static void the_least_important_goes_first(void **state)
{
    struct view_input in = input(*state, 40, 24);
    struct view v;

    view_make(&v, &in);
    assert_shows(&v, "MySQL");
    assert_false(shows(&v, "agent 0.1") && shows(&v, "reading took"));
    assert_true(v.hidden > 0);
    view_release(&v);
    in.scroll = 1000;
    view_make(&v, &in);
    assert_shows(&v, "reading took"); /* the last panel */
    assert_true(v.scrolled > 0 && v.scrolled < 1000);
    assert_int_equal(v.hidden, 0);
    view_release(&v);
}

static void trouble_is_told_in_words(void **state)
{
    struct view_input in = input(*state, 80, 24);
    struct view v;

    in.facts.state = FOLLOW_RUN;
    in.facts.words = "a run has the VM: process 7";
    in.facts.frozen = true;
    in.paused = true;
    view_make(&v, &in);
    assert_shows(&v, "a run has the VM, frozen, paused");
    assert_shows(&v, "a run has the VM: process 7");
    view_release(&v);
}

static void a_document_holds_what_is_fresh(void **state)
{
    struct view_input in = input(*state, 80, 24);
    struct record *r = document_make(&in);
    AUTO_FREE char *text = record_format_line(r);

    assert_non_null(strstr(text, "\"system.load1\":1.5"));
    assert_null(strstr(text, "mysql.questions"));
    assert_non_null(strstr(text, "\"state\":\"live\""));
    assert_int_equal(record_count(r, "transactions"), 1);
    assert_int_equal(record_count(r, "errors"), 1);
    assert_string_equal(record_text(record_at(r, "errors", 0), "level"), "error");
    assert_non_null(strstr(text, "\"deleted\":[]"));
    assert_non_null(strstr(text, "\"texts\":{}"));
    assert_string_equal(strchr(text, '\n'), "\n");
    record_free(r);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_short),
        cmocka_unit_test(guest_text_is_harmless),
        cmocka_unit_test(sparklines_tell_absent_from_nothing),
        TEST(a_page_tells_what_is_known),
        TEST(absent_is_shown_as_such),
        TEST(a_page_fits_whatever_the_size),
        TEST(the_least_important_goes_first),
        TEST(trouble_is_told_in_words),
        TEST(a_document_holds_what_is_fresh),
    };

    return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
