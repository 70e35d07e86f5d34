/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Wall time as text; see clock.h. */
#include "proto/base/clock.h"

#include <stdio.h>

char *clock_iso(int64_t at_wall_us, char buf[32])
{
    time_t sec = (time_t)(at_wall_us / 1000000);
    char head[24];
    struct tm tm;

    gmtime_r(&sec, &tm);
    strftime(head, sizeof(head), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(buf, 32, "%s.%03dZ", head, (int)(at_wall_us / 1000 % 1000));
    return buf;
}
