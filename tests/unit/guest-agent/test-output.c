/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What cbsnap-agent was asked for and cannot tell is no success. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest-agent/commands.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

static char program[4096];

static int run(const char *args)
{
    AUTO_FREE char *command = xasprintf("'%s' %s", program, args);
    int status = system(command);

    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void output_that_is_lost_is_told(void **state)
{
    static const char *const lost[] = {"metrics >/dev/full", "metrics --json >/dev/full",
                                       "metrics --markdown >&-", "--version >&-",
                                       "--help >/dev/full"};

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(lost); n++) {
        AUTO_FREE char *args = xasprintf("2>/dev/null %s", lost[n]);
        AUTO_FREE char *told = xasprintf(
            "2>&1 %s | grep -q '^cbsnap-agent: cannot write to standard output: '", lost[n]);

        if (run(args) != EXIT_UNTOLD || run(told) != 0)
            fail_msg("%s: status %d", lost[n], run(args));
    }
}

/* Whatever length: its first part is the one that is lost. */
static void the_reason_is_the_systems(void **state)
{
    (void)state;
    assert_int_equal(run("2>&1 metrics >/dev/full | grep -q 'No space left on device$'"), 0);
    assert_int_equal(run("2>&1 --help >/dev/full | grep -q 'No space left on device$'"), 0);
}

static void a_reader_that_leaves_is_no_failure(void **state)
{
    AUTO_FREE char *line =
        xasprintf("d=$(mktemp -d) || exit 1\n"
                  "{ sleep 0.3; '%s' metrics 2>$d/told; echo $? >$d/status; } | true\n"
                  "grep -qx 0 $d/status && ! grep -q . $d/told; rc=$?; rm -r $d; exit $rc",
                  program);

    (void)state;
    assert_int_equal(system(line), 0);
}

/* As cbsnap-coord does; with --json, wherever it stands, in one document too. */
static void a_wrong_command_line_is_told_with_its_help(void **state)
{
    static const char *const wrong[][2] = {
        {"--bogus", "option '--bogus' is unknown, or takes no value"},
        {"status -x", "there is no option '-x'"},
        {"status -c", "option '-c' needs a value"},
        {"--config", "option '--config' needs a value"},
        {"status now", "one word too many: 'now'"},
        {"hook melt", "hook is followed by freeze or thaw, not 'melt'"},
        {"nonsense", "there is no command 'nonsense'"},
    };

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(wrong); n++) {
        AUTO_FREE char *told =
            xasprintf("%s 2>&1 >/dev/null | grep -qx \"cbsnap-agent: %s; see cbsnap-agent --help\"",
                      wrong[n][0], wrong[n][1]);
        AUTO_FREE char *json = xasprintf("--json %s 2>/dev/null | grep -qx '{\"error\":{\"code\":"
                                         "\"usage\",\"message\":\".*\"},\"exit\":2}'",
                                         wrong[n][0]);
        AUTO_FREE char *quiet = xasprintf("%s >/dev/null 2>&1", wrong[n][0]);

        if (run(told) != 0 || run(quiet) != EXIT_USAGE || run(json) != 0)
            fail_msg("%s", wrong[n][0]);
    }
}

static void json_is_one_document_without_a_daemon(void **state)
{
    static const char *const cases[][2] = {
        {"[agent]\\nrun_dir = /nonexistent\\n",
         "\"not_found\",\"message\":\".*is not running.*\"},\"exit\":3"},
        {"[agent]\\nrun_dir = run\\n", "\"config\",\"message\":\".*line 2: .*\"},\"exit\":2"},
    };

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
        AUTO_FREE char *line = xasprintf(
            "f=$(mktemp) || exit 1; printf '%s' >$f\n"
            "'%s' --config $f status --json 2>/dev/null | grep -qx '{\"error\":{\"code\":%s}'\n"
            "rc=$?; rm $f; exit $rc",
            cases[n][0], program, cases[n][1]);

        if (system(line) != 0)
            fail_msg("%s", line);
    }
    assert_int_equal(
        run("--config /nonexistent status --json 2>/dev/null | grep -q '\"exit\":2}$'"), 0);
}

/* Whoever asks without the right is told so: nothing is wrong with the daemon. */
static void a_socket_that_is_roots_is_called_so(void **state)
{
    char dir[] = "/tmp/cbsnap-output-XXXXXX";
    AUTO_FREE char *path = xasprintf("%s/agent.sock", mkdtemp(dir));
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT, *answer = NULL;
    struct err e = ERR_INIT;
    uid_t self = geteuid();

    (void)state;
    assert_int_equal(chmod(dir, 0), 0);
    assert_int_equal(seteuid(self == 0 ? 65534 : self), 0);
    assert_int_equal(client_call(path, &m, CBSNAP__ENVELOPE__BODY_STATE, 1000, &answer, &e), -1);
    assert_int_equal(seteuid(self), 0);
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(e.code, ERR_AUTH);
    assert_non_null(strstr(e.msg, "agent.sock': Permission denied (run this as root)"));
}

static void what_failed_keeps_its_status(void **state)
{
    (void)state;
    assert_int_equal(run("metrics >/dev/null"), EXIT_OK);
    assert_int_equal(run("nonsense >/dev/full 2>&1"), EXIT_USAGE);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_that_is_lost_is_told),
        cmocka_unit_test(what_failed_keeps_its_status),
        cmocka_unit_test(the_reason_is_the_systems),
        cmocka_unit_test(a_reader_that_leaves_is_no_failure),
        cmocka_unit_test(a_wrong_command_line_is_told_with_its_help),
        cmocka_unit_test(json_is_one_document_without_a_daemon),
        cmocka_unit_test(a_socket_that_is_roots_is_called_so),
    };
    AUTO_FREE char *self = realpath(argv[0], NULL);

    (void)argc;
    /* BUILD/unit/guest-agent/test-output */
    for (int up = 0; up < 3; up++)
        (void)dirname(self);
    (void)snprintf(program, sizeof(program), "%s/cbsnap-agent", self);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
