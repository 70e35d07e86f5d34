/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading and changing a document; see tree.h. */
#include "host-coordinator/xml/tree.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

/* A domain with a hundred disks has some 100 KiB. */
#define XML_MAX  (4 * 1024 * 1024)
#define ROOT_MAX 1000 /* elements below <domain>; libvirt knows some fifty */

static void context_cleanup(xmlParserCtxtPtr *ctxt)
{
    xmlFreeParserCtxt(*ctxt);
}
#define AUTO_CONTEXT __attribute__((cleanup(context_cleanup)))

/* ---- reading --------------------------------------------------------------------------------- */

bool xml_is(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && !node->ns &&
           strcmp((const char *)node->name, name) == 0;
}

xmlNode *xml_next(xmlNode *parent, xmlNode *after, const char *name)
{
    xmlNode *node = after ? after->next : parent->children;

    while (node && !xml_is(node, name))
        node = node->next;
    return node;
}

xmlNode *xml_child(xmlNode *parent, const char *name)
{
    return parent ? xml_next(parent, NULL, name) : NULL;
}

/* "" where libxml2 has NULL. */
static char *own_text(xmlChar *text)
{
    char *copy = xstrdup(text ? (const char *)text : "");

    xmlFree(text);
    return copy;
}

char *xml_attr(xmlNode *node, const char *name)
{
    return own_text(node ? xmlGetNoNsProp(node, (const xmlChar *)name) : NULL);
}

bool xml_has(xmlNode *node, const char *attr)
{
    return node && xmlHasNsProp(node, (const xmlChar *)attr, NULL);
}

bool xml_attr_is(xmlNode *node, const char *name, const char *value)
{
    AUTO_FREE char *text = xml_attr(node, name);

    return strcmp(text, value) == 0;
}

char *xml_text(xmlNode *node)
{
    AUTO_FREE char *text = own_text(node ? xmlNodeGetContent(node) : NULL);
    size_t from = strspn(text, " \t\r\n"), to = strlen(text);

    while (to > from && isspace((unsigned char)text[to - 1]))
        to--;
    return xasprintf("%.*s", (int)(to - from), text + from);
}

static int fail_parse(xmlParserCtxtPtr ctxt, struct err *e)
{
    const xmlError *why = xmlCtxtGetLastError(ctxt);
    AUTO_FREE char *text = xstrdup(why && why->message ? why->message : "no reason given");

    text[strcspn(text, "\r\n")] = '\0';
    return err_set(e, ERR_LIBVIRT, "the domain's XML cannot be read, line %d: %s",
                   why ? why->line : 0, text);
}

/* libvirt has one of each below <domain>, and where there are two it takes what is in both: a
 * second <devices> would bring along disks that we do not see. */
static int check_single(xmlNode *root, struct err *e)
{
    size_t count = 0;

    for (xmlNode *n = root->children; n; n = n->next) {
        if (n->type != XML_ELEMENT_NODE || n->ns || xml_is(n, "seclabel") || xml_is(n, "sysinfo"))
            continue;
        if (++count > ROOT_MAX)
            return err_set(e, ERR_LIBVIRT, "the domain's XML has more than %d parts", ROOT_MAX);
        if (xml_child(root, (const char *)n->name) != n)
            return err_set(
                e, ERR_LIBVIRT,
                "the domain's XML has a second <%s> in line %ld, which libvirt never writes",
                (const char *)n->name, xmlGetLineNo(n));
    }
    return 0;
}

int xml_read(const char *xml, xmlDocPtr *ret, struct err *e)
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
    if (!root || !xml_is(root, "domain") || !xml_child(root, "name"))
        return err_set(e, ERR_LIBVIRT, "the domain's XML has no <domain> with a <name>");
    if (check_single(root, e) < 0)
        return -1;
    *ret = STEAL_PTR(doc);
    return 0;
}

/* ---- changing -------------------------------------------------------------------------------- */

/* libxml2 answers NULL for want of memory, which ends us everywhere else too. */
static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

void xml_set_attr(xmlNode *node, const char *name, const char *value)
{
    xmlAttr *old = xmlHasNsProp(node, (const xmlChar *)name, NULL);

    if (value)
        (void)must(xmlSetNsProp(node, NULL, (const xmlChar *)name, (const xmlChar *)value));
    else if (old)
        (void)xmlRemoveProp(old);
}

void xml_set_text(xmlNode *node, const char *text)
{
    while (node->children) {
        xmlNode *gone = node->children;

        xmlUnlinkNode(gone);
        xmlFreeNode(gone);
    }
    /* a text node, since the other ways read "&" in the text as the start of an entity */
    if (*text)
        (void)must(xmlAddChild(node, must(xmlNewText((const xmlChar *)text))));
}

xmlNode *xml_add(xmlNode *parent, const char *name)
{
    xmlNode *node = must(xmlNewNode(NULL, (const xmlChar *)name));

    return must(xmlAddChild(parent, node));
}

xmlNode *xml_need(xmlNode *parent, const char *name)
{
    xmlNode *node = xml_child(parent, name);

    return node ? node : xml_add(parent, name);
}

void xml_drop(xmlNode *node)
{
    xmlNode *before = node ? node->prev : NULL;

    if (!node)
        return;
    if (before && before->type == XML_TEXT_NODE && xmlIsBlankNode(before)) {
        xmlUnlinkNode(before);
        xmlFreeNode(before);
    }
    xmlUnlinkNode(node);
    xmlFreeNode(node);
}

void xml_drop_all(xmlNode *parent, const char *name)
{
    xmlNode *node;

    while ((node = xml_child(parent, name)))
        xml_drop(node);
}
