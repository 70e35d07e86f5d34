/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What came back against what was taken: each thing equal, different and absent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "host-coordinator/back/certificate.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#define ID  "20161104T101500Z-7f3a"
#define LSN (INT64_C(1) << 40)

static struct {
    struct record *set;
    Cbsnap__Certificate c;
    Cbsnap__BinlogFile files[2], *list[2];
    Cbsnap__Mark mark;
    struct certificate_result r;
} w;

static int setup(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    w.set = record_new();
    record_set_text(w.set, "set", ID);
    record_set_text(w.set, "position.server_uuid", "uuid");
    record_set_text(w.set, "position.binlog_file", "binlog.000042");
    record_set_int(w.set, "position.binlog_offset", 1234);
    record_set_text(w.set, "position.gtid_set", "g:1-5");
    record_set_int(w.set, "position.innodb_lsn", LSN);
    record_set_int(w.set, "position.innodb_lsn_checkpoint", LSN - 1000);
    record_set_text(w.set, "instance.manifest.path", "/m");
    record_set_bool(w.set, "instance.manifest.marked", true);
    cbsnap__certificate__init(&w.c);
    MSG_SET(&w.c, ready, 1);
    w.c.server_uuid = (char *)"uuid";
    w.c.gtid_set = w.c.gtid_at_start = (char *)"g:1-5";
    for (int n = 0; n < 2; n++) {
        cbsnap__binlog_file__init(&w.files[n]);
        w.list[n] = &w.files[n];
    }
    w.files[0].name = (char *)"binlog.000042";
    MSG_SET(&w.files[0], bytes, 1234);
    w.files[1].name = (char *)"binlog.000043";
    w.c.n_binlog = 2;
    w.c.binlog = w.list;
    MSG_SET(&w.c, recovered_lsn, LSN);
    MSG_SET(&w.c, read_only, 1);
    MSG_SET(&w.c, events_run, 0);
    MSG_SET(&w.c, replica_runs, 0);
    MSG_SET(&w.c, errors, 0);
    cbsnap__mark__init(&w.mark);
    w.mark.set = (char *)ID;
    w.c.mark = &w.mark;
    w.c.manifest = (char *)ID;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    certificate_release(&w.r);
    record_free(w.set);
    return 0;
}

static bool has(char **texts, size_t count, const char *part)
{
    for (size_t n = 0; n < count; n++) {
        if (strstr(texts[n], part))
            return true;
    }
    return false;
}

static void compare(bool verifying)
{
    certificate_release(&w.r);
    certificate_compare(&w.r, w.set, &w.c, verifying);
}

/* Exactly this one thing differs, and is told so with what was found. */
static void assert_differs(bool verifying, const char *what, const char *found)
{
    compare(verifying);
    assert_int_equal(w.r.count, 1);
    assert_string_equal(w.r.differences[0].what, what);
    if (!strstr(w.r.differences[0].found, found))
        fail_msg("'%s' is not in '%s'", found, w.r.differences[0].found);
    assert_false(has(w.r.compared, w.r.compared_count, what));
}

/* Nothing differs, and it is said why this was not compared. */
static void assert_noted(bool verifying, const char *note, const char *what)
{
    compare(verifying);
    assert_int_equal(w.r.count, 0);
    assert_true(has(w.r.notes, w.r.note_count, note));
    assert_false(has(w.r.compared, w.r.compared_count, what));
}

static void assert_result(const char *word)
{
    struct record *to = record_new();

    certificate_report(to, &w.r);
    assert_string_equal(record_text(to, "result"), word);
    assert_int_equal(record_count(to, "differences"), w.r.count);
    assert_int_equal(record_count(to, "compared"), w.r.compared_count);
    assert_int_equal(record_count(to, "notes"), w.r.note_count);
    record_free(to);
}

static void all_that_is_equal_is_listed(void **state)
{
    static const char *const names[] = {
        "server UUID", "binary log", "GTID set", "InnoDB log sequence number",
        "mark row",    "manifest",   "error log"};

    (void)state;
    for (int verifying = 0; verifying < 2; verifying++) {
        compare(verifying);
        assert_int_equal(w.r.count, 0);
        assert_int_equal(w.r.note_count, 0);
        assert_int_equal(w.r.compared_count, ARRAY_SIZE(names));
        for (size_t n = 0; n < ARRAY_SIZE(names); n++)
            assert_true(has(w.r.compared, w.r.compared_count, names[n]));
        assert_result("same");
    }
}

