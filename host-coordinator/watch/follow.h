/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM's readings for as long as somebody looks, through all that happens to the VM meanwhile: the
 * agent restarts, the guest reboots, QEMU or libvirtd end and come back, a run takes the VM.
 *
 * Only reads: it subscribes with the agent's own pace, and never prepares, renews or releases.
 *
 * The port serves one program at a time, and all others go first. Ten times a second it is asked
 * whether a run has the VM's lock (store_run_has()) and whether somebody waits for the port
 * (port_waiting()); if so the port is let go at once (for one who
 * waits, not before FOLLOW_STAY_MS), and taken again once it is free. A channel
 * through a remote libvirt tells neither of programs on other machines: there the port is let go
 * for FOLLOW_GAP_MS after each FOLLOW_HOLD_MS. What was missed comes from the agent's history.
 *
 * Main thread only.
 */
#ifndef CBSNAP_FOLLOW_H
#define CBSNAP_FOLLOW_H

#include "host-coordinator/plan/run.h"

#define FOLLOW_LOOK_MS    100
#define FOLLOW_STAY_MS    1000 /* at least, unless a run comes */
#define FOLLOW_HOLD_MS    2000
#define FOLLOW_GAP_MS     300
#define FOLLOW_AGAIN_MS   1000   /* after a failure */
#define FOLLOW_HISTORY_MS 120000 /* asked for at first */
#define FOLLOW_ONCE_MS    60000  /* with `once`: the slow sources' last readings are in it */
#define FOLLOW_KEPT_US    INT64_C(600000000)

enum follow_state {
    FOLLOW_CONNECTING,
    FOLLOW_LIVE,
    FOLLOW_NO_AGENT, /* it does not answer, or fell silent: stopped, or the guest reboots */
    FOLLOW_RUN,      /* a run has the VM */
    FOLLOW_TURN,     /* another program has the port */
    FOLLOW_AWAY,     /* the domain does not run, or libvirt does not answer */
};

struct follow_options {
    const struct config *conf;
    const struct domain_ops *ops;
    struct loop *loop;
    const char *uri, *domain;
    int interval_ms;         /* 0: the agent's */
    bool once;               /* does not wait: what stands in the way is an error */
    void (*news)(void *arg); /* something below has changed, or a tenth of a second has passed */
    bool (*enough)(void *arg);
    void *arg;
};

struct follow;
struct follow *follow_new(const struct follow_options *options);
void follow_free(struct follow *f); /* accepts NULL */

/*
 * Follows until enough() (0), or until a signal or loop_cancel() ends it (ERR_CANCELLED). Before
 * the domain was found once, and always with `once`, what stands in the way is returned.
 */
int follow_run(struct follow *f, struct err *e);

/* What is known now; texts are valid until the loop runs again. */
struct follow_facts {
    enum follow_state state;
    const char *words; /* of the state; "" while live */
    const char *domain;
    const char *agent, *server;  /* versions; "" while unknown */
    bool asked;                  /* and the server's was told, or will not be */
    bool volumes_asked;          /* the appliance told of each volume, or will not */
    bool frozen;                 /* by whomever */
    bool found;                  /* the domain is there, or was */
    int64_t newest_us;           /* when the newest sample was read, by the host's clock; 0 */
    int64_t rebooted_us;         /* when the guest was seen to have booted anew; 0 */
    unsigned readings;           /* since the guest booted */
    int pace_ms;                 /* between the last two, at least 1000 */
    const struct series *series; /* of this boot */
};
void follow_facts(const struct follow *f, struct follow_facts *ret);

#endif
