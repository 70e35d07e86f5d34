/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last samples, so that "before" exists when the host first asks; see sample.h. */
#include "guest-agent/sample/sample.h"

#include <stdlib.h>

#include "proto/base/buf.h"

struct sample_ring {
    struct sample **items;
    size_t capacity, first, count;
};

struct sample_ring *sample_ring_new(size_t capacity)
{
    struct sample_ring *r = xcalloc(1, sizeof(*r));

    r->capacity = capacity ? capacity : 1;
    r->items = xcalloc(r->capacity, sizeof(struct sample *));
    return r;
}

void sample_ring_free(struct sample_ring *r)
{
    if (!r)
        return;
    for (size_t n = 0; n < r->capacity; n++)
        sample_free(r->items[n]);
    free(r->items);
    free(r);
}

void sample_ring_add(struct sample_ring *r, struct sample *s)
{
    size_t at = (r->first + r->count) % r->capacity;

    if (r->count == r->capacity) {
        sample_free(r->items[at]);
        r->first = (r->first + 1) % r->capacity;
    } else {
        r->count++;
    }
    r->items[at] = s;
}

size_t sample_ring_count(const struct sample_ring *r)
{
    return r->count;
}

const struct sample *sample_ring_at(const struct sample_ring *r, size_t n)
{
    return n < r->count ? r->items[(r->first + n) % r->capacity] : NULL;
}
