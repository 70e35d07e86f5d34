/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a source may be read again: not before its own interval is over, and never so often that it
 * takes more than its share of the time, whatever interval is asked for. What a reading takes is
 * paid from an account into which the share flows; a single slow one (a login, a busy moment) is
 * covered by what was saved, steady slowness makes readings rarer. Pure: no clock, no thread.
 */
#ifndef CBSNAP_SAMPLE_PACE_H
#define CBSNAP_SAMPLE_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_SAVED_US INT64_C(5000000) /* at most the share of so much time is saved */
#define PACE_REST_US  INT64_C(5000000) /* however slow: then it is tried again */

struct pace {
    int every_ms; /* 0: as often as asked */
    int percent;  /* share of the time; 0: no limit */
    bool begun;
    int64_t last_us;  /* when the last reading was due */
    int64_t as_of_us; /* of the account */
    int64_t account_us;
};

void pace_init(struct pace *p, int every_ms, int percent);
/* May it be read in the round of `due_us`? The rounds' own times count, not when a reading really
 * began: else a late one would shift, and skip, the next. */
bool pace_due(const struct pace *p, int64_t due_us);
/* It was, and took so long. */
void pace_spent(struct pace *p, int64_t due_us, int64_t took_us);

#endif
