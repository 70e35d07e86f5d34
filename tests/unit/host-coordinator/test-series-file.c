/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The series file: what goes in comes out, whatever a hostile guest sent or a bad disk did. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host-coordinator/series/series_file.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

static char dir[] = "/tmp/cbsnap-series-XXXXXX";
static char path[64];

static const struct series_head head = {
    .set = "20161104T101500Z-7f3a",
    .domain = "db",
    .started_us = 5000000,
    .started_wall_us = 1478254500000000,
    .related = true,
    .clock_offset_us = -1000000,
    .clock_uncertainty_us = 120,
    .freeze_from_us = 5100000,
    .freeze_to_us = 5200000,
};

static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/s.series", dir);
    return 0;
}

static int teardown(void **state)
{
    AUTO_FREE char *command = xasprintf("rm -rf '%s'", dir);

    (void)state;
    return system(command);
}

static void name(struct series_log *log, uint32_t id, const char *text)
{
    Cbsnap__Name one = CBSNAP__NAME__INIT, *list[] = {&one};
    Cbsnap__Names names = CBSNAP__NAMES__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    MSG_SET(&one, id, id);
    one.name = (char *)text;
    names.n_name = 1;
    names.name = list;
    MSG_BODY(&m, names, NAMES, &names);
    series_log_take(log, &m);
}

/* A sample of one value, with a line of the error log when there is a text. */
static void sample(struct series_log *log, int64_t at_us, uint32_t id, double value,
                   const char *text)
{
    Cbsnap__ServerLine line = CBSNAP__SERVER_LINE__INIT, *lines[] = {&line};
    Cbsnap__Sample s = CBSNAP__SAMPLE__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    MSG_SET(&s, mono_us, at_us);
    s.n_id = s.n_value = 1;
    s.id = &id;
    s.value = &value;
    line.text = (char *)text;
    s.n_line = text ? 1 : 0;
    s.line = lines;
    MSG_BODY(&m, sample, SAMPLE, &s);
    series_log_take(log, &m);
}

/* A hundred readings of two metrics, one of each side. */
static struct series_log *gathered(void)
{
    struct series_log *log = series_log_new(SERIES_LOG_BYTES);

    name(log, 7, "disk.vdb.writes");
    for (int n = 0; n < 100; n++) {
        sample(log, 4000000 + n * 1000, 7, n + 0.5, n == 40 ? "[ERROR] a line" : NULL);
        series_log_take_host(log, "volume.data.iops", 5000000 + n * 1000, 1e15 + n);
    }
    return log;
}

static struct buf file_bytes(void)
{
    AUTO_FCLOSE FILE *f = fopen(path, "re");
    struct buf all = BUF_INIT;
    size_t n;

    assert_non_null(f);
    while ((n = fread(buf_reserve(&all, 4096), 1, 4096, f)) > 0)
        all.len += n;
    return all;
}

static size_t count(const struct series *s, const char *metric, const struct point **ret)
{
    size_t at;

    return series_find(s, metric, &at) ? series_points(s, at, INT64_MIN, INT64_MAX, ret) : 0;
}

struct read {
    struct series *s;
    struct series_head head;
    struct series_damage damage;
    int rc;
    struct err e;
};

static struct read parse(const struct buf *b, size_t len)
{
    struct read r = {.s = series_new()};

    r.rc = series_file_parse(b->data, len, "a file", r.s, &r.head, &r.damage, &r.e);
    return r;
}

static void what_goes_in_comes_out(void **state)
{
    struct series_log *log = gathered();
    struct series *s = series_new();
    struct series_head got;
    struct series_damage damage;
    const struct point *p;
    const struct series_line *l;
    struct err e = ERR_INIT;
    struct stat st;

    (void)state;
    assert_int_equal(series_file_write(path, &head, log, &e), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0137, 0);
    assert_int_equal(series_file_read(path, s, &got, &damage, &e), 0);
    assert_int_equal(damage.frames, 0);
    assert_int_equal(damage.bytes, 0);
    assert_string_equal(got.set, head.set);
    assert_string_equal(got.domain, "db");
    assert_true(got.related);
    assert_int_equal(got.started_us, head.started_us);
    assert_int_equal(got.started_wall_us, head.started_wall_us);
    assert_int_equal(got.clock_uncertainty_us, 120);
    assert_int_equal(got.freeze_from_us, head.freeze_from_us);
    assert_int_equal(got.freeze_to_us, head.freeze_to_us);
    assert_int_equal(got.dropped, 0);
    assert_int_equal(count(s, "disk.vdb.writes", &p), 100);
    assert_int_equal(p[3].at_us, 5003000); /* on the host's clock */
    assert_true(p[3].value == 3.5);
    assert_int_equal(count(s, "volume.data.iops", &p), 100);
    assert_int_equal(p[99].at_us, 5099000);
    assert_true(p[99].value == 1e15 + 99);
    assert_int_equal(series_lines(s, &l), 1);
    assert_string_equal(l->text, "[ERROR] a line");
    assert_int_equal(l->at_us, 5040000);
    assert_int_equal(series_dropped(s), 0);
    series_free(s);
    series_log_free(log);
}

