/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the array in memory holds, and what its commands do to it, without any time passing: the
 * half of storage_memory.c that knows nothing of requests. Private to it. Everything found here
 * lives until the next command.
 */
#ifndef CBSNAP_FAKE_MEMORY_STATE_H
#define CBSNAP_FAKE_MEMORY_STATE_H

#include "tests/fake/storage_memory.h"

struct held { /* a snapshot */
    char *volume_id, *name;
    int content;
};

struct disk { /* a volume */
    struct volume volume;
    char *access;
    char *origin_id, *origin_name; /* the snapshot that it is a clone of; NULL: none */
    int content;
    struct volume_stats stats;
    struct volume_past *past;
    size_t past_count;
};

struct memory_state {
    struct disk *disks;
    size_t disk_count;
    struct held *held; /* oldest first */
    size_t held_count;
    char **words; /* of access, that tests gave */
    size_t word_count;
    unsigned clones;           /* ever made: their ids */
    unsigned rollbacks_in_use; /* of a volume that somebody could use */
};

/* What a command was called with; NULL where it has none. */
struct wish {
    enum memory_command command;
    char *volume_id, *name;
    char *word; /* the clone's name, or who may have access */
};

/*
 * Does it. With op NULL nobody listens any more, and only what outlasts the request is done; e
 * may be NULL too.
 */
int state_act(struct memory_state *m, const struct wish *w, struct storage_op *op, struct err *e);

/* NULL when there is none. */
struct disk *state_disk(const struct memory_state *m, const char *volume_id);
struct held *state_held(const struct memory_state *m, const char *volume_id, const char *name);

struct disk *state_add(struct memory_state *m, const char *id, const char *name, const char *iqn);
/* From now on the volume's, and a word that the array knows. */
void state_allow(struct memory_state *m, struct disk *d, const char *access);
void state_release(struct memory_state *m);

#endif
