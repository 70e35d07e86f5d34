/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changing inputs that are records (fuzz.h) without tearing them apart: libFuzzer's own changes
 * would make a length wrong more often than not, and all that follows it something else. Where the
 * records are messages, their fields are changed likewise (mutate_message.c). Only linked with
 * libFuzzer, and only into targets of such inputs.
 */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"

#define RECORDS_MAX 256

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

struct parts {
    size_t at[RECORDS_MAX], len[RECORDS_MAX]; /* with their two bytes of length */
    size_t count, head;                       /* bytes before the first */
};

static struct parts split(const uint8_t *data, size_t size)
{
    struct parts p = {.head = fuzz_head_bytes < size ? fuzz_head_bytes : size};
    struct fuzz_input in = {data + p.head, size - p.head}, one;

    while (p.count < RECORDS_MAX && fuzz_record(&in, &one)) {
        p.at[p.count] = (size_t)(one.data - data) - 2;
        p.len[p.count++] = one.len + 2;
    }
    return p;
}

static void put_length(uint8_t *at, size_t len)
{
    at[0] = (uint8_t)len;
    at[1] = (uint8_t)(len >> 8);
}

size_t mutate_replace(uint8_t *data, size_t size, size_t max_size, size_t at, size_t len,
                      const uint8_t *with, size_t with_len)
{
    if (size - len + with_len > max_size)
        return size;
    memmove(data + at + with_len, data + at + len, size - at - len);
    if (with_len > 0)
        memcpy(data + at, with, with_len);
    return size - len + with_len;
}

/* By libFuzzer, or, of a message, one of its fields. */
static size_t change(uint8_t *data, size_t len, size_t room, unsigned seed)
{
    size_t head = fuzz_message_at;

    if (head != FUZZ_NO_MESSAGES && len > head && seed % 2)
        return head + mutate_message(data + head, len - head, room - head, seed >> 1);
    return LLVMFuzzerMutate(data, len, room);
}

static size_t change_one(uint8_t *data, size_t size, size_t max_size, const struct parts *p,
                         size_t n, unsigned seed)
{
    size_t room = p->len[n] * 2 + 64, len;
    uint8_t *copy;

    if (room > 65535)
        room = 65535;
    copy = malloc(room + 2);
    if (!copy || p->len[n] - 2 > room) {
        free(copy);
        return size;
    }
    memcpy(copy + 2, data + p->at[n] + 2, p->len[n] - 2);
    len = change(copy + 2, p->len[n] - 2, room, seed);
    put_length(copy, len);
    size = mutate_replace(data, size, max_size, p->at[n], p->len[n], copy, len + 2);
    free(copy);
    return size;
}

static size_t copy_one(uint8_t *data, size_t size, size_t max_size, const struct parts *p,
                       size_t from, size_t to)
{
    uint8_t *copy = malloc(p->len[from]);

    if (!copy)
        return size;
    memcpy(copy, data + p->at[from], p->len[from]);
    size = mutate_replace(data, size, max_size, p->at[to], 0, copy, p->len[from]);
    free(copy);
    return size;
}

/* An empty one, or one of a single small byte: what many targets take for an act of its own. */
static size_t insert_one(uint8_t *data, size_t size, size_t max_size, size_t at, unsigned seed)
{
    uint8_t record[3] = {(uint8_t)(seed & 1), 0, (uint8_t)(seed >> 1 & 31)};

    return mutate_replace(data, size, max_size, at, 0, record, 2 + (size_t)record[0]);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    struct parts p = split(data, size);
    size_t a, b;

    if (p.count == 0 || seed % 16 == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    a = (seed >> 4) % p.count;
    b = (seed >> 12) % p.count;
    switch (seed % 16) {
    case 1: /* one goes */
        return mutate_replace(data, size, max_size, p.at[a], p.len[a], NULL, 0);
    case 2: /* one comes twice */
        return copy_one(data, size, max_size, &p, a, a);
    case 3: /* one comes elsewhere too */
        return copy_one(data, size, max_size, &p, a, b);
    case 4:
        return insert_one(data, size, max_size, p.at[a], seed >> 16);
    default:
        return change_one(data, size, max_size, &p, a, seed >> 8);
    }
}
