/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Envelopes in and out of frames, shared by every end of every stream: the host's link, the
 * agent's port and socket, the hook client.
 */
#ifndef CBSNAP_PROTO_MESSAGE_H
#define CBSNAP_PROTO_MESSAGE_H

#include "proto/cbsnap.pb-c.h"
#include "proto/wire.h"

#define CBSNAP_PROTOCOL 1

/* Stamps sent_us, packs and frames `m`, appends it to `to`. Fails only on a message over 1 MiB. */
int message_frame(struct buf *to, Cbsnap__Envelope *m, struct err *e);

/*
 * The next message of the reader, or NULL when more bytes are needed. Frames whose payload is no
 * Envelope are dropped and counted in *bad (may be NULL). Free with message_free().
 */
Cbsnap__Envelope *message_next(struct wire_reader *r, unsigned *bad);
void message_free(Cbsnap__Envelope *m); /* accepts NULL */
/* What a frame's payload says; NULL when it is no Envelope. */
Cbsnap__Envelope *message_unpack(const uint8_t *payload, size_t len);
/* A copy of its own, to keep a message that was only lent; never NULL for one that was unpacked. */
Cbsnap__Envelope *message_copy(const Cbsnap__Envelope *m);

/* `out` borrows the text of `e`. */
void message_from_err(Cbsnap__Error *out, const struct err *e);
/* Sets `e` from the peer's error, cut to its buffer; returns -1. */
int message_to_err(const Cbsnap__Error *in, struct err *e);

/* Cleanup attribute for a received message. */
static inline void message_cleanup(Cbsnap__Envelope **m)
{
    message_free(*m);
}
#define AUTO_MESSAGE __attribute__((cleanup(message_cleanup)))

/* Sets an optional scalar of a message: its value and its has_ flag in one act. */
#define MSG_SET(msg, field, value)                                                                 \
    do {                                                                                           \
        (msg)->has_##field = 1;                                                                    \
        (msg)->field = (value);                                                                    \
    } while (0)

/* Sets the body of an envelope. `lower` and `UPPER` are the oneof member in both spellings. */
#define MSG_BODY(env, lower, UPPER, ptr)                                                           \
    do {                                                                                           \
        (env)->body_case = CBSNAP__ENVELOPE__BODY_##UPPER;                                         \
        (env)->lower = (ptr);                                                                      \
    } while (0)

#endif
