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
#include <sys/wait.h>

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
    };
    AUTO_FREE char *self = realpath(argv[0], NULL);

    (void)argc;
    /* BUILD/unit/guest-agent/test-output */
    for (int up = 0; up < 3; up++)
        (void)dirname(self);
    (void)snprintf(program, sizeof(program), "%s/cbsnap-agent", self);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
