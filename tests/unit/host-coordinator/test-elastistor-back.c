/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ElastiStor driver's readers of answers about going back, without a network. */
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

#define ACME "5a1c7e02-9d3b-4f6a-8c11-2e7f90a4b3d1"

static char id[] = UUID, name[] = "vol01", iqn[] = IQN, none[] = "";
static const struct volume parent = {
    .id = id, .name = name, .iqn = iqn, .serial = none, .group = none};

/* ---- clones --------------------------------------------------------------------------------- */

static int cloned_from(const char *inner, struct volume *ret, char **ret_account, struct err *e)
{
    json_t *answer = answer_of("x", inner);
    int rc;

    *e = ERR_INIT;
    rc = reply_cloned(ret, ret_account, answer, &parent, "c1", KEY, e);
    json_decref(answer);
    return rc;
}

static void test_a_clone_is_read(void **state)
{
    struct volume v = {.id = NULL};
    char *account = NULL;
    struct err e;

    (void)state;
    assert_int_equal(cloned_from("\"filesystem\":{\"id\":\"" OTHER "\",\"name\":\"c1\","
                                 "\"accountid\":\"" ACME "\",\"numericquota\":10240.0,"
                                 "\"currentAvailableSpace\":512,"
                                 "\"iqnname\":\"iqn.2016-05.acme.vsm1:acmec1\"}",
                                 &v, &account, &e),
                     0);
    assert_string_equal(v.id, OTHER);
    assert_string_equal(v.name, "c1");
    assert_string_equal(v.iqn, "iqn.2016-05.acme.vsm1:acmec1");
    assert_string_equal(v.serial, "c7f20a9538d13b6e8c40e95b1d72f603");
    assert_int_equal(v.free_bytes, INT64_C(512) << 20);
    assert_string_equal(account, ACME);
    free(account);
    volume_release(&v);
    /* builds that tell less */
    assert_int_equal(
        cloned_from("\"filesystem\":{\"id\":\"" OTHER "\",\"name\":\"c1\"}", &v, &account, &e), 0);
    assert_int_equal(v.free_bytes, -1);
    assert_null(account);
    volume_release(&v);
}

