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
    char *socket, *dir, *ca;
    int tries;
    bool expedite;
    int wait_ms;
    unsigned taken;
    unsigned line, column; /* of the newest value taken */
    char words[64];
};

static int take_word(void *target, const struct conf_option *o, const char *text,
                     struct conf_place *place, struct err *e)
{
    struct target *t = target;
    const char *wrong = strchr(text, '!');

    assert_true(strcmp(o->key, "rule") == 0 || strcmp(o->key, "once") == 0);
    t->line = place->line;
    t->column = place->column;
    if (wrong) {
        place->column += (unsigned)(wrong - text);
        return err_set(e, ERR_CONFIG, "no exclamations");
    }
    t->taken++;
    (void)snprintf(t->words, sizeof(t->words), "%s", text);
    return 0;
}

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
    {.section = "files",
     .key = "dir",
     .type = CONF_PATH,
     .offset = offsetof(struct target, dir),
     .fallback = "/dir",
     .min = 1},
    {.section = "files",
     .key = "ca",
     .type = CONF_PATH,
     .offset = offsetof(struct target, ca),
     .fallback = ""},
    {.section = "policy",
     .key = "wait",
     .type = CONF_DURATION,
     .offset = offsetof(struct target, wait_ms),
     .fallback = "2s",
     .max = 3600000},
    {.section = "policy", .key = "rule", .type = CONF_LIST},
    {.section = "policy", .key = "once", .type = CONF_TAKE, .fallback = "by default"},
};
static const struct conf_spec spec = {
    .options = options, .count = ARRAY_SIZE(options), .take = take_word};

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
    expect_error("[lokc]\ntries = 3\n", "line 1: there is no section [lokc]");
    expect_error("[lock]\n\ntries = many\n", "line 3: 'tries = many': write a whole number");
    expect_error("[lock]\ntries = 65\n", "a number from 1 to 64");
    expect_error("[lock]\ntries = 99999999999999999999\n", "a whole number");
    expect_error("[freeze]\nexpedite = perhaps\n", "write yes or no");
    expect_error("[lock]\ntries = 3\nnonsense\n", "line 3");
    expect_error("[mysql]\nsocket = /a,\n   /b\n", "line 3: 'socket' is given twice, or continued");
    expect_error("[lock]\ntries = 3\ntries = 4\n", "line 3: 'tries' is given twice");
}

static void read_or_fail(const char *text, struct target *t)
{
    struct err e = ERR_INIT;

    *t = (struct target){.tries = 0};
    conf_defaults(&spec, NULL, t);
    write_file(text);
    if (conf_read(&spec, path, t, &e) < 0)
        fail_msg("%s", e.msg);
    conf_release(&spec, NULL, t);
}

static void times_are_written_with_their_unit(void **state)
{
    static const struct {
        const char *text;
        int ms;
    } good[] = {{"0", 0},  {"500ms", 500},  {"5s", 5000},       {"2m", 120000},
                {"0s", 0}, {"1h", 3600000}, {"3600s", 3600000}, {"7000us", 7}};
    static const char *const bad[] = {"5", "s", "5 s", "-5s", "5s5", "5sec", "1.5s", "1d", ""};
    static const char *const beyond[] = {"3601s", "2h", "500us", "7001us"};
    char text[64];
    struct target t;

    (void)state;
    read_or_fail("[policy]\n", &t);
    assert_int_equal(t.wait_ms, 2000);
    for (size_t n = 0; n < ARRAY_SIZE(good); n++) {
        (void)snprintf(text, sizeof(text), "[policy]\nwait = %s\n", good[n].text);
        read_or_fail(text, &t);
        assert_int_equal(t.wait_ms, good[n].ms);
    }
    for (size_t n = 0; n < ARRAY_SIZE(bad); n++) {
        (void)snprintf(text, sizeof(text), "[policy]\nwait = %s\n", bad[n]);
        expect_error(text, "line 2: 'wait = ");
        expect_error(text, "write a time such as 500ms");
    }
    for (size_t n = 0; n < ARRAY_SIZE(beyond); n++) {
        (void)snprintf(text, sizeof(text), "[policy]\nwait = %s\n", beyond[n]);
        expect_error(text, "write a time from 0ms to 3600000ms");
    }
    /* more than 64 bits hold */
    expect_error("[policy]\nwait = 99999999999999999999h\n", "write a time");
    expect_error("[policy]\nwait = 9223372036854775807h\n", "write a time");
}

static void repeated_values_come_with_their_place(void **state)
{
    struct target t;

    (void)state;
    read_or_fail("\n", &t);
    assert_string_equal(t.words, "by default");
    assert_int_equal(t.taken, 1);
    read_or_fail("[policy]\nrule = a > 1\nrule=b\n\n# remark\nrule:  \t c = d ; remark\n", &t);
    assert_int_equal(t.taken, 4);
    assert_string_equal(t.words, "c = d");
    assert_int_equal(t.line, 6);
    assert_int_equal(t.column, 10);
    read_or_fail("\xEF\xBB\xBF[policy]\n  rule = a\n", &t);
    assert_int_equal(t.column, 10);
    expect_error("[policy]\nrule = fine\nrule = not! fine\n", "line 3 column 11: no exclamations");
    expect_error("[policy]\nrule = ! twice\nrule = !\n", "line 2 column 8: no exclamations");
    expect_error("[policy]\nrule = a\n  rule = b\n", "line 3 column");
    expect_error("[policy]\nrule = a\n  b\n", "'rule' is given twice, or continued");
    expect_error("[policy]\nonce = a\nonce = b\n", "'once' is given twice");
}

