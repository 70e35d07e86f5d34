/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Intervals and shares of time; see pace.h. */
#include "guest-agent/sample/pace.h"

void pace_init(struct pace *p, int every_ms, int percent)
{
    *p = (struct pace){.every_ms = every_ms, .percent = percent};
}

static int64_t share(const struct pace *p, int64_t us)
{
    return us * p->percent / 100;
}

static int64_t account_at(const struct pace *p, int64_t now_us)
{
    int64_t full = share(p, PACE_SAVED_US), sum;

    if (!p->begun)
        return full;
    sum = p->account_us + share(p, now_us - p->as_of_us);
    return sum < full ? sum : full;
}

bool pace_due(const struct pace *p, int64_t due_us)
{
    if (!p->begun)
        return true;
    if (due_us - p->last_us < (int64_t)p->every_ms * 1000)
        return false;
    return p->percent == 0 || account_at(p, due_us) >= 0;
}

void pace_spent(struct pace *p, int64_t due_us, int64_t took_us)
{
    int64_t least = -share(p, PACE_REST_US), left = account_at(p, due_us) - took_us;

    p->account_us = left > least ? left : least;
    p->as_of_us = p->last_us = due_us;
    p->begun = true;
}
