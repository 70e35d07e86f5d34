/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One virtual machine through libvirt. The only code that includes libvirt.
 *
 * The functions of domain_ops block, each for as long as libvirt or qemu-ga likes: they are run by
 * job_start() with a deadline. One domain may be used by several threads at once (libvirt's
 * connections are thread-safe), so that a thaw does not wait for a hanging freeze.
 *
 * Errors: ERR_NOT_FOUND (no such domain), ERR_LIBVIRT (libvirt's own words, after what we did),
 * ERR_REFUSED (not running). libvirt's habit of printing errors to stderr is switched off.
 */
#ifndef CBSNAP_DOMAIN_H
#define CBSNAP_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

struct domain;

struct domain_fs { /* virDomainGetFSInfo: what qemu-ga says of a filesystem */
    char *mountpoint;
    char *device; /* guest's name, "vda1" */
    char *fstype;
    char **targets; /* domain disks it lies on: "vda"; may be empty when libvirt cannot tell */
    size_t target_count;
};

struct domain_fs_list {
    struct domain_fs *items;
    size_t count;
};

struct disk_writes { /* of one disk, since the domain started */
    char target[32];
    uint64_t requests, bytes;
};

enum agent_freeze { AGENT_THAWED, AGENT_FROZEN };

struct domain_ops {
    /* By name or UUID. Remote URIs too; "" is libvirt's default. */
    int (*open)(struct domain **ret, const char *uri, const char *name, struct err *e);
    void (*close)(struct domain *d); /* accepts NULL */
    const char *(*name)(const struct domain *d);
    const char *(*uuid)(const struct domain *d);
    /* ERR_REFUSED, naming the state, unless it runs. */
    int (*running)(struct domain *d, struct err *e);
    /* The live XML; the caller frees. */
    int (*xml)(struct domain *d, char **ret, struct err *e);
    int (*filesystems)(struct domain *d, struct domain_fs_list *ret, struct err *e);
    /* qemu-ga answers within timeout_s; ERR_LIBVIRT says whether the channel is missing, the agent
     * not connected, or silent. */
    int (*agent_ping)(struct domain *d, int timeout_s, struct err *e);
    /* guest-fsfreeze-status: what qemu-ga believes. */
    int (*agent_status)(struct domain *d, int timeout_s, enum agent_freeze *ret, struct err *e);
    /* virDomainFSFreeze of all filesystems: how many qemu-ga froze. */
    int (*freeze)(struct domain *d, unsigned *ret_count, struct err *e);
    int (*thaw)(struct domain *d, unsigned *ret_count, struct err *e);
    /* Write counters of every disk in one call; *ret is the caller's to free(). */
    int (*writes)(struct domain *d, struct disk_writes **ret, size_t *ret_count, struct err *e);
};

extern const struct domain_ops domain_libvirt;

void domain_fs_list_release(struct domain_fs_list *l);

#endif