static void each_thing_that_differs_is_told(void **state)
{
    (void)state;
    w.c.server_uuid = (char *)"other";
    assert_differs(true, "server UUID", "other");
    assert_result("different");
    w.c.server_uuid = NULL;
    assert_differs(true, "server UUID", "not told");
    w.c.server_uuid = (char *)"uuid";
    w.files[0].bytes = 1235;
    assert_differs(true, "binary log", "1235 bytes");
    w.files[0].bytes = UINT64_MAX;
    assert_differs(true, "binary log", "18446744073709551615");
    w.files[0].has_bytes = 0;
    assert_differs(true, "binary log", "size that is not told");
    MSG_SET(&w.files[0], bytes, 1234);
    w.files[0].name = (char *)"binlog.000041";
    assert_differs(true, "binary log", "no such file");
    w.files[0].name = NULL;
    assert_differs(true, "binary log", "no such file");
    w.files[0].name = (char *)"binlog.000042";
    w.c.manifest = (char *)"20161103T101500Z-0000";
    assert_differs(true, "manifest on the root volume", "20161103");
    w.c.manifest = NULL;
    assert_differs(true, "manifest on the root volume", "none");
}

/* The start opens a new one: else somebody has gone on writing to the record's. */
static void the_log_file_must_not_be_the_newest(void **state)
{
    (void)state;
    w.c.n_binlog = 1;
    compare(true);
    assert_int_equal(w.r.count, 1);
    assert_string_equal(w.r.differences[0].what, "binary log");
}

static void the_gtid_set_is_of_now_or_of_the_start(void **state)
{
    (void)state;
    w.c.gtid_set = (char *)"g:1-6";
    assert_differs(true, "GTID set", "g:1-6");
    compare(false); /* clients have written since */
    assert_int_equal(w.r.count, 0);
    w.c.gtid_at_start = (char *)"g:1-4";
    assert_differs(false, "GTID set at the server's start", "g:1-4");
    w.c.gtid_at_start = NULL;
    assert_noted(false, "REPLICATION SLAVE", "GTID set");
    w.c.gtid_set = NULL;
    assert_differs(true, "GTID set", "not told");
    record_clear(w.set, "position.gtid_set");
    assert_noted(true, "no GTID set", "GTID set");
}

static void the_recovered_lsn_may_be_a_little_off(void **state)
{
    static const struct {
        int64_t off;
        bool same;
    } cases[] = {
        {0, true},
        {-CERTIFICATE_LSN_BEHIND, true},
        {-CERTIFICATE_LSN_BEHIND - 1, false},
        {CERTIFICATE_LSN_AHEAD, true},
        {CERTIFICATE_LSN_AHEAD + 1, false},
        {-LSN, false},
        {INT64_MAX - LSN, false},
    };

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
        w.c.recovered_lsn = (uint64_t)(LSN + cases[n].off);
        compare(true);
        assert_int_equal(w.r.count, cases[n].same ? 0 : 1);
    }
}

static void without_a_recovered_lsn_the_present_one_must_reach_the_checkpoint(void **state)
{
    (void)state;
    w.c.has_recovered_lsn = 0;
    assert_noted(true, "tells no log sequence number", "log sequence");
    MSG_SET(&w.c, innodb_lsn, LSN - 1000);
    assert_noted(true, "not below the record's checkpoint", "log sequence");
    MSG_SET(&w.c, innodb_lsn, LSN - 1001);
    assert_differs(true, "InnoDB log sequence number", "1099511626775");
    record_clear(w.set, "position.innodb_lsn_checkpoint");
    MSG_SET(&w.c, innodb_lsn, LSN - CERTIFICATE_LSN_BEHIND);
    assert_noted(true, "not below", "log sequence");
    MSG_SET(&w.c, innodb_lsn, LSN - CERTIFICATE_LSN_BEHIND - 1);
    assert_differs(true, "InnoDB log sequence number", "");
    MSG_SET(&w.c, innodb_lsn, UINT64_MAX);
    assert_noted(true, "tells no log sequence number", "log sequence");
    record_clear(w.set, "position.innodb_lsn");
    assert_noted(true, "record has no log sequence number", "log sequence");
}

/* The guest's word of long ago stands in the record: it may be any number. */
static void an_impossible_lsn_in_the_record_is_none(void **state)
{
    static const int64_t odd[] = {INT64_MIN, -1};

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(odd); n++) {
        record_set_int(w.set, "position.innodb_lsn", odd[n]);
        assert_noted(true, "record has no log sequence number", "log sequence");
    }
    record_set_int(w.set, "position.innodb_lsn", INT64_MAX);
    assert_differs(true, "InnoDB log sequence number", "1099511627776");
}

