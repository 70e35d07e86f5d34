/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * restore: the VM is what the set says again, or another VM is made that is. See back.h.
 *
 * By default the VM is moved onto clones of the set's snapshots. Its present volumes stay as they
 * are, with all their snapshots, older and newer ones; and whether the VM is as before or as the
 * set says is one definition in libvirt, replaced in one call. In place its own volumes are rolled
 * back, which costs every newer snapshot.
 *
 * Until the VM runs, a failure undoes all. Then it serves, whatever the comparison says.
 */
#include "host-coordinator/back/vm.h"

#include "host-coordinator/plan/coverage.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#include <string.h>

/* ---- does it fit? ---------------------------------------------------------------------------- */

/* Disks that the VM got since would be gone with the set's definition. */
static int check_added(struct back *b, struct err *e)
{
    const char *then = vm_set_definition(b);
    struct domain_xml x = {.disk_count = 0};

    if (!then)
        return 0;
    if (domain_xml_parse(&x, then, e) < 0)
        return err_prefix(e, "the definition in set '%s'", b->id);
    for (size_t n = 0; n < b->run.xml.disk_count && !err_is_set(e); n++) {
        const struct domain_disk *disk = &b->run.xml.disks[n];

        if (domain_xml_disk(&x, disk->target) || back_has_disk(b, disk->target))
            continue;
        if (b->force)
            run_note(&b->run,
                     "disk '%s' (%s) was added since and is not in the definition any more",
                     disk->target, disk->source);
        else
            err_set(e, ERR_REFUSED,
                    "disk '%s' (%s) was added to domain '%s' since set '%s'; with --force the "
                    "domain loses it, the volume stays",
                    disk->target, disk->source, b->run.domain_name, b->id);
    }
    domain_xml_release(&x);
    return err_is_set(e) ? -1 : 0;
}

/* Volumes that the VM does not use any more can be rolled back for nobody. */
static int check_same_volumes(struct back *b, struct err *e)
{
    for (size_t n = 0; n < b->count; n++) {
        const struct back_volume *v = &b->volumes[n];
        const struct domain_disk *disk = domain_xml_disk(&b->run.xml, v->target);

        if (!disk || !coverage_volume(disk, &v->volume, 1))
            return err_set(e, ERR_REFUSED,
                           "disk '%s' of domain '%s' is not volume '%s' of set '%s' any more, so "
                           "it cannot be restored in place; leave --in-place out",
                           v->target, b->run.domain_name, v->volume.name, b->id);
        if (v->snapshots[v->at].clones > 0)
            run_note(&b->run, "snapshot '%s' has %lld clones, which stay", v->snapshots[v->at].path,
                     (long long)v->snapshots[v->at].clones);
    }
    return 0;
}

/* "SET, SET, lab-root@nightly" */
static char *join(char **texts, size_t count)
{
    struct buf text = BUF_INIT;

    for (size_t n = 0; n < count; n++) {
        buf_addf(&text, "%s%s", n > 0 ? ", " : "", texts[n]);
        free(texts[n]);
    }
    free(texts);
    return buf_steal(&text);
}

static int check_newer_clones(const struct back *b, struct err *e)
{
    for (size_t n = 0; n < b->count; n++) {
        const struct back_volume *v = &b->volumes[n];

        for (size_t i = (size_t)(v->at + 1); i < v->snapshot_count; i++) {
            if (v->snapshots[i].clones > 0)
                return err_set(e, ERR_REFUSED,
                               "the newer snapshot '%s' has clones and cannot be removed, so "
                               "volume '%s' cannot be rolled back past it; leave --in-place out",
                               v->snapshots[i].path, v->volume.name);
        }
    }
    return 0;
}

static int check_newer(struct back *b, struct err *e)
{
    char **newer;
    size_t count = back_newer(b, &newer);
    AUTO_FREE char *list = join(newer, count);

    if (count == 0)
        return 0;
    if (!b->force)
        return err_set(e, ERR_REFUSED,
                       "restored in place, set '%s' costs %zu newer: %.250s; agree with --force, "
                       "or leave --in-place out",
                       b->id, count, list);
    run_note(&b->run, "lost by restoring in place: %s", list);
    return check_newer_clones(b, e);
}

