/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `show` prints: readings as a table, as CSV and as JSON, and nothing that a terminal obeys.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host-coordinator/command/show_series.h"
#include "host-coordinator/record/timeline.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#define SECOND 1000000

/* The run began at 100 s, which was 10:15:00; the freeze one second later. */
static const struct series_head head = {
    .set = "S",
    .domain = "db",
    .started_us = 100 * SECOND,
    .started_wall_us = 1478254500 * INT64_C(1000000),
    .freeze_from_us = 101 * SECOND,
    .freeze_to_us = 102 * SECOND,
};

static struct series *readings(void)
{
    struct series *s = series_new();

    series_add(s, "disk.vda.writes", 100 * SECOND, 0.1);
    series_add(s, "disk.vda.writes", 101 * SECOND + 500000, 12345.678901);
    series_add(s, "disk.vdb.writes", 101 * SECOND + 500000, 7);
    series_add(s, "innodb.lsn", 101 * SECOND, 123456789012345.0);
    series_add(s, "fs./a,\"b\".used", 101 * SECOND, 1);
    return s;
}

static char *show(const struct series *s, const struct series_head *h, const char *pattern,
                  enum series_form form, struct err *e)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    int rc = show_series(f, s, h, pattern, form, e);

    fclose(f);
    assert_int_equal(rc, err_is_set(e) ? -1 : 0);
    return text;
}

static void csv_has_a_column_per_metric_and_a_row_per_time(void **state)
{
    struct series *s = readings();
    struct err e = ERR_INIT;
    AUTO_FREE char *text = show(s, &head, "disk.*.writes", SERIES_CSV, &e);
    AUTO_FREE char *odd = show(s, &head, "fs.*.used", SERIES_CSV, &e);

    (void)state;
    assert_string_equal(text, "time,offset_ms,disk.vda.writes,disk.vdb.writes\r\n"
                              "2016-11-04T10:15:00.000Z,-1000.000,0.1,\r\n"
                              "2016-11-04T10:15:01.500Z,500.000,12345.678901,7\r\n");
    assert_string_equal(odd, "time,offset_ms,\"fs./a,\"\"b\"\".used\"\r\n"
                             "2016-11-04T10:15:01.000Z,0.000,1\r\n");
    series_free(s);
}

static void a_table_tells_the_unit_and_cuts_no_number(void **state)
{
    struct series *s = readings();
    struct err e = ERR_INIT;
    AUTO_FREE char *text = show(s, &head, "innodb.lsn", SERIES_TABLE, &e);

    (void)state;
    assert_string_equal(text, "time                       from freeze        innodb.lsn\n"
                              "UTC                                 ms             bytes\n"
                              "2016-11-04T10:15:01.000Z         0.000   123456789012345\n");
    series_free(s);
}

static void json_has_arrays(void **state)
{
    struct series *s = readings();
    struct series_head calm = head;
    struct err e = ERR_INIT;
    AUTO_FREE char *text = NULL;
    const struct record *m;
    struct record *doc;
    double ms;

    (void)state;
    calm.freeze_from_us = 0;
    text = show(s, &calm, "disk.*.writes", SERIES_JSON, &e);
    doc = record_parse(text, "the answer", &e);
    assert_non_null(doc);
    assert_string_equal(record_text(doc, "set"), "S");
    assert_string_equal(record_text(doc, "offset_from"), "start");
    assert_int_equal(record_count(doc, "metrics"), 2);
    m = record_at(doc, "metrics", 0);
    assert_string_equal(record_text(m, "name"), "disk.vda.writes");
    assert_string_equal(record_text(m, "unit"), "1/s");
    assert_int_equal(record_count(m, "value"), 2);
    assert_int_equal(record_count(m, "offset_ms"), 2);
    assert_string_equal(record_text_at(m, "time", 1), "2016-11-04T10:15:01.500Z");
    assert_false(record_real(doc, "metrics", &ms));
    record_free(doc);
    series_free(s);
}

static void a_metric_that_is_not_there_names_near_ones(void **state)
{
    struct series *s = readings(), *none = series_new();
    struct err e = ERR_INIT, empty = ERR_INIT;
    AUTO_FREE char *text = show(s, &head, "disk.vda.write", SERIES_CSV, &e);
    AUTO_FREE char *nothing = show(none, &head, "*", SERIES_TABLE, &empty);

    (void)state;
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_string_equal(text, "");
    assert_non_null(strstr(e.msg, "near it are: disk.vda.writes, disk.vdb.writes"));
    assert_int_equal(empty.code, ERR_NOT_FOUND);
    assert_string_equal(nothing, "");
    series_free(s);
    series_free(none);
}

