/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world around a coordinator, in one thread and with no time lost: the loop, its jobs, the link
 * to the guest, libvirt and an array. It stands in for host-coordinator/loop, guest/link.c,
 * guest/port.c and plan/volumes_watch.c, whose functions it defines.
 *
 * Whenever the coordinator waits, the next record of the input is what the guest sends; an empty
 * record lets the wait end instead, by its deadline, and so does the end of the input. A reply_to
 * under WORLD_RECENT counts back from the request that was sent last, for a guest knows those ids.
 *
 * The array has three volumes and keeps what was asked of it; libvirt has the domain "db" with
 * their disks. The flags break a part of either.
 */
#ifndef CBSNAP_TESTS_FUZZ_WORLD_H
#define CBSNAP_TESTS_FUZZ_WORLD_H

#include "host-coordinator/plan/run.h"
#include "tests/fuzz/fuzz.h"

#define WORLD_RECENT  8
#define WORLD_VOLUMES 3

enum world_flag {
    WORLD_FREEZE_FAILS = 1,
    WORLD_THAW_FAILS = 2,
    WORLD_DISKS_WRITE = 4,    /* the counters move */
    WORLD_SNAPSHOT_FAILS = 8, /* of the second volume */
    WORLD_SNAPSHOT_MUTE = 16, /* of the third: made, and no answer */
    WORLD_FREEZES_NONE = 32,  /* qemu-ga says that it froze no filesystem */
    WORLD_AGENT_FROZEN = 64,  /* qemu-ga believes in a freeze when we come */
    WORLD_SIGNAL = 128,       /* somebody presses ^C once the guest has nothing more to say */
};

struct world {
    struct fuzz_input input;
    unsigned flags;
    struct loop *loop;
    struct config conf;
    struct appliance_config appliance;
    char *state_dir;
    struct storage *array;
    /* what happened */
    unsigned freezes, thaws;
    bool thawed_last; /* the last of the two was a thaw */
    bool snapshots[WORLD_VOLUMES];
    void (*heard)(const Cbsnap__Envelope *m); /* each message that is delivered; may be NULL */
};

extern struct world world;
extern const struct domain_ops world_domain;

/* An empty state, anew. `input` is what the guest will say. */
void world_begin(struct fuzz_input input, unsigned flags);
/* Takes all down; the array is closed by who was given it. */
void world_end(void);
size_t world_snapshots(void);
/* For run.storages. */
struct storage **world_storages(void);
struct run_reporter world_reporter(void);

#endif
