/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ElastiStor driver without a network: answers, redaction, URLs, configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host-coordinator/storage/http.h"
#include "host-coordinator/storage/query.h"
#include "host-coordinator/storage/reply.h"
#include "host-coordinator/storage/secret.h"
#include "host-coordinator/storage/storage.h"
#include "proto/base/buf.h"
#include "proto/base/clock.h"

/* The shape of a real one: URL-safe base64, shorter. */
#define KEY "Zk3vQ_r8-TnW0yLhC5uXeD2aJ9bMfSg7"
#define PIN "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

#define UUID "4e91c6d8-b370-3d2f-95ae-07f81b6c2d49"

static json_t *open_or_fail(long status, const char *body, const char *key, struct err *e)
{
    const struct reply_source from = {status, body, strlen(body), "text/javascript", KEY};
    json_t *answer = NULL;
    bool refused = false;

    *e = ERR_INIT;
    if (reply_open(&answer, &from, key, &refused, e) < 0)
        assert_null(answer);
    return answer;
}

static void expect_error(long status, const char *body, enum err_code code, const char *words)
{
    struct err e;

    assert_null(open_or_fail(status, body, "createStorageSnapshotResponse", &e));
    if (e.code != code || !strstr(e.msg, words))
        fail_msg("'%s' gave code %d and \"%s\"", body, e.code, e.msg);
    assert_null(strstr(e.msg, KEY));
}

/* ---- errors in answers ---- */

static void test_errors_come_with_any_status(void **state)
{
    static const char body[] = "{ \"createStorageSnapshotResponse\" : {\n  \"uuidList\": [],\n"
                               "  \"errorcode\": 530,\n  \"errortext\": \"pool is full\",\n"
                               "  \"licensetype\": \"trial\"\n} }";

    (void)state;
    expect_error(530, body, ERR_STORAGE, "failed with code 530: pool is full");
    expect_error(200, body, ERR_STORAGE, "failed with code 530: pool is full");
    expect_error(200, "{\"x\":{\"errorcode\":\"431\",\"errortext\":\"no id\"}}", ERR_STORAGE,
                 "code 431: no id");
    expect_error(200, "{\"x\":{\"errortext\":\"something\"}}", ERR_STORAGE, "something");
    expect_error(530, "{\"x\":{}}", ERR_STORAGE, "code 530 and no reason");
    expect_error(200, "{\"x\":{\"errorcode\":-1e300}}", ERR_STORAGE, "failed");
    expect_error(432, "{\"errorresponse\":{\"errorcode\":432,\"errortext\":\"The given command\"}}",
                 ERR_STORAGE, "code 432");
}

static void test_errors_tell_what_to_mend(void **state)
{
    (void)state;
    expect_error(401, "{\"x\":{\"errorcode\":401,\"errortext\":\"unable to verify\"}}", ERR_AUTH,
                 "unable to verify");
    expect_error(401, "<html>", ERR_AUTH, "HTTP 401");
    expect_error(404, "<html>", ERR_CONFIG, "no such API");
    expect_error(302, "", ERR_CONFIG, "no such API");
    expect_error(431,
                 "{\"x\":{\"errorcode\":431,\"errortext\":\"could not find any snapshots to "
                 "destroy; check snapshot names.\\n\"}}",
                 ERR_NOT_FOUND, "could not find");
    /* other 431s are real refusals */
    expect_error(431, "{\"x\":{\"errorcode\":431,\"errortext\":\"missing parameter id\"}}",
                 ERR_STORAGE, "missing");
}

static void test_what_is_no_answer(void **state)
{
    struct buf deep = BUF_INIT;

    (void)state;
    expect_error(200, "", ERR_STORAGE, "not JSON (0 bytes of type 'text/javascript')");
    expect_error(200, "<?xml version=\"1.0\"?><a/>", ERR_STORAGE, "not JSON");
    expect_error(503, "<html>busy</html>", ERR_STORAGE, "HTTP 503");
    expect_error(200, "{\"createStorageSnapshotResponse\" : {", ERR_STORAGE, "not JSON");
    expect_error(200, "{\"a\":{}} trailing", ERR_STORAGE, "not JSON");
    expect_error(200, "{}", ERR_STORAGE, "another shape");
    expect_error(200, "[]", ERR_STORAGE, "another shape");
    expect_error(200, "{\"a\":{},\"b\":{}}", ERR_STORAGE, "another shape");
    expect_error(200, "{\"createStorageSnapshotResponse\":[]}", ERR_STORAGE, "another shape");
    expect_error(200, "{\"listAccountResponse\":{}}", ERR_STORAGE, "another command");
    for (int i = 0; i < 200000; i++)
        buf_add(&deep, "[", 1);
    expect_error(200, buf_text(&deep), ERR_STORAGE, "not JSON");
    buf_release(&deep);
}

