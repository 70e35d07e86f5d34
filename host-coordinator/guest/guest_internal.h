/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What guest.c (life and dispatch), hello.c and request.c share. */
#ifndef CBSNAP_GUEST_INTERNAL_H
#define CBSNAP_GUEST_INTERNAL_H

#include "host-coordinator/guest/guest.h"
#include "host-coordinator/guest/link.h"

struct guest {
    struct loop *loop;
    struct link *link;
    char *port; /* its name, for messages */
    int64_t began_us;
    guest_event *event;
    void *event_arg;
    bool opened;        /* guest_open() has returned it: events flow, restarts count */
    struct err refusal; /* set: this peer is gone, or not to be used any more */

    Cbsnap__Envelope *hello; /* the agent's latest; NULL before the first */
    unsigned restarts;
    bool met;          /* it said hello by itself: it has seen us come, not only heard us */
    uint64_t instance; /* ours */
    char boot_id[40];  /* ours */
    uint32_t hello_id; /* of our Hello sent last */
    int64_t hello_sent_us;

    struct guest_request *requests; /* under way */
    uint32_t next_id;

    bool clock_known;
    int64_t clock_offset_us, clock_round_trip_us;
};

uint32_t guest_next_id(struct guest *g);

/* hello.c */
void hello_init(struct guest *g);
void hello_send(struct guest *g);
/* Takes the message. */
void hello_received(struct guest *g, Cbsnap__Envelope *m);

/* request.c */
/* The request that the message answers, or NULL. */
struct guest_request *request_find(struct guest *g, const Cbsnap__Envelope *m);
/* Takes the message. */
void request_answered(struct guest *g, struct guest_request *r, Cbsnap__Envelope *m);
void request_fail_all(struct guest *g, const struct err *why);
/* An exchange that began here at sent_us has just been answered by a message stamped guest_us. */
void clock_learn(struct guest *g, int64_t sent_us, int64_t answered_us, int64_t guest_us);

#endif
