/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The definition that makes a VM what the set says; see back.h. */
#include "host-coordinator/back/vm.h"

#include "host-coordinator/xml/domain_rewrite.h"
#include "host-coordinator/xml/domain_xml.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/compat.h"
#include "proto/base/log.h"

#include <stdio.h>
#include <string.h>

/* ---- calls to libvirt ------------------------------------------------------------------------ */

static int call_define(struct domain_call *c, struct err *e)
{
    return c->ops->define(&c->opened, c->uri, c->text, e);
}

static int call_undefine(struct domain_call *c, struct err *e)
{
    return c->ops->undefine(c->domain, e);
}

static int call_look_at(struct domain_call *c, struct err *e)
{
    struct err why = ERR_INIT;

    if (c->ops->open(&c->opened, c->uri, c->text, e) < 0 ||
        c->ops->state(c->opened, &c->state, NULL, e) < 0)
        return -1;
    if (c->ops->definition(c->opened, &c->definition, &why) < 0 && why.code != ERR_NOT_FOUND) {
        *e = why;
        return -1;
    }
    return 0;
}

int vm_look_at(struct back *b, const char *name, char **ret_definition, enum domain_state *ret,
               struct err *e)
{
    struct domain_job job = domain_job_start_with(&b->run, call_look_at, name, DOMAIN_BY_AGENT);
    struct domain_call *c;
    struct err why = ERR_INIT;

    if (domain_job_wait(&b->run, &job, mono_in_ms(b->run.conf->libvirt_ms), &c, "look", &why) < 0) {
        if (why.code == ERR_NOT_FOUND)
            return 0;
        *e = why;
        return -1;
    }
    b->run.ops->close(b->run.domain);
    b->run.domain = STEAL_PTR(c->opened);
    *ret_definition = STEAL_PTR(c->definition);
    *ret = c->state;
    domain_call_free(c);
    return 1;
}

bool vm_names_clone(const struct back *b, const char *xml)
{
    for (size_t n = 0; n < b->count && xml; n++) {
        const struct volume *clone = &b->volumes[n].clone;

        if (clone->iqn && *clone->iqn && strstr(xml, clone->iqn))
            return true;
    }
    return false;
}

/* ---- defining -------------------------------------------------------------------------------- */

void vm_make_uuid(char uuid[37])
{
    unsigned char r[16];

    if (random_fill(r, sizeof(r)) < 0)
        memset(r, (int)(mono_us() & 0xff), sizeof(r));
    r[6] = (unsigned char)((r[6] & 0x0f) | 0x40); /* RFC 4122: version 4, variant 1 */
    r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
    (void)snprintf(uuid, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                   r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12],
                   r[13], r[14], r[15]);
}

static bool has_all_disks(const struct back *b, const char *xml)
{
    struct domain_xml x = {.disk_count = 0};
    bool all = domain_xml_parse(&x, xml, NULL) == 0;

    for (size_t n = 0; n < b->count && all; n++)
        all = domain_xml_disk(&x, b->volumes[n].target) != NULL;
    domain_xml_release(&x);
    return all;
}

const char *vm_set_definition(const struct back *b)
{
    const char *text = record_text(b->set, "instance.definition");
    const char *live = record_text(b->set, "instance.live");

    /* a disk that was attached to the running VM only stands in its live XML alone */
    if (!text || (live && !has_all_disks(b, text) && has_all_disks(b, live)))
        text = live;
    return text ? text : b->old_definition;
}

int vm_make_over(struct back *b, struct domain_rewrite *how, struct err *e)
{
    AUTO_FREE struct disk_move *moves = xcalloc(b->count, sizeof(*moves));
    const char *from = vm_set_definition(b);

    if (!from)
        return err_set(e, ERR_REFUSED, "the record of set '%s' has no definition of its VM", b->id);
    for (size_t n = 0; n < b->count; n++) {
        const struct back_volume *v = &b->volumes[n];

        moves[n] = (struct disk_move){.target = v->target,
                                      .iqn = v->clone.iqn ? v->clone.iqn : v->volume.iqn,
                                      .serial = NULL};
    }
    how->disks = moves;
    how->disk_count = b->count;
    if (domain_rewrite(&b->new_definition, from, how, e) < 0)
        return err_prefix(e, "the definition in set '%s'", b->id);
    return 0;
}

static int make_definition(struct back *b, struct err *e)
{
    struct domain_rewrite how = {.kind = REWRITE_MOVE};

    if (b->method == BACK_COPY) {
        vm_make_uuid(b->to_uuid);
        how = (struct domain_rewrite){.kind = REWRITE_COPY, .name = b->to, .uuid = b->to_uuid};
    }
    return vm_make_over(b, &how, e);
}

/* A clone is a device of the host only once the host has logged in to it, which is not ours to do.
 */
static int check_devices(const struct back *b, struct err *e)
{
    struct domain_xml made;
    int rc = domain_xml_parse(&made, b->new_definition, e);

    if (rc < 0)
        return -1;
    for (size_t n = 0; n < made.disk_count && rc == 0; n++) {
        if (*made.disks[n].source == '/' && back_has_disk(b, made.disks[n].target))
            rc = err_set(e, ERR_REFUSED,
                         "disk '%s' is a device of the host, which must log in to the clone before "
                         "the VM can start; use --no-start, then iscsiadm, then virsh start",
                         made.disks[n].target);
    }
    domain_xml_release(&made);
    return rc;
}

