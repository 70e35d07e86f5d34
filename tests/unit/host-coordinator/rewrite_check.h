/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Definitions made over and asked by XPath, for the tests of domain_rewrite(). After cmocka.h. */
#ifndef CBSNAP_TESTS_REWRITE_CHECK_H
#define CBSNAP_TESTS_REWRITE_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>

#include "host-coordinator/xml/domain_rewrite.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#define UUID "11111111-2222-4333-8444-555555555555"

/* A small one; the caller frees. */
static inline char *domain_with(const char *members, const char *devices)
{
    return xasprintf("<domain type='kvm' id='7'><name>db1</name><uuid>"
                     "99999999-2222-4333-8444-555555555555</uuid><memory>1048576</memory>"
                     "<os><type>hvm</type></os>%s<devices>%s</devices></domain>",
                     members, devices);
}

static inline struct domain_rewrite as(enum rewrite_kind kind, const struct disk_move *disks,
                                       size_t count)
{
    return (struct domain_rewrite){
        .kind = kind, .name = "copy", .uuid = UUID, .disks = disks, .disk_count = count};
}

static inline xmlXPathContextPtr made(const char *xml, const struct domain_rewrite *how)
{
    AUTO_FREE char *out = NULL;
    struct err e = ERR_INIT;
    xmlXPathContextPtr x;
    xmlDocPtr doc;

    if (domain_rewrite(&out, xml, how, &e) < 0)
        fail_msg("%s", e.msg);
    doc = xmlReadMemory(out, (int)strlen(out), NULL, NULL, 0);
    assert_non_null(doc);
    x = xmlXPathNewContext(doc);
    (void)xmlXPathRegisterNs(x, BAD_CAST "qemu",
                             BAD_CAST "http://libvirt.org/schemas/domain/qemu/1.0");
    return x;
}

static inline void done(xmlXPathContextPtr x)
{
    xmlFreeDoc(x->doc);
    xmlXPathFreeContext(x);
}

/* string(), count() or a path, as text; "" of what is not there. */
static inline char *ask(xmlXPathContextPtr x, const char *path)
{
    xmlXPathObjectPtr o = xmlXPathEvalExpression(BAD_CAST path, x);
    xmlChar *value;
    char *text;

    if (!o)
        fail_msg("no XPath: %s", path);
    value = xmlXPathCastToString(o);
    text = xstrdup((const char *)value);
    xmlFree(value);
    xmlXPathFreeObject(o);
    return text;
}

static inline void is(xmlXPathContextPtr x, const char *path, const char *expected)
{
    AUTO_FREE char *text = ask(x, path);

    if (strcmp(text, expected) != 0)
        fail_msg("%s is \"%s\", not \"%s\"", path, text, expected);
}

static inline void has(xmlXPathContextPtr x, const char *path, int expected)
{
    AUTO_FREE char *counted = xasprintf("count(%s)", path), *number = xasprintf("%d", expected);

    is(x, counted, number);
}

static inline void gone(xmlXPathContextPtr x, const char *const *paths, size_t count)
{
    for (size_t n = 0; n < count; n++)
        has(x, paths[n], 0);
}
#define GONE(x, ...)                                                                               \
    gone(x, (const char *const[]){__VA_ARGS__},                                                    \
         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

#endif
