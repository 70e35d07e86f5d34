/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's own socket, /run/cbsnap/agent.sock: hook, `status`, `check`. Only root may connect
 * (mode 0600 in a directory of mode 0700, and the kernel is asked who it is); at most
 * LISTENER_CLIENTS at once.
 */
#ifndef CBSNAP_CHANNEL_LISTENER_H
#define CBSNAP_CHANNEL_LISTENER_H

#include "guest-agent/channel/peer.h"

#define LISTENER_CLIENTS 16

struct listener;

/* `callbacks.ended` is told of each client's end, and closes it by listener_drop(). */
struct listener *listener_new(uv_loop_t *loop, const char *path,
                              const struct peer_callbacks *callbacks, void *arg, struct err *e);
void listener_drop(struct listener *l, struct peer *client);
/* Closes all clients, removes the socket. */
void listener_free(struct listener *l);

#endif
