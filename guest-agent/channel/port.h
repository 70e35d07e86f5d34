/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way to the host: the virtio-serial port /dev/virtio-ports/org.cbsnap.agent.0. Where the
 * configured path is a UNIX socket instead, it is connected to (tests, other hypervisors).
 *
 * While no host has its end open, the port polls as hung up and reads as ended: it is then not
 * polled at all but looked at every PORT_LOOK_MS. A port that is absent is looked for every
 * PORT_RETRY_MS; the agent runs well without one.
 * Source: Linux drivers/char/virtio_console.c port_fops_poll(), port_fops_read().
 *
 * Loop's thread only.
 */
#ifndef CBSNAP_CHANNEL_PORT_H
#define CBSNAP_CHANNEL_PORT_H

#include "guest-agent/channel/peer.h"

#define PORT_LOOK_MS  100
#define PORT_RETRY_MS 2000

struct port;

struct port_callbacks {
    /* A host has its end open: say hello. The peer lives until `ended`, and is the port's to close.
     */
    void (*connected)(void *arg, struct peer *p);
    void (*message)(void *arg, struct peer *p, const Cbsnap__Envelope *m);
    void (*drained)(void *arg, struct peer *p);
    void (*ended)(void *arg, struct peer *p);
};

/* `path` is borrowed. "" is an agent without a port. */
struct port *port_new(uv_loop_t *loop, const char *path, const struct port_callbacks *callbacks,
                      void *arg);
void port_free(struct port *p);

/* NULL while no host is there. */
struct peer *port_peer(const struct port *p);
/* Why there is no host now: "", "there is no such port", ...; for people. */
const char *port_problem(const struct port *p);

#endif
