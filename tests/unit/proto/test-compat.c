/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random bytes where the kernel has getrandom() and where it does not; zeros that are there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/cleanup.h"
#include "proto/base/compat.h"

/* All of them are written, and differ from one call to the next. */
static int fills(void)
{
    unsigned char seen[64] = {0}, before[64] = {0};
    size_t left = sizeof(seen);

    for (int round = 0; round < 64; round++) {
        unsigned char now[66] = {0};

        if (random_fill(now + 1, 64) < 0 || memcmp(now + 1, before, 64) == 0)
            return -1;
        if (now[0] || now[65])
            return -1;
        memcpy(before, now + 1, 64);
        for (int n = 0; n < 64; n++) {
            left -= !seen[n] && now[n + 1];
            seen[n] |= now[n + 1];
        }
    }
    return left == 0 ? 0 : -1;
}

static void random_bytes_fill_what_was_asked(void **state)
{
    (void)state;
    assert_int_equal(fills(), 0);
}

/* The kernel of Enterprise Linux 7, by a filter that answers as it does. */
static void random_bytes_come_without_getrandom(void **state)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {.len = ARRAY_SIZE(code), .filter = code};
    int status;
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        char byte;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0 ||
            syscall(SYS_getrandom, &byte, 1, 0) != -1 || errno != ENOSYS)
            _exit(2);
        _exit(fills() == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void wiped_memory_is_zero(void **state)
{
    unsigned char text[16];

    (void)state;
    memset(text, 'x', sizeof(text));
    wipe(text + 1, 14);
    assert_int_equal(text[0], 'x');
    assert_int_equal(text[15], 'x');
    for (int n = 1; n < 15; n++)
        assert_int_equal(text[n], 0);
    wipe(text, 0);
    assert_int_equal(text[0], 'x');
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_bytes_fill_what_was_asked),
                                       cmocka_unit_test(random_bytes_come_without_getrandom),
                                       cmocka_unit_test(wiped_memory_is_zero)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
