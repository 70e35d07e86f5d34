/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See compat.h. */
#include "proto/base/compat.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proto/base/cleanup.h"

#define NONBLOCK 1u /* GRND_NONBLOCK of linux/random.h, which old headers lack */

static ssize_t ask_kernel(void *to, size_t len)
{
#ifdef SYS_getrandom
    return syscall(SYS_getrandom, to, len, NONBLOCK);
#else
    (void)to;
    (void)len;
    return -1;
#endif
}

int random_fill(void *to, size_t len)
{
    AUTO_CLOSE int fd = -1;

    if (ask_kernel(to, len) == (ssize_t)len)
        return 0;
    fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, to, len) == (ssize_t)len ? 0 : -1;
}

void wipe(void *at, size_t len)
{
    memset(at, 0, len);
    /* the compiler must take it that somebody looks at the memory here */
    __asm__ volatile("" : : "r"(at) : "memory");
}
