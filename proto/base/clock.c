/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Wall time as text; see clock.h. */
#include "proto/base/clock.h"

#include <stdio.h>

char *clock_iso(int64_t at_wall_us, char buf[32])
{
    /* four digits of a year are what the format has; a peer may send any number */
    int64_t us = at_wall_us < 0 ? 0 : at_wall_us;
    time_t sec = (time_t)(us / 1000000 < 253402300799 ? us / 1000000 : 253402300799);
    char head[24];
    struct tm tm;

    (void)gmtime_r(&sec, &tm);
    (void)strftime(head, sizeof(head), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(buf, 32, "%s.%03dZ", head, (int)(us / 1000 % 1000));
    return buf;
}
