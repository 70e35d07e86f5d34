/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VM that goes back, or the one that is made: found and started; calls to libvirt. See back.h,
 * vm.h. */
#include "host-coordinator/back/vm.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#include <string.h>

/* ---- calls to libvirt ------------------------------------------------------------------------ */

/* The one without secrets may be written down, the other is what can be put back. */
static int call_look(struct domain_call *c, struct err *e)
{
    struct err why = ERR_INIT;

    if (c->ops->state(c->domain, &c->state, NULL, e) < 0)
        return -1;
    if (c->ops->definition(c->domain, &c->definition, &why) < 0) {
        if (why.code == ERR_NOT_FOUND)
            return 0;
        *e = why;
        return -1;
    }
    /* who may only read cannot define either, and is told so then */
    if (c->ops->secret_definition(c->domain, &c->xml, &why) < 0)
        c->xml = xstrdup(c->definition);
    return 0;
}

static int call_state(struct domain_call *c, struct err *e)
{
    return c->ops->state(c->domain, &c->state, &c->by_guest, e);
}

static int call_xml(struct domain_call *c, struct err *e)
{
    return c->ops->xml(c->domain, &c->xml, e);
}

int vm_call_start(struct domain_call *c, struct err *e)
{
    return c->ops->start(c->domain, e);
}

int vm_call_destroy(struct domain_call *c, struct err *e)
{
    return c->ops->destroy(c->domain, e);
}

int vm_call(struct back *b, domain_call_fn *fn, const char *text, enum domain_shutdown how,
            int patience_ms, const char *what, struct err *e)
{
    struct run *r = &b->run;
    struct domain_job job = domain_job_start_with(r, fn, text, how);
    struct domain_call *c;

    if (domain_job_wait(r, &job, mono_in_ms(patience_ms), &c, what, e) < 0)
        return -1;
    if (c->opened) {
        r->ops->close(r->domain);
        r->domain = STEAL_PTR(c->opened);
    }
    domain_call_free(c);
    return 0;
}

int vm_read_state(struct back *b, enum domain_state *ret, bool *ret_by_guest, struct err *e)
{
    struct domain_job job = domain_job_start(&b->run, call_state);
    struct domain_call *c;

    if (domain_job_wait(&b->run, &job, mono_in_ms(b->run.conf->libvirt_ms), &c, "read the state",
                        e) < 0)
        return -1;
    *ret = c->state;
    if (ret_by_guest)
        *ret_by_guest = c->by_guest;
    domain_call_free(c);
    return 0;
}

int vm_live_xml(struct back *b, char **ret, struct err *e)
{
    struct domain_job job = domain_job_start(&b->run, call_xml);
    struct domain_call *c;

    if (domain_job_wait(&b->run, &job, mono_in_ms(b->run.conf->libvirt_ms), &c, "read the XML", e) <
        0)
        return -1;
    *ret = STEAL_PTR(c->xml);
    domain_call_free(c);
    return 0;
}

/* ---- finding it ------------------------------------------------------------------------------ */

static int check_uuid(struct back *b, struct err *e)
{
    const char *uuid = record_text(b->set, "domain.uuid");

    if (!uuid || strcmp(uuid, b->run.ops->uuid(b->run.domain)) == 0)
        return 0;
    return err_set(e, ERR_REFUSED,
                   "domain '%s' is another VM (%s) than the one of set '%s' (%s); restore it under "
                   "another name with --to",
                   b->run.domain_name, b->run.ops->uuid(b->run.domain), b->id, uuid);
}

int step_find_vm(void *back, struct err *e)
{
    struct back *b = back;
    struct run *r = &b->run;

    if (run_open_domain(r, e) < 0 || check_uuid(b, e) < 0)
        return -1;
    record_set_text(r->record, "domain.name", r->ops->name(r->domain));
    record_set_text(r->record, "domain.uuid", r->ops->uuid(r->domain));
    return 0;
}

/* It would be gone with the shutdown: from the safety set, and from the VM, undone or not. */
static int check_live_only(struct back *b, struct err *e)
{
    struct run *r = &b->run;
    struct domain_xml live = {.disk_count = 0};
    AUTO_FREE char *xml = NULL;
    int rc;

    if (vm_live_xml(b, &xml, e) < 0)
        return -1;
    rc = domain_xml_parse(&live, xml, e);
    for (size_t n = 0; n < live.disk_count && rc == 0; n++) {
        const struct domain_disk *disk = &live.disks[n];

        if (domain_xml_disk(&r->xml, disk->target))
            continue;
        if (b->force)
            run_note(r, "disk '%s' (%s) was attached to the running domain only, and is gone",
                     disk->target, disk->source);
        else
            rc = err_set(e, ERR_REFUSED,
                         "disk '%s' (%s) is attached to the running domain '%s' only, and is gone "
                         "when that is shut down: virsh attach-device --config keeps it, --force "
                         "lets it go",
                         disk->target, disk->source, r->domain_name);
    }
    domain_xml_release(&live);
    return rc;
}

