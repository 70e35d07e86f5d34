/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records and appliances beside each other: which sets are whole, which have clones, which a
 * journal names, and what is there on one side only. For delete and prune.
 *
 *     inventory_read -> judge, orphans, remove -> inventory_release
 *
 * A picture of one moment: what a run makes meanwhile is in a journal before it exists, and what a
 * run that was there at the beginning works with stays named by its journal. Main thread.
 */
#ifndef CBSNAP_INVENTORY_H
#define CBSNAP_INVENTORY_H

#include "host-coordinator/plan/run.h"

struct inventory_volume {
    const char *appliance;
    struct storage *storage;
    int timeout_ms;
    struct volume volume;
    struct volume_snapshot *snapshots;
    size_t count;
};

struct inventory {
    struct run *run;      /* borrowed: loop, configuration, storages */
    struct record **sets; /* newest first */
    size_t set_count;
    size_t unreadable; /* records that could not be read: their sets are left alone */
    struct inventory_volume *volumes; /* those that a record names and the appliance has */
    size_t count;
    struct inventory_volume *temporary; /* clones of a verification, by their name */
    size_t temporary_count;
    struct record **journals;
    size_t journal_count;
};

/* Of all records: a snapshot is nobody's only if no record of any domain has it. */
int inventory_read(struct inventory *ret, struct run *r, struct err *e);
void inventory_release(struct inventory *inv);
struct record *inventory_set(const struct inventory *inv, const char *id); /* NULL: no such */
/* The volume that one of a record's volumes[] names; NULL: no appliance lists it. */
struct inventory_volume *inventory_volume_of(const struct inventory *inv, const struct record *rec);
/* Reads the journals once more: those of runs that have begun since are added. */
int inventory_look_again(struct inventory *inv, struct err *e);
bool inventory_in_journal(const struct inventory *inv, const char *id);

#define INVENTORY_ID_LEN 21
/* "20161104T101500Z-7f3a": the id of a set. Nobody else calls a snapshot so. */
bool inventory_is_id(const char *text, size_t len);

struct standing {
    size_t volumes, present; /* of the set; of those, with the snapshot still there */
    size_t unseen;           /* of those, that no appliance lists: gone, or just not told */
    bool clones;             /* one of its snapshots has some */
    bool journal;            /* a run or restore that names it is not over */
    bool good;               /* can be gone back to: by its verdict, and it is whole */
};
void inventory_judge(const struct inventory *inv, const struct record *set, struct standing *ret);
/* No other set of this domain can be gone back to, none that is worth as much: one that is called
 * `crash`, as an imported one, stands in for its like alone. Of the set itself its record is
 * believed: an appliance that does not list all of it now may just not tell. */
bool inventory_last_good(const struct inventory *inv, const struct record *set);

/* Snapshots first, which its record tells beforehand, then the record. ERR_REFUSED when it has
 * clones, a journal names it, its record was written since, or names a snapshot that is not called
 * like the set. */
int inventory_remove(struct inventory *inv, struct record *set, struct err *e);

enum orphan_kind {
    ORPHAN_SNAPSHOT, /* called like a set, and no record has it */
    ORPHAN_RECORD,   /* says that it can be gone back to, and snapshots are not listed */
    ORPHAN_VOLUME,   /* a clone of a verification that is over */
    ORPHAN_UNSEEN,   /* a record of a volume that no appliance lists: for a person to judge */
};
struct orphan {
    enum orphan_kind kind;
    struct inventory_volume *volume; /* not of a record */
    size_t snapshot;                 /* its place in volume->snapshots */
    struct record *set;              /* of a record */
    char *text;                      /* for people: "snapshot pool1/...@2016..." */
};
size_t inventory_orphans(const struct inventory *inv, struct orphan **ret);
void orphans_release(struct orphan *orphans, size_t count);
/* Removes the snapshot or volume; makes the record say that its set is gone, unless a second look
 * finds it. What is unseen stays: an appliance that just does not tell of a volume must not cost
 * all its sets. */
int orphan_repair(struct inventory *inv, struct orphan *o, struct err *e);

#endif
