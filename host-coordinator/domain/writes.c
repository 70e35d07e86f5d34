/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Write counters of all disks in one call: the witness that nothing was written. See domain.h. */
#include "host-coordinator/domain/domain_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host-coordinator/xml/domain_xml.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

/* libvirt numbers the disks "block.0." to "block.<count-1>."; a field may be absent. */
static const virTypedParameter *field(const virTypedParameter *params, int count, unsigned disk,
                                      const char *name)
{
    char full[VIR_TYPED_PARAM_FIELD_LENGTH];

    (void)snprintf(full, sizeof(full), "block.%u.%s", disk, name);
    for (int n = 0; n < count; n++) {
        if (strcmp(params[n].field, full) == 0)
            return &params[n];
    }
    return NULL;
}

static bool read_disk(const virTypedParameter *params, int count, unsigned disk,
                      struct disk_writes *ret)
{
    const virTypedParameter *name = field(params, count, disk, "name");
    const virTypedParameter *reqs = field(params, count, disk, "wr.reqs");
    const virTypedParameter *bytes = field(params, count, disk, "wr.bytes");

    if (!name || name->type != VIR_TYPED_PARAM_STRING || !reqs ||
        reqs->type != VIR_TYPED_PARAM_ULLONG || !bytes || bytes->type != VIR_TYPED_PARAM_ULLONG)
        return false;
    (void)snprintf(ret->target, sizeof(ret->target), "%s", name->value.s);
    ret->requests = reqs->value.ul;
    ret->bytes = bytes->value.ul;
    return true;
}

int writes_from_params(const virTypedParameter *params, int count, struct disk_writes **ret,
                       size_t *ret_count)
{
    AUTO_FREE struct disk_writes *disks = NULL;
    unsigned total = 0;
    size_t found = 0;

    for (int n = 0; n < count; n++) {
        if (strcmp(params[n].field, "block.count") == 0 && params[n].type == VIR_TYPED_PARAM_UINT)
            total = params[n].value.ui;
    }
    /* each disk has a name of its own among the parameters: more of them than that is nonsense */
    if (total > (unsigned)count)
        return -1;
    disks = xcalloc(total, sizeof(*disks));
    for (unsigned n = 0; n < total; n++)
        found += read_disk(params, count, n, &disks[found]);
    if (found == 0)
        return -1;
    *ret = STEAL_PTR(disks);
    *ret_count = found;
    return 0;
}

#if HAVE_BLOCK_STATS

static int read_writes(struct domain *d, struct disk_writes **ret, size_t *ret_count, struct err *e)
{
    virDomainPtr doms[] = {d->dom, NULL};
    virDomainStatsRecordPtr *records = NULL;
    int rc = virDomainListGetStats(doms, VIR_DOMAIN_STATS_BLOCK, &records, 0);

    if (rc < 0)
        return libvirt_error(e, "read the disks' write counters of", d->name);
    rc = rc == 1 ? writes_from_params(records[0]->params, records[0]->nparams, ret, ret_count) : -1;
    virDomainStatsRecordListFree(records);
    return rc;
}

#else

/* A disk that has no counters is left out: libvirt refuses it, or says -1. */
static bool read_counters(struct domain *d, const char *target, struct disk_writes *ret)
{
    virDomainBlockStatsStruct stats;

    if (virDomainBlockStats(d->dom, target, &stats, sizeof(stats)) < 0 || stats.wr_req < 0 ||
        stats.wr_bytes < 0)
        return false;
    (void)snprintf(ret->target, sizeof(ret->target), "%s", target);
    ret->requests = (uint64_t)stats.wr_req;
    ret->bytes = (uint64_t)stats.wr_bytes;
    return true;
}

/* One call for each disk that the live XML has. Between two of them a write may come, which the
 * next reading shows: the counters are compared disk by disk. */
static int read_writes(struct domain *d, struct disk_writes **ret, size_t *ret_count, struct err *e)
{
    AUTO_FREE char *xml = virDomainGetXMLDesc(d->dom, 0);
    AUTO_FREE struct disk_writes *disks = NULL;
    struct domain_xml x;
    size_t found = 0;

    if (!xml)
        return libvirt_error(e, "read the disks' write counters of", d->name);
    if (domain_xml_parse(&x, xml, e) < 0)
        return -1;
    disks = xcalloc(x.disk_count, sizeof(*disks));
    for (size_t n = 0; n < x.disk_count; n++)
        found += read_counters(d, x.disks[n].target, &disks[found]);
    domain_xml_release(&x);
    if (found == 0)
        return -1;
    *ret = STEAL_PTR(disks);
    *ret_count = found;
    return 0;
}

#endif

int domain_writes(struct domain *d, struct disk_writes **ret, size_t *ret_count, struct err *e)
{
    HOLD(d);
    struct err why = ERR_INIT;

    if (read_writes(d, ret, ret_count, &why) == 0)
        return 0;
    if (err_is_set(&why)) {
        if (e)
            *e = why;
        return -1;
    }
    return err_set(
        e, ERR_LIBVIRT,
        "libvirt has no write counters of the disks of domain '%s'; only a running domain "
        "of QEMU has them",
        d->name);
}
