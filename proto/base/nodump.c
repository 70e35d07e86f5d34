/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See nodump.h. */
#include "proto/base/nodump.h"

#include <sys/prctl.h>
#include <sys/resource.h>

void no_dumps(void)
{
    struct rlimit none = {.rlim_cur = 0, .rlim_max = 0};

    /* lowering cannot fail */
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
