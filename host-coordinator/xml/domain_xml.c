/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks and channels out of a domain's XML; see domain_xml.h. */
#include "host-coordinator/xml/domain_xml.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "host-coordinator/xml/tree.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

/* ---- disks ----------------------------------------------------------------------------------- */

/* libvirt writes "IQN/LUN"; without the slash it means LUN 0. */
static void split_iscsi(const char *name, char **ret_iqn, int *ret_lun)
{
    const char *slash = strrchr(name, '/');
    char *end;
    long lun;

    if (!slash) {
        *ret_iqn = xstrdup(name);
        *ret_lun = 0;
        return;
    }
    *ret_iqn = xasprintf("%.*s", (int)(slash - name), name);
    lun = strtol(slash + 1, &end, 10);
    *ret_lun = end != slash + 1 && *end == '\0' && lun >= 0 && lun <= INT_MAX ? (int)lun : -1;
}

static void read_network_source(struct domain_disk *d, xmlNode *source)
{
    AUTO_FREE char *name = xml_attr(source, "name");
    AUTO_FREE char *protocol = xml_attr(source, "protocol");
    AUTO_FREE char *host = xml_attr(xml_child(source, "host"), "name");
    AUTO_FREE char *port = xml_attr(xml_child(source, "host"), "port");
    bool iscsi = strcmp(protocol, "iscsi") == 0;

    if (iscsi)
        split_iscsi(name, &d->iqn, &d->lun);
    d->source = xasprintf("%s%s%s%s%s%s%s", iscsi ? "" : protocol, iscsi ? "" : ":", name,
                          *host ? " at " : "", host, *port ? ":" : "", port);
}

static void read_source(struct domain_disk *d, xmlNode *disk)
{
    AUTO_FREE char *type = xml_attr(disk, "type");
    xmlNode *source = xml_child(disk, "source");

    d->lun = -1;
    if (!source) {
        d->source = xstrdup("");
    } else if (strcmp(type, "network") == 0) {
        read_network_source(d, source);
    } else if (strcmp(type, "block") == 0) {
        d->source = xml_attr(source, "dev");
        (void)by_path_iqn(d->source, &d->iqn, &d->lun);
    } else if (strcmp(type, "file") == 0) {
        d->source = xml_attr(source, "file");
    } else if (strcmp(type, "volume") == 0) {
        AUTO_FREE char *pool = xml_attr(source, "pool");
        AUTO_FREE char *volume = xml_attr(source, "volume");

        d->source = xasprintf("volume %s of pool %s", volume, pool);
    } else {
        d->source = xstrdup(type);
    }
    if (!d->iqn)
        d->iqn = xstrdup("");
}

static void add_disk(struct domain_xml *x, xmlNode *node)
{
    AUTO_FREE char *device = xml_attr(node, "device");
    struct domain_disk *d;

    /* absent means disk; a 'lun' is a disk that also passes SCSI commands through */
    if (*device && strcmp(device, "disk") != 0 && strcmp(device, "lun") != 0)
        return;
    x->disks = xrealloc(x->disks, (x->disk_count + 1) * sizeof(*x->disks));
    d = &x->disks[x->disk_count++];
    *d = (struct domain_disk){
        .target = xml_attr(xml_child(node, "target"), "dev"),
        .alias = xml_attr(xml_child(node, "alias"), "name"),
        .serial = xml_text(xml_child(node, "serial")),
        .read_only = xml_child(node, "readonly") != NULL,
    };
    read_source(d, node);
}

/* ---- channels -------------------------------------------------------------------------------- */

static void add_channel(struct domain_xml *x, xmlNode *node)
{
    xmlNode *target = xml_child(node, "target"), *source = xml_child(node, "source");
    AUTO_FREE char *state = xml_attr(target, "state");
    struct domain_channel *c;
    bool served;

    if (!xml_attr_is(target, "type", "virtio"))
        return;
    /* with mode='connect' it is QEMU that connects, to somebody else */
    served = xml_attr_is(node, "type", "unix") && !xml_attr_is(source, "mode", "connect");
    x->channels = xrealloc(x->channels, (x->channel_count + 1) * sizeof(*x->channels));
    c = &x->channels[x->channel_count++];
    *c = (struct domain_channel){
        .name = xml_attr(target, "name"),
        .path = served ? xml_attr(source, "path") : xstrdup(""),
        .connected = strcmp(state, "connected") == 0,
        .has_state = *state != '\0',
    };
}

/* ---- the document ---------------------------------------------------------------------------- */

int domain_xml_parse(struct domain_xml *ret, const char *xml, struct err *e)
{
    AUTO_DOC xmlDocPtr doc = NULL;
    struct domain_xml x = {.name = NULL};
    xmlNode *root, *devices;

    if (xml_read(xml, &doc, e) < 0)
        return -1;
    root = xmlDocGetRootElement(doc);
    devices = xml_child(root, "devices");
    x.name = xml_text(xml_child(root, "name"));
    x.uuid = xml_text(xml_child(root, "uuid"));
    for (xmlNode *n = xml_child(devices, "disk"); n; n = xml_next(devices, n, "disk"))
        add_disk(&x, n);
    for (xmlNode *n = xml_child(devices, "channel"); n; n = xml_next(devices, n, "channel"))
        add_channel(&x, n);
    *ret = x;
    return 0;
}

void domain_xml_release(struct domain_xml *x)
{
    for (size_t n = 0; n < x->disk_count; n++) {
        free(x->disks[n].target);
        free(x->disks[n].alias);
        free(x->disks[n].serial);
        free(x->disks[n].source);
        free(x->disks[n].iqn);
    }
    for (size_t n = 0; n < x->channel_count; n++) {
        free(x->channels[n].name);
        free(x->channels[n].path);
    }
    free(x->disks);
    free(x->channels);
    free(x->name);
    free(x->uuid);
    *x = (struct domain_xml){.name = NULL};
}

const struct domain_disk *domain_xml_disk(const struct domain_xml *x, const char *target)
{
    for (size_t n = 0; n < x->disk_count; n++) {
        if (strcmp(x->disks[n].target, target) == 0)
            return &x->disks[n];
    }
    return NULL;
}

const struct domain_channel *domain_xml_channel(const struct domain_xml *x, const char *name)
{
    for (size_t n = 0; n < x->channel_count; n++) {
        if (strcmp(x->channels[n].name, name) == 0)
            return &x->channels[n];
    }
    return NULL;
}
