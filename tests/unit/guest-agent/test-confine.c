/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Giving up rights as any user: each case in a process of its own, for there is no way back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest-agent/confine/confine.h"
#include "proto/base/nodump.h"
#include "tests/slow.h"

/* 0 when `body` returned 0; it says on stderr what it missed. */
static int apart(int (*body)(void))
{
    pid_t pid = fork();
    int status;

    if (pid == 0)
        _exit(body());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int want(int ok, const char *what)
{
    if (!ok)
        fprintf(stderr, "not so: %s (%s)\n", what, strerror(errno));
    return !ok;
}

static int give_up(bool programs)
{
    const struct confine_needs needs = {.programs = programs};
    struct err e = ERR_INIT;
    int rc = confine(&needs, &e);

    /* a machine without a filter is told, and the rest is done */
    return want(confine_filters() ? rc == 0 : rc < 0 && strstr(e.msg, "not filtered"), e.msg);
}

static void *ends(void *arg)
{
    return arg;
}

static int daily_work(void)
{
    pthread_t thread;
    int bad = give_up(false), fd = socket(AF_UNIX, SOCK_STREAM, 0);

    bad |= want(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, "no new privileges");
    bad |= want(fd >= 0, "a socket is made");
    bad |= want(pthread_create(&thread, NULL, ends, NULL) == 0 && pthread_join(thread, NULL) == 0,
                "a thread is made, and ends");
    return bad;
}

static int refusals(void)
{
    int bad = give_up(false);

    if (!confine_filters())
        return bad;
    /* what any user may */
    bad |= want(ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 && errno == EPERM, "ptrace is refused");
    bad |= want(syscall(SYS_io_uring_setup, 1, NULL) < 0 && errno == EPERM, "io_uring is refused");
    if (!under_memcheck())
        bad |=
            want(execlp("true", "true", (char *)NULL) < 0 && errno == EPERM, "execve is refused");
    return bad;
}

static int with_programs(void)
{
    if (give_up(true))
        return 1;
    execlp("true", "true", (char *)NULL);
    return want(0, "a program is run");
}

static int dumps(void)
{
    struct rlimit core;

    no_dumps();
    return want(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0,
                "no core file") |
           want(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0, "not dumpable");
}

static void works(void **state)
{
    (void)state;
    assert_int_equal(apart(daily_work), 0);
}

static void refuses(void **state)
{
    (void)state;
    assert_int_equal(apart(refusals), 0);
}

static void runs_programs(void **state)
{
    (void)state;
    assert_int_equal(apart(with_programs), 0);
}

static void leaves_no_image(void **state)
{
    (void)state;
    assert_int_equal(apart(dumps), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(works),
        cmocka_unit_test(refuses),
        cmocka_unit_test(runs_programs),
        cmocka_unit_test(leaves_no_image),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