/* What failed is undone with care unless the array itself said that it did not do it. */
static void test_sure_and_unsure_refusals(void **state)
{
    static const struct {
        long status;
        const char *body;
        bool sure;
    } cases[] = {
        {530, "{\"x\":{\"errorcode\":530,\"errortext\":\"dataset already exists\"}}", true},
        {200, "{\"x\":{\"errorcode\":530,\"errortext\":\"pool is full\"}}", true},
        {401, "<html>", true},
        {404, "<html>", true},
        {530, "{\"x\":{\"errorcode\":530,\"errortext\":\"failed due to timeout.\"}}", false},
        {530, "{\"x\":{\"errorcode\":530,\"errortext\":\"Operation timed out\"}}", false},
        {504, "<html>gateway</html>", false},
        {200, "garbage", false},
        {200, "{\"another\":{}}", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct reply_source from = {cases[i].status, cases[i].body, strlen(cases[i].body), "",
                                          KEY};
        json_t *answer = NULL;
        bool refused = false;
        struct err e = ERR_INIT;

        assert_int_equal(reply_open(&answer, &from, "y", &refused, &e), -1);
        if (refused != cases[i].sure)
            fail_msg("'%s' was taken for a %ssure no", cases[i].body, refused ? "" : "un");
    }
}

/* ---- lists ---- */

static int volumes_of(const char *body, struct volume **ret, size_t *ret_count, struct err *e)
{
    json_t *answer = open_or_fail(200, body, "listFilesystemResponse", e);
    int rc = answer ? reply_volumes(ret, ret_count, answer, KEY, e) : -1;

    json_decref(answer);
    return rc;
}

static void test_empty_lists(void **state)
{
    struct volume *v = NULL;
    size_t count = 99;
    struct err e;

    (void)state;
    assert_int_equal(volumes_of("{ \"listFilesystemResponse\" : {} }", &v, &count, &e), 0);
    assert_int_equal(count, 0);
    free(v);
    assert_int_equal(
        volumes_of("{\"listFilesystemResponse\":{\"count\":0,\"filesystem\":[]}}", &v, &count, &e),
        0);
    assert_int_equal(count, 0);
    free(v);
}

static void test_volume_fields(void **state)
{
    static const char body[] =
        "{ \"listFilesystemResponse\" : { \"count\":3 ,\"filesystem\" : [  {\n"
        "  \"id\": \"" UUID "\",\n  \"name\": \"vol01\",\n  \"simpleid\": 41,\n"
        "  \"Tsmid\": \"7c20b9aa-41de-3f58-9b07-d5e61c3a8f24\",\n"
        "  \"numericquota\": 10240.0,\n  \"readonly\": false,\n  \"iops\": \"100\",\n"
        "  \"iqnname\": \"iqn.2016-05.acme.vsm1:acmevol01\"\n}, {\n"
        "  \"id\": \"c7f20a95-38d1-3b6e-8c40-e95b1d72f603\", \"name\": \"nfs1\",\n"
        "  \"numericquota\": \"512\", \"iqnname\": \"\"\n}, {\n"
        "  \"id\": \"1allcloudbyte234a\", \"name\": \"odd\", \"numericquota\": true,\n"
        "  \"iqnname\": 7, \"Tsmid\": null\n} ] } }";
    struct volume *v = NULL;
    size_t count = 0;
    struct err e;

    (void)state;
    if (volumes_of(body, &v, &count, &e) < 0)
        fail_msg("%s", e.msg);
    assert_int_equal(count, 3);
    assert_string_equal(v[0].id, UUID);
    assert_string_equal(v[0].name, "vol01");
    assert_string_equal(v[0].iqn, "iqn.2016-05.acme.vsm1:acmevol01");
    assert_string_equal(v[0].serial, "4e91c6d8b3703d2f95ae07f81b6c2d49");
    assert_string_equal(v[0].group, "7c20b9aa-41de-3f58-9b07-d5e61c3a8f24");
    assert_int_equal(v[0].size_bytes, INT64_C(10) << 30);
    assert_string_equal(v[1].iqn, "");
    assert_int_equal(v[1].size_bytes, INT64_C(512) << 20);
    assert_string_equal(v[2].iqn, "");
    assert_string_equal(v[2].group, "");
    assert_int_equal(v[2].size_bytes, 0);
    for (size_t i = 0; i < count; i++)
        volume_release(&v[i]);
    free(v);
}

static void expect_bad_volumes(const char *inner, const char *words)
{
    char *body = xasprintf("{\"listFilesystemResponse\":{%s}}", inner);
    struct volume *v = NULL;
    size_t count = 99;
    struct err e;

    if (volumes_of(body, &v, &count, &e) == 0 || e.code != ERR_STORAGE || !strstr(e.msg, words))
        fail_msg("%s gave \"%s\"", body, e.msg);
    assert_null(strstr(e.msg, KEY));
    assert_null(v);
    assert_int_equal(count, 99);
    free(body);
}

static void test_lists_that_lie(void **state)
{
    (void)state;
    expect_bad_volumes("\"count\":2,\"filesystem\":[]", "announced 2 items");
    expect_bad_volumes("\"count\":1", "announced 1 items");
    expect_bad_volumes("\"count\":99999999999999999999999,\"filesystem\":[]", "announced");
    expect_bad_volumes("\"count\":1,\"filesystem\":{}", "no list");
    expect_bad_volumes("\"filesystem\":[7]", "'name'");
    expect_bad_volumes("\"filesystem\":[[[[]]]]", "'name'");
    expect_bad_volumes("\"filesystem\":[{\"name\":\"x\"}]", "'id'");
    expect_bad_volumes("\"filesystem\":[{\"id\":7,\"name\":\"x\"}]", "'id'");
    expect_bad_volumes("\"filesystem\":[{\"id\":\"a&b\",\"name\":\"x\"}]", "'id'");
    expect_bad_volumes("\"filesystem\":[{\"id\":\"a\"}]", "'name'");
    expect_bad_volumes("\"filesystem\":[{\"id\":\"a\",\"name\":\"x\\u001b[2J\"}]",
                       "impossible 'name'");
    /* the second is bad: the first must not leak */
    expect_bad_volumes("\"filesystem\":[{\"id\":\"a\",\"name\":\"x\"},{\"id\":\"" KEY
                       "\",\"name\":\"y\"}]",
                       "impossible 'id'");
}

static void test_sizes_that_cannot_be(void **state)
{
    static const char *const sizes[] = {"-5", "1e300", "\"abc\"", "\"nan\"", "\"inf\"", "{}", "0"};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *body = xasprintf("{\"listFilesystemResponse\":{\"filesystem\":[{\"id\":\"a\","
                               "\"name\":\"x\",\"numericquota\":%s}]}}",
                               sizes[i]);
        struct volume *v = NULL;
        size_t count = 0;
        struct err e;

        assert_int_equal(volumes_of(body, &v, &count, &e), 0);
        assert_int_equal(v[0].size_bytes, 0);
        volume_release(&v[0]);
        free(v);
        free(body);
    }
}