/* A clone takes no room at first, but a pool that is full takes no write either. */
static int check_room(struct back *b, struct err *e)
{
    for (size_t n = 0; n < b->count; n++) {
        const struct volume *v = &b->volumes[n].volume;

        if (v->free_bytes == 0)
            return err_set(e, ERR_REFUSED,
                           "appliance '%s' has no room left for volume '%s'; a restored VM could "
                           "not write",
                           b->volumes[n].appliance, v->name);
    }
    return 0;
}

/* Does that journal tell of a restore that has this very VM in hand? What else makes clones leaves
 * the VM alone, and a set that did not come to be stands in nobody's way. */
static bool went_back_with(const struct back *b, const struct record *journal)
{
    const char *act = record_text(journal, "act"), *uuid = record_text(journal, "domain.uuid");

    return act && uuid && !record_bool(journal, "vm_as_before") &&
           strcmp(uuid, b->run.ops->uuid(b->run.domain)) == 0 &&
           (strcmp(act, back_method_name(BACK_SWITCH)) == 0 ||
            strcmp(act, back_method_name(BACK_IN_PLACE)) == 0);
}

/* All that it has done is to ask the guest to shut down, which then did not, or not yet. A restore
 * wants just that, so it goes on from there; and puts the VM back to what that one found. */
static bool only_asked(const struct record *journal)
{
    int64_t asked = 0;

    return record_int(journal, "asked_wall_us", &asked) && asked != 0;
}

static void go_on_with(struct back *b, const char *id)
{
    free(b->left);
    b->left = xstrdup(id);
    b->ran = true;
}

/* A restore that lives would have the VM's lock, which is ours. What a dead one has left is to be
 * finished or undone first: its recover would take this one's work for its own. */
static int check_left(struct back *b, struct err *e)
{
    const char *state_dir = b->run.conf->state_dir;
    struct store_names ids = {.count = 0};
    int rc = journal_names(&ids, state_dir, e);

    for (size_t n = 0; n < ids.count && rc == 0; n++) {
        struct err why = ERR_INIT;
        struct record *journal = journal_read(state_dir, ids.names[n], &why);

        if (!journal && why.code != ERR_NOT_FOUND) {
            *e = why;
            rc = -1;
        }
        if (journal && went_back_with(b, journal) && only_asked(journal) && !b->left)
            go_on_with(b, ids.names[n]);
        else if (journal && went_back_with(b, journal))
            rc = err_set(e, ERR_REFUSED,
                         "restore '%s' of domain '%s' died and is not over: cbsnap-coord recover "
                         "finishes or undoes it, then try again",
                         ids.names[n], b->run.domain_name);
        record_free(journal);
    }
    store_names_release(&ids);
    return rc;
}

/* Nova writes the definition anew, with the volumes that Cinder knows, whenever it starts the VM.
 */
static int check_owner(struct back *b, struct err *e)
{
    if (!strstr(b->old_definition, "http://openstack.org/xmlns/libvirt/nova/"))
        return 0;
    if (!b->force)
        return err_set(e, ERR_REFUSED,
                       "domain '%s' is OpenStack's, which would put its old volumes back at the "
                       "next start; see docs/openstack.md: --in-place keeps the volumes, --force "
                       "goes on",
                       b->run.domain_name);
    run_note(&b->run, "OpenStack puts the old volumes back when it starts domain '%s' itself",
             b->run.domain_name);
    return 0;
}

/* The clones and the definition that names them. */
static int check_clones(struct back *b, struct err *e)
{
    return vm_define_fits(b, e) < 0 || check_room(b, e) < 0 ? -1 : back_clone_access(b, e);
}

static int fits_step(void *back, struct err *e)
{
    struct back *b = back;

    if (check_left(b, e) < 0 || check_owner(b, e) < 0 || check_added(b, e) < 0)
        return -1;
    return check_clones(b, e);
}

