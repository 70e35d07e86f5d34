/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The UNIX socket that QEMU serves for a virtio-serial port (<channel type='unix'>).
 *
 * Seen with QEMU 7.2: it listens with a backlog of 1 and accepts nobody while it has a client. A
 * second connect() succeeds and stays in the backlog, and so does a third; the next fail with
 * EAGAIN. Who gives up keeps its place until QEMU gets to it. Writing to a socket in the backlog
 * succeeds too. When the client leaves, QEMU accepts the next one. So "connected" means nothing;
 * the kernel tells whether our end was accepted.
 *
 * Source: the observation above (tests/integration/test-domain.sh repeats it); sock_diag(7).
 * A socket that listens is found by the name that our peer has; how many wait for it is its
 * receive queue's length (UDIAG_SHOW_RQLEN).
 */
#ifndef CBSNAP_GUEST_PORT_H
#define CBSNAP_GUEST_PORT_H

#include "host-coordinator/loop/loop.h"

/*
 * A connected, non-blocking socket, perhaps still in the backlog; the caller closes it. Waits for a
 * place in the backlog until the deadline. Errors as of guest_open().
 */
int port_connect(struct loop *loop, const char *path, int64_t deadline_us, int *ret_fd,
                 struct err *e);

enum port_state { PORT_UNKNOWN, PORT_ACCEPTED, PORT_QUEUED };

/* Whether the server has accepted the connection; PORT_UNKNOWN when the kernel does not say, and
 * for a channel through libvirt, whose other end is a thread of this process. */
enum port_state port_state(int fd);

/*
 * How many connections wait for the server of this one, which it has accepted: other programs that
 * want the port, and such as have given up and not been looked at. 0 when the kernel does not say.
 */
unsigned port_waiting(int fd);

/* Sets e for a port that gave no answer, by what port_state() tells. Returns -1. */
int port_silent(int fd, const char *path, int64_t waited_us, struct err *e);

#endif
