/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VM that goes back, or the one that is made: found, stopped, started. See back.h, vm.h. */
#include "host-coordinator/back/vm.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#include <string.h>

#define LOOK_EVERY_MS 300

/* ---- calls to libvirt ------------------------------------------------------------------------ */

/* The one without secrets may be written down, the other is what can be put back. */
static int call_look(struct domain_call *c, struct err *e)
{
    struct err why = ERR_INIT;

    if (c->ops->state(c->domain, &c->state, e) < 0)
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
    return c->ops->state(c->domain, &c->state, e);
}

static int call_xml(struct domain_call *c, struct err *e)
{
    return c->ops->xml(c->domain, &c->xml, e);
}

static int call_shutdown(struct domain_call *c, struct err *e)
{
    return c->ops->shutdown(c->domain, c->how, e);
}

static int call_start(struct domain_call *c, struct err *e)
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

static int read_state(struct back *b, enum domain_state *ret, struct err *e)
{
    struct domain_job job = domain_job_start(&b->run, call_state);
    struct domain_call *c;

    if (domain_job_wait(&b->run, &job, mono_in_ms(b->run.conf->libvirt_ms), &c, "read the state",
                        e) < 0)
        return -1;
    *ret = c->state;
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
    if (state == DOMAIN_OTHER)
        return err_set(e, ERR_REFUSED,
                       "domain '%s' is neither running nor shut off; resume it or end it first "
                       "(virsh resume, virsh destroy)",
                       r->domain_name);
    if (!b->old_definition)
        return err_set(e, ERR_REFUSED,
                       "domain '%s' is transient and cannot be started again once it is off; "
                       "restore the set under another name with --to",
                       r->domain_name);
    b->ran = state == DOMAIN_RUNS;
    if (domain_xml_parse(&r->xml, b->old_definition, e) < 0)
        return err_prefix(e, "the definition of domain '%s'", r->domain_name);
    return 0;
}

/* ---- stopping -------------------------------------------------------------------------------- */

/* True when it is off. */
static bool wait_off(struct back *b, int64_t end_us, struct err *e)
{
    enum domain_state state = DOMAIN_RUNS;
    bool never = false;

    for (;;) {
        int64_t again = mono_in_ms(LOOK_EVERY_MS);

        if (read_state(b, &state, e) < 0)
            return false;
        if (state == DOMAIN_OFF)
            return true;
        if (mono_us() >= end_us || loop_check(b->run.loop, NULL) < 0)
            return false;
        (void)loop_wait(b->run.loop, &never, again < end_us ? again : end_us, NULL);
    }
}

static bool shut_down(struct back *b, enum domain_shutdown how, struct err *e)
{
    struct err why = ERR_INIT;
    int64_t end = mono_in_ms(b->run.conf->stop_ms);
    int rc = vm_call(b, call_shutdown, NULL, how, b->run.conf->libvirt_ms, "shut down", &why);

    if (rc == 0 || why.code == ERR_TIMEOUT || why.code == ERR_CANCELLED)
        b->off_by_us = end; /* it was asked, or may have been */
    if (rc == 0)
        return wait_off(b, end, e);
    run_note(&b->run, "%s could not be asked to shut the guest down: %s",
             how == DOMAIN_BY_AGENT ? "qemu-ga" : "ACPI", why.msg);
    /* it may have been asked all the same, or have gone off by itself */
    return wait_off(b, 0, e);
}

/* It is theirs from now on, and stays as they have it. */
static int started_by_others(struct back *b, struct err *e)
{
    b->stopped = b->started_vm = false;
    return err_set(e, ERR_LIBVIRT,
                   "somebody else started domain '%s' from its old volumes meanwhile; keep HA "
                   "managers and people from it, and try again",
                   b->run.domain_name);
}

int vm_check_off(struct back *b, struct err *e)
{
    enum domain_state state;

    if (read_state(b, &state, e) < 0)
        return -1;
    return state == DOMAIN_OFF ? 0 : started_by_others(b, e);
}

int step_stop(void *back, struct err *e)
{
    struct back *b = back;

    b->down_us = mono_us();
    if (!b->ran)
        return 0;
    if (loop_check(b->run.loop, e) < 0)
        return -1;
    b->stopped = true;
    b->clean =
        shut_down(b, DOMAIN_BY_AGENT, e) ||
        (!err_is_set(e) && loop_check(b->run.loop, e) == 0 && shut_down(b, DOMAIN_BY_ACPI, e));
    if (b->clean || err_is_set(e))
        return b->clean ? 0 : -1;
    if (loop_check(b->run.loop, e) < 0)
        return -1;
    if (!b->force)
        return err_set(e, ERR_LIBVIRT,
                       "the guest of domain '%s' did not shut down in %d ms; look at its console, "
                       "or end it with --force",
                       b->run.domain_name, b->run.conf->stop_ms);
    run_note(&b->run, "the guest did not shut down and was ended");
    return vm_call(b, vm_call_destroy, NULL, 0, VM_LIFE_MS(b), "end the domain", e);
}

/* As it was: with its old definition, which the newer steps' undo has put back, and with volumes
 * that it may use; where that failed recover starts it. A guest that was
 * asked and not waited for to the end is on its way down, and would be off a moment after we said
 * that it runs. */
int step_stop_undo(void *back, struct err *e)
{
    struct back *b = back;

    if (!b->stopped || b->committed || b->defined || b->fenced)
        return 0;
    if (!wait_off(b, b->off_by_us, e)) {
        if (err_is_set(e))
            return err_set(e, ERR_LOOK,
                           "domain '%s' was asked to shut down, and libvirt does not tell whether "
                           "it has: cbsnap-coord recover looks again (%.200s)",
                           b->run.domain_name, e->msg);
        run_note(&b->run, "domain '%s' was asked to shut down and may still do so: look at it",
                 b->run.domain_name);
        return 0;
    }
    if (vm_call(b, call_start, NULL, 0, VM_LIFE_MS(b), "start again", e) < 0)
        return err_set(e, ERR_LOOK,
                       "domain '%s' is as before, but off: start it with virsh start %s (%.200s)",
                       b->run.domain_name, b->run.domain_name, e->msg);
    b->stopped = false;
    return 0;
}

/* ---- starting -------------------------------------------------------------------------------- */

/* Its live XML tells where the agent's port is. */
int vm_read_live(struct back *b, struct err *e)
{
    struct domain_job job = domain_job_start(&b->run, call_xml);
    struct domain_call *c;
    int rc;

    if (domain_job_wait(&b->run, &job, mono_in_ms(b->run.conf->libvirt_ms), &c, "read the XML", e) <
        0)
        return -1;
    domain_xml_release(&b->run.xml);
    rc = domain_xml_parse(&b->run.xml, c->xml, e);
    if (rc == 0 && b->defined && b->method != BACK_IN_PLACE && !vm_names_clone(b, c->xml))
        rc = started_by_others(b, e); /* before it was defined anew */
    domain_call_free(c);
    return rc;
}

/* 0: off; 1: it runs from the clones, whoever started it; -1: from what it had, or nobody knows. */
static int runs_already(struct back *b, struct err *e)
{
    enum domain_state state;

    if (b->method != BACK_SWITCH)
        return 0;
    if (read_state(b, &state, e) < 0)
        return -1;
    if (state == DOMAIN_OFF)
        return 0;
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
    if (vm_call(b, call_start, NULL, 0, VM_LIFE_MS(b), "start", e) < 0)
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
