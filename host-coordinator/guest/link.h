/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whole messages over a connected stream socket: frames in and out, partial writes, a frame cut
 * short that nothing follows, an end that does not read. Knows nothing of what messages mean.
 *
 * Main thread only. The callbacks come from the loop, never from within a call of these functions.
 */
#ifndef CBSNAP_GUEST_LINK_H
#define CBSNAP_GUEST_LINK_H

#include "host-coordinator/loop/loop.h"
#include "proto/message.h"

/* When more bytes than these wait for the peer, beyond what the socket holds, no message is taken
 * any more. One alone may be longer: a manifest has up to 512 KiB. */
#define LINK_QUEUE_MAX (256 * 1024)
/* A frame begun and silent for this long is given up: its sender has restarted. */
#define LINK_STALL_MS 1000

struct link;

/* The message is the callee's, who frees it. */
typedef void link_message(void *arg, Cbsnap__Envelope *m);
/* Once, when the stream has ended or failed (ERR_LOST); link_close() is still to be called. */
typedef void link_lost(void *arg, const struct err *why);

/* Takes the descriptor, also on failure. */
int link_open(struct link **ret, struct loop *loop, int fd, link_message *message, link_lost *lost,
              void *arg, struct err *e);
/* Accepts NULL. Nothing is called any more; what was not written yet is dropped. */
void link_close(struct link *l);

/* Stamps and queues. ERR_TIMEOUT: the peer does not read; ERR_LOST: it is gone. */
int link_send(struct link *l, Cbsnap__Envelope *m, struct err *e);
/* For port_silent(). */
int link_fd(const struct link *l);

#endif
