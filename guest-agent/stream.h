/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One subscription to samples: where it stands in the ring, and how fast. It sends as much as the
 * peer's queue has room for and goes on when that has drained; what falls out of the ring
 * meanwhile is counted as missed. Loop's thread only.
 */
#ifndef CBSNAP_AGENT_STREAM_H
#define CBSNAP_AGENT_STREAM_H

#include "guest-agent/channel/peer.h"
#include "guest-agent/sampler.h"

struct stream {
    bool on;
    int interval_ms; /* 0: every sample */
    uint64_t next;
    size_t names_told; /* of the sampler's table, from the first */
    int64_t last_us;   /* of the sample sent last */
};

/* (Re)starts or ends it as the message says. */
void stream_set(struct stream *st, const struct sampler *s, const Cbsnap__Subscribe *m);
/* Sends what is due. */
void stream_pump(struct stream *st, const struct sampler *s, struct peer *peer);

#endif
