/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One virtual machine through libvirt. The only code that includes libvirt.
 *
 * The functions of domain_ops block, each for as long as libvirt or qemu-ga likes: they are run by
 * job_start() with a deadline. One domain may be used by several threads at once (libvirt's
 * connections are thread-safe), and close() may be called while one of them hangs: the connection
 * goes when the last call has come back.
 *
 * What does NOT run side by side is qemu-ga: libvirt lets one agent call at a time into a domain
 * (the "agent job"). filesystems(), agent_ping(), agent_status(), freeze() and thaw() wait for the
 * one before them, up to 30 s, then fail. Behind a freeze() that hangs, thaw() hangs too; therefore
 * the port to cbsnap-agent (guest.h) is the other way to thaw. running(), xml() and writes() do not
 * use the agent.
 *
 * Errors say in one sentence what was asked, of which domain, libvirt's words, what to do:
 * ERR_NOT_FOUND (no such domain), ERR_REFUSED (it is not in the state for that, or its name or UUID
 * is taken), ERR_AUTH (libvirt does not let us in),
 * ERR_FREEZE (qemu-ga was there and did not freeze: its hook failed, the command is blocked, it is
 * frozen already), ERR_BUSY (another call has the domain), ERR_LIBVIRT (all else). libvirt's habit
 * of printing errors to stderr is switched off, for the whole process.
 *
 * Source: libvirt's reference of libvirt-domain and libvirt-qemu; qemu-ga's commands from QEMU's
 * qga/qapi-schema.json. Built against libvirt before 1.2.5 it has no FSFreeze, before 1.2.9 no
 * counters of all disks in one call, before 1.2.11 no FSInfo: the first is then sent as qemu-ga's
 * own command, the second asked disk by disk, the third answers an empty list.
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

enum domain_state {
    DOMAIN_OFF,   /* shut off, or crashed: no QEMU here; other hosts are not asked */
    DOMAIN_AWAY,  /* off here since it was migrated: another host has it */
    DOMAIN_SAVED, /* off, and libvirt keeps its memory, with which the next start goes on */
    DOMAIN_RUNS,  /* or blocked */
    DOMAIN_OTHER, /* paused, suspended, on its way down: QEMU is there */
};

enum domain_shutdown { DOMAIN_BY_AGENT, DOMAIN_BY_ACPI };

/* What runs the domain; texts of the caller, "" when libvirt does not tell. */
struct domain_host {
    char *host;       /* name of the hypervisor */
    char *hypervisor; /* "QEMU 7.2.22" */
    char *libvirt;    /* "9.0.0" */
};

struct domain_ops {
    /* By name or UUID. Remote URIs too; "" is libvirt's default. The domain need not run. */
    int (*open)(struct domain **ret, const char *uri, const char *name, struct err *e);
    void (*close)(struct domain *d); /* accepts NULL */
    /* Another hold on it, given back by close(): for a thread that may still work on the domain
     * when its opener has given up. Returns d. */
    struct domain *(*hold)(struct domain *d);
    const char *(*name)(const struct domain *d);
    const char *(*uuid)(const struct domain *d);
    /* ERR_REFUSED, naming the state, unless it runs. */
    int (*running)(struct domain *d, struct err *e);
    /* The live XML; the caller frees. */
    int (*xml)(struct domain *d, char **ret, struct err *e);
    /* The caller empties it with domain_fs_list_release(). */
    int (*filesystems)(struct domain *d, struct domain_fs_list *ret, struct err *e);
    /* qemu-ga answers within timeout_s; ERR_LIBVIRT says whether the channel is missing, the agent
     * not connected, or silent. Marks the domain as tainted (custom-ga-command) in libvirt. */
    int (*agent_ping)(struct domain *d, int timeout_s, struct err *e);
    /* guest-fsfreeze-status: what qemu-ga believes. Taints as agent_ping() does. */
    int (*agent_status)(struct domain *d, int timeout_s, enum agent_freeze *ret, struct err *e);
    /* virDomainFSFreeze of all filesystems: how many qemu-ga froze. */
    int (*freeze)(struct domain *d, unsigned *ret_count, struct err *e);
    /* How many it thawed; 0 is no error, also when nothing was frozen. */
    int (*thaw)(struct domain *d, unsigned *ret_count, struct err *e);
    /* Write counters of every disk in one call; *ret is the caller's to free(). A disk that has no
     * counters (an empty drive) is left out; a domain without any disk that has them fails. */
    int (*writes)(struct domain *d, struct disk_writes **ret, size_t *ret_count, struct err *e);
    /* Does its hypervisor run on this machine, so that QEMU's sockets are files here? A URI that
     * names a host or another transport than libvirt's UNIX socket says no. */
    bool (*local)(struct domain *d);
    /*
     * The channel of that name through libvirt, for a domain that is not local: *ret_fd is a
     * connected socket, the caller's, pumped by libvirt's event thread until either end closes or
     * the connection to libvirt ends. ERR_BUSY: another program has the channel through the same
     * libvirtd, which serves one; libvirt could cut that one off (VIR_DOMAIN_CHANNEL_FORCE), and
     * we never do, for it may be a run. A program on the hypervisor itself that has QEMU's socket
     * is not seen: the channel opens and nothing is heard (see port.h).
     */
    int (*channel)(struct domain *d, const char *name, int *ret_fd, struct err *e);