static void a_text_metric_shows_its_changes(void **state)
{
    Cbsnap__Name name = CBSNAP__NAME__INIT, *names[] = {&name};
    Cbsnap__Names told = CBSNAP__NAMES__INIT;
    Cbsnap__TextValue value = CBSNAP__TEXT_VALUE__INIT, *values[] = {&value};
    Cbsnap__Sample m = CBSNAP__SAMPLE__INIT;
    struct series *s = series_new();
    struct err e = ERR_INIT;
    AUTO_FREE char *text = NULL;

    (void)state;
    MSG_SET(&name, id, 1);
    name.name = (char *)"repl.role";
    told.n_name = 1;
    told.name = names;
    series_names(s, &told);
    MSG_SET(&m, mono_us, 101 * SECOND);
    MSG_SET(&value, id, 1);
    value.text = (char *)"rep\033[2Jlica";
    m.n_text = 1;
    m.text = values;
    series_sample(s, &m);
    text = show(s, &head, "repl.role", SERIES_CSV, &e);
    assert_string_equal(text, "time,offset_ms,repl.role\r\n"
                              "2016-11-04T10:15:01.000Z,0.000,rep?[2Jlica\r\n");
    series_free(s);
}

/* ---- one record ------------------------------------------------------------------------------ */

static char *print(const struct record *r)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    timeline_print(f, r);
    show_around(f, r);
    fclose(f);
    return text;
}

static void set_stats(struct record *r, const char *window, const char *name, double mean,
                      double max)
{
    AUTO_FREE char *path = xasprintf("metrics.%s.values", window);
    struct record *stats = record_make_member(r, path, name);

    record_set_number(stats, "mean", mean);
    record_set_number(stats, "max", max);
}

static void around_the_freeze_tells_what_was_not_calm(void **state)
{
    struct record *r = record_new(), *item;
    AUTO_FREE char *text = NULL;

    (void)state;
    record_set_text(r, "metrics.catalogue", "0.1.0");
    set_stats(r, "before", "system.load1", 0.5, 0.75);
    set_stats(r, "after", "system.load1", 2, 3);
    set_stats(r, "before", "disk.vdb.write_time", 1.25, 40);
    set_stats(r, "after", "innodb.checkpoint_age", 3 * 1048576, 5 * 1048576);
    set_stats(r, "before", "system.load15", 9, 9); /* not among the telling ones */
    for (int n = 0; n < 7; n++) {
        AUTO_FREE char *line = xasprintf("line %d", n);

        item = record_append(r, "errors");
        record_set_text(item, "level", "error");
        record_set_text(item, "text", line);
    }
    item = record_append(r, "transactions");
    record_set_text(item, "id", "421");
    record_set_text(item, "user", "app");
    record_set_int(item, "age_s", 77);
    record_set_int(item, "rows_modified", 9);
    record_set_int(r, "guest.clock_uncertainty_us", 250);
    record_set_int(r, "guest.wall_offset_ms", -1500);
    text = print(r);
    assert_non_null(strstr(text, "  system.load1                     0.50         0.75"
                                 "              2            3\n"));
    assert_non_null(strstr(text, "  disk.vdb.write_time           1.25 ms        40 ms"
                                 "              -            -\n"));
    assert_non_null(strstr(text, "  innodb.checkpoint_age               -            -"
                                 "        3.0 MiB      5.0 MiB\n"));
    assert_null(strstr(text, "load15"));
    assert_non_null(strstr(text, "2 more"));
    assert_null(strstr(text, "line 1\n"));
    assert_non_null(strstr(text, "error: line 6\n"));
    assert_non_null(strstr(text, "421 of app, 77 s old, 9 rows modified: -\n"));
    assert_non_null(strstr(text, "to within 0.2 ms\n"));
    assert_non_null(strstr(text, "1500 ms behind the host's\n"));
    record_free(r);
}

static void add_difference(struct record *act, const char *what)
{
    struct record *one = record_append(act, "differences");

    record_set_text(one, "what", what);
    record_set_text(one, "expected", "100");
    record_set_text(one, "found", "99");
}

