/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VM that goes back, or the one that is made: found, stopped, defined, started. See back.h. */
#include "host-coordinator/back/back.h"

#include "host-coordinator/plan/coverage.h"
#include "host-coordinator/xml/domain_rewrite.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define LOOK_EVERY_MS 300

/* ---- calls to libvirt ------------------------------------------------------------------------ */

static int call_look(struct domain_call *c, struct err *e)
{
    struct err why = ERR_INIT;

    if (c->ops->state(c->domain, &c->state, e) < 0)
        return -1;
    if (c->ops->definition(c->domain, &c->definition, &why) == 0 || why.code == ERR_NOT_FOUND)
        return 0;
    *e = why;
    return -1;
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

static int call_destroy(struct domain_call *c, struct err *e)
{
    return c->ops->destroy(c->domain, e);
}

static int call_start(struct domain_call *c, struct err *e)
{
    return c->ops->start(c->domain, e);
}

static int call_define(struct domain_call *c, struct err *e)
{
    return c->ops->define(&c->opened, c->uri, c->text, e);
}

static int call_undefine(struct domain_call *c, struct err *e)
{
    return c->ops->undefine(c->domain, e);
}

static int call_create(struct domain_call *c, struct err *e)
{
    return c->ops->create(&c->opened, c->uri, c->text, e);
}

/* One call whose only result is that it went well; `text` and `how` as it needs them. What it
 * opened becomes the run's domain. */
static int call(struct back *b, domain_call_fn *fn, const char *text, enum domain_shutdown how,
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
    struct domain_job job;
    struct domain_call *c;
    enum domain_state state;

    if (run_open_domain(r, e) < 0 || check_uuid(b, e) < 0)
        return -1;
    record_set_text(r->record, "domain.name", r->ops->name(r->domain));
    record_set_text(r->record, "domain.uuid", r->ops->uuid(r->domain));
    job = domain_job_start(r, call_look);
    if (domain_job_wait(r, &job, mono_in_ms(r->conf->libvirt_ms), &c, "look at the domain", e) < 0)
        return -1;
    state = c->state;
    b->old_definition = STEAL_PTR(c->definition);
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
static bool wait_off(struct back *b, int patience_ms, struct err *e)
{
    int64_t end = mono_in_ms(patience_ms);
    enum domain_state state = DOMAIN_RUNS;
    bool never = false;

    for (;;) {
        if (read_state(b, &state, e) < 0)
            return false;
        if (state == DOMAIN_OFF)
            return true;
        if (mono_us() >= end || loop_cancelled(b->run.loop))
            return false;
        (void)loop_wait(b->run.loop, &never, mono_in_ms(LOOK_EVERY_MS), NULL);
    }
}

static bool shut_down(struct back *b, enum domain_shutdown how, struct err *e)
{
    struct err why = ERR_INIT;

    if (call(b, call_shutdown, NULL, how, b->run.conf->libvirt_ms, "shut down", &why) < 0)
        run_note(&b->run, "%s could not be asked to shut the guest down: %s",
                 how == DOMAIN_BY_AGENT ? "qemu-ga" : "ACPI", why.msg);
    else
        return wait_off(b, b->run.conf->stop_ms, e);
    return false;
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
    b->clean = shut_down(b, DOMAIN_BY_AGENT, e) ||
               (!err_is_set(e) && !loop_cancelled(b->run.loop) && shut_down(b, DOMAIN_BY_ACPI, e));
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
    return call(b, call_destroy, NULL, 0, b->run.conf->libvirt_ms + 30000, "end the domain", e);
}

/* As it was: with its old definition, which the newer steps' undo has put back. */
int step_stop_undo(void *back, struct err *e)
{
    struct back *b = back;
    enum domain_state state = DOMAIN_OFF;

    if (!b->stopped || b->committed || b->defined)
        return 0;
    if (read_state(b, &state, e) < 0)
        return -1;
    if (state != DOMAIN_OFF) {
        run_note(&b->run, "domain '%s' was asked to shut down and may still do so: look at it",
                 b->run.domain_name);
        return 0;
    }
    if (call(b, call_start, NULL, 0, b->run.conf->libvirt_ms + 30000, "start again", e) < 0)
        return err_set(e, ERR_LOOK,
                       "domain '%s' is as before, but off: start it with virsh start %s (%.200s)",
                       b->run.domain_name, b->run.domain_name, e->msg);
    b->stopped = false;
    return 0;
}

/* ---- defining -------------------------------------------------------------------------------- */

static void make_uuid(char uuid[37])
{
    unsigned char r[16];

    if (getrandom(r, sizeof(r), 0) != sizeof(r))
        memset(r, (int)(mono_us() & 0xff), sizeof(r));
    r[6] = (unsigned char)((r[6] & 0x0f) | 0x40); /* RFC 4122: version 4, variant 1 */
    r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
    (void)snprintf(uuid, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                   r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12],
                   r[13], r[14], r[15]);
}

/* What the set says; a set of before definitions were kept is restored by the present one. */
static const char *set_definition(const struct back *b)
{
    const char *text = record_text(b->set, "instance.definition");

    if (!text)
        text = record_text(b->set, "instance.live");
    return text ? text : b->old_definition;
}

static int make_over(struct back *b, struct domain_rewrite *how, struct err *e)
{
    AUTO_FREE struct disk_move *moves = xcalloc(b->count, sizeof(*moves));
    const char *from = set_definition(b);

    if (!from)
        return err_set(e, ERR_REFUSED, "the record of set '%s' has no definition of its VM", b->id);
    for (size_t n = 0; n < b->count; n++)
        moves[n] = (struct disk_move){
            .target = b->volumes[n].target, .iqn = b->volumes[n].clone.iqn, .serial = NULL};
    how->disks = moves;
    how->disk_count = b->count;
    if (domain_rewrite(&b->new_definition, from, how, e) < 0)
        return err_prefix(e, "the definition in set '%s'", b->id);
    return 0;
}

/* In one call, and libvirt has the one or the other: this is the point at which the VM becomes what
 * the set says. */
int step_define(void *back, struct err *e)
{
    struct back *b = back;
    struct domain_rewrite how = {.kind = REWRITE_MOVE};
    char uuid[37];

    if (b->method == BACK_IN_PLACE)
        b->new_definition = xstrdup(set_definition(b));
    if (b->method == BACK_COPY) {
        make_uuid(uuid);
        how = (struct domain_rewrite){.kind = REWRITE_COPY, .name = b->to, .uuid = uuid};
    }
    if (!b->new_definition && make_over(b, &how, e) < 0)
        return -1;
    if (b->committed)
        loop_shield(b->run.loop, true);
    else if (loop_check(b->run.loop, e) < 0)
        return -1;
    if (call(b, call_define, b->new_definition, 0, b->run.conf->libvirt_ms, "define", e) < 0)
        return -1;
    b->defined = true;
    return 0;
}

int step_define_undo(void *back, struct err *e)
{
    struct back *b = back;

    if (!b->defined || b->committed)
        return 0;
    if (b->method == BACK_COPY
            ? call(b, call_undefine, NULL, 0, b->run.conf->libvirt_ms, "forget the new domain", e)
            : call(b, call_define, b->old_definition, 0, b->run.conf->libvirt_ms,
                   "define as before", e))
        return err_set(e, ERR_LOOK,
                       "domain '%s' could not be put back: cbsnap-coord recover tries again "
                       "(%.200s)",
                       b->to ? b->to : b->run.domain_name, e->msg);
    b->defined = false;
    return 0;
}

/* ---- starting -------------------------------------------------------------------------------- */

/* Its live XML tells where the agent's port is. */
static int read_live(struct back *b, struct err *e)
{
    struct domain_job job = domain_job_start(&b->run, call_xml);
    struct domain_call *c;
    int rc;

    if (domain_job_wait(&b->run, &job, mono_in_ms(b->run.conf->libvirt_ms), &c, "read the XML", e) <
        0)
        return -1;
    domain_xml_release(&b->run.xml);
    rc = domain_xml_parse(&b->run.xml, c->xml, e);
    domain_call_free(c);
    return rc;
}

int step_start(void *back, struct err *e)
{
    struct back *b = back;

    if (!b->start)
        return 0;
    if (b->committed)
        loop_shield(b->run.loop, true);
    b->started_vm = true;
    if (call(b, call_start, NULL, 0, b->run.conf->libvirt_ms + 30000, "start", e) < 0)
        return -1;
    return read_live(b, e);
}

int step_start_undo(void *back, struct err *e)
{
    struct back *b = back;

    if (!b->started_vm || b->committed)
        return 0;
    if (call(b, call_destroy, NULL, 0, b->run.conf->libvirt_ms + 30000, "end the domain", e) < 0)
        return -1;
    b->started_vm = false;
    return 0;
}

int step_throwaway(void *back, struct err *e)
{
    struct back *b = back;
    AUTO_FREE char *name = xasprintf("%s%s", BACK_VERIFY_PREFIX, b->run.set);
    AUTO_FREE char *asset = xasprintf("cbsnap-verify:%s", b->id);
    struct domain_rewrite how = {.kind = REWRITE_THROWAWAY, .name = name, .asset = asset};
    char uuid[37];

    make_uuid(uuid);
    how.uuid = uuid;
    how.memory_mib = b->memory_mib ? b->memory_mib : b->run.conf->verify_mib;
    if (make_over(b, &how, e) < 0)
        return -1;
    b->started_vm = true;
    if (call(b, call_create, b->new_definition, 0, b->run.conf->libvirt_ms + 60000,
             "start the throw-away VM", e) < 0)
        return -1;
    return read_live(b, e);
}

/* libvirt ends it with our connection in any case. */
int step_throwaway_undo(void *back, struct err *e)
{
    struct back *b = back;
    int rc = 0;

    if (!b->run.domain)
        return 0;
    rc =
        call(b, call_destroy, NULL, 0, b->run.conf->libvirt_ms + 30000, "end the throw-away VM", e);
    b->run.ops->close(b->run.domain);
    b->run.domain = NULL;
    b->started_vm = false;
    return rc;
}
