/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain's definition made over: onto other volumes, as another VM, or as a throw-away one.
 *
 * Source: libvirt "Domain XML format". Pure functions of their text (but for the random bytes of a
 * copy's MACs), built on libxml2 like domain_xml.h and with its limits: no DOCTYPE, at most 4 MiB.
 * Meant for definitions; what a live XML has beyond is harmless. In a MOVE and a COPY, what we do
 * not know of is kept as it is. Errors: ERR_LIBVIRT (the XML), ERR_CONFIG (a disk that cannot be
 * made over, by its target; a missing name; memory that cannot be set). Not tied to a thread.
 */
#ifndef CBSNAP_DOMAIN_REWRITE_H
#define CBSNAP_DOMAIN_REWRITE_H

#include <stddef.h>

#include "proto/base/err.h"

/*
 * The disk `target` shall be the volume of that IQN, at the LUN and the portal that it had: a
 * network disk of iSCSI, or a device of the host by its /dev/disk/by-path name. Bus, address,
 * <auth> and <iotune> stay. Its serial stays, and is set from `serial` when it has none, so that
 * the guest finds its disks under the same names.
 */
struct disk_move {
    const char *target, *iqn;
    const char *serial; /* "" or NULL: as it is */
};

enum rewrite_kind {
    /* The same VM on other volumes: nothing but the disks' sources changes, and an empty <genid>
     * has libvirt make a new one, which tells the guest that it is not where it was. */
    REWRITE_MOVE,
    /*
     * Another VM beside it: `name`, `uuid`, <genid>, a new MAC for each interface (52:54:00:..), no
     * fixed addresses of sockets, taps, switch ports, forwarded ports, VNC, SPICE or vsock; serial
     * ports that were files or sockets are pseudo-terminals; NVRAM anew from its template (the
     * guest's boot entries are lost), TPM anew; Nova's metadata and dynamic labels are left out.
     *
     * So is what holds the first one's content or peers: disks that are not moved, a writable
     * floppy, NVDIMMs, shared memory, leases, pstore, interfaces and folders behind a socket of
     * another program. CD-ROMs stay. Host devices, shared folders and QEMU's own arguments stay
     * too, and may keep both from running at the same time.
     */
    REWRITE_COPY,
    /*
     * A copy that can reach nobody, and takes little from production. Of devices it has only: disks
     * that are moved, controllers, serial ports and consoles as pseudo-terminals, virtio channels
     * with sockets of their own, keyboard and mouse, video, random numbers, balloon, panic. Others,
     * known to us or not, are left out: interfaces, host devices, CD-ROMs, graphics, ...
     *
     * Without QEMU arguments of its own and all else past libvirt; without metadata; without pinned
     * processors, cells, huge pages, weights and partitions. on_poweroff, on_reboot and on_crash
     * are "destroy". Devices of the host (/dev/disk/by-path/...-iscsi-...) become network disks of
     * QEMU's own initiator, so that the host need not log in: its CHAP account is not ours to know,
     * and its name at the array is QEMU's own, iqn.2008-11.org.linux-kvm:UUID, not the host's.
     */
    REWRITE_THROWAWAY,
};

struct domain_rewrite {
    enum rewrite_kind kind;
    const char *name, *uuid; /* COPY, THROWAWAY */
    /* Chassis asset tag that the guest sees (SMBIOS; libvirt 4.1 or later, an older one leaves it
     * out); NULL: as it is. What else the domain's <sysinfo> says stays. */
    const char *asset;
    /* 0: as it is. A domain with NUMA cells or memory devices loses them as THROWAWAY, and is
     * ERR_CONFIG else. */
    int memory_mib;
    const struct disk_move *disks;
    size_t disk_count;
};

/* *ret is the caller's to free(), written on success only. Every disk in `how` must be there. */
int domain_rewrite(char **ret, const char *xml, const struct domain_rewrite *how, struct err *e);

#endif
