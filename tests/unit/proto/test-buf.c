/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The growing buffer: whatever was done to it, what it holds is a text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/buf.h"

/* Who reads into it and finds nothing has made room all the same, of memory that was used before.
 */
static void room_alone_is_an_empty_text(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    (void)mallopt(M_PERTURB, 0x55); /* new memory is filled with its complement */
    assert_non_null(buf_reserve(&b, 4096));
    assert_string_equal(buf_text(&b), "");
    assert_int_equal(b.len, 0);
    buf_add(&b, "abc", 3);
    (void)buf_reserve(&b, 100000);
    assert_string_equal(buf_text(&b), "abc");
    buf_release(&b);
    (void)mallopt(M_PERTURB, 0);
}

static void what_a_pipe_has_is_read_to_its_end(void **state)
{
    struct buf b = BUF_INIT;
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "one\ntwo", 7), 7);
    close(fds[1]);
    assert_int_equal(buf_read(&b, fds[0], 100), 0);
    close(fds[0]);
    assert_string_equal(buf_text(&b), "one\ntwo");
    buf_consume(&b, 4);
    buf_addf(&b, " %d", 3);
    assert_string_equal(buf_text(&b), "two 3");
    buf_clear(&b);
    assert_string_equal(buf_text(&b), "");
    buf_release(&b);
    assert_string_equal(buf_text(&b), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(room_alone_is_an_empty_text),
        cmocka_unit_test(what_a_pipe_has_is_read_to_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