static void the_mark_must_be_the_sets(void **state)
{
    (void)state;
    w.mark.set = (char *)"20161103T101500Z-0000";
    assert_differs(true, "mark row", "20161103");
    w.mark.set = NULL;
    assert_differs(true, "mark row", "none");
    w.c.mark = NULL;
    assert_differs(true, "mark row", "none");
    w.c.mark_problem = (char *)"SELECT denied";
    assert_noted(true, "could not be read: SELECT denied", "mark row");
}

static void a_set_without_a_mark_has_none_that_is_newer(void **state)
{
    (void)state;
    record_set_bool(w.set, "instance.manifest.marked", false);
    w.mark.set = (char *)"20161103T101500Z-0000";
    compare(true);
    assert_int_equal(w.r.count, 0);
    assert_false(has(w.r.compared, w.r.compared_count, "mark row"));
    w.mark.set = (char *)"20161105T101500Z-0000";
    assert_differs(true, "mark row", "20161105");
}

/* Its id says so, but the guest's clock, which the mark was written by, says that it is older: the
 * host took the time to be 2099 when that one was taken, or 2001 now. */
static void a_mark_is_not_newer_because_the_hosts_clock_was_wrong(void **state)
{
    const int64_t now_us = INT64_C(1478254500) * 1000000; /* 2016-11-04T10:15:00Z */

    (void)state;
    record_set_bool(w.set, "instance.manifest.marked", false);
    w.mark.set = (char *)"20991231T235959Z-0000";
    MSG_SET(&w.mark, at_wall_us, now_us - 86400 * INT64_C(1000000));
    record_set_text(w.set, "ended", "2016-11-04T10:15:00.000Z");
    assert_differs(true, "mark row", "20991231"); /* the guest's clock is not known */
    record_set_int(w.set, "guest.wall_offset_ms", -5);
    assert_noted(true, "host's clock was wrong", "mark row");

    record_set_text(w.set, "ended", "2001-01-01T00:00:00Z");
    record_set_int(w.set, "guest.wall_offset_ms", now_us / 1000 - INT64_C(978307200000));
    assert_noted(true, "20991231T235959Z-0000", "mark row");
    /* one that is newer by both is */
    MSG_SET(&w.mark, at_wall_us, now_us + 1000000);
    assert_differs(true, "mark row", "20991231");
    MSG_SET(&w.mark, at_wall_us, INT64_MIN);
    record_set_int(w.set, "guest.wall_offset_ms", INT64_MAX);
    compare(true);
    w.mark.has_at_wall_us = 0;
    assert_differs(true, "mark row", "20991231");
    record_set_int(w.set, "guest.wall_offset_ms", 0);
    record_set_text(w.set, "ended", "when it was over");
    MSG_SET(&w.mark, at_wall_us, 0);
    assert_differs(true, "mark row", "20991231");
}

static void a_set_without_a_manifest_asks_for_none(void **state)
{
    (void)state;
    record_clear(w.set, "instance.manifest.path");
    w.c.manifest = NULL;
    compare(true);
    assert_int_equal(w.r.count, 0);
    assert_false(has(w.r.compared, w.r.compared_count, "manifest"));
}

/* No server UUID, and positions of its own. */
static void mariadb_is_compared_by_what_it_has(void **state)
{
    (void)state;
    record_clear(w.set, "position.server_uuid");
    w.c.server_uuid = NULL;
    record_set_text(w.set, "position.gtid_set", "0-1-5");
    w.c.gtid_set = w.c.gtid_at_start = (char *)"0-1-5";
    w.c.has_recovered_lsn = 0;
    compare(true);
    assert_int_equal(w.r.count, 0);
    assert_false(has(w.r.compared, w.r.compared_count, "UUID"));
    assert_result("same");
}

/* The log volume may be the set's, and the data volume one of an hour before. */
static void without_proof_of_its_data_it_is_only_sound(void **state)
{
    (void)state;
    record_set_bool(w.set, "instance.manifest.marked", false);
    w.c.has_recovered_lsn = 0;
    MSG_SET(&w.c, innodb_lsn, LSN);
    for (int verifying = 0; verifying < 2; verifying++) {
        assert_noted(verifying, "how old the data volume is", "InnoDB");
        assert_result("sound");
    }
    MSG_SET(&w.c, recovered_lsn, LSN);
    for (int verifying = 0; verifying < 2; verifying++) {
        compare(verifying);
        assert_result("same");
    }
}

static void without_a_position_it_is_only_sound(void **state)
{
    (void)state;
    record_clear(w.set, "position");
    w.c.n_binlog = 0;
    assert_noted(true, "no position in a binary log", "binary log");
    assert_result("sound");
}

