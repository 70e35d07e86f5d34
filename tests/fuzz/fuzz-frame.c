/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frame reader (proto/wire.c) on a stream of raw bytes, whole frames, frames with a wrong
 * payload, frames cut short and silences, in portions of any size. Whatever came, each byte is
 * given once at most, memory stays bounded, and a good frame behind it all is found.
 */
#include <string.h>

#include "proto/message.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"

const size_t fuzz_head_bytes = 1;
const size_t fuzz_message_at = 1;

struct stream {
    struct wire_reader reader;
    uint64_t fed, given;
    uint8_t portion;
    struct buf last; /* the payload given last */
};

/* What was read can be written, and reads as the same again. */
static void copy(const Cbsnap__Envelope *m)
{
    Cbsnap__Envelope *again = message_copy(m);

    FUZZ_MUST(again && again->body_case == m->body_case);
    FUZZ_MUST(cbsnap__envelope__get_packed_size(again) == cbsnap__envelope__get_packed_size(m));
    message_free(again);
}

/* The reader's word, checked: both checksums of the header before the payload. */
static void check_frame(const uint8_t *payload, size_t len)
{
    const uint8_t *head = payload - WIRE_HEADER;
    uint32_t told[3];

    for (size_t n = 0; n < 3; n++)
        told[n] = (uint32_t)head[4 + 4 * n] | (uint32_t)head[5 + 4 * n] << 8 |
                  (uint32_t)head[6 + 4 * n] << 16 | (uint32_t)head[7 + 4 * n] << 24;
    FUZZ_MUST(told[0] == len && len <= WIRE_MAX_PAYLOAD);
    FUZZ_MUST(told[1] == wire_crc32c(head, 8) && told[2] == wire_crc32c(payload, len));
}

static void drain(struct stream *s)
{
    const uint8_t *payload;
    size_t len;

    while (wire_reader_next(&s->reader, &payload, &len)) {
        Cbsnap__Envelope *m = message_unpack(payload, len);

        check_frame(payload, len);
        s->given += len + WIRE_HEADER;
        buf_clear(&s->last);
        buf_add(&s->last, payload, len);
        if (m)
            copy(m);
        message_free(m);
    }
    FUZZ_MUST(s->given + s->reader.skipped + s->reader.in.len == s->fed);
}

static void feed(struct stream *s, const uint8_t *data, size_t len)
{
    size_t step = s->portion ? s->portion : len;

    while (len > 0) {
        size_t n = step < len ? step : len;

        wire_reader_feed(&s->reader, data, n);
        s->fed += n;
        drain(s);
        FUZZ_MUST(s->reader.in.len <= WIRE_HEADER + (size_t)WIRE_MAX_PAYLOAD);
        data += n;
        len -= n;
    }
}

enum piece { RAW, FRAME, WRONG_PAYLOAD, CUT, SILENCE, PIECES };

static void feed_piece(struct stream *s, struct fuzz_input *in)
{
    enum piece kind = fuzz_byte(in) % PIECES;
    struct buf frame = BUF_INIT;

    if (kind == SILENCE) {
        wire_reader_stalled(&s->reader);
        drain(s);
        return;
    }
    if (kind == RAW) {
        feed(s, in->data, in->len);
        return;
    }
    FUZZ_MUST(wire_frame(&frame, in->data, in->len, NULL) == 0);
    if (kind == WRONG_PAYLOAD)
        frame.data[frame.len - 1] ^= 1;
    feed(s, frame.data, kind == CUT ? frame.len / 2 : frame.len);
    buf_release(&frame);
}

/* Nothing more comes: what looks like the beginning of a frame is given up, piece by piece. */
static void go_silent(struct stream *s)
{
    while (wire_reader_partial(&s->reader)) {
        wire_reader_stalled(&s->reader);
        drain(s);
    }
    FUZZ_MUST(s->reader.in.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char good[] = "behind it all";
    struct fuzz_input in = {data, size}, one;
    struct stream s = {.portion = fuzz_byte(&in)};
    struct buf frame = BUF_INIT;

    fuzz_begin();
    while (fuzz_record(&in, &one))
        feed_piece(&s, &one);
    go_silent(&s);
    (void)wire_frame(&frame, good, sizeof(good), NULL);
    feed(&s, frame.data, frame.len);
    FUZZ_MUST(s.last.len == sizeof(good) && memcmp(s.last.data, good, sizeof(good)) == 0);
    buf_release(&frame);
    buf_release(&s.last);
    wire_reader_release(&s.reader);
    return 0;
}