/* ---- snapshots ---- */

static int find_in(const char *inner, const char *name, struct reply_snapshot *ret, struct err *e)
{
    char *body = xasprintf("{ \"listDatasetSnapshotsResponse\" : {%s} }", inner);
    json_t *answer = open_or_fail(200, body, "listDatasetSnapshotsResponse", e);
    int rc = answer ? reply_find(ret, answer, name, KEY, e) : -1;

    json_decref(answer);
    free(body);
    return rc;
}

static void test_finding_a_snapshot(void **state)
{
    static const char two[] = "\"count\":2,\"snapshot\":["
                              "{\"name\":\"snap1\",\"path\":\"pool1/acmevsm1/vol01@snap1\","
                              "\"timestamp\":\"Thu May 12 2016 10:55\",\"clones\":0},"
                              "{\"name\":\"snap10\",\"path\":\"pool1/acmevsm1/vol01@snap10\"}]";
    struct reply_snapshot s = {.path = NULL};
    struct err e;

    (void)state;
    assert_int_equal(find_in("", "snap1", &s, &e), 0);
    assert_null(s.path);
    assert_int_equal(find_in(two, "snap", &s, &e), 0);
    assert_null(s.path);
    assert_int_equal(find_in(two, "snap1", &s, &e), 0);
    assert_string_equal(s.path, "pool1/acmevsm1/vol01@snap1");
    assert_string_equal(s.time, "Thu May 12 2016 10:55");
    free(s.path);
    free(s.time);
    assert_int_equal(find_in(two, "snap10", &s, &e), 0);
    assert_string_equal(s.time, "");
    free(s.path);
    free(s.time);
}