/* Not only in the line before: of two blocks of one section the later would win. */
static void a_key_is_given_once(void **state)
{
    struct target t;

    (void)state;
    expect_error("[lock]\ntries = 3\n[mysql]\nsocket = /a\n[lock]\ntries = 4\n",
                 "line 6: 'tries' is given twice");
    expect_error("[policy]\nwait = 1s\nonce = a\nwait = 1s\n", "line 4: 'wait' is given twice");
    expect_error("[policy]\nonce = a\nrule = b\nonce = a\n", "line 4 column 8: 'once' is given");
    read_or_fail("[policy]\nrule = a\nonce = b\nrule = c\n[lock]\n[policy]\nwait = 1s\nrule = d\n",
                 &t);
    assert_string_equal(t.words, "d");
}

static void a_section_without_options_is_looked_at(void **state)
{
    struct target t;
    char text[100];

    (void)state;
    read_or_fail("[mysql]\n# socket = /a\n[lock] ; and nothing\n", &t);
    expect_error("[mysql]\n\n[lokc]\n", "line 3: there is no section [lokc]");
    expect_error("\xEF\xBB\xBF  [lokc]\n[lock]\ntries = x\n", "line 1: there is no section [lokc]");
    expect_error("[mysql ; a]\n", "line 1: there is no section [mysql ; a]");
    expect_error("[lock]\n[lock\n[lokc]\n", "line 2: this is neither");
    expect_error("tries = 3\n[lock]\n", "line 1: there is no section []");
    /* inih would cut it, perhaps to the name of another */
    (void)snprintf(text, sizeof(text), "[%070d]\ntries = 3\n", 0);
    expect_error(text, "line 1: there is no section [0000");
}

static void paths_are_absolute(void **state)
{
    struct target t;

    (void)state;
    read_or_fail("[files]\ndir = /a b\nca =\n", &t);
    read_or_fail("[files]\nca = /x\n", &t);
    expect_error("[files]\ndir = a\n", "line 2: 'dir = a': write a path that begins with '/'");
    expect_error("[files]\ndir = ./a\n", "write a path that begins with '/'");
    expect_error("[files]\ndir =\n", "write a path that begins with '/'");
    expect_error("[files]\nca = a\n", "'ca = a': write a path that begins with '/'");
}

/* Its beginning would be taken for all of it, and what is not read counts as not set. */
static void a_file_that_cannot_be_read_is_no_empty_one(void **state)
{
    static const char *const files[] = {"/", "/proc/self/mem"};
    static const char *const words[] = {"Is a directory", "Input/output error"};

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(files); n++) {
        struct target t = {.tries = 0};
        struct err e = ERR_INIT;

        assert_int_equal(conf_read(&spec, files[n], &t, &e), -1);
        assert_int_equal(e.code, ERR_CONFIG);
        assert_int_not_equal(e.sys_errno, 0);
        if (!strstr(e.msg, files[n]) || !strstr(e.msg, words[n]))
            fail_msg("%s", e.msg);
    }
}

static void the_first_mistake_is_told(void **state)
{
    (void)state;
    expect_error("[lock]\nnonsense\ntries = many\n", "line 2: this is neither");
    expect_error("[lock]\ntries = many\nnonsense\n", "line 2: 'tries = many'");
}

/* inih would go on with the rest of it as a line of its own. */
static void a_line_too_long_is_told(void **state)
{
    char text[600];

    (void)state;
    memset(text, 'x', sizeof(text));
    memcpy(text, "[mysql]\nsocket = ", 17);
    (void)snprintf(text + 400, 100, "\n[lock]\ntries = 3\n");
    expect_error(text, "line 2: the line is longer than");
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
    assert_int_equal(conf_check_private(path, 0, &e), 0);
    chmod(path, 0640);
    assert_int_equal(conf_check_private(path, 0, &e), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    assert_non_null(strstr(e.msg, "chmod 600"));
    assert_int_equal(conf_check_private("/tmp", 0, &e), -1);
}

static void secrets_are_ours_or_the_keepers(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    write_file("");
    chmod(path, 0600);
    if (chown(path, 65534, 65534) < 0)
        skip(); /* only root can */
    assert_int_equal(conf_check_private(path, 65534, &e), 0);
    assert_int_equal(conf_check_private(path, 65533, &e), -1);
    assert_non_null(strstr(e.msg, "belongs to user 65534"));
    e = ERR_INIT;
    assert_int_equal(conf_check_private(path, 0, &e), -1);
    assert_non_null(strstr(e.msg, "belongs to user 65534"));
}

static void secrets_that_only_root_may_read_are_told(void **state)
{
    struct err e = ERR_INIT;
    int rc;

    (void)state;
    write_file("");
    chmod(path, 0600);
    if (chown(path, 0, 0) < 0 || seteuid(65534) < 0)
        skip(); /* only root can */
    rc = conf_check_private(path, 0, &e);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(rc, -1);
    assert_int_equal(e.code, ERR_CONFIG);
    assert_non_null(strstr(e.msg, "run chown 65534 on it"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_defaults),
        cmocka_unit_test(mistakes_are_told_with_their_line),
        cmocka_unit_test(times_are_written_with_their_unit),
        cmocka_unit_test(repeated_values_come_with_their_place),
        cmocka_unit_test(a_key_is_given_once),
        cmocka_unit_test(a_section_without_options_is_looked_at),
        cmocka_unit_test(paths_are_absolute),
        cmocka_unit_test(a_file_that_cannot_be_read_is_no_empty_one),
        cmocka_unit_test(the_first_mistake_is_told),
        cmocka_unit_test(a_line_too_long_is_told),
        cmocka_unit_test(a_missing_file_is_not_found),
        cmocka_unit_test(secrets_must_be_private),
        cmocka_unit_test(secrets_are_ours_or_the_keepers),
        cmocka_unit_test(secrets_that_only_root_may_read_are_told),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
