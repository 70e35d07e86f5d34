/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain's definition made over: onto other volumes, as another VM, or as a throw-away one.
 *
 * Source: libvirt "Domain XML format". Pure functions of their text, built on libxml2 like
 * domain_xml.h and with its limits: no DOCTYPE, at most 4 MiB. What we do not know of is kept as it
 * is. Errors: ERR_LIBVIRT (the XML), ERR_CONFIG (a disk that cannot be made over, by its target).
 */
#ifndef CBSNAP_DOMAIN_REWRITE_H
#define CBSNAP_DOMAIN_REWRITE_H

#include <stddef.h>

#include "proto/base/err.h"

/* The disk `target` shall be the volume of that IQN, at the LUN that it had. Its serial stays, and
 * is set from `serial` when it has none, so that the guest finds its disks under the same names. */
struct disk_move {
    const char *target, *iqn;
    const char *serial; /* "" or NULL: as it is */
};

enum rewrite_kind {
    /* The same VM on other volumes: nothing but the disks' sources changes. */
    REWRITE_MOVE,
    /* Another VM beside it: `name`, `uuid`, a new MAC for each interface (52:54:00:..), no fixed
     * addresses of sockets, VNC ports or NVRAM files; disks that are not moved are left out, as
     * they are the first one's. */
    REWRITE_COPY,
    /* A copy that can reach nobody: also without interfaces, host devices, shared folders,
     * redirected devices, QEMU arguments of its own, graphics, or console files; its channels get
     * sockets of their own; disks of host devices (/dev/disk/by-path/...-iscsi-...) become network
     * disks of QEMU's own initiator, so that the host need not log in; on_poweroff, on_reboot and
     * on_crash are "destroy". */
    REWRITE_THROWAWAY,
};

struct domain_rewrite {
    enum rewrite_kind kind;
    const char *name, *uuid; /* COPY, THROWAWAY */
    const char *asset;       /* chassis asset tag that the guest sees (SMBIOS); NULL: as it is */
    int memory_mib;          /* 0: as it is */
    const struct disk_move *disks;
    size_t disk_count;
};

/* *ret is the caller's to free(), written on success only. Every disk in `how` must be there. */
int domain_rewrite(char **ret, const char *xml, const struct domain_rewrite *how, struct err *e);

#endif
