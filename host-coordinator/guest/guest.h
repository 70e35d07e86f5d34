/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's end of the port to cbsnap-agent: hello, requests with their answers, events.
 *
 * The link is a UNIX socket that QEMU serves, or a channel through libvirt; it stays open while the
 * agent restarts. The link notices a restart by Hello.instance, fails the requests under way
 * (ERR_LOST) and carries on. If the socket itself closes (QEMU ended), every request fails with
 * ERR_LOST at once. The peer is not trusted: frames are bounded, answers nobody asked for are
 * dropped, an answer of the wrong kind is ERR_PROTOCOL, requests to us are answered with
 * ERR_PROTOCOL. What the agent does not read is bounded too: past 256 KiB a request fails
 * (ERR_TIMEOUT), a post is dropped.
 *
 * All functions are the main thread's; callbacks come from the loop. Times are microseconds of the
 * monotonic clock. QEMU's side of the port: see port.h.
 */
#ifndef CBSNAP_GUEST_H
#define CBSNAP_GUEST_H

#include "host-coordinator/loop/loop.h"
#include "proto/message.h"

struct guest;

/*
 * Events (Names, Sample, FreezeEvent, LogLine, DataCheckProgress, Hello), from the return of
 * guest_open() on; the message is borrowed. The callback may post and send; it does not wait.
 */
typedef void guest_event(void *arg, const Cbsnap__Envelope *m);

/*
 * Exchanges Hello within the deadline over a connected socket, of port_connect() or of
 * domain_ops.channel(), and takes it, also on failure. `port` names it in messages. ERR_BUSY:
 * another program has the port (QEMU serves one client); ERR_TIMEOUT: the port is there and nobody
 * answers, so the agent is not running in the guest (the message says that); ERR_PROTOCOL: protocol
 * versions differ; ERR_LOST: QEMU closed it meanwhile; ERR_CANCELLED as from loop_wait().
 */
int guest_open(struct guest **ret, struct loop *loop, int fd, const char *port, guest_event *event,
               void *event_arg, int64_t deadline_us, struct err *e);
/*
 * The same in steps, for who must look after other things meanwhile: guest_begin() sends nothing
 * and does not wait; guest_greet() asks once and waits until the deadline. After ERR_TIMEOUT it
 * may be called again, any other error is for good.
 */
int guest_begin(struct guest **ret, struct loop *loop, int fd, const char *port, guest_event *event,
                void *event_arg, struct err *e);
int guest_greet(struct guest *g, int64_t deadline_us, struct err *e);
/* Accepts NULL. Requests still under way end with ERR_CANCELLED. Not from within the callback. */
void guest_close(struct guest *g);

/* The other end is gone for good, or does not want us: e says why. */
bool guest_gone(const struct guest *g, struct err *e);
/* The agent's latest Hello; valid until the loop runs again. */
const Cbsnap__Hello *guest_hello(const struct guest *g);
/* How many times the agent was seen to restart since guest_open(). Counted before the callback
 * hears of that Hello. A restarted agent has to be subscribed to anew. */
unsigned guest_restarts(const struct guest *g);

/*
 * One request. Caller-owned; must stay where it is until done or cancelled. `request`'s body is set
 * by the caller; its id by the link. On success `answer` holds a message whose body is `expected`
 * (guest_request_release() frees it); the agent's Error comes out as guest_error() tells it.
 */
struct guest_request {
    bool done;
    struct err err;
    Cbsnap__Envelope *answer;
    int64_t sent_us, answered_us; /* host's monotonic clock */
    Cbsnap__Envelope__BodyCase expected;
    uint32_t id;
    struct guest_request *next;
};
/* Overwrites *r; release an earlier answer first. */
void guest_send(struct guest *g, struct guest_request *r, Cbsnap__Envelope *request,
                Cbsnap__Envelope__BodyCase expected);
/* Does nothing to a request that is done or was never sent. */
void guest_cancel(struct guest *g, struct guest_request *r);
/* Of a request that is done, cancelled, or was never sent (all zero). May be called twice. */
void guest_request_release(struct guest_request *r);

/* The agent's Error with its own code and words, told as the guest's: who reads them is on the
 * host, where the same paths and accounts mean others. Returns -1. */
int guest_error(const Cbsnap__Error *in, struct err *e);

/* A message that nobody waits for an answer to. */
void guest_post(struct guest *g, Cbsnap__Envelope *m);

/* guest_send() and wait. On failure nothing is left under way. */
int guest_call(struct guest *g, struct guest_request *r, Cbsnap__Envelope *request,
               Cbsnap__Envelope__BodyCase expected, int64_t deadline_us, struct err *e);

/*
 * Guest clock minus host clock in microseconds, from the exchange with the shortest round trip so
 * far, and half that round trip as its uncertainty. False before the first answer, and after the
 * guest was booted anew.
 */
bool guest_clock(const struct guest *g, int64_t *ret_offset_us, int64_t *ret_uncertainty_us);

#endif
