/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ElastiStor driver without a network: redaction of its key, URLs, configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "host-coordinator/storage/http.h"
#include "host-coordinator/storage/query.h"
#include "host-coordinator/storage/secret.h"
#include "host-coordinator/storage/storage.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/unit/host-coordinator/elastistor_answer.h"

#define PIN "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

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
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
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
        cmocka_unit_test(test_redaction),          cmocka_unit_test(test_leaks_in_names),
        cmocka_unit_test(test_urls_are_built),     cmocka_unit_test(test_fingerprints),
        cmocka_unit_test(test_addresses),          cmocka_unit_test(test_configuration_is_checked),
        cmocka_unit_test(test_refused_connection),
    };

    return cmocka_run_group_tests_name("elastistor: setup", tests, NULL, NULL);
}
