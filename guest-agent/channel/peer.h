/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One stream that carries frames, whoever is at the other end: the host on the virtio port, the
 * hook or `status` on the socket. Reads, finds frames, hands messages up; queues and writes.
 *
 * The other end is not trusted: input is bounded by the frame limit, output by PEER_QUEUE_MAX (a
 * peer that does not read is closed). Droppable messages (samples) are refused long before answers.
 *
 * Loop's thread only. Callbacks run from the loop, never from within peer_new() or peer_send().
 */
#ifndef CBSNAP_CHANNEL_PEER_H
#define CBSNAP_CHANNEL_PEER_H

#include <uv.h>

#include "proto/message.h"

#define PEER_QUEUE_MAX  (4 * 1024 * 1024)
#define PEER_QUEUE_SOFT (128 * 1024) /* above this nothing droppable is taken */

struct peer;

struct peer_callbacks {
    /* The message is borrowed for the call. The peer may be closed in it. */
    void (*message)(void *arg, struct peer *p, const Cbsnap__Envelope *m);
    /* The stream has ended; `clean` when the other end closed it after reading all that we wrote.
     * The callee calls peer_close(). */
    void (*ended)(void *arg, struct peer *p, bool clean);
    /* The queue has fallen under PEER_QUEUE_SOFT again; may be NULL. */
    void (*drained)(void *arg, struct peer *p);
};

/* Takes a non-blocking descriptor; closed by peer_close() when `owns_fd`. NULL when the loop cannot
 * poll it. */
struct peer *peer_new(uv_loop_t *loop, int fd, bool owns_fd, const struct peer_callbacks *callbacks,
                      void *arg, struct err *e);
/* No callback comes after this. */
void peer_close(struct peer *p);

/* What the user of the peers keeps per peer. */
void *peer_data(const struct peer *p);
void peer_set_data(struct peer *p, void *data);

enum peer_weight { PEER_MUST, PEER_DROPPABLE };
/* -1: dropped (a message over the limit, or droppable while the queue is long). */
int peer_send(struct peer *p, Cbsnap__Envelope *m, enum peer_weight weight);
bool peer_has_room(const struct peer *p);

#endif
