/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changing one field of a packed message, however deep, so that it still is one; see mutate.h. */
#include <stdbool.h>
#include <string.h>

#include "tests/fuzz/mutate.h"

#define FIELDS_MAX 256
#define DEPTH_MAX  6
#define VARINT_MAX 10

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

struct field {
    size_t begin, value, end; /* its tag (or 0), its value, behind it */
    bool number;              /* else bytes, which may be a message */
    size_t around[DEPTH_MAX]; /* where the lengths of the messages around it stand */
    unsigned depth;
};

struct fields {
    struct field all[FIELDS_MAX];
    size_t count;
};

/* How many bytes it takes; 0: there is none. */
static size_t get_varint(const uint8_t *data, size_t len, uint64_t *ret)
{
    *ret = 0;
    for (size_t n = 0; n < len && n < VARINT_MAX; n++) {
        *ret |= (uint64_t)(data[n] & 127) << (7 * n);
        if (data[n] < 128)
            return n + 1;
    }
    return 0;
}

static size_t put_varint(uint8_t to[VARINT_MAX], uint64_t value)
{
    size_t n = 0;

    for (; value > 127; value >>= 7)
        to[n++] = (uint8_t)(value | 128);
    to[n++] = (uint8_t)value;
    return n;
}

/* All fields between the two places; false, with none added, if that is no message. */
static bool walk(struct fields *f, const uint8_t *data, size_t at, size_t end,
                 const struct field *around)
{
    size_t before = f->count;

    while (at < end && f->count < FIELDS_MAX) {
        struct field *one = &f->all[f->count];
        uint64_t tag, value = 0;
        size_t tag_len = get_varint(data + at, end - at, &tag), len = 0;

        *one = *around;
        one->begin = at;
        one->value = at + tag_len;
        one->number = (tag & 7) == 0;
        if ((tag & 7) == 0 || (tag & 7) == 2)
            len = get_varint(data + one->value, end - one->value, &value);
        else if ((tag & 7) == 1)
            len = 8;
        else if ((tag & 7) == 5)
            len = 4;
        if (tag_len == 0 || tag < 8 || len == 0 || len > end - one->value ||
            ((tag & 7) == 2 && value > end - one->value - len)) {
            f->count = before;
            return false;
        }
        one->end = one->value + len + ((tag & 7) == 2 ? (size_t)value : 0);
        at = one->end;
        f->count++;
        if ((tag & 7) == 2 && around->depth < DEPTH_MAX) {
            struct field inner = *one;
            size_t content = one->value + len;

            inner.around[inner.depth++] = one->value;
            if (content < one->end)
                (void)walk(f, data, content, one->end, &inner);
        }
    }
    return true;
}

/* The lengths around a field that has grown by so much, the innermost first. */
static size_t mend(uint8_t *data, size_t size, size_t max_size, const struct field *f, size_t grown)
{
    for (unsigned n = f->depth; n-- > 0;) {
        uint8_t to[VARINT_MAX];
        uint64_t value;
        size_t len = get_varint(data + f->around[n], size - f->around[n], &value);
        size_t to_len = put_varint(to, value + grown); /* may wrap: it shrinks then */

        size = mutate_replace(data, size, max_size, f->around[n], len, to, to_len);
        grown += to_len - len;
    }
    return size;
}

static uint64_t other_number(uint64_t old, unsigned seed)
{
    static const uint64_t edges[] = {
        0,          1,   2,    3,       INT32_MAX,  UINT32_MAX, INT64_MAX,
        UINT64_MAX, 127, 4096, 1000000, 1000000000, 64,         (uint64_t)INT64_MIN};

    switch (seed % 4) {
    case 0:
        return old + 1;
    case 1:
        return old - 1;
    case 2:
        return old ^ UINT64_C(1) << (seed >> 2 & 63);
    default:
        return edges[(seed >> 2) % (sizeof(edges) / sizeof(*edges))];
    }
}

static size_t put(uint8_t *data, size_t size, size_t max_size, const struct field *f, size_t at,
                  size_t len, const uint8_t *with, size_t with_len)
{
    /* with room for the lengths to grow, so that mend() cannot fail half way */
    if (size + with_len + DEPTH_MAX * VARINT_MAX > max_size)
        return size;
    size = mutate_replace(data, size, max_size, at, len, with, with_len);
    return mend(data, size, max_size, f, with_len - len);
}

size_t mutate_message(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static struct fields f;
    static uint8_t copy[65536];
    struct field top = {.depth = 0};
    const struct field *one, *other;
    size_t len;

    f.count = 0;
    if (!walk(&f, data, 0, size, &top) || f.count == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    one = &f.all[(seed >> 4) % f.count];
    other = &f.all[(seed >> 12) % f.count];
    if (one->number && seed % 4) {
        uint64_t value;

        len = get_varint(data + one->value, one->end - one->value, &value);
        return put(data, size, max_size, one, one->value, len, copy,
                   put_varint(copy, other_number(value, seed >> 8)));
    }
    len = other->end - other->begin;
    if (len > sizeof(copy))
        return size;
    memcpy(copy, data + other->begin, len);
    if (seed % 4 == 0) /* it goes */
        return put(data, size, max_size, one, one->begin, one->end - one->begin, NULL, 0);
    if (seed % 4 == 1) /* another one stands before it */
        return put(data, size, max_size, one, one->begin, 0, copy, len);
    /* or in its place */
    return put(data, size, max_size, one, one->begin, one->end - one->begin, copy, len);
}
