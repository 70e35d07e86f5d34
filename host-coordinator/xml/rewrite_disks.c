/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disks on other volumes; see domain_rewrite.h and rewrite.h.
 *
 * All of a disk but its source stays: its bus and address, by which the guest names it; <auth>, the
 * account on the array; <iotune>, for a clone spends the IOPS of the volume that production uses.
 */
#include "host-coordinator/xml/rewrite.h"

#include <stdlib.h>
#include <string.h>

#include "host-coordinator/xml/domain_xml.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

static int cannot_move(const char *target, const char *why, struct err *e)
{
    return err_set(e, ERR_CONFIG, "disk '%s' cannot be put on another volume: %s", target, why);
}

/* ---- sources --------------------------------------------------------------------------------- */

static int move_network(xmlNode *source, const struct disk_move *m, struct err *e)
{
    AUTO_FREE char *name = xml_attr(source, "name"), *moved = NULL;
    const char *slash = strrchr(name, '/');

    if (!xml_attr_is(source, "protocol", "iscsi"))
        return cannot_move(m->target, "its source is a network disk, and not of iSCSI", e);
    moved = xasprintf("%s%s", m->iqn, slash ? slash : "");
    xml_set_attr(source, "name", moved);
    return 0;
}

/* What the host's initiator calls the same LUN of the other target, at the same portal. */
static char *other_path(const char *path, const char *old_iqn, const char *iqn)
{
    const char *from = strstr(path, "-iscsi-") + strlen("-iscsi-");

    return xasprintf("%.*s%s%s", (int)(from - path), path, iqn, from + strlen(old_iqn));
}

/* "ip-HOST:PORT" before "-iscsi-"; an IPv6 address may stand in brackets, which libvirt adds. */
static bool portal_of(const char *path, char **ret_host, char **ret_port)
{
    const char *end = strstr(path, "-iscsi-"), *ip = strstr(path, "ip-"), *colon = end;

    for (const char *at = ip; (at = strstr(at, "-ip-")) && at < end;)
        ip = ++at; /* "pci-...-ip-HOST" */
    ip += strlen("ip-");
    while (colon > ip && *colon != ':')
        colon--;
    if (colon <= ip || colon + 1 == end)
        return false;
    *ret_port = xasprintf("%.*s", (int)(end - colon - 1), colon + 1);
    if (*ip == '[' && colon[-1] == ']')
        *ret_host = xasprintf("%.*s", (int)(colon - ip - 2), ip + 1);
    else
        *ret_host = xasprintf("%.*s", (int)(colon - ip), ip);
    return true;
}

/* What belongs to a device of the host: pass-through of SCSI commands, its way of doing I/O. */
static void forget_host_device(xmlNode *disk)
{
    xmlNode *driver = xml_child(disk, "driver");

    if (xml_attr_is(disk, "device", "lun"))
        xml_set_attr(disk, "device", "disk");
    xml_set_attr(disk, "rawio", NULL);
    xml_set_attr(disk, "sgio", NULL);
    if (driver)
        xml_set_attr(driver, "io", NULL);
}

static int to_network(xmlNode *disk, const char *path, const struct disk_move *m, int lun,
                      struct err *e)
{
    AUTO_FREE char *name = xasprintf("%s/%d", m->iqn, lun);
    AUTO_FREE char *host_name = NULL, *port = NULL;
    xmlNode *source, *host;

    if (strstr(strrchr(path, '/'), "-part"))
        return cannot_move(m->target, "it is a partition, which QEMU's initiator does not have", e);
    if (!portal_of(path, &host_name, &port))
        return cannot_move(m->target, "its device name tells no portal", e);
    forget_host_device(disk);
    xml_set_attr(disk, "type", "network");
    xml_drop_all(disk, "source");
    source = xml_add(disk, "source");
    xml_set_attr(source, "protocol", "iscsi");
    xml_set_attr(source, "name", name);
    host = xml_add(source, "host");
    xml_set_attr(host, "name", host_name);
    xml_set_attr(host, "port", port);
    return 0;
}