/* Whoever chooses a set reads here that it has failed, and where it comes from. */
static void what_became_of_a_set_is_told(void **state)
{
    struct record *r = record_new(), *act;
    AUTO_FREE char *text = NULL;

    (void)state;
    record_set_text(r, "set", "S");
    record_set_text(r, "imported.from", "/mnt/S.json");
    record_set_text(r, "safety_of", "T");
    act = record_make_object(r, "verify");
    record_set_text(act, "ended", "2026-11-28T12:00:00.000Z");
    record_set_text(act, "result", "different");
    add_difference(act, "mark row");
    add_difference(act, "GTID set");
    record_append_text(act, "notes", "no error log");
    for (int n = 0; n < 7; n++) {
        act = record_append(r, "restores");
        record_set_text(act, "ended", "2026-11-28T13:00:00.000Z");
        record_set_text(act, "result", n == 6 ? "different" : "same");
        record_set_text(act, "method", n == 5 ? "copy" : "switch");
        record_set_text(act, "to", n == 5 ? "db2" : NULL);
        record_set_text(act, "safety", n == 5 ? NULL : "U");
    }
    add_difference(act, "binary log");
    text = print(r);
    assert_non_null(strstr(text, "  imported     /mnt/S.json\n"
                                 "  safety of    T\n"
                                 "  verified     2026-11-28T12:00:00.000Z, DIFFERENT\n"
                                 "               mark row: expected 100, found 99\n"
                                 "               GTID set: expected 100, found 99\n"
                                 "               no error log\n"
                                 "  went back    2 more, see --json\n"
                                 "  went back    2026-11-28T13:00:00.000Z, switch: same; what was "
                                 "before is set U\n"));
    assert_non_null(strstr(text, "Z, as another VM, db2: same\n"
                                 "  went back    2026-11-28T13:00:00.000Z, switch: DIFFERENT; what "
                                 "was before is set U\n"
                                 "               binary log: expected 100, found 99\n"));
    record_free(r);
}

/* Most have neither been verified nor gone back to. */
static void of_a_set_that_only_was_taken_nothing_more_is_told(void **state)
{
    struct record *r = record_new();
    AUTO_FREE char *text = NULL;

    (void)state;
    record_set_text(r, "set", "S");
    record_set_text(r, "verdict", "application");
    text = print(r);
    assert_string_equal(text, "set S of domain -\n  verdict      application\n");
    record_free(r);
}

#define EVIL                                                                                       \
    "a\033[2J\r\b\x7F\xC2\x9B"                                                                     \
    "31m"

/* Every text of a record, wherever it came from: none reaches the terminal with its controls. */
static void a_terminal_is_not_commanded(void **state)
{
    static const char *const paths[] = {
        "set",
        "domain.name",
        "verdict",
        "started",
        "position.binlog_file",
        "position.server_version",
        "position.gtid_set",
        "position.server_uuid",
        "imported.from",
        "safety_of",
        "verify.result",
        "verify.ended",
    };
    struct record *r = record_new(), *item;
    AUTO_FREE char *text = NULL;

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(paths); n++)
        record_set_text(r, paths[n], EVIL);
    add_difference(record_object(r, "verify"), EVIL);
    item = record_append(r, "restores");
    record_set_text(item, "to", EVIL);
    record_set_text(item, "safety", EVIL);
    record_append_text(item, "notes", EVIL);
    record_append_text(r, "reasons", EVIL);
    record_append_text(r, "notes", EVIL);
    record_set_int(r, "position.binlog_offset", 1);
    record_set_real(r, "duration_ms", 10);
    item = record_append(r, "phases");
    record_set_text(item, "name", EVIL);
    record_set_text(item, "error", EVIL);
    record_set_real(item, "start_ms", 1);
    record_set_real(item, "end_ms", 2);
    record_set_bool(item, "critical", true);
    item = record_append(r, "volumes");
    record_set_text(item, "target", EVIL);
    record_set_text(item, "mounts", EVIL);
    record_set_text(item, "snapshot.state", EVIL);
    record_set_text(item, "snapshot.path", "pool/" EVIL);
    record_set_real(item, "snapshot.start_ms", 1);
    record_set_real(item, "snapshot.end_ms", 2);
    record_set_text(r, "metrics.catalogue", "1");
    set_stats(r, "before", "disk." EVIL ".write_time", 1, 1);
    item = record_append(r, "errors");
    record_set_text(item, "text", EVIL);
    record_set_text(item, "time", EVIL);
    item = record_append(r, "transactions");
    record_set_text(item, "user", EVIL);
    record_set_text(item, "statement", EVIL);
    text = print(r);
    assert_non_null(strstr(text, "a?[2J?????31m"));
    assert_non_null(strstr(text, " pool/a?[2J"));
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p < 0x20 && *p != '\n')
            fail_msg("control character %d in: %.60s", *p, p > text + 20 ? p - 20 : text);
    }
    assert_null(strchr(text, 0x7F));
    assert_null(strstr(text, "\xC2\x9B"));
    record_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_has_a_column_per_metric_and_a_row_per_time),
        cmocka_unit_test(a_table_tells_the_unit_and_cuts_no_number),
        cmocka_unit_test(json_has_arrays),
        cmocka_unit_test(a_metric_that_is_not_there_names_near_ones),
        cmocka_unit_test(a_text_metric_shows_its_changes),
        cmocka_unit_test(around_the_freeze_tells_what_was_not_calm),
        cmocka_unit_test(what_became_of_a_set_is_told),
        cmocka_unit_test(of_a_set_that_only_was_taken_nothing_more_is_told),
        cmocka_unit_test(a_terminal_is_not_commanded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
