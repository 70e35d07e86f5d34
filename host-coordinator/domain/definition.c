/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Definitions of domains, read, made and forgotten, and what runs them; see domain.h. */
#include "host-coordinator/domain/domain_internal.h"

#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

/* ---- reading --------------------------------------------------------------------------------- */

static int read_definition(struct domain *d, unsigned flags, char **ret, struct err *e)
{
    HOLD(d);
    int persistent = virDomainIsPersistent(d->dom);
    char *xml;

    if (persistent < 0)
        return libvirt_error(e, "read the definition of", d->name);
    /* libvirt would give the one of its present life */
    if (persistent == 0)
        return err_set(e, ERR_NOT_FOUND,
                       "domain '%s' has no definition, it is gone when it ends (transient)",
                       d->name);
    xml = virDomainGetXMLDesc(d->dom, VIR_DOMAIN_XML_INACTIVE | flags);
    if (!xml)
        return libvirt_error(e, "read the definition of", d->name);
    *ret = xml;
    return 0;
}

int domain_definition(struct domain *d, char **ret, struct err *e)
{
    return read_definition(d, 0, ret, e);
}

int domain_secret_definition(struct domain *d, char **ret, struct err *e)
{
    return read_definition(d, VIR_DOMAIN_XML_SECURE, ret, e);
}

char *version_text(unsigned long version)
{
    if (version == 0)
        return xstrdup("");
    return xasprintf("%lu.%lu.%lu", version / 1000000, version / 1000 % 1000, version % 1000);
}

/* A driver need not know all of it, so only a connection that tells nothing is an error. */
int domain_host(struct domain *d, struct domain_host *ret, struct err *e)
{
    HOLD(d);
    AUTO_FREE char *host = virConnectGetHostname(d->conn), *version = NULL;
    const char *type = virConnectGetType(d->conn);
    unsigned long hypervisor = 0, library = 0;

    if (virConnectGetVersion(d->conn, &hypervisor) < 0)
        hypervisor = 0;
    if (virConnectGetLibVersion(d->conn, &library) < 0)
        library = 0;
    if (!host && !type && library == 0)
        return libvirt_error(e, "ask for the hypervisor of", d->name);
    version = version_text(hypervisor);
    ret->host = host ? STEAL_PTR(host) : xstrdup("");
    ret->hypervisor = xasprintf("%s%s%s", type ? type : "", type && *version ? " " : "", version);
    ret->libvirt = version_text(library);
    return 0;
}

/* ---- making ---------------------------------------------------------------------------------- */

/* For messages only: what stands behind the first <name>. */
static char *name_in(const char *xml)
{
    const char *from = strstr(xml, "<name>");

    if (!from)
        return xstrdup("?");
    from += strlen("<name>");
    from += strspn(from, " \t\r\n");
    return xasprintf("%.*s", (int)strcspn(from, " \t\r\n<"), from);
}

int domain_define(struct domain **ret, const char *uri, const char *xml, struct err *e)
{
    virDomainPtr dom;
    struct domain *d;

    if (domain_connect(&d, uri, e) < 0)
        return -1;
    /* not checked against libvirt's schema: what we kept from an older libvirt, or from one with
     * extensions, need not be in it */
    dom = virDomainDefineXML(d->conn, xml);
    if (!dom) {
        AUTO_FREE char *name = name_in(xml);

        (void)libvirt_error(e, "define", name);
    }
    return domain_adopt(ret, d, dom);
}

int domain_create(struct domain **ret, const char *uri, const char *xml, struct err *e)
{
    virDomainPtr dom;
    struct domain *d;

    if (domain_connect(&d, uri, e) < 0)
        return -1;
    dom = virDomainCreateXML(d->conn, xml, VIR_DOMAIN_START_AUTODESTROY);
    if (!dom) {
        AUTO_FREE char *name = name_in(xml);

        (void)libvirt_error(e, "create", name);
    }
    return domain_adopt(ret, d, dom);
}

/* ---- forgetting ------------------------------------------------------------------------------ */

#define SINCE_0_9_5 (VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)
#if HAVE_NVRAM
#define SINCE_1_2_9 (SINCE_0_9_5 | VIR_DOMAIN_UNDEFINE_NVRAM)
#else
#define SINCE_1_2_9 SINCE_0_9_5
#endif
#if HAVE_CHECKPOINTS
#define SINCE_5_6_0 (SINCE_1_2_9 | VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA)
#else
#define SINCE_5_6_0 SINCE_1_2_9
#endif
#if HAVE_UNDEFINE_TPM
#define SINCE_8_9_0 (SINCE_5_6_0 | VIR_DOMAIN_UNDEFINE_TPM)
#else
#define SINCE_8_9_0 SINCE_5_6_0
#endif

/*
 * All that libvirt keeps of it. The libvirtd may be older than our headers, or its driver know
 * less, and refuses a flag that it does not know; what the flag is for it then does not have.
 */
static int undefine(virDomainPtr dom)
{
    static const unsigned flags[] = {SINCE_8_9_0, SINCE_5_6_0, SINCE_1_2_9, SINCE_0_9_5};
    int rc = -1;

    for (size_t n = 0; n < ARRAY_SIZE(flags) && rc < 0; n++) {
        rc = virDomainUndefineFlags(dom, flags[n]);
        if (rc < 0 && virGetLastError() && virGetLastError()->code != VIR_ERR_INVALID_ARG)
            break;
    }
    return rc;
}

int domain_undefine(struct domain *d, struct err *e)
{
    HOLD(d);
    int active = virDomainIsActive(d->dom);

    /* libvirt would let it run on, transient, with disks that nobody minds any more */
    if (active == 1)
        return err_set(e, ERR_REFUSED,
                       "domain '%s' is not shut off, so its definition stays; end it first: virsh "
                       "shutdown %s",
                       d->name, d->name);
    if (active < 0 || undefine(d->dom) < 0)
        return libvirt_error(e, "undefine", d->name);
    return 0;
}
