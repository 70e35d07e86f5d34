/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A source: one family of metrics, read at once. Each is one file in this folder (or, where the
 * server is asked, in mysql/) that ends in a `struct source`; os_sources[] lists them.
 *
 * A source is read by one thread, the one of its lane. A lane is what a read may have to wait for:
 * sources of one lane wait for the same thing, so one that hangs keeps only its likes waiting.
 * While something is frozen only LANE_KERNEL is read.
 */
#ifndef CBSNAP_SOURCE_H
#define CBSNAP_SOURCE_H

#include "guest-agent/sample/sample.h"

enum source_lane {
    LANE_KERNEL, /* /proc: answers at once, always */
    LANE_FILES,  /* filesystems: statvfs, log files, descriptors of another process */
    LANE_SERVER, /* the database server */
    LANE_COUNT
};

/* What sources are made with; outlives them. */
struct source_config {
    const char *root; /* "" for the live system, else a folder that has proc/ */
    int log_every_ms; /* pace of the costly ones: error log, deleted files */
    /* The server's process and log; see server_facts.h */
    struct server_facts *server;
    /* Of sources outside this folder, which say what it is. */
    const void *extra;
};

/* every_ms of a source that is costly: config's log_every_ms */
#define SOURCE_SLOW (-1)

struct source {
    const char *name;
    enum source_lane lane;
    int every_ms; /* at least so long between two readings; 0: each sample; or SOURCE_SLOW */
    /* Called on the lane's thread, once; must not wait for anything. The config outlives it. */
    void *(*open)(const struct source_config *c);
    /* Adds what could be read; to->mono_us is now. Rates are over the time since its own previous
     * reading. Returns soon: what takes long is done in turns. */
    void (*read)(void *self, struct sample *to);
    void (*close)(void *self);
};

extern const struct source *const os_sources[];
extern const size_t os_source_count;

#endif
