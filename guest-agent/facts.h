/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the guest is: its mounts, its server, whether the hook would be called. Read on the worker's
 * thread while nothing is frozen (it logs in and reads files), kept by the loop, told as messages.
 */
#ifndef CBSNAP_AGENT_FACTS_H
#define CBSNAP_AGENT_FACTS_H

#include "guest-agent/fs/mounts.h"
#include "guest-agent/hookfacts.h"
#include "guest-agent/mysql/server.h"
#include "proto/message.h"

struct facts {
    int64_t read_us; /* monotonic; 0: never */
    struct mount_table mounts;
    bool has_server;
    struct server_info server;
    const struct mount **path_mounts; /* of server.paths, same order; NULL: on no block device */
    struct err problem;               /* why the server could not be locked now */
    struct hook_facts hook;
};

/* Never fails: what cannot be learnt is absent, with the reason in `problem`. */
void facts_read(struct facts *ret, struct mysql_lock *mysql, const struct mysql_login *login);
void facts_release(struct facts *f);

/* Messages that borrow from the facts. */
struct facts_view {
    Cbsnap__Server server, *server_ptr; /* NULL when the server is unknown */
    Cbsnap__ServerPath *paths, **path_ptrs;
    Cbsnap__Mount *mounts, **mount_ptrs;
    size_t mount_count;
    Cbsnap__Hook hook;
};
void facts_describe(const struct facts *f, struct facts_view *ret);
void facts_view_release(struct facts_view *v);

#endif