static void the_error_log_must_have_no_errors(void **state)
{
    Cbsnap__ServerLine lines[3] = {CBSNAP__SERVER_LINE__INIT, CBSNAP__SERVER_LINE__INIT,
                                   CBSNAP__SERVER_LINE__INIT};
    Cbsnap__ServerLine *list[] = {&lines[0], &lines[1], &lines[2]};

    (void)state;
    MSG_SET(&w.c, errors, 2);
    MSG_SET(&lines[0], level, CBSNAP__SERVER_LINE__LEVEL__ERROR);
    lines[0].text = (char *)"page 7 is corrupt";
    MSG_SET(&lines[1], level, CBSNAP__SERVER_LINE__LEVEL__WARNING);
    lines[1].text = (char *)"only a warning";
    w.c.n_line = 3;
    w.c.line = list;
    compare(true);
    assert_int_equal(w.r.count, 2);
    assert_string_equal(w.r.differences[0].found, "2 errors");
    assert_string_equal(w.r.differences[1].found, "page 7 is corrupt");
    w.c.has_errors = 0; /* not told: neither equal nor different */
    compare(true);
    assert_int_equal(w.r.count, 0);
    assert_false(has(w.r.compared, w.r.compared_count, "error log"));
    assert_true(has(w.r.notes, w.r.note_count, "error log could not be read"));
}

static void a_server_that_verifies_is_held_still(void **state)
{
    (void)state;
    w.c.read_only = 0;
    assert_differs(true, "server held still", "writable");
    compare(false);
    assert_int_equal(w.r.count, 0);
    w.c.has_read_only = 0;
    assert_differs(true, "server held still", "writable");
    MSG_SET(&w.c, read_only, 1);
    w.c.events_run = 1;
    assert_differs(true, "server held still", "it runs");
    w.c.events_run = 0;
    w.c.replica_runs = 1;
    assert_differs(true, "server held still", "it runs");
    compare(false);
    assert_int_equal(w.r.count, 0);
}

static void an_empty_certificate_is_no_match(void **state)
{
    (void)state;
    cbsnap__certificate__init(&w.c);
    for (int verifying = 0; verifying < 2; verifying++) {
        compare(verifying);
        assert_int_equal(w.r.compared_count, 0);
        assert_result("different");
    }
}

/* ---- a guest that lies ----------------------------------------------------------------------- */

static void a_guest_that_lies_at_length_is_cut_short(void **state)
{
    enum { MANY = 10000, LONG = 100000 };
    AUTO_FREE char *text = xcalloc(1, LONG + 1);
    AUTO_FREE Cbsnap__DataProblem **list = xcalloc(MANY, sizeof(*list));
    Cbsnap__DataProblem one = CBSNAP__DATA_PROBLEM__INIT;
    Cbsnap__DataChecked d = CBSNAP__DATA_CHECKED__INIT;
    struct record *to = record_new();
    AUTO_FREE char *out = NULL;

    (void)state;
    memset(text, '\xff', LONG); /* no UTF-8 either */
    memcpy(text, "\033[2J\n", 5);
    w.c.server_uuid = w.c.gtid_set = w.c.manifest = w.mark.set = text;
    compare(true);
    assert_int_equal(w.r.count, 4);
    one.object = one.text = text;
    for (size_t n = 0; n < MANY; n++)
        list[n] = &one;
    d.n_problem = MANY;
    d.problem = list;
    certificate_data(&w.r, &d);
    assert_int_equal(w.r.count, 100);
    for (size_t n = 0; n < w.r.count; n++) {
        assert_true(strlen(w.r.differences[n].found) <= 2000);
        assert_null(strpbrk(w.r.differences[n].found, "\033\n"));
    }
    certificate_report(to, &w.r);
    out = record_format(to);
    assert_non_null(out);
    assert_non_null(record_text(record_at(to, "differences", 0), "found"));
    record_free(to);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(all_that_is_equal_is_listed),
        T(each_thing_that_differs_is_told),
        T(the_log_file_must_not_be_the_newest),
        T(the_gtid_set_is_of_now_or_of_the_start),
        T(the_recovered_lsn_may_be_a_little_off),
        T(without_a_recovered_lsn_the_present_one_must_reach_the_checkpoint),
        T(an_impossible_lsn_in_the_record_is_none),
        T(the_mark_must_be_the_sets),
        T(a_set_without_a_mark_has_none_that_is_newer),
        T(a_mark_is_not_newer_because_the_hosts_clock_was_wrong),
        T(a_set_without_a_manifest_asks_for_none),
        T(mariadb_is_compared_by_what_it_has),
        T(without_proof_of_its_data_it_is_only_sound),
        T(without_a_position_it_is_only_sound),
        T(the_error_log_must_have_no_errors),
        T(a_server_that_verifies_is_held_still),
        T(an_empty_certificate_is_no_match),
        T(a_guest_that_lies_at_length_is_cut_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