static int fits_in_place_step(void *back, struct err *e)
{
    struct back *b = back;

    if (b->safety)
        return err_set(e, ERR_REFUSED,
                       "rolling back destroys what is newer than the set, a safety set too; leave "
                       "--in-place out, or go without one: --no-safety");
    if (check_left(b, e) < 0 || check_added(b, e) < 0 || check_same_volumes(b, e) < 0)
        return -1;
    /* the fence asks again; but here nobody has been shut down for it yet */
    return check_newer(b, e) < 0 || back_look_access(b, e) < 0 ? -1 : 0;
}

static int call_find(struct domain_call *c, struct err *e)
{
    return c->ops->open(&c->opened, c->uri, c->text, e);
}

static int fits_copy_step(void *back, struct err *e)
{
    struct back *b = back;
    struct domain_job job = domain_job_start_with(&b->run, call_find, b->to, DOMAIN_BY_AGENT);
    struct domain_call *c;
    struct err why = ERR_INIT;

    if (domain_job_wait(&b->run, &job, mono_in_ms(b->run.conf->libvirt_ms), &c, "look for the name",
                        &why) == 0) {
        domain_call_free(c);
        return err_set(e, ERR_REFUSED, "there is a domain '%s' already; choose another name",
                       b->to);
    }
    if (why.code != ERR_NOT_FOUND) {
        *e = why;
        return -1;
    }
    return check_clones(b, e);
}

/* ---- the plans ------------------------------------------------------------------------------- */

/* Then it serves again, and what is left are clones or a safety set: should they stay, no other
 * restore need wait for them to go, and a recover leaves the VM to whoever has it. */
static int stop_for_switch_undo(void *back, struct err *e)
{
    struct back *b = back;
    int rc = step_stop_undo(b, e);

    if (!b->stopped && !b->defined && !b->define_unsure && !b->started_vm)
        back_note_as_before(b);
    return rc;
}

static const struct step switch_steps[] = {
    {"set", step_set, NULL, UNDO_ALWAYS, .critical = false},
    {"domain", step_find_vm, NULL, UNDO_ALWAYS, .critical = false},
    {"lock-vm", step_lock, NULL, UNDO_ALWAYS, .critical = false},
    {"look", step_look_vm, NULL, UNDO_ALWAYS, .critical = false},
    {"storage", step_whole, NULL, UNDO_ALWAYS, .critical = false},
    {"preflight", fits_step, NULL, UNDO_ALWAYS, .critical = false},
    {"journal", step_journal, NULL, UNDO_ALWAYS, .critical = false},
    /* undone once the VM serves again: removing may take long, and nobody waits for it */
    {"safety", NULL, step_safety_undo, UNDO_ON_FAILURE, .critical = false},
    {"clone", NULL, step_clone_undo, UNDO_ON_FAILURE, .critical = false},
    {"stop", step_stop, stop_for_switch_undo, UNDO_ON_FAILURE, .critical = false},
    {"safety", step_safety, NULL, UNDO_ON_FAILURE, .critical = false},
    {"clone", step_clone, NULL, UNDO_ON_FAILURE, .critical = false},
    {"define", step_define, step_define_undo, UNDO_ON_FAILURE, .critical = false},
    {"start", step_start, step_start_undo, UNDO_ON_FAILURE, .critical = false},
};