int vm_rehearsed(struct back *b, int rc, struct err *e)
{
    free(b->new_definition);
    b->new_definition = NULL;
    if (rc < 0)
        e->code = ERR_REFUSED;
    return rc;
}

int vm_define_fits(struct back *b, struct err *e)
{
    int rc = make_definition(b, e);

    if (rc == 0 && b->start)
        rc = check_devices(b, e);
    return vm_rehearsed(b, rc, e);
}

/* A VNC or SPICE without its password is open to all; no record has it. */
static void note_secrets(struct back *b)
{
    if (b->secret_definition && strstr(b->secret_definition, " passwd=") &&
        !strstr(b->new_definition, " passwd="))
        run_note(&b->run,
                 "domain '%s' had a password for its graphics, which no record keeps: set it anew "
                 "(virsh edit)",
                 b->run.domain_name);
}

/* A call that failed has most often done nothing; but one that was given up on, or whose answer got
 * lost, may have, and then the clones are the VM's. */
static void look_what_holds(struct back *b, const struct err *why)
{
    AUTO_FREE char *definition = NULL;
    enum domain_state state;
    struct err ignored = ERR_INIT;
    const char *name = b->method == BACK_COPY ? b->to : b->run.domain_name;
    int there;

    b->define_unsure = why->code == ERR_TIMEOUT || why->code == ERR_CANCELLED;
    there = vm_look_at(b, name, &definition, &state, &ignored);
    b->define_unsure = b->define_unsure || there < 0;
    b->defined = there < 0 || vm_names_clone(b, definition);
}

/* Whoever recovers finds the copy by it, whatever it is called then. */
static int note_uuid(struct back *b, struct err *e)
{
    struct record *note = record_new();

    record_set_text(note, "to_uuid", b->to_uuid);
    return back_write(b, note, e);
}

/* In one call, and libvirt has the one or the other: this is the point at which the VM becomes what
 * the set says. A signal waits for it, for it would leave unknown which of the two holds. */
int step_define(void *back, struct err *e)
{
    struct back *b = back;

    if (b->method == BACK_IN_PLACE)
        b->new_definition = xstrdup(vm_set_definition(b));
    if (!b->new_definition && make_definition(b, e) < 0)
        return -1;
    if ((!b->committed && loop_check(b->run.loop, e) < 0) ||
        (b->method == BACK_COPY && note_uuid(b, e) < 0))
        return -1;
    loop_shield(b->run.loop, true);
    note_secrets(b);
    if (vm_call(b, call_define, b->new_definition, 0, b->run.conf->libvirt_ms, "define", e) < 0) {
        if (!b->committed)
            look_what_holds(b, e);
        return -1;
    }
    b->defined = true;
    return 0;
}

static void note_forgotten(struct back *b, bool is)
{
    struct err why = ERR_INIT;

    if (back_note(b, "copy_forgotten", is, &why) < 0)
        log_warn("%s", why.msg); /* recover asks a person, no more */
}

/* Written down before: that there is no copy tells whoever recovers nothing, unless we took it. */
static int undefine_copy(struct back *b, struct err *e)
{
    int rc;

    note_forgotten(b, true);
    rc = vm_call(b, call_undefine, NULL, 0, b->run.conf->libvirt_ms, "forget the new domain", e);
    if (rc < 0 && e->code != ERR_TIMEOUT && e->code != ERR_CANCELLED)
        note_forgotten(b, false);
    return rc;
}

/* When libvirt told neither whether it defined the copy nor what there is, it is looked for now.
 * One of that name which is not on our clones is somebody else's. */
static int forget_copy(struct back *b, struct err *e)
{
    AUTO_FREE char *definition = NULL;
    enum domain_state state;

    if (!b->run.domain) {
        int there = vm_look_at(b, b->to, &definition, &state, e);

        if (there < 0)
            return -1;
        if (!there || !vm_names_clone(b, definition))
            return 0;
    }
    return undefine_copy(b, e);
}

static int put_back(struct back *b, struct err *e)
{
    const char *old = b->secret_definition ? b->secret_definition : b->old_definition;

    if (b->method == BACK_COPY)
        return forget_copy(b, e);
    return vm_call(b, call_define, old, 0, b->run.conf->libvirt_ms, "define as before", e);
}

int step_define_undo(void *back, struct err *e)
{
    struct back *b = back;
    const char *name = b->to ? b->to : b->run.domain_name;

    /* one that runs from the clones and could not be ended keeps them, and its definition */
    if (b->committed || b->started_vm)
        return 0;
    if (b->defined && put_back(b, e) < 0)
        return err_set(e, ERR_LOOK,
                       "domain '%s' could not be put back: cbsnap-coord recover finishes the "
                       "restore or tries again (%.200s)",
                       name, e->msg);
    b->defined = false;
    if (!b->define_unsure)
        return 0;
    return err_set(e, ERR_LOOK,
                   "libvirt was asked to define domain '%s' anew and did not answer: it may yet do "
                   "it, so the clones stay; cbsnap-coord recover, once libvirt answers again",
                   name);
}