int step_look_vm(void *back, struct err *e)
{
    struct back *b = back;
    struct run *r = &b->run;
    struct domain_job job = domain_job_start(r, call_look);
    struct domain_call *c;
    enum domain_state state;

    if (domain_job_wait(r, &job, mono_in_ms(r->conf->libvirt_ms), &c, "look at the domain", e) < 0)
        return -1;
    state = c->state;
    b->old_definition = STEAL_PTR(c->definition);
    b->secret_definition = STEAL_PTR(c->xml);
    domain_call_free(c);
    if (state == DOMAIN_AWAY)
        return vm_taken_by_others(b, state, e);
    if (state == DOMAIN_OTHER)
        return err_set(e, ERR_REFUSED,
                       "domain '%s' is neither running nor shut off; resume it or end it first "
                       "(virsh resume, virsh destroy)",
                       r->domain_name);
    if (state == DOMAIN_SAVED && !b->force)
        return err_set(e, ERR_REFUSED,
                       "the guest of domain '%s' is not shut down, its memory is saved and goes "
                       "with the disks as they are: start it and shut it down, or throw its memory "
                       "away with --force (or virsh managedsave-remove)",
                       r->domain_name);
    if (!b->old_definition)
        return err_set(e, ERR_REFUSED,
                       "domain '%s' is transient and cannot be started again once it is off; "
                       "restore the set under another name with --to",
                       r->domain_name);
    b->ran = state == DOMAIN_RUNS;
    b->saved = state == DOMAIN_SAVED;
    if (domain_xml_parse(&r->xml, b->old_definition, e) < 0)
        return err_prefix(e, "the definition of domain '%s'", r->domain_name);
    return b->ran ? check_live_only(b, e) : 0;
}

/* ---- starting -------------------------------------------------------------------------------- */

/* Its live XML tells where the agent's port is. */
int vm_read_live(struct back *b, struct err *e)
{
    AUTO_FREE char *xml = NULL;
    int rc;

    if (vm_live_xml(b, &xml, e) < 0)
        return -1;
    domain_xml_release(&b->run.xml);
    rc = domain_xml_parse(&b->run.xml, xml, e);
    if (rc == 0 && b->defined && b->method != BACK_IN_PLACE && !vm_names_clone(b, xml))
        rc = vm_taken_by_others(b, DOMAIN_RUNS, e); /* before it was defined anew */
    return rc;
}

/* 0: off; 1: it runs from the clones, whoever started it; -1: from what it had, or nobody knows. */
static int runs_already(struct back *b, struct err *e)
{
    enum domain_state state;

    if (b->method != BACK_SWITCH)
        return 0;
    if (vm_read_state(b, &state, NULL, e) < 0)
        return -1;
    if (state == DOMAIN_OFF)
        return 0;
    if (state == DOMAIN_SAVED)
        return vm_taken_by_others(b, state, e);
    return vm_read_live(b, e) < 0 ? -1 : 1;
}

int step_start(void *back, struct err *e)
{
    struct back *b = back;
    int there;

    if (b->committed)
        loop_shield(b->run.loop, true);
    else if (loop_check(b->run.loop, e) < 0)
        return -1;
    there = runs_already(b, e);
    if (there != 0 || !b->start)
        return there < 0 ? -1 : 0;
    b->started_vm = true;
    if (vm_call(b, vm_call_start, NULL, 0, VM_LIFE_MS(b), "start", e) < 0)
        return -1;
    return vm_read_live(b, e);
}

int step_start_undo(void *back, struct err *e)
{
    struct back *b = back;

    if (!b->started_vm || b->committed)
        return 0;
    if (vm_call(b, vm_call_destroy, NULL, 0, VM_LIFE_MS(b), "end the domain", e) < 0)
        return err_set(e, ERR_LOOK,
                       "domain '%s' was started from set '%s' and could not be ended: cbsnap-coord "
                       "recover goes on with it (%.200s)",
                       b->to ? b->to : b->run.domain_name, b->id, e->msg);
    b->started_vm = false;
    return 0;
}
