/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What sources share when they turn counters into rates. */
#ifndef CBSNAP_SAMPLE_RATE_H
#define CBSNAP_SAMPLE_RATE_H

#include <stdint.h>

/* Seconds between two readings; 0 where there is no earlier one, so that no rate is made. */
static inline double seconds_between(int64_t before_us, int64_t now_us)
{
    return before_us > 0 && now_us > before_us ? (double)(now_us - before_us) / 1e6 : 0;
}

#endif
