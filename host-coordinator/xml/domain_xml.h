/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What we need to know from a domain's XML: its disks with their sources, and its channels.
 *
 * Source: libvirt "Domain XML format", sections "Hard drives, floppy disks, CDROMs" and "Channel";
 * by-path names: udev's 60-persistent-storage.rules and Nova's iSCSI connector.
 * Built on libxml2, network access and entity expansion off; the only owner of that library. A
 * DOCTYPE, which libvirt never writes, is refused, and so are more than 4 MiB, and a second element
 * of a kind of which libvirt writes one, such as <devices>.
 *
 * Pure functions of their text: no device is looked at, for the domain may run on another machine
 * than we do. A disk given as /dev/sdX or /dev/mapper/... has thus no IQN; its serial can tell.
 * Errors: ERR_LIBVIRT, with the line. Not tied to a thread.
 */
#ifndef CBSNAP_DOMAIN_XML_H
#define CBSNAP_DOMAIN_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/err.h"

struct domain_disk {
    char *target; /* "vda" */
    char *alias;  /* "virtio-disk0"; "" in the persistent XML */
    char *serial; /* "" when none is set */
    char *source; /* for people: "iqn...:vol/1 at 192.0.2.40:3260", "/dev/disk/by-path/..." */
    char *iqn;    /* of a network disk or a by-path name; "" when it is no iSCSI disk we can tell */
    int lun;      /* -1 when unknown */
    bool read_only;
};

struct domain_channel {
    char *name;     /* "org.cbsnap.agent.0" */
    char *path;     /* of the socket that QEMU serves; "" when the channel is of another type */
    bool connected; /* libvirt says that the guest has opened its end (state='connected') */
    bool has_state;
};

struct domain_xml {
    char *name, *uuid;
    struct domain_disk *disks; /* device='disk' and 'lun': no CD-ROM, no floppy */
    size_t disk_count;
    struct domain_channel *channels; /* virtio ones */
    size_t channel_count;
};

/* *ret is only written on success; domain_xml_release() empties it. */
int domain_xml_parse(struct domain_xml *ret, const char *xml, struct err *e);
void domain_xml_release(struct domain_xml *x);
/* NULL if there is none of that name; borrowed from x. */
const struct domain_disk *domain_xml_disk(const struct domain_xml *x, const char *target);
const struct domain_channel *domain_xml_channel(const struct domain_xml *x, const char *name);

/*
 * The IQN in "/dev/disk/by-path/ip-HOST:PORT-iscsi-IQN-lun-N[-partM]"; false if it is none. The
 * caller frees *ret_iqn.
 */
bool by_path_iqn(const char *path, char **ret_iqn, int *ret_lun);

#endif