static void a_run_without_readings_has_a_file_too(void **state)
{
    struct series_log *log = series_log_new(1000);
    struct series_head bare = {.set = "s", .started_us = 1};
    struct buf all;
    struct err e = ERR_INIT;
    struct read r;

    (void)state;
    assert_int_equal(series_file_write(path, &bare, log, &e), 0);
    all = file_bytes();
    r = parse(&all, all.len);
    assert_int_equal(r.rc, 0);
    assert_int_equal(r.damage.frames, 0);
    assert_false(r.head.related);
    assert_int_equal(r.head.freeze_from_us, 0);
    assert_int_equal(series_count(r.s), 0);
    series_free(r.s);
    buf_release(&all);
    series_log_free(log);
}

/* Every byte of the file, broken alone: one message is lost at most, and that is said. */
static void one_wrong_byte_costs_one_message(void **state)
{
    struct series_log *log = gathered();
    struct err e = ERR_INIT;
    const struct point *p;
    struct buf all;

    (void)state;
    assert_int_equal(series_file_write(path, &head, log, &e), 0);
    all = file_bytes();
    for (size_t at = 0; at < all.len; at += at < 400 ? 1 : 97) {
        struct read r;
        size_t points;

        all.data[at] ^= 0x55;
        r = parse(&all, all.len);
        all.data[at] ^= 0x55;
        assert_int_equal(r.rc, 0);
        assert_int_equal(r.damage.frames, 1);
        assert_true(r.damage.bytes > 0);
        assert_int_equal(r.head.clock_offset_us, head.clock_offset_us);
        points = count(r.s, "disk.vdb.writes", &p) + count(r.s, "volume.data.iops", &p);
        /* unless it told the names, as the first two after the head do */
        if (points < 199 && points != 100)
            fail_msg("byte %zu cost %zu points", at, 200 - points);
        series_free(r.s);
    }
    buf_release(&all);
    series_log_free(log);
}

static void a_file_cut_anywhere_is_read_up_to_there(void **state)
{
    struct series_log *log = gathered();
    struct err e = ERR_INIT;
    const struct point *p;
    struct buf all;
    size_t before = 0;

    (void)state;
    assert_int_equal(series_file_write(path, &head, log, &e), 0);
    all = file_bytes();
    for (size_t len = 0; len < all.len; len++) {
        struct read r = parse(&all, len);
        size_t points = count(r.s, "disk.vdb.writes", &p) + count(r.s, "volume.data.iops", &p);

        assert_true(r.rc == 0 || (points == 0 && r.e.code == ERR_PROTOCOL));
        assert_int_equal(r.damage.frames, 1);
        assert_true(points == before || points == before + 1);
        before = points;
        series_free(r.s);
    }
    assert_int_equal(before, 200);
    buf_release(&all);
    series_log_free(log);
}

