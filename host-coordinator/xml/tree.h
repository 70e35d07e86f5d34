/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small helpers over libxml2, for the files of this folder: it brings that library's headers. An
 * element is looked for by name among those without a namespace: others (qemu:commandline, what is
 * in <metadata>) are not libvirt's own. Texts that are returned are the caller's to free.
 */
#ifndef CBSNAP_XML_TREE_H
#define CBSNAP_XML_TREE_H

#include <stdbool.h>

#include <libxml/tree.h>

#include "proto/base/err.h"

static inline void xml_doc_cleanup(xmlDocPtr *doc)
{
    xmlFreeDoc(*doc);
}
#define AUTO_DOC __attribute__((cleanup(xml_doc_cleanup)))

/* A document whose root is a <domain> with a <name>; see domain_xml.h for what is refused. */
int xml_read(const char *xml, xmlDocPtr *ret, struct err *e);

bool xml_is(const xmlNode *node, const char *name);
/* The child of that name behind `after` (NULL: the first), or NULL. */
xmlNode *xml_next(xmlNode *parent, xmlNode *after, const char *name);
xmlNode *xml_child(xmlNode *parent, const char *name); /* NULL of NULL */
char *xml_attr(xmlNode *node, const char *name);       /* "" when there is none, or no node */
bool xml_has(xmlNode *node, const char *attr);
bool xml_attr_is(xmlNode *node, const char *name, const char *value);
/* The element's text without the space around it; "" of NULL. */
char *xml_text(xmlNode *node);

/* NULL takes it away. */
void xml_set_attr(xmlNode *node, const char *name, const char *value);
/* Instead of all that is in it. */
void xml_set_text(xmlNode *node, const char *text);
/* A new last child. */
xmlNode *xml_add(xmlNode *parent, const char *name);
/* The first of that name, made when there is none. */
xmlNode *xml_need(xmlNode *parent, const char *name);
/* With the white space before it; nothing happens to NULL. */
void xml_drop(xmlNode *node);
/* All children of that name. */
void xml_drop_all(xmlNode *parent, const char *name);

#endif
