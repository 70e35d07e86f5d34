/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices of a second domain but disks and character devices; see domain_rewrite.h and rewrite.h.
 */
#include "host-coordinator/xml/rewrite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/compat.h"

static bool named(const xmlNode *node, const char *const *names)
{
    for (; *names; names++) {
        if (xml_is(node, *names))
            return true;
    }
    return false;
}

/* ---- a throw-away domain --------------------------------------------------------------------- */

/* What it may have. All else is left out, also what is not known yet when this is written: any
 * device may be a way to the host or to the network. */
static bool is_harmless(xmlNode *node)
{
    static const char *const names[] = {"emulator", "disk",       "controller", "serial", "console",
                                        "video",    "memballoon", "panic",      "iommu",  "hub",
                                        "input",    "rng",        "channel",    "crypto", NULL};

    if (xml_is(node, "input"))
        return !xml_attr_is(node, "type", "passthrough") && !xml_attr_is(node, "type", "evdev");
    return named(node, names);
}

/* Entropy from a socket of the host's becomes the kernel's. */
static void calm_rng(xmlNode *rng)
{
    xmlNode *backend = xml_child(rng, "backend");

    if (!backend || !xml_attr_is(backend, "model", "egd"))
        return;
    xml_set_attr(backend, "model", "random");
    xml_set_attr(backend, "type", NULL);
    xml_set_text(backend, "/dev/urandom");
}

/* Without graphics nothing renders; the adapter stays, for the guest's console is on it. */
static void calm_video(xmlNode *video)
{
    xml_drop_all(xml_child(video, "model"), "acceleration");
    if (xml_attr_is(xml_child(video, "driver"), "name", "vhostuser"))
        xml_drop_all(video, "driver");
}

static void make_harmless(xmlNode *devices)
{
    for (xmlNode *n = devices->children, *next; n; n = next) {
        next = n->next;
        if (n->type != XML_ELEMENT_NODE)
            continue;
        if (!is_harmless(n))
            xml_drop(n);
        else if (xml_is(n, "rng"))
            calm_rng(n);
        else if (xml_is(n, "video"))
            calm_video(n);
    }
}

/* ---- a copy beside the first one ------------------------------------------------------------- */

/* 52:54:00 is QEMU's own prefix, the one that libvirt takes; three random bytes, as it does. */
static int new_mac(xmlNode *interface, struct err *e)
{
    unsigned char r[3];
    char mac[18];

    if (random_fill(r, sizeof(r)) < 0)
        return err_set(e, ERR_IO, "cannot read random bytes for a MAC address");
    (void)snprintf(mac, sizeof(mac), "52:54:00:%02x:%02x:%02x", r[0], r[1], r[2]);
    xml_set_attr(xml_need(interface, "mac"), "address", mac);
    return 0;
}

/* A name of a host's tap device, a port of a virtual switch, a forwarded port: one domain's. */
static int renew_interface(xmlNode *interface, struct err *e)
{
    xmlNode *source = xml_child(interface, "source"), *port = xml_child(interface, "virtualport");
    xmlNode *parameters = xml_child(port, "parameters");

    if (xml_attr_is(interface, "type", "vhostuser")) {
        xml_drop(interface); /* its socket has the first one's switch port behind it */
        return 0;
    }
    xml_drop_all(interface, "target");
    xml_drop_all(interface, "portForward");
    if (source)
        xml_set_attr(source, "portid", NULL);
    if (parameters) {
        xml_set_attr(parameters, "interfaceid", NULL);
        xml_set_attr(parameters, "instanceid", NULL);
    }
    return new_mac(interface, e);
}

/* A socket stays one: a port of the host instead would let more people in. */
static bool listens_at_socket(xmlNode *graphics)
{
    bool found = xml_has(graphics, "socket");

    for (xmlNode *n = xml_child(graphics, "listen"); n; n = xml_next(graphics, n, "listen")) {
        found = found || xml_attr_is(n, "type", "socket");
        xml_set_attr(n, "socket", NULL);
    }
    if (found && !xml_child(graphics, "listen"))
        xml_set_attr(xml_add(graphics, "listen"), "type", "socket");
    return found;
}

/* VNC, SPICE, RDP: libvirt picks ports, and sockets; addresses to listen at stay. */
static void renew_graphics(xmlNode *graphics)
{
    static const char *const fixed[] = {"port", "tlsPort", "websocket", "socket", "address"};
    bool web = xml_has(graphics, "websocket"), socket = listens_at_socket(graphics);

    for (size_t n = 0; n < ARRAY_SIZE(fixed); n++)
        xml_set_attr(graphics, fixed[n], NULL);
    if (web && !socket)
        xml_set_attr(graphics, "websocket", "-1");
    if (!socket && (xml_attr_is(graphics, "type", "vnc") ||
                    xml_attr_is(graphics, "type", "spice") || xml_attr_is(graphics, "type", "rdp")))
        xml_set_attr(graphics, "autoport", "yes");
}

/* The guest's address on the host's socket family: the next free one. */
static void renew_vsock(xmlNode *vsock)
{
    xmlNode *cid = xml_need(vsock, "cid");

    xml_set_attr(cid, "auto", "yes");
    xml_set_attr(cid, "address", NULL);
}

/* A file or a socket that has the first one's state or peer behind it. */
static bool is_the_first_ones(xmlNode *node)
{
    static const char *const always[] = {"lease", "shmem", "pstore", NULL};
    xmlNode *source = xml_child(node, "source");

    if (named(node, always))
        return true;
    if (xml_is(node, "memory")) /* NVDIMM, persistent memory */
        return xml_child(source, "path") != NULL;
    if (xml_is(node, "filesystem")) /* a virtiofsd that somebody else started */
        return source && xml_has(source, "socket");
    return xml_is(node, "redirdev") && !xml_attr_is(node, "type", "spicevmc");
}

static void renew_tpm(xmlNode *tpm)
{
    xmlNode *backend = xml_child(tpm, "backend");

    if (backend && xml_attr_is(backend, "type", "emulator"))
        xml_drop_all(backend, "source");
}

static int renew_device(xmlNode *node, struct err *e)
{
    if (is_the_first_ones(node))
        xml_drop(node);
    else if (xml_is(node, "interface"))
        return renew_interface(node, e);
    else if (xml_is(node, "graphics"))
        renew_graphics(node);
    else if (xml_is(node, "vsock"))
        renew_vsock(node);
    else if (xml_is(node, "tpm"))
        renew_tpm(node);
    return 0;
}

int rewrite_devices(xmlNode *devices, const struct domain_rewrite *how, struct err *e)
{
    if (how->kind == REWRITE_THROWAWAY) {
        make_harmless(devices);
        return 0;
    }
    for (xmlNode *n = devices->children, *next; n; n = next) {
        next = n->next;
        if (n->type == XML_ELEMENT_NODE && renew_device(n, e) < 0)
            return -1;
    }
    return 0;
}
