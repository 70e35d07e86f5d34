/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What follow.c (where to be, and when to leave) and heard.c (what comes in) share. */
#ifndef CBSNAP_FOLLOW_INTERNAL_H
#define CBSNAP_FOLLOW_INTERNAL_H

#include "host-coordinator/plan/volumes_watch.h"
#include "host-coordinator/watch/follow.h"

/* From here on silence is told as such. */
#define FOLLOW_GREET_US INT64_C(3000000)
/* A look that lasts longer has found nothing to see. */
#define FOLLOW_ONCE_US INT64_C(10000000)

struct follow {
    struct follow_options o;
    struct run run; /* the domain, its volumes, the link and the series; never a run of its own */
    struct volumes_watch *volumes; /* NULL: no appliance */
    bool no_volumes;               /* asked for in vain */
    uv_timer_t *look;
    enum follow_state state;
    char words[ERR_TEXT];
    char port[128];
    int fd;      /* of the link, lent; -1 without */
    int lock_fd; /* -1: no run can be seen */
    bool placed; /* we are the one that watches */
    bool found;  /* the domain is there, or was */
    bool run_has, leave, silent;
    int64_t stay_us;  /* until then those who wait do; 0: not served yet */
    int64_t until_us; /* once */
    int64_t leave_us; /* when to let others have a look; 0: when they want it */

    Cbsnap__Envelope *hello;  /* the agent's latest */
    struct guest_request ask; /* for what the server is; its answer is kept */
    bool ask_failed;
    char server[64]; /* version; "" while unknown */
    bool subscribed;
    unsigned restarts; /* seen when samples were asked for last */
    bool frozen;
    int64_t heard_us, rebooted_us;
    int64_t offset_us; /* guest clock - host clock */
    unsigned readings;
    int pace_ms;
};

void follow_set_state(struct follow *f, enum follow_state state, const char *words);
/* How long without a sample is silence. */
int64_t follow_patience_us(const struct follow *f);

/* heard.c */
void follow_on_event(void *follow, const Cbsnap__Envelope *m);
/* The link has had its Hello: takes it and asks for samples. */
void follow_greeted(struct follow *f);
/* The link goes: what was asked is forgotten. */
void follow_parting(struct follow *f);
/* Now and then: has the answer come? */
void follow_take_answer(struct follow *f);
/* The appliance's side, if there is one; its absence is no failure. */
void follow_watch_volumes(struct follow *f);
/* Lets go of domain and appliances; the series stays. */
void follow_leave_domain(struct follow *f);

#endif