static void what_is_no_series_file_is_refused(void **state)
{
    struct buf junk = BUF_INIT;
    struct series *s = series_new();
    struct series_head got;
    struct series_damage damage;
    struct err e = ERR_INIT;
    struct read r;

    (void)state;
    buf_addf(&junk, "{\"schema\": 1}");
    r = parse(&junk, junk.len);
    assert_int_equal(r.rc, -1);
    assert_int_equal(r.e.code, ERR_PROTOCOL);
    series_free(r.s);
    assert_int_equal(series_file_read("/nonexistent/x", s, &got, &damage, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    series_free(s);
    buf_release(&junk);
}

/* The newest are kept with their names, though the message that told those is long gone. */
static void what_is_over_pushes_out_the_oldest(void **state)
{
    struct series_log *log = series_log_new(20000);
    struct err e = ERR_INIT;
    const struct point *p;
    struct buf all;
    struct read r;
    size_t left;

    (void)state;
    name(log, 0, "a");
    name(log, 1, "b");
    for (int n = 0; n < 5000; n++)
        sample(log, n, (uint32_t)(n % 2), n, NULL);
    name(log, 0, "c"); /* the agent restarted */
    sample(log, 6000, 0, 6000, NULL);
    assert_int_equal(series_file_write(path, &head, log, &e), 0);
    all = file_bytes();
    assert_true(all.len < 40000);
    r = parse(&all, all.len);
    assert_int_equal(r.rc, 0);
    assert_int_equal(r.damage.frames, 0);
    left = count(r.s, "b", &p);
    assert_true(left > 50 && p[left - 1].value == 4999);
    left += count(r.s, "a", &p);
    assert_int_equal(p[count(r.s, "a", &p) - 1].value, 4998);
    assert_int_equal(count(r.s, "c", &p), 1);
    assert_int_equal(series_log_dropped(log), 5000 - left);
    assert_int_equal(r.head.dropped, 5000 - left);
    assert_int_equal(series_dropped(r.s), 0);
    series_free(r.s);
    buf_release(&all);
    series_log_free(log);
}

static void the_guest_cannot_speak_for_the_appliance(void **state)
{
    struct series_log *log = series_log_new(SERIES_LOG_BYTES);
    Cbsnap__Sample lie = CBSNAP__SAMPLE__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    AUTO_FREE char *endless = xcalloc(1, 100000);
    uint32_t id = SERIES_NAMES_MAX;
    double value = 99;
    struct err e = ERR_INIT;
    const struct point *p;
    struct buf all;
    struct read r;

    (void)state;
    series_log_take_host(log, "volume.data.iops", 100, 1);
    name(log, SERIES_NAMES_MAX, "volume.other.iops");
    name(log, UINT32_MAX, "x");
    name(log, 3, "");
    name(log, 4, memset(endless, 'x', 99999));
    MSG_SET(&lie, mono_us, 200);
    MSG_SET(&lie, host, 1);
    lie.n_id = lie.n_value = 1;
    lie.id = &id;
    lie.value = &value;
    MSG_BODY(&m, sample, SAMPLE, &lie);
    series_log_take(log, &m);
    series_log_take_host(log, "volume.data.iops", 300, 2); /* its name was not taken over */
    assert_int_equal(series_file_write(path, &head, log, &e), 0);
    all = file_bytes();
    r = parse(&all, all.len);
    assert_int_equal(r.rc, 0);
    assert_int_equal(series_count(r.s), 1);
    assert_int_equal(count(r.s, "volume.data.iops", &p), 2);
    assert_true(p[0].value == 1 && p[1].value == 2);
    assert_true(all.len < 1000);
    series_free(r.s);
    buf_release(&all);
    series_log_free(log);
}

static void what_a_later_version_adds_is_passed_over(void **state)
{
    struct series_log *log = gathered();
    /* field 99, a varint, as a message of a later version may hold; and one of its bodies, 90 */
    static const uint8_t field[] = {0x98, 0x06, 0x01}, body[] = {0xD2, 0x05, 0x01, 0x00};
    struct buf later = BUF_INIT, all;
    struct err e = ERR_INIT;
    const struct point *p;
    struct read r;

    (void)state;
    assert_int_equal(series_file_write(path, &head, log, &e), 0);
    all = file_bytes();
    assert_int_equal(wire_frame(&later, field, sizeof(field), &e), 0);
    assert_int_equal(wire_frame(&later, body, sizeof(body), &e), 0);
    buf_add(&later, all.data, all.len);
    r = parse(&later, later.len);
    assert_int_equal(r.rc, 0);
    assert_int_equal(r.damage.frames, 0);
    assert_int_equal(count(r.s, "disk.vdb.writes", &p), 100);
    series_free(r.s);
    buf_release(&all);
    buf_release(&later);
    series_log_free(log);
}

static void a_file_that_cannot_be_written_leaves_the_old_one(void **state)
{
    struct series_log *log = gathered();
    AUTO_FREE char *temp = xasprintf("%s.tmp", path);
    struct err e = ERR_INIT;
    struct buf before, after;

    (void)state;
    assert_int_equal(series_file_write(path, &head, log, &e), 0);
    before = file_bytes();
    assert_int_equal(mkdir(temp, 0700), 0); /* in the way, for root as well */
    assert_int_equal(series_file_write(path, &head, log, &e), -1);
    assert_int_equal(e.code, ERR_IO);
    assert_non_null(strstr(e.msg, path));
    after = file_bytes();
    assert_int_equal(after.len, before.len);
    assert_memory_equal(after.data, before.data, before.len);
    assert_int_equal(rmdir(temp), 0);
    buf_release(&before);
    buf_release(&after);
    series_log_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(a_run_without_readings_has_a_file_too),
        cmocka_unit_test(one_wrong_byte_costs_one_message),
        cmocka_unit_test(a_file_cut_anywhere_is_read_up_to_there),
        cmocka_unit_test(what_is_no_series_file_is_refused),
        cmocka_unit_test(what_is_over_pushes_out_the_oldest),
        cmocka_unit_test(the_guest_cannot_speak_for_the_appliance),
        cmocka_unit_test(what_a_later_version_adds_is_passed_over),
        cmocka_unit_test(a_file_that_cannot_be_written_leaves_the_old_one),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