static void expect_bad_find(const char *inner, const char *words)
{
    struct reply_snapshot s = {.path = NULL};
    struct err e;

    if (find_in(inner, "s", &s, &e) == 0 || e.code != ERR_STORAGE || !strstr(e.msg, words))
        fail_msg("%s gave \"%s\"", inner, e.msg);
    assert_null(s.path);
}

static void test_snapshot_lists_that_lie(void **state)
{
    (void)state;
    expect_bad_find("\"count\":3,\"snapshot\":[]", "announced 3");
    expect_bad_find("\"snapshot\":[{\"path\":\"p@s\"}]", "without a name");
    expect_bad_find("\"snapshot\":[{\"name\":\"s\"}]", "with the path ''");
    expect_bad_find("\"snapshot\":[{\"name\":\"s\",\"path\":\"p@other\"}]", "'p@other'");
    expect_bad_find("\"snapshot\":[{\"name\":\"s\",\"path\":\"@s\"}]", "'@s'");
    expect_bad_find("\"snapshot\":[{\"name\":\"s\",\"path\":\"" KEY "@s\"}]", "impossible 'path'");
    expect_bad_find("\"snapshot\":[{\"name\":\"s\",\"path\":\"a@s\"},"
                    "{\"name\":\"s\",\"path\":\"b@s\"}]",
                    "twice");
}

static int taken_from(const char *inner, char **ret_id, struct err *e)
{
    char id[] = UUID, text[] = "";
    const struct volume v = {.id = id, .name = text, .iqn = text, .serial = text, .group = text};
    char *body = xasprintf("{ \"createStorageSnapshotResponse\" :  {%s}  }", inner);
    json_t *answer = open_or_fail(200, body, "createStorageSnapshotResponse", e);
    int rc = answer ? reply_taken(ret_id, answer, &v, "snap1", KEY, e) : -1;

    json_decref(answer);
    free(body);
    return rc;
}

static void test_taking_a_snapshot(void **state)
{
    char *id = NULL;
    struct err e;

    (void)state;
    assert_int_equal(taken_from("\"StorageSnapshot\":{\"id\":\"83c5e0f7\",\"name\":\"snap1\","
                                "\"lunid\":\"" UUID "\",\"scsiEnabled\":false}",
                                &id, &e),
                     0);
    assert_string_equal(id, "83c5e0f7");
    free(id);
    id = NULL;
    assert_int_equal(taken_from("\"StorageSnapshot\":{}", &id, &e), 0);
    assert_null(id);
    assert_int_equal(taken_from("", &id, &e), -1);
    assert_int_equal(taken_from("\"StorageSnapshot\":[]", &id, &e), -1);
    assert_int_equal(taken_from("\"StorageSnapshot\":{\"name\":\"snap2\"}", &id, &e), -1);
    assert_int_equal(taken_from("\"StorageSnapshot\":{\"lunid\":\"other\"}", &id, &e), -1);
    assert_non_null(strstr(e.msg, "'other'"));
    assert_null(id);
}

