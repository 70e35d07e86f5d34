/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames on a byte stream that may lose its place: a virtio-serial port does not tell either end
 * that the other restarted in the middle of a message.
 *
 *     offset  bytes
 *          0  4      magic 0xCB 'S' 'N' 0x01
 *          4  4      length of the payload, little endian, at most WIRE_MAX_PAYLOAD
 *          8  4      CRC-32C of bytes 0..7: garbage never makes the reader wait for a body
 *         12  4      CRC-32C of the payload
 *         16         payload: one packed cbsnap.Envelope
 *
 * The reader takes bytes in any portions and gives whole, checked payloads. After garbage it finds
 * the next frame by itself. A frame cut short by a restart of its sender is found out when the
 * next bytes make it "complete" and its CRC is wrong: the search then goes on *inside* it, so that
 * nothing after the cut is lost; wire_reader_stalled() does the same when nothing more comes.
 *
 * Frames nested in frames by a hostile sender would have each byte checked thousands of times while
 * nobody looks after the freeze. Each byte that comes therefore pays for WIRE_CHECKS checks of a
 * wrong payload, up to that many longest frames; who has used them up loses all that is buffered.
 *
 * CRC-32C: polynomial 0x1EDC6F41, RFC 3720 appendix B.4 has the test values.
 * Not thread-safe; one reader per stream.
 */
#ifndef CBSNAP_PROTO_WIRE_H
#define CBSNAP_PROTO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/err.h"

#define WIRE_HEADER      16
#define WIRE_MAX_PAYLOAD (1024 * 1024)
#define WIRE_CHECKS      16

struct wire_reader {
    struct buf in;
    size_t taken;     /* bytes at the start that the payload given last still occupies */
    uint64_t skipped; /* bytes thrown away in search of a frame */
    uint64_t credit;  /* bytes of wrong payloads that may still be checked */
    uint64_t refused; /* headers that were well formed but named a payload over the limit */
};

uint32_t wire_crc32c(const void *data, size_t len);

/* Appends one frame to `to`. Fails on a payload over the limit; `to` is then unchanged. */
int wire_frame(struct buf *to, const void *payload, size_t len, struct err *e);

/* Takes bytes as they came. Memory stays under one frame plus one portion if the caller drains
 * with wire_reader_next() after each call. */
void wire_reader_feed(struct wire_reader *r, const void *data, size_t len);

/*
 * The next whole payload, or false when more bytes are needed. *ret_payload points into the
 * reader and is valid until its next call.
 */
bool wire_reader_next(struct wire_reader *r, const uint8_t **ret_payload, size_t *ret_len);

/* A frame has begun and is not complete. */
bool wire_reader_partial(const struct wire_reader *r);

/* Gives up on the frame begun (nothing came for a while) and searches behind its first byte. */
void wire_reader_stalled(struct wire_reader *r);

void wire_reader_release(struct wire_reader *r);

#endif
