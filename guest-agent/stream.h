/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One subscription to samples: where it stands in the ring, and how fast. It sends as much as the
 * peer's queue has room for and goes on when that has drained; what falls out of the ring
 * meanwhile is counted as missed.
 *
 * A subscriber that wants fewer than there are gets some of them, each with what only the ones
 * between had: sources at their own pace are in few samples. One with a list (lines of the error
 * log, transactions, files) is always sent. Loop's thread only.
 */
#ifndef CBSNAP_AGENT_STREAM_H
#define CBSNAP_AGENT_STREAM_H

#include "guest-agent/channel/peer.h"
#include "guest-agent/sampler.h"

struct stream {
    bool on;
    int interval_ms;   /* 0: every sample */
    uint64_t next;     /* to be looked at */
    uint64_t since;    /* from here on none was sent: skipped, or next itself */
    uint64_t lost;     /* fell out of the ring, not told yet */
    size_t names_told; /* of the sampler's table, from the first */
    int64_t due_us;    /* of the next sample; 0: any */
};

/* (Re)starts or ends it as the message says. */
void stream_set(struct stream *st, const struct sampler *s, const Cbsnap__Subscribe *m);
/* Sends what is due. */
void stream_pump(struct stream *st, const struct sampler *s, struct peer *peer);

#endif