static void test_deleting_a_snapshot(void **state)
{
    static const struct {
        const char *inner;
        int rc;
    } cases[] = {
        {"\"DeleteSnapshot\":{\"status\":\"success\"}", 0},
        {"\"DeleteSnapshot\":{\"status\":\"failed\"}", -1},
        {"\"DeleteSnapshot\":{\"status\":true}", -1},
        {"\"DeleteSnapshot\":\"success\"", -1},
        {"", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *body = xasprintf("{\"deleteSnapshotResponse\":{%s}}", cases[i].inner);
        struct err e;
        json_t *answer = open_or_fail(200, body, "deleteSnapshotResponse", &e);

        assert_int_equal(reply_deleted(answer, &e), cases[i].rc);
        json_decref(answer);
        free(body);
    }
}

/* ---- the key ---- */

static void expect_safe(const char *text, const char *key, const char *wanted)
{
    char out[SAFE_TEXT_MAX];

    assert_string_equal(safe_text(out, text, key), wanted);
}

static void test_redaction(void **state)
{
    char *tail = xasprintf("%0199d%s", 0, KEY);
    char out[SAFE_TEXT_MAX];

    (void)state;
    expect_safe("no key here", KEY, "no key here");
    expect_safe("key " KEY " in the middle", KEY, "key *** in the middle");
    expect_safe(KEY, KEY, "***");
    expect_safe(KEY KEY, KEY, "******");
    expect_safe("apiKey=%5Ak3vQ%5Fr8-TnW0yLhC5uXeD2aJ9bMfSg7&id=1", KEY, "apiKey=***&id=1");
    expect_safe("%5ak3vQ%5fr8%2dTnW0yLhC5uXeD2aJ9bMfSg7", KEY, "***");
    /* pieces, as a proxy that cuts long lines leaves them */
    expect_safe("Zk3vQ_r8-TnW0yLhC5...", KEY, "***...");
    expect_safe("... yLhC5uXeD2aJ9bMfSg7", KEY, "... ***");
    expect_safe("Zk3vQ", KEY, "Zk3vQ");
    /* keys with characters that are encoded, or that look encoded */
    expect_safe("x a+b/c d%2Fe x", "a+b/c", "x *** d%2Fe x");
    expect_safe("x a%2Bb%2fc x", "a+b/c", "x *** x");
    expect_safe("x 100%41 x 100%2541", "100%41", "x *** x ***");
    expect_safe("line\none\t\t two\x1b[2J\xc3\xa9", KEY, "line one two?[2J??");
    expect_safe("  ", KEY, "");
    /* the cut at the end leaves no beginning of the key */
    safe_text(out, tail, KEY);
    assert_int_equal(strlen(out), SAFE_TEXT_MAX - 1);
    assert_null(strstr(out, "Zk"));
    free(tail);
}

static void test_leaks_in_names(void **state)
{
    (void)state;
    assert_true(text_leaks("pool/" KEY "@s", KEY));
    assert_true(text_leaks("pool/Zk3vQ%5Fr8-TnW0yLhC@s", KEY));
    assert_false(text_leaks("pool/Zk3vQ", KEY));
    assert_false(text_leaks("", KEY));
    /* a word of a key */
    assert_false(text_leaks("lab-volume", "lab"));
}

/* ---- readings ---- */

static int stats_of(const char *members, struct volume_stats *ret, struct err *e)
{
    char *body = xasprintf("{\"listFilesystemResponse\":{\"count\":2,\"filesystem\":["
                           "{\"id\":\"another\",\"currentIOPS\":7},{\"id\":\"" UUID "\"%s}]}}",
                           members);
    json_t *answer = open_or_fail(200, body, "listFilesystemResponse", e);
    int rc = answer ? reply_stats(ret, answer, UUID, e) : -1;

    json_decref(answer);
    free(body);
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
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
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
    static const char *const bodies[] = {
        "{\"listFilesystemResponse\":{}}",
        "{\"listFilesystemResponse\":{\"count\":1,\"filesystem\":[{\"id\":\"another\"}]}}",
        "{\"listFilesystemResponse\":{\"filesystem\":[7,null,{\"id\":5},{}]}}",
        "{\"listFilesystemResponse\":{\"filesystem\":{\"id\":\"" UUID "\"}}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct volume_stats s;
        struct err e;
        json_t *answer = open_or_fail(200, bodies[i], "listFilesystemResponse", &e);

        assert_non_null(answer);
        assert_int_equal(reply_stats(&s, answer, UUID, &e), -1);
        assert_true(err_is_set(&e));
        json_decref(answer);
    }
}

static void test_history_is_taken_as_far_as_it_is_one(void **state)
{
    static const char body[] =
        "{ \"monitorFileSystemResponse\" : { \"monitorFilesystemQoS\" : [  {\n"
        "  \"iops\": \"97\",\n  \"timestamp\": \"2016-05-12 10:02:30\"\n}, {\n"
        "  \"iops\": 100, \"more\": [1]\n}, {\n  \"timestamp\": \"2016-05-12 10:03:00\"\n},\n"
        "  7, null, {\"iops\":\"-1\"}, {\"iops\":2,\"timestamp\":\"a\\u001b[2J\"},\n"
        "  {\"iops\":3,\"timestamp\":\"" KEY "\"}, {\"iops\":4,\"timestamp\":1463047350} ] } }";
    struct volume_past *past = NULL;
    size_t count = 0;
    struct err e;
    json_t *answer = open_or_fail(200, body, "monitorFileSystemResponse", &e);

    (void)state;
    assert_non_null(answer);
    assert_int_equal(reply_history(&past, &count, answer, KEY, &e), 0);
    assert_int_equal(count, 5);
    assert_string_equal(past[0].time, "2016-05-12 10:02:30");
    assert_true(past[0].iops == 97 && past[1].iops == 100);
    for (size_t n = 1; n < count; n++)
        assert_string_equal(past[n].time, "");
    for (size_t n = 0; n < count; n++)
        free(past[n].time);
    free(past);
    json_decref(answer);
    answer =
        open_or_fail(200, "{\"monitorFileSystemResponse\":{}}", "monitorFileSystemResponse", &e);
    assert_int_equal(reply_history(&past, &count, answer, KEY, &e), 0);
    assert_int_equal(count, 0);
    free(past);
    json_decref(answer);
}

static void test_history_is_bounded(void **state)
{
    struct buf body = BUF_INIT;
    struct volume_past *past = NULL;
    size_t count = 0;
    struct err e;
    json_t *answer;

    (void)state;
    buf_addf(&body, "{\"monitorFileSystemResponse\":{\"monitorFilesystemQoS\":[{\"iops\":0}");
    for (int n = 1; n < 3000; n++)
        buf_addf(&body, ",{\"iops\":%d}", n);
    buf_addf(&body, "]}}");
    answer = open_or_fail(200, buf_text(&body), "monitorFileSystemResponse", &e);
    assert_int_equal(reply_history(&past, &count, answer, KEY, &e), 0);
    assert_int_equal(count, STORAGE_HISTORY_MAX);
    assert_true(past[0].iops == 2000 && past[count - 1].iops == 2999);
    for (size_t n = 0; n < count; n++)
        free(past[n].time);
    free(past);
    json_decref(answer);
    buf_release(&body);
}

/* ---- URLs and configuration ---- */

static void test_urls_are_built(void **state)
{
    const struct query_param params[] = {
        {"id", UUID}, {"path", "p/a v@s+1&x=\xc3\xa9"}, {NULL, NULL}};
    const struct query_param none[] = {{NULL, NULL}};
    struct buf url = BUF_INIT;
    const void *memory;

    (void)state;
    query_build(&url, "https://h/client/api", "deleteSnapshot", "k/+=%", params);
    assert_string_equal(buf_text(&url),
                        "https://h/client/api?command=deleteSnapshot&response=json&"
                        "apiKey=k%2F%2B%3D%25&id=" UUID "&path=p%2Fa%20v%40s%2B1%26x%3D%C3%A9");
    buf_release(&url);
    /* sized at once: growing would leave copies of the key in freed memory */
    (void)buf_reserve(&url, 4096);
    memory = url.data;
    query_build(&url, "https://h/client/api", "listFileSystem", KEY, none);
    assert_ptr_equal(memory, url.data);
    buf_wipe(&url);
    assert_null(url.data);
}

static void test_fingerprints(void **state)
{
    (void)state;
    assert_true(fingerprint_valid(PIN));
    assert_false(fingerprint_valid(""));
    assert_false(fingerprint_valid("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="));
    assert_false(fingerprint_valid("sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"));
    assert_false(fingerprint_valid("sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV="));
    assert_false(fingerprint_valid("sha256//7DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="));
    assert_false(fingerprint_valid(PIN ";" PIN));
    assert_false(fingerprint_valid("/etc/key.pem"));
    assert_false(fingerprint_valid("sha256//e3:b0:c4:42:98:fc:1c:14:9a:fb:f4:c8:99:6f:b9:24="));
}

static void test_addresses(void **state)
{
    static const char *const bad[] = {
        "",
        "host",
        "http://host/client/api",
        "ftp://host/",
        "https://",
        "https:///client/api",
        "https://user:word@host/",
        "https://host/?apikey=x",
        "https://host/#part",
        "https://ho st/",
        "https://host:99999/",
    };
    const char *why;
    char *host;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        why = NULL;
        host = http_url_host(bad[i], &why);
        if (host || !why)
            fail_msg("'%s' was taken", bad[i]);
    }
    host = http_url_host("https://192.0.2.7:8443/client/api", &why);
    assert_string_equal(host, "192.0.2.7:8443");
    free(host);
    host = http_url_host("HTTPS://ec.example.com/client/api", &why);
    assert_string_equal(host, "ec.example.com");
    free(host);
}

