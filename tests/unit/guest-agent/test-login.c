/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the server's socket is looked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "guest-agent/session/login.h"
#include "proto/base/cleanup.h"

static void test_as_configured(void **state)
{
    struct mysql_login login = {.socket = NULL};

    (void)state;
    assert_true(login_resolve(&login, "/nonexistent/a"));
    assert_string_equal(login.socket, "/nonexistent/a");
    assert_false(login_resolve(&login, "/nonexistent/a"));
    assert_true(login_resolve(&login, "/nonexistent/b"));
}

/* Anybody can make one there: what nobody has named is not used. */
static void test_not_in_a_public_folder(void **state)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "/tmp/mysql.sock"};
    struct mysql_login login = {.socket = NULL};
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        skip(); /* there is one */
    (void)login_resolve(&login, "");
    assert_int_equal(unlink(a.sun_path), 0);
    assert_string_not_equal(login.socket, a.sun_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_configured),
        cmocka_unit_test(test_not_in_a_public_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
