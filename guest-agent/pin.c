/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See pin.h. Source: mlock(2), proc(5) on /proc/PID/maps. */
#include "guest-agent/pin.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "proto/base/cleanup.h"
#include "proto/base/log.h"

bool pin_raise_limit(void)
{
    struct rlimit all = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY}, now;

    return setrlimit(RLIMIT_MEMLOCK, &all) == 0 ||
           (getrlimit(RLIMIT_MEMLOCK, &now) == 0 && now.rlim_cur == RLIM_INFINITY);
}

static bool is_left_out(const char *path)
{
    static const char *const heads[] = {"libcrypto",  "libssl",  "libgnutls",   "libnettle",
                                        "libhogweed", "libgmp",  "libp11-kit",  "libzstd",
                                        "libz.",      "libidn2", "libunistring"};
    const char *name = strrchr(path, '/');

    if (!name)
        return strcmp(path, "[vvar]") == 0 || strcmp(path, "[vdso]") == 0 ||
               strcmp(path, "[vsyscall]") == 0; /* the kernel's own */
    for (size_t n = 0; n < ARRAY_SIZE(heads); n++) {
        if (strncmp(name + 1, heads[n], strlen(heads[n])) == 0)
            return true;
    }
    return false;
}

/* A mapping that another thread has given back since it was listed is no failure. */
static int pin_line(const char *line, bool unlimited)
{
    unsigned long from, to;
    char rights[8], path[256] = "";

    if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &from, &to, rights, path) < 3 ||
        rights[0] != 'r' || is_left_out(path))
        return 0;
    return mlock((const void *)from, to - from) == 0 || (unlimited && errno == ENOMEM) ? 0 : -1;
}

void pin_memory(void)
{
    AUTO_FCLOSE FILE *maps = fopen("/proc/self/maps", "re");
    bool unlimited = pin_raise_limit();
    char line[512];
    /* With a finite limit MCL_FUTURE would make later allocations fail.
     * First what is to come, so that nothing that comes while we read is missed */
    int rc = maps && unlimited ? mlockall(MCL_FUTURE) : maps ? 0 : -1, why = errno;

    while (rc == 0 && fgets(line, sizeof(line), maps)) {
        rc = pin_line(line, unlimited);
        why = errno;
    }
    if (rc < 0)
        log_warn("cannot lock memory (%s): run as root or raise LimitMEMLOCK", strerror(why));
}
