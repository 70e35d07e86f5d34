/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long a server in trouble is left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "guest-agent/mysql/patience.h"
#include "tests/in_range.h"

/* One hour of unanswered questions must not come near the usual 151 connections. */
static void questions_given_up_become_rare(void **state)
{
    unsigned sessions = 0;

    (void)state;
    assert_int_equal(patience_retry_ms(ERR_TIMEOUT, 1), 5000);
    for (int ms = 0; ms < 3600 * 1000; sessions++)
        ms += patience_retry_ms(ERR_TIMEOUT, sessions + 1);
    assert_int_in_range(sessions, 50, 75);
    assert_int_equal(patience_retry_ms(ERR_TIMEOUT, 4000000000U), 60000);
}

static void a_server_that_is_down_is_soon_seen_again(void **state)
{
    (void)state;
    assert_int_equal(patience_retry_ms(ERR_MYSQL, 0), 5000);
    assert_int_equal(patience_retry_ms(ERR_MYSQL, 100), 5000);
}

static void a_refused_account_does_not_fill_the_log(void **state)
{
    (void)state;
    assert_int_equal(patience_retry_ms(ERR_AUTH, 0), 60000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_given_up_become_rare),
        cmocka_unit_test(a_server_that_is_down_is_soon_seen_again),
        cmocka_unit_test(a_refused_account_does_not_fill_the_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
