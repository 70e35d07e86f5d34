/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A storage array in memory, for tests: the contract of storage.h with settable latency and
 * faults, and a look at what it holds. The tests of the contract run against it as against the real
 * driver, so that what is built on it stands on the same ground. Loop thread only.
 *
 * A volume's data is one number, its content: a snapshot remembers it, rollback() puts it back, a
 * clone has it. Where arrays differ, this one is strict: rollback() past newer snapshots is
 * refused, as are removing a snapshot that has clones, a volume that has snapshots, and an unknown
 * access.
 */
#ifndef CBSNAP_FAKE_STORAGE_MEMORY_H
#define CBSNAP_FAKE_STORAGE_MEMORY_H

#include "host-coordinator/storage/storage.h"

extern const struct storage_ops storage_memory_ops;

enum memory_command {
    MEMORY_LIST,
    MEMORY_PREPARE,
    MEMORY_SNAPSHOT,
    MEMORY_FIND,
    MEMORY_REMOVE,
    MEMORY_STATS,
    MEMORY_HISTORY,
    MEMORY_LIST_SNAPSHOTS,
    MEMORY_ROLLBACK,
    MEMORY_CLONE,
    MEMORY_REMOVE_VOLUME,
    MEMORY_ACCESS,
    MEMORY_SET_ACCESS,
    MEMORY_COMMANDS,
};

enum memory_fault {
    MEMORY_NO_FAULT,
    MEMORY_REFUSES, /* ERR_STORAGE at once, nothing is done */
    MEMORY_HANGS,   /* no answer, nothing is done */
    MEMORY_MUTE,    /* no answer, but it is done */
    MEMORY_DENIES,  /* ERR_STORAGE, but it is done */
    MEMORY_RESETS,  /* the connection breaks, nothing is done */
    MEMORY_DROPS,   /* the connection breaks when it is done */
    MEMORY_GARBAGE, /* it is done, and nobody understands the answer */
    MEMORY_LIES,    /* success, but nothing is done; what is there is not found, and the reverse */
    MEMORY_SLOW,    /* it takes MEMORY_SLOW_MS longer */
    MEMORY_LATE,    /* no answer, and it is done MEMORY_SLOW_MS after it was given up on */
};
#define MEMORY_SLOW_MS 30

/* An array without volumes; closed with storage_close(). */
struct storage *storage_memory_new(struct loop *loop);
/* From now on its requests come by that loop; none is under way. */
void storage_memory_use(struct storage *s, struct loop *loop);

/* `iqn` may be "". The serial is the id without hyphens, the access "all", the content 0; half of
 * its size of 1 GiB is free. A clone is made like it, of id "clone-N" and access "". */
void storage_memory_add(struct storage *s, const char *id, const char *name, const char *iqn);
/* The functions that follow abort when there is no volume of that id. */
void storage_memory_free(struct storage *s, const char *volume_id, int64_t free_bytes);
/* Who may use the volume; from now on set_access() takes that word for every volume. */
void storage_memory_allow(struct storage *s, const char *volume_id, const char *access);
/* Somebody writes to the volume. */
void storage_memory_write(struct storage *s, const char *volume_id, int content);
/* What stats() tells of the volume from now on; all of it is absent before. */
void storage_memory_measure(struct storage *s, const char *volume_id,
                            const struct volume_stats *stats);
/* Adds to what history() tells of the volume. */
void storage_memory_remember(struct storage *s, const char *volume_id, const char *time,
                             double iops);
void storage_memory_latency(struct storage *s, enum memory_command command, int ms);
/*
 * The next `times` requests of this kind (-1: all) that concern `volume_id` (NULL: any) fail so.
 * Replaces the fault set before for that kind.
 */
void storage_memory_fault(struct storage *s, enum memory_command command, const char *volume_id,
                          enum memory_fault fault, int times);

/* Called when a request has come, before its fault is chosen, and again just before it is done. */
typedef void memory_hook(void *arg, enum memory_command command, const char *volume_id, bool doing);
void storage_memory_on(struct storage *s, memory_hook *hook, void *arg);
/* The client of an earlier loop has died: what it had under way is done all the same, or never. */
void storage_memory_desert(struct storage *s, bool done);
const char *storage_memory_command_name(enum memory_command command);

int storage_memory_content(const struct storage *s, const char *volume_id);
const char *storage_memory_access(const struct storage *s, const char *volume_id);
bool storage_memory_exists(const struct storage *s, const char *volume_id);
/* The id of the volume of that name; NULL: none. */
const char *storage_memory_id(const struct storage *s, const char *name);
/* Volumes, clones among them. */
size_t storage_memory_volumes(const struct storage *s);
/* Rollbacks done while somebody could use the volume, which the array does not mind and its user
 * would. */
unsigned storage_memory_rollbacks_in_use(const struct storage *s);
bool storage_memory_has(const struct storage *s, const char *volume_id, const char *name);
/* All snapshots of all volumes. */
size_t storage_memory_snapshots(const struct storage *s);
/* Requests of this kind so far, and those of them that are under way. */
unsigned storage_memory_requests(const struct storage *s, enum memory_command command);
unsigned storage_memory_open(const struct storage *s, enum memory_command command);

#endif
