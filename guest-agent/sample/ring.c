/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last samples, so that "before" exists when the host first asks; see sample.h. */
#include "guest-agent/sample/sample.h"

#include <stdlib.h>

#include "proto/base/buf.h"

struct sample_ring {
    struct sample **items;
    size_t capacity, first, count;
    size_t bytes, bytes_max;
};

struct sample_ring *sample_ring_new(size_t capacity, size_t bytes_max)
{
    struct sample_ring *r = xcalloc(1, sizeof(*r));

    r->capacity = capacity ? capacity : 1;
    r->bytes_max = bytes_max;
    r->items = xcalloc(r->capacity, sizeof(struct sample *));
    return r;
}

static void drop_oldest(struct sample_ring *r)
{
    struct sample **oldest = &r->items[r->first];

    r->bytes -= sample_bytes(*oldest);
    sample_free(*oldest);
    *oldest = NULL;
    r->first = (r->first + 1) % r->capacity;
    r->count--;
}

void sample_ring_free(struct sample_ring *r)
{
    if (!r)
        return;
    while (r->count > 0)
        drop_oldest(r);
    free(r->items);
    free(r);
}

void sample_ring_add(struct sample_ring *r, struct sample *s)
{
    sample_trim(s);
    if (r->count == r->capacity)
        drop_oldest(r);
    r->items[(r->first + r->count++) % r->capacity] = s;
    r->bytes += sample_bytes(s);
    while (r->count > 1 && r->bytes > r->bytes_max)
        drop_oldest(r);
}

void sample_ring_forget(struct sample_ring *r, int64_t before_us)
{
    while (r->count > 0 && r->items[r->first]->mono_us < before_us)
        drop_oldest(r);
}

size_t sample_ring_count(const struct sample_ring *r)
{
    return r->count;
}

const struct sample *sample_ring_at(const struct sample_ring *r, size_t n)
{
    return n < r->count ? r->items[(r->first + n) % r->capacity] : NULL;
}
