/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks and channels out of a domain's XML; see domain_xml.h. */
#include "host-coordinator/xml/domain_xml.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/tree.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

/* A domain with a hundred disks has some 100 KiB. */
#define XML_MAX (4 * 1024 * 1024)

/* ---- small helpers over libxml2 -------------------------------------------------------------- */

static void doc_cleanup(xmlDocPtr *doc)
{
    xmlFreeDoc(*doc);
}
#define AUTO_DOC __attribute__((cleanup(doc_cleanup)))

static void context_cleanup(xmlParserCtxtPtr *ctxt)
{
    xmlFreeParserCtxt(*ctxt);
}
#define AUTO_CONTEXT __attribute__((cleanup(context_cleanup)))

/* Elements of other namespaces (qemu:commandline, metadata) are not libvirt's own. */
static bool is_element(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && !node->ns &&
           strcmp((const char *)node->name, name) == 0;
}

static xmlNode *next_child(xmlNode *parent, xmlNode *after, const char *name)
{
    xmlNode *node = after ? after->next : parent->children;

    while (node && !is_element(node, name))
        node = node->next;
    return node;
}

static xmlNode *child(xmlNode *parent, const char *name)
{
    return parent ? next_child(parent, NULL, name) : NULL;
}

/* "" where libxml2 has NULL; the caller frees. */
static char *own_text(xmlChar *text)
{
    char *copy = xstrdup(text ? (const char *)text : "");

    xmlFree(text);
    return copy;
}

static char *attr(xmlNode *node, const char *name)
{
    return own_text(node ? xmlGetNoNsProp(node, (const xmlChar *)name) : NULL);
}

static bool attr_is(xmlNode *node, const char *name, const char *value)
{
    AUTO_FREE char *text = attr(node, name);

    return strcmp(text, value) == 0;
}

/* The element's text without the space around it. */
static char *text_of(xmlNode *node)
{
    AUTO_FREE char *text = own_text(node ? xmlNodeGetContent(node) : NULL);
    size_t from = strspn(text, " \t\r\n"), to = strlen(text);

    while (to > from && isspace((unsigned char)text[to - 1]))
        to--;
    return xasprintf("%.*s", (int)(to - from), text + from);
}

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
    AUTO_FREE char *name = attr(source, "name");
    AUTO_FREE char *protocol = attr(source, "protocol");
    AUTO_FREE char *host = attr(child(source, "host"), "name");
    AUTO_FREE char *port = attr(child(source, "host"), "port");
    bool iscsi = strcmp(protocol, "iscsi") == 0;

    if (iscsi)
        split_iscsi(name, &d->iqn, &d->lun);
    d->source = xasprintf("%s%s%s%s%s%s%s", iscsi ? "" : protocol, iscsi ? "" : ":", name,
                          *host ? " at " : "", host, *port ? ":" : "", port);
}

static void read_source(struct domain_disk *d, xmlNode *disk)
{
    AUTO_FREE char *type = attr(disk, "type");
    xmlNode *source = child(disk, "source");

    d->lun = -1;
    if (!source) {
        d->source = xstrdup("");
    } else if (strcmp(type, "network") == 0) {
        read_network_source(d, source);
    } else if (strcmp(type, "block") == 0) {
        d->source = attr(source, "dev");
        (void)by_path_iqn(d->source, &d->iqn, &d->lun);
    } else if (strcmp(type, "file") == 0) {
        d->source = attr(source, "file");
    } else if (strcmp(type, "volume") == 0) {
        AUTO_FREE char *pool = attr(source, "pool");
        AUTO_FREE char *volume = attr(source, "volume");

        d->source = xasprintf("volume %s of pool %s", volume, pool);
    } else {
        d->source = xstrdup(type);
    }
    if (!d->iqn)
        d->iqn = xstrdup("");
}

