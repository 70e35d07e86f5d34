/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The error value: what a message may be made of, and that it stays one line that fits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "proto/base/err.h"

static void a_message_may_hold_the_one_before(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(err_set(&e, ERR_STORAGE, "the appliance does not answer"), -1);
    assert_int_equal(
        err_set(&e, ERR_LOOK, "snapshot '%s' may be left: look for it (%.200s)", "s1", e.msg), -1);
    assert_string_equal(e.msg,
                        "snapshot 's1' may be left: look for it (the appliance does not answer)");
    assert_int_equal(e.code, ERR_LOOK);
    (void)err_set_sys(&e, ERR_IO, ENOENT, "cannot go on (%s)", e.msg);
    assert_string_equal(e.msg, "cannot go on (snapshot 's1' may be left: look for it (the "
                               "appliance does not answer)): No such file or directory");
    assert_int_equal(e.sys_errno, ENOENT);
}

static void what_comes_around_it_and_behind_it(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    (void)err_set(&e, ERR_TIMEOUT, "no answer in 5 ms");
    (void)err_prefix(&e, "disk '%s'", "vda");
    (void)err_hint(&e, "after: %s", e.msg);
    assert_string_equal(e.msg,
                        "disk 'vda': no answer in 5 ms (after: disk 'vda': no answer in 5 ms)");
    assert_int_equal(e.code, ERR_TIMEOUT);
}

static void it_is_one_line_and_fits(void **state)
{
    struct err e = ERR_INIT;
    char word[2 * ERR_TEXT];

    (void)state;
    memset(word, 'x', sizeof(word));
    word[sizeof(word) - 1] = '\0';
    (void)err_set(&e, ERR_PROTOCOL, "a\nb\033[2J\xC2\x9B %s", word);
    assert_int_equal(strlen(e.msg), ERR_TEXT - 1);
    assert_memory_equal(e.msg, "a?b?[2J?? xxx", 13);
    (void)err_prefix(&e, "%s", word);
    (void)err_hint(&e, "%s", word);
    (void)err_set_sys(&e, ERR_IO, EIO, "%s", word);
    assert_int_equal(strlen(e.msg), ERR_TEXT - 1);
}

static void nobody_need_ask_why(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, ERR_IO, "x"), -1);
    assert_int_equal(err_set_sys(NULL, ERR_IO, EIO, "x"), -1);
    assert_int_equal(err_prefix(NULL, "x"), -1);
    assert_int_equal(err_hint(NULL, "x"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_may_hold_the_one_before),
        cmocka_unit_test(what_comes_around_it_and_behind_it),
        cmocka_unit_test(it_is_one_line_and_fits),
        cmocka_unit_test(nobody_need_ask_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
