/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which metric was meant by a misspelt name. */
#include "host-coordinator/policy/policy_internal.h"

#include <string.h>

#define NAME_MAX_LEN 100

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned two = a < b ? a : b;

    return two < c ? two : c;
}

/*
 * How many characters must be changed, added or left out to make `name` of `known` (Levenshtein),
 * where the '*' of `known` stands for any number of them.
 */
static unsigned distance(const char *known, const char *name)
{
    unsigned row[NAME_MAX_LEN + 1];
    size_t len = strlen(name);

    for (unsigned n = 0; n <= len; n++)
        row[n] = n;
    for (; *known; known++) {
        bool any = *known == '*';
        unsigned corner = row[0];

        row[0] += !any;
        for (size_t n = 1; n <= len; n++) {
            unsigned above = row[n];

            row[n] = any ? least(above, row[n - 1], corner)
                         : least(above + 1, row[n - 1] + 1, corner + (*known != name[n - 1]));
            corner = above;
        }
    }
    return row[len];
}

const char *policy_nearest(const char *name)
{
    const char *best = NULL;
    unsigned smallest = 0;

    if (strlen(name) > NAME_MAX_LEN)
        return NULL;
    for (size_t n = 0; n < metric_row_count; n++) {
        unsigned d = distance(metric_rows[n].name, name);

        /* with half of it wrong it is another name */
        if (d * 2 <= strlen(metric_rows[n].name) && (!best || d < smallest)) {
            best = metric_rows[n].name;
            smallest = d;
        }
    }
    return best;
}