static void test_what_is_not_the_clone_asked_for(void **state)
{
    static const struct {
        const char *inner, *words;
    } cases[] = {
        {"", "without telling of a clone"},
        {"\"filesystem\":[]", "without telling of a clone"},
        {"\"filesystem\":[{\"id\":\"" OTHER "\",\"name\":\"c1\"}]", "without telling"},
        {"\"filesystem\":{}", "'name'"},
        {"\"filesystem\":{\"name\":\"c1\"}", "'id'"},
        {"\"filesystem\":{\"id\":\"" OTHER "\",\"name\":\"c2\"}", "'c2' when asked for clone 'c1'"},
        {"\"filesystem\":{\"id\":\"" UUID "\",\"name\":\"c1\"}", "the volume itself"},
        {"\"filesystem\":{\"id\":\"" OTHER "\",\"name\":\"c1\",\"iqnname\":\"" IQN "\"}",
         "the volume itself"},
        {"\"filesystem\":{\"id\":\"" OTHER "\",\"name\":\"c1\",\"iqnname\":\"IQN.2016-05.acme.vsm1:"
         "acmevol01\"}",
         "the volume itself"},
        {"\"filesystem\":{\"id\":\"" OTHER "\",\"name\":\"c1\",\"iqnname\":\"" KEY "\"}",
         "impossible 'iqnname'"},
        {"\"filesystem\":{\"id\":\"" OTHER "\",\"name\":\"c1\",\"accountid\":\"" KEY "\"}",
         "impossible 'accountid'"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct volume v = {.id = NULL};
        char *account = NULL;
        struct err e;
        int rc = cloned_from(cases[i].inner, &v, &account, &e);

        answer_refused(rc, &e, ERR_STORAGE, cases[i].inner, cases[i].words);
        assert_null(v.id);
        assert_null(account);
    }
}

static void test_free_space_that_cannot_be(void **state)
{
    static const struct {
        const char *value;
        int64_t bytes;
    } cases[] = {{"10240", INT64_C(10) << 30},
                 {"0", 0},
                 {"\"3\"", 3145728},
                 {"-1", -1},
                 {"1e300", -1},
                 {"9e12", -1},
                 {"\"nan\"", -1},
                 {"\"10G\"", -1},
                 {"null", -1},
                 {"true", -1},
                 {"{}", -1}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *inner = xasprintf("\"filesystem\":[{\"id\":\"a\",\"name\":\"x\","
                                "\"currentAvailableSpace\":%s}]",
                                cases[i].value);
        json_t *answer = answer_of("x", inner);
        struct volume *v = NULL;
        struct err e = ERR_INIT;
        size_t count = 0;

        assert_int_equal(reply_volumes(&v, &count, answer, KEY, &e), 0);
        assert_int_equal(v[0].free_bytes, cases[i].bytes);
        volume_release(&v[0]);
        free(v);
        json_decref(answer);
        free(inner);
    }
}

/* ---- access --------------------------------------------------------------------------------- */

static void test_the_account_of_a_volume(void **state)
{
    static const struct {
        const char *inner;
        enum err_code code;
        const char *words;
    } cases[] = {
        {"", ERR_NOT_FOUND, "no volume of id"},
        {"\"filesystem\":[{\"id\":\"" OTHER "\",\"name\":\"vol01\"}]", ERR_NOT_FOUND, UUID},
        {"\"count\":2,\"filesystem\":[{\"id\":\"" OTHER "\"}]", ERR_STORAGE, "announced 2"},
        {"\"filesystem\":[{}]", ERR_STORAGE, "without a usable 'id'"},
        {"\"filesystem\":[{\"id\":7}]", ERR_STORAGE, "without a usable 'id'"},
        {"\"filesystem\":[{\"id\":\"" UUID "\",\"name\":\"vol01\"}]", ERR_STORAGE, "'accountid'"},
        {"\"filesystem\":[{\"id\":\"" UUID "\",\"name\":\"vol02\",\"accountid\":\"" ACME "\"}]",
         ERR_STORAGE, "called 'vol02'"},
        {"\"filesystem\":[{\"id\":\"" UUID "\",\"name\":\"vol01\",\"accountid\":\"a b\"}]",
         ERR_STORAGE, "'accountid'"},
        {"\"filesystem\":[{\"id\":\"" OTHER "\"},{\"id\":\"" UUID
         "\",\"name\":\"vol01\",\"accountid\":\"" ACME "\"}]",
         ERR_NONE, ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        json_t *answer = answer_of("x", cases[i].inner);
        struct err e = ERR_INIT;
        char *account = NULL;
        int rc = reply_account(&account, answer, &parent, KEY, &e);

        if (e.code != cases[i].code || !strstr(e.msg, cases[i].words))
            fail_msg("'%s' gave code %d and \"%s\"", cases[i].inner, e.code, e.msg);
        if (rc == 0)
            assert_string_equal(account, ACME);
        else
            assert_null(account);
        free(account);
        json_decref(answer);
    }
}

static int groups_of(const char *inner, const char *wanted, char **ret_nobody, bool *ret_listed,
                     struct err *e)
{
    json_t *answer = answer_of("x", inner);
    int rc;

    *e = ERR_INIT;
    rc = reply_groups(ret_nobody, ret_listed, answer, wanted, KEY, e);
    json_decref(answer);
    return rc;
}

static void test_who_is_nobody(void **state)
{
    static const char groups[] =
        "\"count\":3,\"initiator\":["
        "{\"id\":\"1allcloudbyte234a\",\"name\":\"ALL\",\"initiatorgroup\":\"ALL\"},"
        "{\"id\":\"trap\",\"name\":\"None\",\"initiatorgroup\":\"iqn.1993-08.org.debian:01\"},"
        "{\"id\":\"1nonecloudbyte234a\",\"name\":\"None\",\"initiatorgroup\":\"None\"}]";
    char *nobody = NULL;
    bool listed = false;
    struct err e;

    (void)state;
    assert_int_equal(groups_of(groups, "1allcloudbyte234a", &nobody, &listed, &e), 0);
    assert_string_equal(nobody, "1nonecloudbyte234a");
    assert_true(listed);
    free(nobody);
    assert_int_equal(groups_of(groups, "1allcloud", &nobody, &listed, &e), 0);
    assert_false(listed);
    free(nobody);
    assert_int_equal(groups_of(groups, NULL, &nobody, &listed, &e), 0);
    assert_false(listed);
    free(nobody);
    /* a build that tells the name alone */
    assert_int_equal(
        groups_of("\"initiator\":[{\"id\":\"n\",\"name\":\"None\"}]", "n", &nobody, &listed, &e),
        0);
    assert_string_equal(nobody, "n");
    free(nobody);
}

static void test_groups_that_cannot_be(void **state)
{
    static const struct {
        const char *inner, *words;
    } cases[] = {
        {"", "no initiator group 'None'"},
        {"\"initiator\":[{\"id\":\"a\",\"name\":\"ALL\",\"initiatorgroup\":\"ALL\"}]",
         "no initiator group 'None'"},
        {"\"initiator\":[{\"id\":\"a\",\"name\":\"None\",\"initiatorgroup\":\"iqn.x\"}]",
         "no initiator group 'None'"},
        {"\"initiator\":[{\"name\":\"None\",\"initiatorgroup\":\"None\"}]", "usable 'id'"},
        {"\"initiator\":[{\"id\":\"a&b\",\"initiatorgroup\":\"None\"}]", "usable 'id'"},
        {"\"initiator\":[{\"id\":\"" KEY "\",\"initiatorgroup\":\"None\"}]", "impossible 'id'"},
        {"\"count\":2,\"initiator\":[{\"id\":\"a\",\"initiatorgroup\":\"None\"}]", "announced 2"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *nobody = NULL;
        bool listed = false;
        struct err e;
        int rc = groups_of(cases[i].inner, "a", &nobody, &listed, &e);

        answer_refused(rc, &e, ERR_STORAGE, cases[i].inner, cases[i].words);
        assert_null(nobody);
    }
}

#define SERVICE(of, more) "{\"id\":\"s1\",\"volume_id\":\"" of "\"" more "}"

static void test_the_service_of_a_volume(void **state)
{
    static const struct {
        const char *inner, *words; /* NULL: good */
    } cases[] = {
        {"\"iSCSIService\":[{\"id\":\"s0\",\"volume_id\":\"" OTHER
         "\"}," SERVICE(UUID, ",\"ig_id\":\"g1\"") "]",
         NULL},
        {"", "no iSCSI service"},
        {"\"iSCSIService\":[" SERVICE(OTHER, ",\"ig_id\":\"g1\"") "]", "no iSCSI service"},
        {"\"iSCSIService\":[{\"id\":\"s1\",\"ig_id\":\"g1\"}]", "no iSCSI service"},
        {"\"iSCSIService\":[" SERVICE(UUID, "") "]", "usable 'ig_id'"},
        {"\"iSCSIService\":[" SERVICE(UUID, ",\"ig_id\":\"\"") "]", "usable 'ig_id'"},
        {"\"iSCSIService\":[" SERVICE(UUID, ",\"ig_id\":7") "]", "usable 'ig_id'"},
        {"\"iSCSIService\":[{\"volume_id\":\"" UUID "\",\"ig_id\":\"g1\"}]", "usable 'id'"},
        {"\"iSCSIService\":[" SERVICE(UUID, ",\"ig_id\":\"g1\"") "," SERVICE(
             UUID, ",\"ig_id\":\"g2\"") "]",
         "two iSCSI services"},
        {"\"iSCSIService\":{}", "no list"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        json_t *answer = answer_of("x", cases[i].inner);
        struct reply_service s = {.id = NULL};
        struct err e = ERR_INIT;
        int rc = reply_service(&s, answer, UUID, KEY, &e);

        json_decref(answer);
        if (cases[i].words) {
            answer_refused(rc, &e, ERR_STORAGE, cases[i].inner, cases[i].words);
            assert_true(!s.id && !s.group);
            continue;
        }
        assert_int_equal(rc, 0);
        assert_string_equal(s.id, "s1");
        assert_string_equal(s.group, "g1");
        free(s.id);
        free(s.group);
    }
}

/* ---- jobs ----------------------------------------------------------------------------------- */

static void test_a_job_has_an_id(void **state)
{
    static const char *const bad[] = {"", "\"jobid\":7", "\"jobid\":\"\"", "\"jobid\":\"a/b\"",
                                      "\"jobid\":\"" KEY "\""};
    json_t *answer = answer_of("x", "\"jobid\":\"j1\"");
    struct err e = ERR_INIT;
    char *job = NULL;

    (void)state;
    assert_int_equal(reply_job_begun(&job, answer, KEY, &e), 0);
    assert_string_equal(job, "j1");
    free(job);
    json_decref(answer);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        job = NULL;
        answer = answer_of("x", bad[i]);
        e = ERR_INIT;
        answer_refused(reply_job_begun(&job, answer, KEY, &e), &e, ERR_STORAGE, bad[i], "'jobid'");
        assert_null(job);
        json_decref(answer);
    }
}

static void test_what_becomes_of_jobs(void **state)
{
    static const struct {
        const char *inner;
        int state;
        bool unsure;
        const char *words;
    } cases[] = {
        {"\"jobid\":\"j1\",\"jobstatus\":0,\"msg\":\"1\"", REPLY_JOB_RUNNING, true, ""},
        {"\"jobstatus\":\"0\"", REPLY_JOB_RUNNING, true, ""},
        {"\"jobid\":\"j1\",\"jobstatus\":1,\"jobresult\":{\"success\":true}", REPLY_JOB_DONE, true,
         ""},
        {"\"jobstatus\":1,\"jobresult\":{}", REPLY_JOB_DONE, true, ""},
        {"\"jobstatus\":1", REPLY_JOB_DONE, true, ""},
        {"\"jobstatus\":2,\"jobresult\":{\"success\":false,\"errorcode\":530,"
         "\"errortext\":\"it has " KEY "\\u001b clones\"}",
         REPLY_JOB_FAILED, false, "the job failed with code 530: it has ***? clones"},
        {"\"jobstatus\":2,\"jobresult\":{\"errortext\":\"Operation timed out\"}", REPLY_JOB_FAILED,
         true, "timed out"},
        {"\"jobstatus\":2", REPLY_JOB_FAILED, false, "no reason"},
        {"\"jobstatus\":2,\"jobresult\":[]", REPLY_JOB_FAILED, false, "no reason"},
        {"\"jobstatus\":1,\"jobresult\":{\"success\":false,\"errorcode\":\"431\"}",
         REPLY_JOB_FAILED, false, "code 431"},
        {"", REPLY_JOB_UNKNOWN, true, "'jobstatus'"},
        {"\"jobstatus\":3", REPLY_JOB_UNKNOWN, true, "'jobstatus'"},
        {"\"jobstatus\":0.5", REPLY_JOB_UNKNOWN, true, "'jobstatus'"},
        {"\"jobstatus\":true", REPLY_JOB_UNKNOWN, true, "'jobstatus'"},
        {"\"jobstatus\":\"done\"", REPLY_JOB_UNKNOWN, true, "'jobstatus'"},
        {"\"jobid\":\"j2\",\"jobstatus\":1", REPLY_JOB_UNKNOWN, true, "about job 'j2'"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        json_t *answer = answer_of("x", cases[i].inner);
        struct err e = ERR_INIT;
        struct reply_job job;
        int rc = reply_job(&job, answer, "j1", KEY, &e);

        json_decref(answer);
        if (job.state != (unsigned)cases[i].state || job.unsure != cases[i].unsure)
            fail_msg("'%s' gave state %d", cases[i].inner, (int)job.state);
        assert_int_equal(rc,
                         job.state == REPLY_JOB_RUNNING || job.state == REPLY_JOB_DONE ? 0 : -1);
        if (rc < 0)
            answer_refused(rc, &e, ERR_STORAGE, cases[i].inner, cases[i].words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_clone_is_read),
        cmocka_unit_test(test_what_is_not_the_clone_asked_for),
        cmocka_unit_test(test_free_space_that_cannot_be),
        cmocka_unit_test(test_the_account_of_a_volume),
        cmocka_unit_test(test_who_is_nobody),
        cmocka_unit_test(test_groups_that_cannot_be),
        cmocka_unit_test(test_the_service_of_a_volume),
        cmocka_unit_test(test_a_job_has_an_id),
        cmocka_unit_test(test_what_becomes_of_jobs),
    };

    return cmocka_run_group_tests_name("elastistor: going back", tests, NULL, NULL);
}