static void add_disk(struct domain_xml *x, xmlNode *node)
{
    AUTO_FREE char *device = attr(node, "device");
    struct domain_disk *d;

    /* absent means disk; a 'lun' is a disk that also passes SCSI commands through */
    if (*device && strcmp(device, "disk") != 0 && strcmp(device, "lun") != 0)
        return;
    x->disks = xrealloc(x->disks, (x->disk_count + 1) * sizeof(*x->disks));
    d = &x->disks[x->disk_count++];
    *d = (struct domain_disk){
        .target = attr(child(node, "target"), "dev"),
        .alias = attr(child(node, "alias"), "name"),
        .serial = text_of(child(node, "serial")),
        .read_only = child(node, "readonly") != NULL,
    };
    read_source(d, node);
}

/* ---- channels -------------------------------------------------------------------------------- */

static void add_channel(struct domain_xml *x, xmlNode *node)
{
    xmlNode *target = child(node, "target"), *source = child(node, "source");
    AUTO_FREE char *state = attr(target, "state");
    struct domain_channel *c;
    bool served;

    if (!attr_is(target, "type", "virtio"))
        return;
    /* with mode='connect' it is QEMU that connects, to somebody else */
    served = attr_is(node, "type", "unix") && !attr_is(source, "mode", "connect");
    x->channels = xrealloc(x->channels, (x->channel_count + 1) * sizeof(*x->channels));
    c = &x->channels[x->channel_count++];
    *c = (struct domain_channel){
        .name = attr(target, "name"),
        .path = served ? attr(source, "path") : xstrdup(""),
        .connected = strcmp(state, "connected") == 0,
        .has_state = *state != '\0',
    };
}

/* ---- the document ---------------------------------------------------------------------------- */

static int fail_parse(xmlParserCtxtPtr ctxt, struct err *e)
{
    const xmlError *why = xmlCtxtGetLastError(ctxt);
    AUTO_FREE char *text = xstrdup(why && why->message ? why->message : "no reason given");

    text[strcspn(text, "\r\n")] = '\0';
    return err_set(e, ERR_LIBVIRT, "the domain's XML cannot be read, line %d: %s",
                   why ? why->line : 0, text);
}

static int read_document(const char *xml, xmlDocPtr *ret, struct err *e)
{
    AUTO_CONTEXT xmlParserCtxtPtr ctxt = NULL;
    AUTO_DOC xmlDocPtr doc = NULL;
    size_t len = strnlen(xml, XML_MAX + 1);
    xmlNode *root;

    if (len > XML_MAX)
        return err_set(e, ERR_LIBVIRT, "the domain's XML is larger than %d bytes", XML_MAX);
    xmlInitParser();
    ctxt = xmlNewParserCtxt();
    if (!ctxt)
        return err_set(e, ERR_INTERNAL, "cannot set up the XML parser");
    doc = xmlCtxtReadMemory(ctxt, xml, (int)len, NULL, NULL,
                            XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (!doc)
        return fail_parse(ctxt, e);
    /* only a DOCTYPE brings entities, and reading an attribute would expand them */
    if (doc->intSubset || doc->extSubset)
        return err_set(e, ERR_LIBVIRT,
                       "the domain's XML has a DOCTYPE, which libvirt never writes");
    root = xmlDocGetRootElement(doc);
    if (!root || !is_element(root, "domain") || !child(root, "name"))
        return err_set(e, ERR_LIBVIRT, "the domain's XML has no <domain> with a <name>");
    *ret = STEAL_PTR(doc);
    return 0;
}

int domain_xml_parse(struct domain_xml *ret, const char *xml, struct err *e)
{
    AUTO_DOC xmlDocPtr doc = NULL;
    struct domain_xml x = {.name = NULL};
    xmlNode *root, *devices;

    if (read_document(xml, &doc, e) < 0)
        return -1;
    root = xmlDocGetRootElement(doc);
    devices = child(root, "devices");
    x.name = text_of(child(root, "name"));
    x.uuid = text_of(child(root, "uuid"));
    for (xmlNode *n = child(devices, "disk"); n; n = next_child(devices, n, "disk"))
        add_disk(&x, n);
    for (xmlNode *n = child(devices, "channel"); n; n = next_child(devices, n, "channel"))
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

const struct domain_channel *domain_xml_channel(const struct domain_xml *x, const char *name)
{
    for (size_t n = 0; n < x->channel_count; n++) {
        if (strcmp(x->channels[n].name, name) == 0)
            return &x->channels[n];
    }
    return NULL;
}
