/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's options: defaults, errors with file and line, and the example file that users copy.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest-agent/options.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

static char path[] = "/tmp/cbsnap-options.XXXXXX";

static int setup(void **state)
{
    (void)state;
    strcpy(path + strlen(path) - 6, "XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

static int with(const char *text, struct agent_options *o, struct err *e)
{
    AUTO_FCLOSE FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    (void)fflush(f);
    return options_read(o, path, e);
}

static void assert_same(const struct agent_options *a, const struct agent_options *b)
{
    assert_string_equal(a->mysql_socket, b->mysql_socket);
    assert_string_equal(a->mysql_socket_owner, b->mysql_socket_owner);
    assert_string_equal(a->mysql_user, b->mysql_user);
    assert_string_equal(a->mysql_password_file, b->mysql_password_file);
    assert_int_equal(a->connect_timeout_ms, b->connect_timeout_ms);
    assert_int_equal(a->try_ms, b->try_ms);
    assert_int_equal(a->tries, b->tries);
    assert_int_equal(a->victims, b->victims);
    assert_int_equal(a->guard_s, b->guard_s);
    assert_int_equal(a->backoff_ms, b->backoff_ms);
    assert_int_equal(a->lease_run_ms, b->lease_run_ms);
    assert_int_equal(a->lease_hook_ms, b->lease_hook_ms);
    assert_int_equal(a->rcu_expedited, b->rcu_expedited);
    assert_int_equal(a->interval_ms, b->interval_ms);
    assert_int_equal(a->history_s, b->history_s);
    assert_int_equal(a->trx_long_s, b->trx_long_s);
    assert_int_equal(a->statements, b->statements);
    assert_int_equal(a->log_every_ms, b->log_every_ms);
    assert_int_equal(a->cost_percent, b->cost_percent);
    assert_string_equal(a->manifest_dir, b->manifest_dir);
    assert_string_equal(a->mark_table, b->mark_table);
    assert_string_equal(a->asset_file, b->asset_file);
    assert_string_equal(a->verify_unit, b->verify_unit);
    assert_string_equal(a->port, b->port);
    assert_string_equal(a->run_dir, b->run_dir);
}

/* The example, with its options switched on, must say what holds without it. Run from the top. */
static void test_example_is_the_defaults(void **state)
{
    AUTO_FCLOSE FILE *f = fopen("guest-agent/agent.conf.example", "r");
    struct agent_options defaults, example;
    struct buf text = BUF_INIT;
    struct err e = ERR_INIT;
    char line[300];
    int options = 0;

    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        bool option = line[0] == '#' && line[1] >= 'a' && line[1] <= 'z';

        options += option;
        buf_addf(&text, "%s", option ? line + 1 : line);
    }
    assert_int_equal(options, 26);
    assert_int_equal(with("", &defaults, &e), 0);
    if (with(buf_text(&text), &example, &e) < 0)
        fail_msg("%s", e.msg);
    assert_same(&defaults, &example);
    assert_string_equal(defaults.socket, "/run/cbsnap/agent.sock");
    assert_int_equal(defaults.try_ms, 500);
    assert_int_equal(defaults.lease_hook_ms, 60000);
    buf_release(&text);
    options_release(&defaults);
    options_release(&example);
}

static void test_errors_name_file_and_line(void **state)
{
    static const struct {
        const char *text, *words;
    } bad[] = {
        {"[lock]\ntry_ms = soon\n", "line 2"},
        {"[lock]\ntry_ms = 0\n", "10 to 10000"},
        {"[lock]\ntry = 1\n", "no option 'try'"},
        {"[locks]\ntries = 1\n", "no section [locks]"},
        {"[lease]\nrun_ms\n", "line 2"},
        {"[freeze]\nrcu_expedited = perhaps\n", "yes or no"},
        {"[lock]\ntries = 65\n", "1 to 64"},
        {"[agent]\nrun_dir = run\n", "'run_dir = run': write a path that begins with '/'"},
        {"[agent]\nrun_dir =\n", "write a path"},
        {"[agent]\nport = port\n", "write a path"},
        {"[agent]\nsocket = ./s\n", "write a path"},
        {"[manifest]\ndir = instance\n", "write a path"},
        {"[manifest]\ndir =\n", "write a path"},
        {"[mysql]\nsocket = @s\n", "write a path"},
        {"[mysql]\npassword_file = password\n", "write a path"},
        {"[verify]\nasset_file = tag\n", "write a path"},
        {"[lock]\ntries = 1\n[lease]\n[lock]\ntries = 2\n", "line 5: 'tries' is given twice"},
        {"[lock]\n[locks]\n", "line 2: there is no section [locks]"},
        {"[mark]\ntable = mark\n", "schema.table"},
        {"[mark]\ntable = a.b.c\n", "schema.table"},
        {"[mark]\ntable = a.`b`\n", "schema.table"},
        {"[mark]\ntable = .b\n", "schema.table"},
        {"[mark]\ntable = a.b -- c\n", "schema.table"},
    };

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(bad); n++) {
        struct agent_options o;
        struct err e = ERR_INIT;

        assert_int_equal(with(bad[n].text, &o, &e), -1);
        assert_int_equal(e.code, ERR_CONFIG);
        assert_non_null(strstr(e.msg, path));
        if (!strstr(e.msg, bad[n].words))
            fail_msg("wanted '%s' in '%s'", bad[n].words, e.msg);
        options_release(&o);
    }
}