static void expect_refused(struct loop *l, const struct storage_conf *conf, const char *words)
{
    struct storage *s = NULL;
    struct err e = ERR_INIT;

    if (storage_open(&s, conf, l, &e) == 0 || s)
        fail_msg("taken, though not '%s'", words);
    assert_int_equal(e.code, ERR_CONFIG);
    assert_non_null(strstr(e.msg, "east"));
    if (!strstr(e.msg, words))
        fail_msg("\"%s\" lacks '%s'", e.msg, words);
    if (conf->api_key[0])
        assert_null(strstr(e.msg, conf->api_key));
}

static void test_configuration_is_checked(void **state)
{
    const struct storage_conf good = {
        .name = "east",
        .driver = "elastistor",
        .url = "https://192.0.2.7/client/api",
        .ca = "",
        .fingerprint = PIN,
        .api_key = KEY,
        .timeout_ms = 1000,
    };
    struct storage_conf conf = good;
    struct loop *l = loop_new();
    struct storage *s = NULL;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(storage_open(&s, &good, l, &e), 0);
    storage_close(s);
    conf.url = "http://192.0.2.7/client/api";
    expect_refused(l, &conf, "https://");
    conf = good;
    conf.url = "https://192.0.2.7/client/api?apiKey=" KEY;
    expect_refused(l, &conf, "more than a host");
    conf = good;
    conf.api_key = "";
    expect_refused(l, &conf, "api_key");
    conf.api_key = "two words of a key";
    expect_refused(l, &conf, "api_key");
    conf = good;
    conf.fingerprint = "sha256//short";
    expect_refused(l, &conf, "fingerprint");
    conf = good;
    conf.ca = "/nonexistent/ca.pem";
    expect_refused(l, &conf, "/nonexistent/ca.pem");
    conf = good;
    conf.timeout_ms = 0;
    expect_refused(l, &conf, "timeout_ms");
    loop_free(l);
}