    /* ERR_NOT_FOUND for a transient domain that has ended; fails too where it cannot be told
     * whether one that is off is SAVED. *ret_by_guest, if wanted: it is OFF, and libvirt saw its
     * guest shut down, which is neither a crash nor somebody's destroy. A libvirtd that was started
     * since has forgotten that, and says OFF of one that is AWAY. */
    int (*state)(struct domain *d, enum domain_state *ret, bool *ret_by_guest, struct err *e);
    /* The definition that the next start takes, secrets left out; the caller frees. ERR_NOT_FOUND
     * for a domain without one (transient). */
    int (*definition)(struct domain *d, char **ret, struct err *e);
    /* The same with its secrets (the passwords of VNC and SPICE), which define() would otherwise
     * take away from it. Not to be logged, recorded or shown. ERR_AUTH on a libvirt that lets us
     * read only. */
    int (*secret_definition)(struct domain *d, char **ret, struct err *e);
    int (*host)(struct domain *d, struct domain_host *ret, struct err *e);
    /* Defines a domain, or replaces the definition of the one with that name and UUID; *ret as from
     * open(). ERR_REFUSED when one of the two is another domain's. Autostart of a new one is off.
     */
    int (*define)(struct domain **ret, const char *uri, const char *xml, struct err *e);
    /* Starts a transient domain that libvirt ends when this connection does, also when its owner is
     * killed (VIR_DOMAIN_START_AUTODESTROY; drivers that cannot refuse). That takes it moments
     * after the last close(): who needs the disks back calls destroy(), which waits for the end.
     * ERR_REFUSED when its name or UUID is another domain's, or runs already. */
    int (*create)(struct domain **ret, const char *uri, const char *xml, struct err *e);
    /* Of a defined domain that is off; one that is up already is a success, though it may be
     * paused: state() tells. Always a boot: the memory of one that is SAVED is thrown away, for it
     * knows nothing of disks that went back. */
    int (*start)(struct domain *d, struct err *e);
    /* Throws the memory of one that is SAVED away; of another one it is a success. */
    int (*forget_saved)(struct domain *d, struct err *e);
    /* Asks the guest to shut down and returns; state() tells when it has, and it may never. By the
     * agent it comes back within a minute, often when the guest has gone off; ERR_LIBVIRT when
     * qemu-ga does not answer, and BY_ACPI is the other way. ERR_REFUSED when it is off. */
    int (*shutdown)(struct domain *d, enum domain_shutdown how, struct err *e);
    /* Ends QEMU at once; one that is off is a success. */
    int (*destroy)(struct domain *d, struct err *e);
    /* Forgets the definition, with NVRAM, managed save, TPM state and what libvirt knows of its
     * snapshots; the disks stay. ERR_REFUSED unless it is off. */
    int (*undefine)(struct domain *d, struct err *e);
};

extern const struct domain_ops domain_libvirt;

/* Frees the texts and empties it. */
void domain_host_release(struct domain_host *h);

/* Frees what the list holds and empties it. */
void domain_fs_list_release(struct domain_fs_list *l);

#endif