/* A file that was asked for must be there. */
static void test_absent(void **state)
{
    struct agent_options o;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(options_read(&o, "/nonexistent/agent.conf", &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    options_release(&o);
    e = ERR_INIT;
    assert_int_equal(options_read(&o, "/etc", &e), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    options_release(&o);
}

/* None at all: without a port, with a server where it is by default. */
static void test_paths_that_may_be_empty(void **state)
{
    struct agent_options o;
    struct err e = ERR_INIT;

    (void)state;
    if (with("[agent]\nport =\nsocket =\n[mysql]\nsocket =\npassword_file =\n", &o, &e) < 0)
        fail_msg("%s", e.msg);
    assert_string_equal(o.port, "");
    assert_string_equal(o.socket, "/run/cbsnap/agent.sock");
    options_release(&o);
}

/* What a daemon needs to find a predecessor's freeze is there even when the file is broken. */
static void test_broken_file_still_gives_run_dir(void **state)
{
    struct agent_options o;

    (void)state;
    assert_int_equal(with("[agent]\nrun_dir = /tmp/there\n[lock]\ntries = x\n", &o, NULL), -1);
    assert_string_equal(o.run_dir, "/tmp/there");
    assert_string_equal(o.socket, "/tmp/there/agent.sock");
    assert_int_equal(o.try_ms, 500);
    options_release(&o);
}

static void test_statements_are_a_word(void **state)
{
    struct agent_options o;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(with("", &o, &e), 0);
    assert_int_equal(o.statements, STATEMENTS_DIGEST);
    options_release(&o);
    assert_int_equal(with("[sample]\nstatements = off\n", &o, &e), 0);
    assert_int_equal(o.statements, STATEMENTS_OFF);
    options_release(&o);
    assert_int_equal(with("[sample]\nstatements = text\n", &o, &e), 0);
    assert_int_equal(o.statements, STATEMENTS_TEXT);
    options_release(&o);
    assert_int_equal(with("[sample]\nstatements = full\n", &o, &e), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    assert_non_null(strstr(e.msg, "off, digest or text"));
    assert_non_null(strstr(e.msg, "'full'"));
    options_release(&o);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_example_is_the_defaults),         T(test_statements_are_a_word),
        T(test_errors_name_file_and_line),       T(test_absent),
        T(test_broken_file_still_gives_run_dir), T(test_paths_that_may_be_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
