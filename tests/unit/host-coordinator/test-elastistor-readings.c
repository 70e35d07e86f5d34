/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ElastiStor driver without a network: what a volume does now, and what it did. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "host-coordinator/storage/reply.h"
#include "host-coordinator/storage/storage.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/unit/host-coordinator/elastistor_answer.h"

static int stats_of(const char *members, struct volume_stats *ret, struct err *e)
{
    AUTO_FREE char *inner =
        xasprintf("\"count\":2,\"filesystem\":["
                  "{\"id\":\"another\",\"currentIOPS\":7},{\"id\":\"" UUID "\"%s}]",
                  members);
    json_t *answer = answer_of("listFilesystemResponse", inner);
    int rc;

    *e = ERR_INIT;
    rc = reply_stats(ret, answer, UUID, e);
    json_decref(answer);
    return rc;
}

static void test_readings_have_their_units(void **state)
{
    struct volume_stats s;
    struct err e;

    (void)state;
    assert_int_equal(stats_of(",\"currentIOPS\":209,\"currentThroughput\":750,"
                              "\"currentLatency\":2328708,\"currentThrottle\":22,"
                              "\"currentUsedSpace\":3",
                              &s, &e),
                     0);
    assert_true(s.has_iops && s.iops == 209);
    assert_true(s.has_throughput && s.throughput_kb_s == 750);
    assert_true(s.has_latency && s.latency == 2328708);
    assert_true(s.has_throttle && s.throttle == 22);
    assert_true(s.has_used && s.used_bytes == 3145728);
    /* zero is a reading, and a quoted number is one */
    assert_int_equal(stats_of(",\"currentIOPS\":0,\"currentLatency\":\"15\"", &s, &e), 0);
    assert_true(s.has_iops && s.iops == 0);
    assert_true(s.has_latency && s.latency == 15);
    assert_false(s.has_throughput || s.has_throttle || s.has_used);
}

static void test_what_is_no_reading_is_absent(void **state)
{
    static const char *const values[] = {
        "-1",        "-0.5",   "1e300",  "true",     "false",     "null",    "[]",
        "{\"a\":1}", "\"\"",   "\"-\"",  "\"x\"",    "\"nan\"",   "\"inf\"", "\"-3\"",
        "\" 3\"",    "\"3 \"", "\"3x\"", "\"0x1F\"", "\"1.2.3\"",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        struct volume_stats s;
        struct err e;
        char members[400];

        (void)snprintf(members, sizeof(members),
                       ",\"currentIOPS\":%s,\"currentThroughput\":%s,\"currentLatency\":%s,"
                       "\"currentThrottle\":%s,\"currentUsedSpace\":%s",
                       values[i], values[i], values[i], values[i], values[i]);
        assert_int_equal(stats_of(members, &s, &e), 0);
        if (s.has_iops || s.has_throughput || s.has_latency || s.has_throttle || s.has_used)
            fail_msg("%s was taken for a reading", values[i]);
    }
}

static void test_readings_are_of_the_volume_asked_for(void **state)
{
    static const char *const inners[] = {
        "",
        "\"count\":1,\"filesystem\":[{\"id\":\"another\"}]",
        "\"filesystem\":[7,null,{\"id\":5},{}]",
        "\"filesystem\":{\"id\":\"" UUID "\"}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(inners); i++) {
        struct volume_stats s;
        struct err e = ERR_INIT;
        json_t *answer = answer_of("listFilesystemResponse", inners[i]);

        assert_int_equal(reply_stats(&s, answer, UUID, &e), -1);
        assert_true(err_is_set(&e));
        json_decref(answer);
    }
}

static void free_past(struct volume_past *past, size_t count)
{
    for (size_t n = 0; n < count; n++)
        free(past[n].time);
    free(past);
}

static void test_history_is_taken_as_far_as_it_is_one(void **state)
{
    static const char inner[] =
        "\"monitorFilesystemQoS\" : [  {\n"
        "  \"iops\": \"97\",\n  \"timestamp\": \"2016-05-12 10:02:30\"\n}, {\n"
        "  \"iops\": 100, \"more\": [1]\n}, {\n  \"timestamp\": \"2016-05-12 10:03:00\"\n},\n"
        "  7, null, {\"iops\":\"-1\"}, {\"iops\":2,\"timestamp\":\"a\\u001b[2J\"},\n"
        "  {\"iops\":3,\"timestamp\":\"" KEY "\"}, {\"iops\":4,\"timestamp\":1463047350} ]";
    struct volume_past *past = NULL;
    size_t count = 0;
    struct err e = ERR_INIT;
    json_t *answer = answer_of("monitorFileSystemResponse", inner);

    (void)state;
    assert_int_equal(reply_history(&past, &count, answer, KEY, &e), 0);
    assert_int_equal(count, 5);
    assert_string_equal(past[0].time, "2016-05-12 10:02:30");
    assert_true(past[0].iops == 97 && past[1].iops == 100);
    for (size_t n = 1; n < count; n++)
        assert_string_equal(past[n].time, "");
    free_past(past, count);
    json_decref(answer);
    answer = answer_of("monitorFileSystemResponse", "");
    assert_int_equal(reply_history(&past, &count, answer, KEY, &e), 0);
    assert_int_equal(count, 0);
    free(past);
    json_decref(answer);
}

static void test_history_is_bounded(void **state)
{
    struct buf inner = BUF_INIT;
    struct volume_past *past = NULL;
    size_t count = 0;
    struct err e = ERR_INIT;
    json_t *answer;

    (void)state;
    buf_addf(&inner, "\"monitorFilesystemQoS\":[{\"iops\":0}");
    for (int n = 1; n < 3000; n++)
        buf_addf(&inner, ",{\"iops\":%d}", n);
    buf_addf(&inner, "]");
    answer = answer_of("monitorFileSystemResponse", buf_text(&inner));
    assert_int_equal(reply_history(&past, &count, answer, KEY, &e), 0);
    assert_int_equal(count, STORAGE_HISTORY_MAX);
    assert_true(past[0].iops == 3000 - STORAGE_HISTORY_MAX && past[count - 1].iops == 2999);
    free_past(past, count);
    json_decref(answer);
    buf_release(&inner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readings_have_their_units),
        cmocka_unit_test(test_what_is_no_reading_is_absent),
        cmocka_unit_test(test_readings_are_of_the_volume_asked_for),
        cmocka_unit_test(test_history_is_taken_as_far_as_it_is_one),
        cmocka_unit_test(test_history_is_bounded),
    };

    return cmocka_run_group_tests_name("elastistor: readings", tests, NULL, NULL);
}