static int move_block(xmlNode *disk, xmlNode *source, enum rewrite_kind kind,
                      const struct disk_move *m, struct err *e)
{
    AUTO_FREE char *path = xml_attr(source, "dev"), *iqn = NULL, *moved = NULL;
    int lun;

    if (!by_path_iqn(path, &iqn, &lun))
        return cannot_move(m->target,
                           "it is a device of the host whose name does not tell its iSCSI volume; "
                           "give it as /dev/disk/by-path/ip-...-iscsi-...-lun-...",
                           e);
    if (kind == REWRITE_THROWAWAY)
        return to_network(disk, path, m, lun, e);
    moved = other_path(path, iqn, m->iqn);
    xml_set_attr(source, "dev", moved);
    return 0;
}

/* ---- disks ----------------------------------------------------------------------------------- */

/* A chain that libvirt found in a raw image is none. Of another format, part of the content lies in
 * a file that no snapshot has. */
static int check_chain(xmlNode *disk, const struct disk_move *m, struct err *e)
{
    xmlNode *chain = xml_child(disk, "backingStore");
    AUTO_FREE char *format = xml_attr(xml_child(disk, "driver"), "type");

    if (chain && xml_child(chain, "source") && *format && strcmp(format, "raw") != 0)
        return cannot_move(m->target, "it has a backing file, which the volume does not hold", e);
    xml_drop_all(disk, "backingStore");
    return 0;
}

/* QEMU takes none for a disk that answers with the array's own. */
static void set_serial(xmlNode *disk, const char *serial)
{
    AUTO_FREE char *old = xml_text(xml_child(disk, "serial"));

    if (serial && *serial && !*old && !xml_attr_is(disk, "device", "lun"))
        xml_set_text(xml_need(disk, "serial"), serial);
}

static int move_disk(xmlNode *disk, enum rewrite_kind kind, const struct disk_move *m,
                     struct err *e)
{
    xmlNode *source = xml_child(disk, "source");
    int rc;

    if (check_chain(disk, m, e) < 0)
        return -1;
    if (source && xml_attr_is(disk, "type", "network"))
        rc = move_network(source, m, e);
    else if (source && xml_attr_is(disk, "type", "block"))
        rc = move_block(disk, source, kind, m, e);
    else
        rc = cannot_move(m->target, "its source is neither an iSCSI volume nor a device of one", e);
    if (rc == 0)
        set_serial(disk, m->serial);
    return rc;
}

static const struct disk_move *move_of(const struct domain_rewrite *how, const char *target)
{
    for (size_t n = 0; n < how->disk_count; n++) {
        if (strcmp(how->disks[n].target, target) == 0)
            return &how->disks[n];
    }
    return NULL;
}

/* Of a disk that is not moved, for COPY and THROWAWAY. */
static void leave_out(xmlNode *disk, enum rewrite_kind kind)
{
    bool drive = xml_attr_is(disk, "device", "cdrom") || xml_attr_is(disk, "device", "floppy");

    if (!drive || kind == REWRITE_THROWAWAY)
        xml_drop(disk);
    else if (xml_attr_is(disk, "device", "floppy") && !xml_child(disk, "readonly"))
        xml_drop_all(disk, "source"); /* two would write it */
}

int rewrite_disks(xmlNode *devices, const struct domain_rewrite *how, struct err *e)
{
    AUTO_FREE bool *found = xcalloc(how->disk_count + 1, sizeof(*found));

    for (xmlNode *n = xml_child(devices, "disk"), *next; n; n = next) {
        AUTO_FREE char *target = xml_attr(xml_child(n, "target"), "dev");
        const struct disk_move *m = move_of(how, target);

        next = xml_next(devices, n, "disk");
        if (m) {
            found[m - how->disks] = true;
            if (move_disk(n, how->kind, m, e) < 0)
                return -1;
        } else if (how->kind != REWRITE_MOVE) {
            leave_out(n, how->kind);
        }
        if (m && how->kind != REWRITE_MOVE)
            xml_drop_all(n, "mirror"); /* of a block job of the first one */
    }
    for (size_t n = 0; n < how->disk_count; n++) {
        if (!found[n])
            return err_set(e, ERR_CONFIG, "the domain has no disk '%s'", how->disks[n].target);
    }
    return 0;
}
