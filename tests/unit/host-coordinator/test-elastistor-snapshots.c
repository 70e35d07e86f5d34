/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ElastiStor driver without a network: answers about snapshots found, taken and deleted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "host-coordinator/storage/reply.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/unit/host-coordinator/elastistor_answer.h"

/* ---- one of them ---- */

static int find_in(const char *inner, const char *name, struct reply_snapshot *ret, struct err *e)
{
    json_t *answer = answer_of("listDatasetSnapshotsResponse", inner);
    int rc;

    *e = ERR_INIT;
    rc = reply_find(ret, answer, name, KEY, e);
    json_decref(answer);
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
    int rc = find_in(inner, "s", &s, &e);

    answer_refused(rc, &e, ERR_STORAGE, inner, words);
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
    json_t *answer = answer_of("createStorageSnapshotResponse", inner);
    int rc;

    *e = ERR_INIT;
    rc = reply_taken(ret_id, answer, &v, "snap1", KEY, e);
    json_decref(answer);
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
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        json_t *answer = answer_of("deleteSnapshotResponse", cases[i].inner);
        struct err e = ERR_INIT;

        assert_int_equal(reply_deleted(answer, &e), cases[i].rc);
        json_decref(answer);
    }
}

/* ---- all of a volume, for going back ---- */

static int snapshots_of(const char *inner, struct volume_snapshot **ret, size_t *ret_count,
                        struct err *e)
{
    json_t *answer = answer_of("x", inner);
    int rc;

    *e = ERR_INIT;
    rc = reply_snapshots(ret, ret_count, answer, KEY, e);
    json_decref(answer);
    return rc;
}

static void test_snapshots_keep_their_order(void **state)
{
    static const char inner[] =
        "\"count\":3,\"snapshot\":["
        "{\"name\":\"b\",\"path\":\"pool1/acmevsm1/vol01@b\",\"timestamp\":\"Thu May 12 2016 "
        "10:55\","
        "\"clones\":0},"
        "{\"name\":\"a\",\"path\":\"pool1/acmevsm1/vol01@a\",\"clones\":\"2\"},"
        "{\"name\":\"c\",\"path\":\"pool1/acmevsm1/vol01@c\",\"timestamp\":7}]";
    struct volume_snapshot *s = NULL;
    size_t count = 0;
    struct err e;

    (void)state;
    assert_int_equal(snapshots_of(inner, &s, &count, &e), 0);
    assert_int_equal(count, 3);
    assert_string_equal(s[0].name, "b");
    assert_string_equal(s[0].path, "pool1/acmevsm1/vol01@b");
    assert_string_equal(s[0].time, "Thu May 12 2016 10:55");
    assert_int_equal(s[0].clones, 0);
    assert_string_equal(s[1].name, "a");
    assert_string_equal(s[1].time, "");
    assert_int_equal(s[1].clones, 2);
    assert_string_equal(s[2].time, "");
    assert_int_equal(s[2].clones, -1);
    for (size_t n = 0; n < count; n++)
        volume_snapshot_release(&s[n]);
    free(s);
    assert_int_equal(snapshots_of("", &s, &count, &e), 0);
    assert_int_equal(count, 0);
    free(s);
}

static void test_numbers_that_no_clones_have(void **state)
{
    static const char *const values[] = {"-1", "1e300", "true", "null", "\"nan\"", "\"\"", "[]"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        char *inner =
            xasprintf("\"snapshot\":[{\"name\":\"a\",\"path\":\"p@a\",\"clones\":%s}]", values[i]);
        struct volume_snapshot *s = NULL;
        size_t count = 0;
        struct err e;

        assert_int_equal(snapshots_of(inner, &s, &count, &e), 0);
        assert_int_equal(s[0].clones, -1);
        volume_snapshot_release(&s[0]);
        free(s);
        free(inner);
    }
}

static void test_lists_of_snapshots_that_lie(void **state)
{
    static const struct {
        const char *inner, *words;
    } cases[] = {
        {"\"count\":3,\"snapshot\":[]", "announced 3"},
        {"\"count\":1", "announced 1"},
        {"\"snapshot\":{}", "no list"},
        {"\"snapshot\":[7]", "without a name"},
        {"\"snapshot\":[{\"path\":\"p@s\"}]", "without a name"},
        {"\"snapshot\":[{\"name\":\"s\"}]", "with the path ''"},
        {"\"snapshot\":[{\"name\":\"s\",\"path\":\"@s\"}]", "'@s'"},
        {"\"snapshot\":[{\"name\":\"s\\u001b\",\"path\":\"p@s\"}]", "impossible 'name'"},
        {"\"snapshot\":[{\"name\":\"a\",\"path\":\"p@a\"},{\"name\":\"b\",\"path\":\"p@a\"}]",
         "'p@a'"},
        {"\"snapshot\":[{\"name\":\"a\",\"path\":\"p@a\"},{\"name\":\"b\",\"path\":\"" KEY "@b\"}]",
         "impossible 'path'"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct volume_snapshot *s = NULL;
        size_t count = 99;
        struct err e;
        int rc = snapshots_of(cases[i].inner, &s, &count, &e);

        answer_refused(rc, &e, ERR_STORAGE, cases[i].inner, cases[i].words);
        assert_null(s);
        assert_int_equal(count, 99);
    }
}

static void test_a_rollback_is_said_to_be_done(void **state)
{
    static const struct {
        const char *inner;
        int rc;
    } cases[] = {{"\"Rollback\":{}", 0},
                 {"\"Rollback\":{\"more\":1}", 0},
                 {"\"Rollback\":[]", -1},
                 {"\"Rollback\":true", -1},
                 {"", -1}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        json_t *answer = answer_of("x", cases[i].inner);
        struct err e = ERR_INIT;

        assert_int_equal(reply_rolled_back(answer, &e), cases[i].rc);
        json_decref(answer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finding_a_snapshot),
        cmocka_unit_test(test_snapshot_lists_that_lie),
        cmocka_unit_test(test_taking_a_snapshot),
        cmocka_unit_test(test_deleting_a_snapshot),
        cmocka_unit_test(test_snapshots_keep_their_order),
        cmocka_unit_test(test_numbers_that_no_clones_have),
        cmocka_unit_test(test_lists_of_snapshots_that_lie),
        cmocka_unit_test(test_a_rollback_is_said_to_be_done),
    };

    return cmocka_run_group_tests_name("elastistor: snapshots", tests, NULL, NULL);
}
