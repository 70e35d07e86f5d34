/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * After the watching, which may have been long: is it still the VM that was looked at? What was
 * found out on the way in (disks, volumes, filesystems) is only true for that one.
 */
#include "host-coordinator/plan/run.h"

#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#include <string.h>

static int call_look_again(struct domain_call *c, struct err *e)
{
    if (c->ops->running(c->domain, e) < 0 || c->ops->xml(c->domain, &c->xml, e) < 0)
        return -1;
    return 0;
}

static bool same_disk(const struct domain_disk *a, const struct domain_disk *b)
{
    return strcmp(a->target, b->target) == 0 && strcmp(a->source, b->source) == 0 &&
           strcmp(a->serial, b->serial) == 0 && strcmp(a->iqn, b->iqn) == 0 && a->lun == b->lun &&
           a->read_only == b->read_only;
}

static int compare_disks(const struct run *r, const struct domain_xml *now, struct err *e)
{
    for (size_t n = 0; n < r->xml.disk_count && n < now->disk_count; n++) {
        if (!same_disk(&r->xml.disks[n], &now->disks[n]))
            return err_set(
                e, ERR_REFUSED,
                "disk '%s' of domain '%s' was changed since the run began; start it anew",
                r->xml.disks[n].target, r->domain_name);
    }
    if (r->xml.disk_count != now->disk_count)
        return err_set(
            e, ERR_REFUSED,
            "domain '%s' had %zu disks when the run began and has %zu now; start it anew",
            r->domain_name, r->xml.disk_count, now->disk_count);
    return 0;
}

/* Readings of before a reboot stand on another clock, and the server's connections are gone. */
static int compare_boot(const struct run *r, struct err *e)
{
    const char *then = record_text(r->record, "guest.boot_id");
    const char *now = guest_hello(r->guest)->boot_id;

    if (!then || !now || strcmp(then, now) == 0)
        return 0;
    return err_set(e, ERR_REFUSED, "domain '%s' was rebooted since the run began; start it anew",
                   r->domain_name);
}

int step_recheck(void *run, struct err *e)
{
    struct run *r = run;
    struct domain_job job = domain_job_start(r, call_look_again);
    struct domain_xml now = {.disk_count = 0};
    struct domain_call *c;
    int rc;

    if (domain_job_wait(r, &job, mono_in_ms(r->conf->libvirt_ms), &c, "look at the domain", e) < 0)
        return -1;
    rc = domain_xml_parse(&now, c->xml, e);
    domain_call_free(c);
    if (rc < 0)
        return err_prefix(e, "the XML of domain '%s'", r->domain_name);
    rc = compare_disks(r, &now, e);
    domain_xml_release(&now);
    return rc < 0 ? -1 : compare_boot(r, e);
}
