/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A connection with its domain: opening, closing while calls hang, live XML. See domain.h. */
#include "host-coordinator/domain/domain_internal.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

static void drop_error(void *arg, virErrorPtr why)
{
    (void)arg;
    (void)why;
}

static void initialize(void)
{
    /* without a handler libvirt prints each error to stderr, where our own words go */
    virSetErrorFunc(NULL, drop_error);
    (void)virInitialize(); /* virConnectOpen() tells if this failed */
    channel_start_events();
}

struct domain *domain_hold(struct domain *d)
{
    (void)atomic_fetch_add(&d->refs, 1);
    return d;
}

void domain_drop(struct domain *d)
{
    if (atomic_fetch_sub(&d->refs, 1) > 1)
        return;
    if (d->dom)
        (void)virDomainFree(d->dom);
    if (d->conn)
        (void)virConnectClose(d->conn);
    free(d->name);
    free(d->uuid);
    free(d);
}

static bool looks_like_uuid(const char *text)
{
    size_t digits = 0;

    for (; *text; text++) {
        if (isxdigit((unsigned char)*text))
            digits++;
        else if (*text != '-')
            return false;
    }
    return digits == 32;
}

/* A domain may be called like a UUID, so the name goes first. */
static virDomainPtr look_up(virConnectPtr conn, const char *name, struct err *e)
{
    virDomainPtr dom = virDomainLookupByName(conn, name);

    if (!dom && looks_like_uuid(name))
        dom = virDomainLookupByUUIDString(conn, name);
    if (!dom)
        (void)libvirt_error(e, "find", name);
    return dom;
}

int domain_connect(struct domain **ret, const char *uri, struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct domain *d;

    (void)pthread_once(&once, initialize);
    d = xcalloc(1, sizeof(*d));
    atomic_init(&d->refs, 1);
    d->conn = virConnectOpen(*uri ? uri : NULL);
    if (!d->conn) {
        (void)libvirt_open_error(e, uri, virGetLastError());
        domain_drop(d);
        return -1;
    }
    *ret = d;
    return 0;
}

int domain_adopt(struct domain **ret, struct domain *d, virDomainPtr dom)
{
    char uuid[VIR_UUID_STRING_BUFLEN];

    if (!dom) {
        domain_drop(d);
        return -1;
    }
    d->dom = dom;
    d->name = xstrdup(virDomainGetName(dom));
    d->uuid = xstrdup(virDomainGetUUIDString(dom, uuid) == 0 ? uuid : "");
    *ret = d;
    return 0;
}

static int domain_open(struct domain **ret, const char *uri, const char *name, struct err *e)
{
    struct domain *d;

    if (domain_connect(&d, uri, e) < 0)
        return -1;
    return domain_adopt(ret, d, look_up(d->conn, name, e));
}

static void domain_close(struct domain *d)
{
    if (d)
        domain_drop(d);
}

static const char *domain_name(const struct domain *d)
{
    return d->name;
}

static const char *domain_uuid(const struct domain *d)
{
    return d->uuid;
}

static int domain_xml(struct domain *d, char **ret, struct err *e)
{
    HOLD(d);
    char *xml = virDomainGetXMLDesc(d->dom, 0);

    if (!xml)
        return libvirt_error(e, "read the XML of", d->name);
    *ret = xml;
    return 0;
}

void domain_fs_list_release(struct domain_fs_list *l)
{
    for (size_t n = 0; n < l->count; n++) {
        struct domain_fs *fs = &l->items[n];

        for (size_t t = 0; t < fs->target_count; t++)
            free(fs->targets[t]);
        free(fs->targets);
        free(fs->mountpoint);
        free(fs->device);
        free(fs->fstype);
    }
    free(l->items);
    *l = (struct domain_fs_list){.items = NULL};
}

void domain_host_release(struct domain_host *h)
{
    free(h->host);
    free(h->hypervisor);
    free(h->libvirt);
    *h = (struct domain_host){.host = NULL};
}

const struct domain_ops domain_libvirt = {
    .open = domain_open,
    .close = domain_close,
    .hold = domain_hold,
    .name = domain_name,
    .uuid = domain_uuid,
    .running = domain_running,
    .xml = domain_xml,
    .filesystems = domain_filesystems,
    .agent_ping = domain_agent_ping,
    .agent_status = domain_agent_status,
    .freeze = domain_freeze,
    .thaw = domain_thaw,
    .writes = domain_writes,
    .local = domain_local,
    .channel = domain_channel,
    .state = domain_state,
    .definition = domain_definition,
    .secret_definition = domain_secret_definition,
    .host = domain_host,
    .define = domain_define,
    .create = domain_create,
    .start = domain_start,
    .forget_saved = domain_forget_saved,
    .shutdown = domain_shutdown,
    .destroy = domain_destroy,
    .undefine = domain_undefine,
};
