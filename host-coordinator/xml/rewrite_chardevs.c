/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Serial ports, consoles and channels of a second domain; see domain_rewrite.h and rewrite.h. */
#include "host-coordinator/xml/rewrite.h"

static bool is_of(xmlNode *node, const char *const *types)
{
    for (; *types; types++) {
        if (xml_attr_is(node, "type", *types))
            return true;
    }
    return false;
}

/* What the live XML tells of it, and its log file, which is the first one's. */
static void forget_run(xmlNode *node)
{
    xmlNode *target = xml_child(node, "target");

    xml_drop_all(node, "log");
    xml_set_attr(node, "tty", NULL);
    if (target)
        xml_set_attr(target, "state", NULL);
}

/* Of `type` from now on, and with nothing of the one that it was. */
static void make(xmlNode *node, const char *type)
{
    xml_set_attr(node, "type", type);
    xml_drop_all(node, "source");
    xml_drop_all(node, "protocol");
}

/* A file, a socket or a device of the host becomes a pseudo-terminal: the guest keeps its port. */
static void renew_port(xmlNode *node, enum rewrite_kind kind)
{
    static const char *const own[] = {"null", "vc", "stdio", NULL};

    forget_run(node);
    if (!is_of(node, own) || (kind == REWRITE_THROWAWAY && !xml_attr_is(node, "type", "null")))
        make(node, "pty");
}

/* To graphics, or to another program that listens: nothing of theirs is this domain's. UDP sends
 * from a port of its own. */
static bool is_of_others(xmlNode *node)
{
    static const char *const graphics[] = {"spicevmc", "spiceport", "qemu-vdagent", NULL};

    return is_of(node, graphics) || (xml_attr_is(xml_child(node, "source"), "mode", "connect") &&
                                     !xml_attr_is(node, "type", "udp"));
}

/* libvirt makes a socket of the domain's name and the channel's for one without a path. */
static void renew_channel(xmlNode *node, enum rewrite_kind kind)
{
    bool virtio = xml_attr_is(xml_child(node, "target"), "type", "virtio");

    forget_run(node);
    if (kind == REWRITE_COPY) {
        if (virtio && !is_of_others(node))
            make(node, xml_attr_is(node, "type", "pty") ? "pty" : "unix");
        return;
    }
    /* guestfwd is a way out through the network, others are Xen's; and there are no graphics */
    if (!virtio || (is_of_others(node) && !xml_attr_is(node, "type", "unix")))
        xml_drop(node);
    else
        make(node, "unix");
}

static void for_all(xmlNode *devices, const char *name, enum rewrite_kind kind,
                    void (*renew)(xmlNode *node, enum rewrite_kind kind))
{
    for (xmlNode *n = xml_child(devices, name), *next; n; n = next) {
        next = xml_next(devices, n, name);
        renew(n, kind);
    }
}

void rewrite_chardevs(xmlNode *devices, const struct domain_rewrite *how)
{
    for_all(devices, "serial", how->kind, renew_port);
    for_all(devices, "parallel", how->kind, renew_port);
    for_all(devices, "console", how->kind, renew_port);
    for_all(devices, "channel", how->kind, renew_channel);
}
