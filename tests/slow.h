/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much slower programs are where somebody watches them; tests/sanitize/run says so. */
#ifndef CBSNAP_TESTS_SLOW_H
#define CBSNAP_TESTS_SLOW_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* $CBSNAP_TEST_SLOW, else 1. The time that a check allows is multiplied by it. */
static inline int64_t slowness(void)
{
    const char *told = getenv("CBSNAP_TEST_SLOW");

    return told && atoi(told) > 0 ? atoi(told) : 1;
}

/* Under valgrind's memcheck, in which a process ends when its execve() fails. */
static inline int under_memcheck(void)
{
    const char *told = getenv("CBSNAP_TEST_UNDER");

    return told && strcmp(told, "memcheck") == 0;
}

#endif
