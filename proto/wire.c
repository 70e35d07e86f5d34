/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames: CRC-32C, writing, and a reader that finds its place again; see wire.h. */
#include "proto/wire.h"

#include <pthread.h>
#include <string.h>

static const uint8_t magic[4] = {0xCB, 'S', 'N', 0x01};

static uint32_t crc_table[256];

/* CRC-32C, bit-reflected, a table of 256: fast enough for some kilobytes a second. */
static uint32_t crc_entry(uint32_t n)
{
    for (int bit = 0; bit < 8; bit++)
        n = n & 1 ? (n >> 1) ^ 0x82F63B78u : n >> 1;
    return n;
}

static void make_crc_table(void)
{
    for (uint32_t n = 0; n < 256; n++)
        crc_table[n] = crc_entry(n);
}

uint32_t wire_crc32c(const void *data, size_t len)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const uint8_t *p = data;
    uint32_t crc = ~0u;

    (void)pthread_once(&once, make_crc_table);
    while (len-- > 0)
        crc = crc_table[(crc ^ *p++) & 0xFF] ^ (crc >> 8);
    return ~crc;
}

static void put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
    p[2] = (uint8_t)(v >> 16);
    p[3] = (uint8_t)(v >> 24);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

int wire_frame(struct buf *to, const void *payload, size_t len, struct err *e)
{
    uint8_t head[WIRE_HEADER];

    if (len > WIRE_MAX_PAYLOAD)
        return err_set(e, ERR_PROTOCOL, "a message of %zu bytes is over the limit of %d", len,
                       WIRE_MAX_PAYLOAD);
    memcpy(head, magic, sizeof(magic));
    put32(head + 4, (uint32_t)len);
    put32(head + 8, wire_crc32c(head, 8));
    put32(head + 12, wire_crc32c(payload, len));
    buf_add(to, head, sizeof(head));
    buf_add(to, payload, len);
    return 0;
}

void wire_reader_feed(struct wire_reader *r, const void *data, size_t len)
{
    buf_add(&r->in, data, len);
    r->credit += len * WIRE_CHECKS;
    if (r->credit > (uint64_t)WIRE_CHECKS * WIRE_MAX_PAYLOAD)
        r->credit = (uint64_t)WIRE_CHECKS * WIRE_MAX_PAYLOAD;
}

static void skip(struct wire_reader *r, size_t n)
{
    buf_consume(&r->in, n);
    r->skipped += n;
}

/* Where, from `at` on, the buffer has the magic, or a part of it at its end; else its end. */
static size_t seek_magic(const struct wire_reader *r, size_t at)
{
    for (; at < r->in.len; at++) {
        size_t left = r->in.len - at;

        if (memcmp(r->in.data + at, magic, left < sizeof(magic) ? left : sizeof(magic)) == 0)
            break;
    }
    return at;
}

/* Whether one can believe the header at `at`. */
static bool header_good(struct wire_reader *r, size_t at, uint32_t *ret_len)
{
    const uint8_t *head = r->in.data + at;

    *ret_len = get32(head + 4);
    if (get32(head + 8) != wire_crc32c(head, 8))
        return false;
    if (*ret_len > WIRE_MAX_PAYLOAD)
        r->refused++;
    return *ret_len <= WIRE_MAX_PAYLOAD;
}

static bool payload_good(const struct wire_reader *r, size_t at, uint32_t len)
{
    const uint8_t *head = r->in.data + at;

    return get32(head + 12) == wire_crc32c(head + WIRE_HEADER, len);
}

bool wire_reader_next(struct wire_reader *r, const uint8_t **ret_payload, size_t *ret_len)
{
    uint32_t len = 0;
    size_t at;
    bool found = false;

    if (r->taken > 0) {
        buf_consume(&r->in, r->taken);
        r->taken = 0;
    }
    /* the bytes passed over are dropped once, at the end: dropping moves the rest of the buffer */
    for (at = seek_magic(r, 0); r->in.len - at >= WIRE_HEADER; at = seek_magic(r, at + 1)) {
        if (!header_good(r, at, &len))
            continue;
        if (r->in.len - at < WIRE_HEADER + (size_t)len)
            break;
        found = payload_good(r, at, len);
        if (found)
            break;
        if (r->credit < len) {
            at = r->in.len; /* see wire.h: garbage on purpose */
            break;
        }
        r->credit -= len;
    }
    skip(r, at);
    if (!found)
        return false;
    *ret_payload = r->in.data + WIRE_HEADER;
    *ret_len = len;
    r->taken = WIRE_HEADER + (size_t)len;
    return true;
}

bool wire_reader_partial(const struct wire_reader *r)
{
    return r->in.len > r->taken;
}

void wire_reader_stalled(struct wire_reader *r)
{
    if (wire_reader_partial(r) && r->taken == 0)
        skip(r, 1);
}

void wire_reader_release(struct wire_reader *r)
{
    buf_release(&r->in);
    *r = (struct wire_reader){.taken = 0};
}
