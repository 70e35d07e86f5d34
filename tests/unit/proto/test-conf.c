/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configuration files: what is wrong is told with its line, and nothing is silently ignored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/base/cleanup.h"
#include "proto/conf/conf.h"

struct target {
    char *socket;
    int tries;
    bool expedite;
};

static const struct conf_option options[] = {
    {.section = "mysql",
     .key = "socket",
     .type = CONF_STRING,
     .offset = offsetof(struct target, socket),
     .fallback = "/default"},
    {.section = "lock",
     .key = "tries",
     .type = CONF_INT,
     .offset = offsetof(struct target, tries),
     .fallback = "10",
     .min = 1,
     .max = 64},
    {.section = "freeze",
     .key = "expedite",
     .type = CONF_BOOL,
     .offset = offsetof(struct target, expedite),
     .fallback = "yes"},
};
static const struct conf_spec spec = {.options = options, .count = ARRAY_SIZE(options)};

static char path[] = "/tmp/cbsnap-conf-XXXXXX";

static int setup(void **state)
{
    (void)state;
    close(mkstemp(path));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

static void write_file(const char *text)
{
    AUTO_FCLOSE FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
}

static void values_and_defaults(void **state)
{
    struct target t = {.tries = 0};
    struct err e = ERR_INIT;

    (void)state;
    conf_defaults(&spec, NULL, &t);
    write_file("# remark\n[mysql]\nsocket = /run/x.sock\n[freeze]\nexpedite = off\n");
    assert_int_equal(conf_read(&spec, path, &t, &e), 0);
    assert_string_equal(t.socket, "/run/x.sock");
    assert_int_equal(t.tries, 10);
    assert_false(t.expedite);
    conf_release(&spec, NULL, &t);
}

static void expect_error(const char *text, const char *words)
{
    struct target t = {.tries = 0};
    struct err e = ERR_INIT;

    conf_defaults(&spec, NULL, &t);
    write_file(text);
    assert_int_equal(conf_read(&spec, path, &t, &e), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    if (!strstr(e.msg, words))
        fail_msg("'%s' is not in '%s'", words, e.msg);
    assert_non_null(strstr(e.msg, path));
    conf_release(&spec, NULL, &t);
}

static void mistakes_are_told_with_their_line(void **state)
{
    (void)state;
    expect_error("[lock]\ntires = 3\n", "line 2: section [lock] has no option 'tires'");
    expect_error("[lokc]\ntries = 3\n", "line 2: there is no section [lokc]");
    expect_error("[lock]\n\ntries = many\n", "line 3: 'tries = many': write a whole number");
    expect_error("[lock]\ntries = 65\n", "a number from 1 to 64");
    expect_error("[lock]\ntries = 99999999999999999999\n", "a whole number");
    expect_error("[freeze]\nexpedite = perhaps\n", "write yes or no");
    expect_error("[lock]\ntries = 3\nnonsense\n", "line 3");
    expect_error("[mysql]\nsocket = /a,\n   /b\n", "line 3: 'socket' is given twice, or continued");
    expect_error("[lock]\ntries = 3\ntries = 4\n", "line 3: 'tries' is given twice");
}

static void a_missing_file_is_not_found(void **state)
{
    struct target t = {.tries = 0};
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(conf_read(&spec, "/nowhere/x.conf", &t, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void secrets_must_be_private(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    write_file("");
    chmod(path, 0600);
    assert_int_equal(conf_check_private(path, &e), 0);
    chmod(path, 0640);
    assert_int_equal(conf_check_private(path, &e), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    assert_non_null(strstr(e.msg, "chmod 600"));
    assert_int_equal(conf_check_private("/tmp", &e), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_defaults),
        cmocka_unit_test(mistakes_are_told_with_their_line),
        cmocka_unit_test(a_missing_file_is_not_found),
        cmocka_unit_test(secrets_must_be_private),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
