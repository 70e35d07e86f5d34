/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ElastiStor driver without a network: errors in answers, and lists of volumes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host-coordinator/storage/reply.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/unit/host-coordinator/elastistor_answer.h"

/* ---- errors in answers ---- */

static void expect_error(long status, const char *body, enum err_code code, const char *words)
{
    struct err e;

    assert_null(answer_open(status, body, "createStorageSnapshotResponse", &e));
    answer_refused(-1, &e, code, body, words);
}

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
    expect_error(401, "{\"x\":{\"errorcode\":401,\"errortext\":\"unable to verify\"}}", ERR_CONFIG,
                 "unable to verify");
    expect_error(401, "<html>", ERR_CONFIG, "HTTP 401");
    /* so does one answer that is being restarted: it may be better later */
    expect_error(404, "<html>", ERR_STORAGE, "no such API");
    expect_error(302, "", ERR_STORAGE, "no such API");
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
        enum reply_refusal refusal;
    } cases[] = {
        {530, "{\"x\":{\"errorcode\":530,\"errortext\":\"already exists\"}}", REPLY_REFUSED},
        {200, "{\"x\":{\"errorcode\":530,\"errortext\":\"pool is full\"}}", REPLY_REFUSED},
        {431, "{\"x\":{\"errorcode\":431,\"errortext\":\"no id\"}}", REPLY_REFUSED},
        {401, "<html>", REPLY_NOT_IN},
        {404, "<html>", REPLY_NOT_IN},
        {302, "", REPLY_NOT_IN},
        {401, "{\"x\":{\"errorcode\":401,\"errortext\":\"unable to verify\"}}", REPLY_NOT_IN},
        {200, "{\"x\":{\"errorcode\":404,\"errortext\":\"not found\"}}", REPLY_NOT_IN},
        {530, "{\"x\":{\"errorcode\":530,\"errortext\":\"failed due to timeout.\"}}", REPLY_UNSURE},
        {530, "{\"x\":{\"errorcode\":530,\"errortext\":\"Operation timed out\"}}", REPLY_UNSURE},
        {401, "{\"x\":{\"errorcode\":401,\"errortext\":\"timed out\"}}", REPLY_UNSURE},
        {504, "<html>gateway</html>", REPLY_UNSURE},
        {200, "garbage", REPLY_UNSURE},
        {200, "{\"another\":{}}", REPLY_UNSURE},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct reply_source from = {cases[i].status, cases[i].body, strlen(cases[i].body), "",
                                          KEY};
        json_t *answer = NULL;
        enum reply_refusal refusal = REPLY_UNSURE;
        struct err e = ERR_INIT;

        assert_int_equal(reply_open(&answer, &from, "y", &refusal, &e), -1);
        if (refusal != cases[i].refusal)
            fail_msg("'%s' (%ld) was taken for a refusal of kind %d", cases[i].body,
                     cases[i].status, (int)refusal);
    }
}

/* ---- lists ---- */

static int volumes_of(const char *inner, struct volume **ret, size_t *ret_count, struct err *e)
{
    json_t *answer = answer_of("listFilesystemResponse", inner);
    int rc;

    *e = ERR_INIT;
    rc = reply_volumes(ret, ret_count, answer, KEY, e);
    json_decref(answer);
    return rc;
}

static void test_empty_lists(void **state)
{
    struct volume *v = NULL;
    size_t count = 99;
    struct err e;

    (void)state;
    assert_int_equal(volumes_of("", &v, &count, &e), 0);
    assert_int_equal(count, 0);
    free(v);
    assert_int_equal(volumes_of("\"count\":0,\"filesystem\":[]", &v, &count, &e), 0);
    assert_int_equal(count, 0);
    free(v);
}

static void test_volume_fields(void **state)
{
    static const char inner[] =
        "\"count\":3 ,\"filesystem\" : [  {\n"
        "  \"id\": \"" UUID "\",\n  \"name\": \"vol01\",\n  \"simpleid\": 41,\n"
        "  \"Tsmid\": \"7c20b9aa-41de-3f58-9b07-d5e61c3a8f24\",\n"
        "  \"numericquota\": 10240.0,\n  \"readonly\": false,\n  \"iops\": \"100\",\n"
        "  \"iqnname\": \"" IQN "\"\n}, {\n"
        "  \"id\": \"" OTHER "\", \"name\": \"nfs1\",\n"
        "  \"numericquota\": \"512\", \"iqnname\": \"\"\n}, {\n"
        "  \"id\": \"1allcloudbyte234a\", \"name\": \"odd\", \"numericquota\": true,\n"
        "  \"iqnname\": 7, \"Tsmid\": null\n} ]";
    struct volume *v = NULL;
    size_t count = 0;
    struct err e;

    (void)state;
    if (volumes_of(inner, &v, &count, &e) < 0)
        fail_msg("%s", e.msg);
    assert_int_equal(count, 3);
    assert_string_equal(v[0].id, UUID);
    assert_string_equal(v[0].name, "vol01");
    assert_string_equal(v[0].iqn, IQN);
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
    struct volume *v = NULL;
    size_t count = 99;
    struct err e;
    int rc = volumes_of(inner, &v, &count, &e);

    answer_refused(rc, &e, ERR_STORAGE, inner, words);
    assert_null(v);
    assert_int_equal(count, 99);
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
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        AUTO_FREE char *inner = xasprintf("\"filesystem\":[{\"id\":\"a\",\"name\":\"x\","
                                          "\"numericquota\":%s}]",
                                          sizes[i]);
        struct volume *v = NULL;
        size_t count = 0;
        struct err e;

        assert_int_equal(volumes_of(inner, &v, &count, &e), 0);
        assert_int_equal(v[0].size_bytes, 0);
        volume_release(&v[0]);
        free(v);
    }
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
    };

    return cmocka_run_group_tests_name("elastistor: answers", tests, NULL, NULL);
}
