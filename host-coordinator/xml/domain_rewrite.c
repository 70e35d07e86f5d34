/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A definition made over: who it is, and the order of the parts. See domain_rewrite.h. */
#include "host-coordinator/xml/domain_rewrite.h"

#include <stdlib.h>
#include <string.h>

#include "host-coordinator/xml/rewrite.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

static int check(const struct domain_rewrite *how, struct err *e)
{
    if (how->memory_mib < 0)
        return err_set(e, ERR_CONFIG, "a domain cannot have %d MiB of memory", how->memory_mib);
    if (how->kind == REWRITE_MOVE)
        return 0;
    if (!how->name || !*how->name || !how->uuid || !*how->uuid)
        return err_set(e, ERR_CONFIG, "a second domain needs a name and a UUID of its own");
    return 0;
}

static bool is_ns(const xmlNode *node, const char *prefix)
{
    return node->type == XML_ELEMENT_NODE && node->ns && node->ns->href &&
           strncmp((const char *)node->ns->href, prefix, strlen(prefix)) == 0;
}

/* All that says of which instance this is: Nova would take the copy for its own. */
static void drop_nova(xmlNode *root)
{
    xmlNode *metadata = xml_child(root, "metadata");

    for (xmlNode *n = metadata ? metadata->children : NULL, *next; n; n = next) {
        next = n->next;
        if (is_ns(n, "http://openstack.org/xmlns/libvirt/nova/"))
            xml_drop(n);
    }
}

/* Arguments and settings handed to the hypervisor past libvirt: they may hold anything. Wherever
 * they are, though libvirt looks for them below <domain> only; the parser lets nothing lie deeper
 * than 256. */
static void drop_foreign(xmlNode *in)
{
    for (xmlNode *n = in->children, *next; n; n = next) {
        next = n->next;
        if (n->type != XML_ELEMENT_NODE)
            continue;
        if (n->ns)
            xml_drop(n);
        else
            drop_foreign(n);
    }
}

static void rename_domain(xmlNode *root, const struct domain_rewrite *how)
{
    xmlNode *system = NULL;

    xml_set_text(xml_child(root, "name"), how->name);
    xml_set_text(xml_need(root, "uuid"), how->uuid);
    xml_set_attr(root, "id", NULL);
    /* Nova writes the UUID here too, and libvirt refuses a domain whose two differ */
    for (xmlNode *s = xml_child(root, "sysinfo"); s && !system; s = xml_next(root, s, "sysinfo"))
        system = xml_child(s, "system");
    for (xmlNode *n = xml_child(system, "entry"); n; n = xml_next(system, n, "entry")) {
        if (xml_attr_is(n, "name", "uuid"))
            xml_set_text(n, how->uuid);
    }
}

static void identify(xmlNode *root, const struct domain_rewrite *how)
{
    xmlNode *genid = xml_child(root, "genid");

    /* whichever kind: this guest is not where it was, and this is how it is told. Empty, libvirt
     * makes a new one */
    if (genid)
        xml_set_text(genid, "");
    if (how->kind == REWRITE_MOVE)
        return;
    rename_domain(root, how);
    if (how->kind == REWRITE_COPY) {
        drop_nova(root);
        return;
    }
    xml_drop_all(root, "metadata");
    drop_foreign(root);
    for (size_t n = 0; n < 3; n++)
        xml_set_text(xml_need(root, (const char *[]){"on_poweroff", "on_reboot", "on_crash"}[n]),
                     "destroy");
}

/* Devices may be absent, as in libvirt's smallest definitions. */
static int rewrite_all_devices(xmlNode *devices, const struct domain_rewrite *how, struct err *e)
{
    struct pci_slots before;
    int rc;

    if (!devices || how->kind == REWRITE_MOVE)
        return rewrite_disks(devices, how, e);
    pci_slots_read(&before, devices);
    rc = rewrite_disks(devices, how, e);
    if (rc == 0)
        rc = rewrite_devices(devices, how, e);
    if (rc == 0) {
        rewrite_chardevs(devices, how);
        pci_slots_mend(&before, devices);
    }
    pci_slots_release(&before);
    return rc;
}

static int rewrite(xmlNode *root, const struct domain_rewrite *how, struct err *e)
{
    identify(root, how);
    if (rewrite_system(root, how, e) < 0)
        return -1;
    return rewrite_all_devices(xml_child(root, "devices"), how, e);
}

int domain_rewrite(char **ret, const char *xml, const struct domain_rewrite *how, struct err *e)
{
    AUTO_DOC xmlDocPtr doc = NULL;
    xmlChar *text = NULL;
    int len = 0;

    if (check(how, e) < 0 || xml_read(xml, &doc, e) < 0 ||
        rewrite(xmlDocGetRootElement(doc), how, e) < 0)
        return -1;
    xmlDocDumpMemoryEnc(doc, &text, &len, "UTF-8");
    if (!text)
        return err_set(e, ERR_INTERNAL, "cannot write the domain's XML");
    *ret = xstrdup((const char *)text); /* libxml2 may have an allocator of its own */
    xmlFree(text);
    return 0;
}