/* Nobody listens on port 1 of the loopback: the words name appliance, host and command. */
static void test_refused_connection(void **state)
{
    const struct storage_conf conf = {
        .name = "east",
        .driver = "elastistor",
        .url = "https://127.0.0.1:1/client/api",
        .ca = "",
        .fingerprint = PIN,
        .api_key = KEY,
        .timeout_ms = 5000,
    };
    struct loop *l = loop_new();
    struct storage_op op = {.done = false};
    struct storage *s = NULL;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(storage_open(&s, &conf, l, &e), 0);
    s->ops->list_volumes(s, mono_us() + 5000000, &op);
    assert_int_equal(loop_wait(l, &op.done, mono_us() + 6000000, &e), 0);
    assert_int_equal(op.err.code, ERR_STORAGE);
    assert_non_null(strstr(op.err.msg, "appliance 'east': listFileSystem: cannot connect to "
                                       "'127.0.0.1:1'"));
    assert_null(strstr(op.err.msg, KEY));
    storage_op_release(&op);
    storage_close(s);
    loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_come_with_any_status),
        cmocka_unit_test(test_errors_tell_what_to_mend),
        cmocka_unit_test(test_what_is_no_answer),
        cmocka_unit_test(test_sure_and_unsure_refusals),
        cmocka_unit_test(test_empty_lists),
        cmocka_unit_test(test_volume_fields),
        cmocka_unit_test(test_lists_that_lie),
        cmocka_unit_test(test_sizes_that_cannot_be),
        cmocka_unit_test(test_finding_a_snapshot),
        cmocka_unit_test(test_snapshot_lists_that_lie),
        cmocka_unit_test(test_taking_a_snapshot),
        cmocka_unit_test(test_deleting_a_snapshot),
        cmocka_unit_test(test_redaction),
        cmocka_unit_test(test_leaks_in_names),
        cmocka_unit_test(test_urls_are_built),
        cmocka_unit_test(test_fingerprints),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_readings_have_their_units),
        cmocka_unit_test(test_what_is_no_reading_is_absent),
        cmocka_unit_test(test_readings_are_of_the_volume_asked_for),
        cmocka_unit_test(test_history_is_taken_as_far_as_it_is_one),
        cmocka_unit_test(test_history_is_bounded),
        cmocka_unit_test(test_configuration_is_checked),
        cmocka_unit_test(test_refused_connection),
    };

    return cmocka_run_group_tests_name("elastistor", tests, NULL, NULL);
}