static const struct step in_place_steps[] = {
    {"set", step_set, NULL, UNDO_ALWAYS, .critical = false},
    {"domain", step_find_vm, NULL, UNDO_ALWAYS, .critical = false},
    {"lock-vm", step_lock, NULL, UNDO_ALWAYS, .critical = false},
    {"look", step_look_vm, NULL, UNDO_ALWAYS, .critical = false},
    {"storage", step_whole, NULL, UNDO_ALWAYS, .critical = false},
    {"preflight", fits_in_place_step, NULL, UNDO_ALWAYS, .critical = false},
    {"journal", step_journal, NULL, UNDO_ALWAYS, .critical = false},
    {"stop", step_stop, step_stop_undo, UNDO_ON_FAILURE, .critical = false},
    {"fence", step_fence, step_fence_undo, UNDO_ON_FAILURE, .critical = false},
    {"newer", step_newer, NULL, UNDO_ON_FAILURE, .critical = false},
    {"roll back", step_rollback, NULL, UNDO_ON_FAILURE, .critical = false},
    {"define", step_define, NULL, UNDO_ON_FAILURE, .critical = false},
    {"unfence", step_unfence, NULL, UNDO_ON_FAILURE, .critical = false},
    {"start", step_start, NULL, UNDO_ON_FAILURE, .critical = false},
};

static const struct step copy_steps[] = {
    {"set", step_set, NULL, UNDO_ALWAYS, .critical = false},
    {"storage", step_whole, NULL, UNDO_ALWAYS, .critical = false},
    {"preflight", fits_copy_step, NULL, UNDO_ALWAYS, .critical = false},
    {"journal", step_journal, NULL, UNDO_ALWAYS, .critical = false},
    {"clone", step_clone, step_clone_undo, UNDO_ON_FAILURE, .critical = false},
    {"define", step_define, step_define_undo, UNDO_ON_FAILURE, .critical = false},
    {"start", step_start, step_start_undo, UNDO_ON_FAILURE, .critical = false},
};

/* The VM is what the set says, and may serve already: nothing of this is undone. */
static const struct step proof_steps[] = {
    {"agent", step_agent, step_link_undo, UNDO_ALWAYS, .critical = false},
    {"certify", step_certify, NULL, UNDO_ALWAYS, .critical = false},
};

static const struct step report_steps[] = {
    {"publish", step_report, NULL, UNDO_ALWAYS, .critical = false},
};

static const struct {
    const struct step *steps;
    size_t count;
} plans[] = {
    [BACK_SWITCH] = {switch_steps, ARRAY_SIZE(switch_steps)},
    [BACK_IN_PLACE] = {in_place_steps, ARRAY_SIZE(in_place_steps)},
    [BACK_COPY] = {copy_steps, ARRAY_SIZE(copy_steps)},
};

/* What went wrong after the VM was started is for a person: it runs, and is not proven. */
static void unproven(struct back *b, struct err *e)
{
    struct err why = *e;

    err_set(e, ERR_LOOK,
            "domain '%s' runs from set '%s', but what it serves was not proven: %.200s%s%s",
            b->to ? b->to : b->run.domain_name, b->id, why.msg,
            b->safety && b->method == BACK_SWITCH
                ? "; back to what was before: cbsnap-coord restore "
                : "",
            b->safety && b->method == BACK_SWITCH ? b->run.set : "");
}

int restore_run(struct back *b, int *ret_exit, struct err *e)
{
    struct plan_result result =
        plan_run(plans[b->method].steps, plans[b->method].count, b, &run_watch, e);
    struct err why = ERR_INIT;

    if (result.rc == 0) {
        struct plan_result proof = plan_run(proof_steps, ARRAY_SIZE(proof_steps), b, &run_watch, e);

        if (proof.rc < 0)
            unproven(b, e);
        result = plan_run(report_steps, ARRAY_SIZE(report_steps), b, &run_watch, &why);
        if (result.rc < 0 && proof.rc == 0)
            *e = why;
        result.rc = proof.rc < 0 ? -1 : result.rc;
        /* all that it has to finish is done: the report may be lacking, the VM is not */
        journal_close(b->run.journal, true);
        b->run.journal = NULL;
        *ret_exit = result.rc < 0 ? 5 : b->result.count > 0 ? 6 : 0;
        return result.rc;
    }
    *ret_exit = b->committed ? 5 : back_exit(b, &result, e);
    if (b->committed && e->code != ERR_LOOK)
        err_hint(e, "cbsnap-coord recover finishes the restore");
    journal_close(b->run.journal, *ret_exit != 5);
    b->run.journal = NULL;
    return result.rc;
}
