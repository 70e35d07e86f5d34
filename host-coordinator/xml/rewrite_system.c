/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of a definition is not in <devices>; see domain_rewrite.h and rewrite.h. */
#include "host-coordinator/xml/rewrite.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

/* ---- memory ---------------------------------------------------------------------------------- */

static void set_mib(xmlNode *node, int mib)
{
    AUTO_FREE char *text = xasprintf("%d", mib);

    if (!node)
        return;
    xml_set_attr(node, "unit", "MiB");
    xml_set_text(node, text);
}

/* Controllers may be said to be near a NUMA cell; without cells libvirt refuses them. */
static void forget_cells(xmlNode *root)
{
    xmlNode *devices = xml_child(root, "devices");

    xml_drop_all(xml_child(root, "cpu"), "numa");
    xml_drop_all(root, "numatune");
    for (xmlNode *n = xml_child(devices, "controller"); n; n = xml_next(devices, n, "controller")) {
        if (xml_child(n, "target"))
            xml_drop_all(xml_child(n, "target"), "node");
    }
}

/*
 * With NUMA cells their sum is the memory, and memory devices come on top: what is left when it
 * shall be less is a decision that we only take for a domain whose shape nobody relies on.
 */
static int set_memory(xmlNode *root, const struct domain_rewrite *how, struct err *e)
{
    xmlNode *cpu = xml_child(root, "cpu"), *devices = xml_child(root, "devices");

    if (how->kind != REWRITE_THROWAWAY && (xml_child(cpu, "numa") || xml_child(devices, "memory")))
        return err_set(e, ERR_CONFIG,
                       "the memory of a domain with NUMA cells or memory devices cannot be set to "
                       "%d MiB; leave it as it is",
                       how->memory_mib);
    forget_cells(root);
    xml_drop_all(root, "maxMemory");
    set_mib(xml_need(root, "memory"), how->memory_mib);
    /* absent it is as much as <memory> */
    set_mib(xml_child(root, "currentMemory"), how->memory_mib);
    return 0;
}

/* ---- firmware -------------------------------------------------------------------------------- */

/* SMBIOS tables are QEMU's own unless mode says otherwise: "emulate" and none are the same, and
 * with "host" the guest loses sight of its host's, which is none of a copy's identity. */
static void set_asset(xmlNode *root, const char *asset)
{
    xmlNode *sysinfo = xml_child(root, "sysinfo"), *chassis, *entry;

    /* of type fwcfg there may be another one */
    while (sysinfo && !xml_attr_is(sysinfo, "type", "smbios"))
        sysinfo = xml_next(root, sysinfo, "sysinfo");
    if (!sysinfo) {
        sysinfo = xml_add(root, "sysinfo");
        xml_set_attr(sysinfo, "type", "smbios");
    }
    chassis = xml_need(sysinfo, "chassis");
    entry = xml_child(chassis, "entry");
    while (entry && !xml_attr_is(entry, "name", "asset"))
        entry = xml_next(chassis, entry, "entry");
    if (!entry) {
        entry = xml_add(chassis, "entry");
        xml_set_attr(entry, "name", "asset");
    }
    xml_set_text(entry, asset);
    xml_set_attr(xml_need(xml_need(root, "os"), "smbios"), "mode", "sysinfo");
}

/*
 * The file of the firmware's variables is the first domain's. Without a path libvirt makes one of
 * the domain's name from the template (its own for this loader when none is given). The boot
 * entries that the guest had set are not in it: firmware then starts \EFI\BOOT\BOOTX64.EFI.
 */
static void forget_nvram(xmlNode *root)
{
    xmlNode *nvram = xml_child(xml_child(root, "os"), "nvram");

    if (!nvram)
        return;
    xml_set_text(nvram, "");
    xml_set_attr(nvram, "type", NULL);
    if (!xml_has(nvram, "template"))
        xml_drop(nvram);
}

/* ---- labels and shares ----------------------------------------------------------------------- */

/* libvirt gives a new label for each run, in the dynamic ones; a static one is an admin's. */
static void forget_labels(xmlNode *root)
{
    for (xmlNode *n = xml_child(root, "seclabel"), *next; n; n = next) {
        next = xml_next(root, n, "seclabel");
        if (!xml_attr_is(n, "type", "dynamic"))
            continue;
        xml_drop_all(n, "label");
        xml_drop_all(n, "imagelabel");
        if (!xml_child(n, "baselabel"))
            xml_drop(n);
    }
}

/* Processors, cells, pages and shares of the host that are meant for production. */
static void forget_shares(xmlNode *root)
{
    static const char *const names[] = {"cputune",   "numatune", "memtune",
                                        "blkiotune", "resource", "memoryBacking"};
    xmlNode *vcpu = xml_child(root, "vcpu");

    for (size_t n = 0; n < ARRAY_SIZE(names); n++)
        xml_drop_all(root, names[n]);
    if (vcpu) {
        xml_set_attr(vcpu, "cpuset", NULL);
        xml_set_attr(vcpu, "placement", NULL);
    }
}

int rewrite_system(xmlNode *root, const struct domain_rewrite *how, struct err *e)
{
    if (how->memory_mib > 0 && set_memory(root, how, e) < 0)
        return -1;
    if (how->asset)
        set_asset(root, how->asset);
    if (how->kind == REWRITE_MOVE)
        return 0;
    forget_nvram(root);
    forget_labels(root);
    if (how->kind == REWRITE_THROWAWAY)
        forget_shares(root);
    return 0;
}
