/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * recover: what a dead act left is finished or undone, by what its journal says it was about to do
 * and what libvirt and the appliances say is there. See back.h.
 *
 *   a snapshot                 its snapshots are removed, unless record and appliance have it whole
 *   verify                     throw-away VM and clones are removed
 *   restore, not yet defined   clones are removed, and the VM is started if it had run
 *   restore, guest asked       it is started if it is off; if not, the journal stays for a while
 *   restore, defined           the VM is as the set says; it is started
 *   restore, it cannot be told which of the two: nothing is touched, and the journal stays
 *   in place, not committed    the volumes are opened again, and the VM is started if it had run
 *   in place, committed        all volumes are rolled back, and the rest of the plan is done
 *
 * Each outcome may be reached again by a second recover that follows one that was killed.
 */
#include "host-coordinator/back/recover.h"
#include "host-coordinator/back/vm.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void recovery_release(struct recovery *r)
{
    free(r->set);
    free(r->domain);
    free(r->outcome);
    *r = (struct recovery){.what = NULL};
}

void recovery_told(struct recovery *ret, const char *fmt, ...)
{
    char text[ERR_TEXT];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    free(ret->outcome);
    ret->outcome = xstrdup(text);
}

/* ---- what the journal says ------------------------------------------------------------------- */

bool recover_begun(const struct record *j, const char *step)
{
    return record_has_text(j, "begun", step);
}

bool recover_ended(const struct record *j, const char *step)
{
    return record_has_text(j, "done", step);
}

static bool method_of(const struct record *j, enum back_method *ret)
{
    static const struct {
        const char *act;
        enum back_method method;
    } acts[] = {{"switch", BACK_SWITCH},
                {"in-place", BACK_IN_PLACE},
                {"copy", BACK_COPY},
                {"verify", BACK_VERIFY}};
    const char *act = record_text(j, "act");

    for (size_t n = 0; n < ARRAY_SIZE(acts) && act; n++) {
        if (strcmp(acts[n].act, act) == 0) {
            *ret = acts[n].method;
            return true;
        }
    }
    return false;
}

/* A clone that was asked for may come until then; but none is waited for that a clock which was
 * wrong has asked for next year. By the longest clone_ms that there is, for today's may be a
 * shorter one.
 */
static bool may_come(int64_t until_us)
{
    int64_t now = wall_us();

    return now < until_us && until_us <= now + CONFIG_CLONE_MAX_MS * INT64_C(1000);
}

/* What it was made as, whether the appliance lists it now or not. */
static void take_clone(struct back_volume *v, const struct record *clone)
{
    const char *id = record_text(clone, "id"), *iqn = record_text(clone, "iqn");

    if (!id || !iqn)
        return;
    v->clone.id = xstrdup(id);
    v->clone.name = xstrdup(v->clone_name);
    v->clone.iqn = xstrdup(iqn);
}

/* The act as it was when it died. */
static void take_state(struct back *b, const struct record *j)
{
    const char *old = record_text(j, "old_definition"), *id = record_text(j, "id");
    const char *uuid = record_text(j, "to_uuid");

    b->to = record_text(j, "to");
    (void)snprintf(b->to_uuid, sizeof(b->to_uuid), "%s", uuid ?: "");
    b->ran = record_bool(j, "ran");
    b->start = record_bool(j, "start");
    b->committed = record_bool(j, "committed");
    /* one written before 0.1.0's last changes does not say so: none was started unopened */
    b->opened = record_bool(j, "opened") || (b->committed && recover_begun(j, "start"));
    b->stopped = b->ran;
    (void)record_int(j, "asked_wall_us", &b->asked_us);
    /* the step is begun in any case */
    b->safety = recover_begun(j, "safety") && !record_bool(j, "no_safety");
    b->old_definition = old ? xstrdup(old) : NULL;
    if (id)
        (void)snprintf(b->run.set, sizeof(b->run.set), "%s", id);
    for (size_t n = 0; n < b->count; n++) {
        struct back_volume *v = &b->volumes[n];
        const struct record *clone = record_find(j, "clones", "target", v->target);
        const struct record *access = record_find(j, "access", "target", v->target);
        const char *word = access ? record_text(access, "word") : NULL;

        if (clone && record_text(clone, "name")) {
            v->clone_name = xstrdup(record_text(clone, "name"));
            v->clone_asked = true; /* and nobody knows whether it was made */
            take_clone(v, clone);
            v->clone_unsure = record_int(clone, "until_wall_us", &v->clone_until_us) &&
                              may_come(v->clone_until_us);
        }
        if (word) {
            v->access = xstrdup(word);
            b->fenced = true;
        }
    }
}

/* ---- each kind ------------------------------------------------------------------------------- */

static int recover_verify(struct back *b, struct recovery *ret, struct err *e)
{
    AUTO_FREE char *name = xasprintf("%s%s", BACK_VERIFY_PREFIX, b->run.set);

    if (vm_end_by_name(b, name, e) < 0 || step_clone_undo(b, e) < 0)
        return -1;
    recovery_told(ret, "throw-away VM and clones of the verification are gone");
    return 0;
}

/* Written down, as by a plan: whoever follows us when we die, too, must know how far it came. */
static int step(struct back *b, const char *name, step_fn *fn, struct err *e)
{
    journal_step(b->run.journal, name, "begin", true);
    return fn(b, e);
}

static int start_if(struct back *b, bool wanted, enum domain_state state, struct err *e)
{
    if (!wanted || state != DOMAIN_OFF)
        return 0;
    b->start = true;
    return step(b, "start", step_start, e);
}

/* One that was migrated away runs there, if at all, and is not started here as well; nor is one
 * whose memory a start of ours would throw away. */
static const char *power_words(bool wanted, enum domain_state state)
{
    if (state == DOMAIN_AWAY)
        return ", and was migrated away";
    if (state == DOMAIN_SAVED)
        return ", and its memory is saved: virsh start goes on with it";
    if (state == DOMAIN_OTHER)
        return ", and is neither running nor off: virsh resume, if it is paused";
    return wanted ? ", and runs" : "";
}

/* Once its journal is gone nobody starts a guest again that goes off late. One that has not for so
 * long will not any more; nor is one waited for that a clock which was wrong has asked next year.
 */
static int check_going(struct back *b, enum domain_state state, struct err *e)
{
    int64_t now = wall_us(), goes = VM_GOES_MS(b) * 1000, until;
    char at[32];

    if ((state != DOMAIN_RUNS && state != DOMAIN_OTHER) || b->asked_us > now + goes)
        return 0;
    until = b->asked_us + goes;
    if (b->asked_us == 0 || now >= until)
        return 0;
    return err_set(e, ERR_LOOK,
                   "domain '%s' runs, but was asked to shut down and may do so until %s: "
                   "cbsnap-coord recover starts it again once it is off, and lets it be once that "
                   "time is over",
                   b->run.domain_name, clock_iso(until, at));
}

/* The VM stays as it was, so there is nothing to keep safe. */
static int remove_safety(struct back *b, const struct record *j, struct err *e)
{
    const bool all_listed = recover_begun(j, "clone");

    if (!b->safety)
        return 0;
    domain_xml_release(&b->run.xml); /* of the VM, when it was started meanwhile */
    if (domain_xml_parse(&b->run.xml, b->old_definition ?: "", e) < 0 ||
        step_storage(&b->run, e) < 0)
        return -1;
    for (size_t n = 0; n < b->run.volume_count; n++) {
        b->run.volumes[n].asked = true; /* perhaps */
        b->run.volumes[n].op.done = true;
        b->run.volumes[n].op.unsure = !all_listed; /* the appliance may be about to make it */
    }
    return step_safety_undo(b, e);
}

static int remove_left(struct back *b, const struct record *j, struct err *e)
{
    return step_clone_undo(b, e) < 0 || remove_safety(b, j, e) < 0 ? -1 : 0;
}

/* What is left over is gone, as far as anybody has seen. */
static void told_switch(struct recovery *ret, const struct back *b, const char *words,
                        const char *power)
{
    size_t unknown = back_safety_unknown(b);

    if (unknown == 0)
        recovery_told(ret, "domain '%s' %s%s", b->run.domain_name, words, power);
    else
        recovery_told(
            ret,
            "domain '%s' %s%s; of %zu volumes no safety snapshot was seen, and one that comes "
            "later is told by prune --orphans",
            b->run.domain_name, words, power, unknown);
}

/* First the VM serves again, then what is left over goes. */
static int undo_switch(struct back *b, const struct record *j, enum domain_state state, bool there,
                       struct recovery *ret, struct err *e)
{
    if (check_going(b, state, e) < 0 || (there && step_define_undo(b, e) < 0) ||
        (b->method == BACK_SWITCH && start_if(b, b->ran, state, e) < 0))
        return -1;
    if (b->method == BACK_SWITCH)
        back_note_as_before(b);
    if (remove_left(b, j, e) < 0)
        return -1;
    if (b->method == BACK_COPY)
        recovery_told(ret, "no domain '%s' was made, and its clones are gone", b->to);
    else
        told_switch(ret, b, "is as before", power_words(b->ran, state));
    return 0;
}

/* One that was given another name is somebody's who starts it himself. */
static bool keeps_its_name(const struct back *b)
{
    return b->method == BACK_SWITCH || strcmp(b->run.ops->name(b->run.domain), b->to) == 0;
}

static int recover_switch(struct back *b, const struct record *j, struct recovery *ret,
                          struct err *e)
{
    const char *copy = *b->to_uuid ? b->to_uuid : b->to;
    const char *name = b->method == BACK_COPY ? copy : b->run.domain_name;
    AUTO_FREE char *definition = NULL;
    enum domain_state state = DOMAIN_OFF;
    bool is = false, start = b->start;
    int there = vm_look_at(b, name, &definition, &state, e);

    if (there < 0)
        return -1;
    if (record_bool(j, "vm_as_before")) { /* it may be another's since, or gone */
        if (remove_left(b, j, e) < 0)
            return -1;
        told_switch(ret, b, "was as before, and what the restore had made is gone", "");
        return 0;
    }
    if (there == 0 ? recover_check_gone(b, j, e) < 0
                   : recover_uses_clones(b, j, definition, state, &is, e) < 0)
        return -1;
    if (!is)
        return undo_switch(b, j, state, there > 0, ret, e);
    start = start && keeps_its_name(b);
    if (record_bool(j, "copy_forgotten") && back_note(b, "copy_forgotten", false, e) < 0)
        return -1;
    if (start_if(b, start, state, e) < 0 || back_report_recovered(b, j, e) < 0)
        return -1;
    recovery_told(ret, "domain '%s' is what set %s says%s%s", b->run.ops->name(b->run.domain),
                  b->id, power_words(start, state), start ? "; verify the set, or look at it" : "");
    return 0;
}

/* All volumes, then the definition; once they are opened the VM may have been started, and what it
 * has written since must not be rolled back. */
static int finish_in_place(struct back *b, enum domain_state state, struct err *e)
{
    if (!b->opened && (state == DOMAIN_AWAY || state == DOMAIN_SAVED))
        return vm_taken_by_others(b, state, e);
    /* one that somebody has started meanwhile has no volumes that it could use */
    if (!b->opened && state != DOMAIN_OFF)
        return err_set(e, ERR_LOOK,
                       "domain '%s' runs while its volumes are rolled back in part; end it (virsh "
                       "destroy %s) and run cbsnap-coord recover again",
                       b->run.domain_name, b->run.domain_name);
    if (!b->opened &&
        (back_check_whole(b, e) < 0 || step(b, "newer", step_newer, e) < 0 ||
         step(b, "roll back", step_rollback, e) < 0 || step(b, "define", step_define, e) < 0))
        return -1;
    return step(b, "unfence", step_unfence, e);
}

static int recover_in_place(struct back *b, const struct record *j, struct recovery *ret,
                            struct err *e)
{
    AUTO_FREE char *definition = NULL;
    enum domain_state state = DOMAIN_OFF;
    bool start = b->start;
    int there = vm_look_at(b, b->run.domain_name, &definition, &state, e);

    if (there < 0)
        return -1;
    if (there == 0)
        return err_set(e, ERR_LOOK, "domain '%s' is gone: restore the set with --to",
                       b->run.domain_name);
    if (!b->committed) {
        if (check_going(b, state, e) < 0 || step_unfence(b, e) < 0 ||
            start_if(b, b->ran, state, e) < 0)
            return -1;
        recovery_told(ret, "domain '%s' is as before%s", b->run.domain_name,
                      power_words(b->ran, state));
        return 0;
    }
    if (finish_in_place(b, state, e) < 0 || start_if(b, start, state, e) < 0 ||
        back_report_recovered(b, j, e) < 0)
        return -1;
    recovery_told(ret, "domain '%s' is what set %s says%s%s", b->run.domain_name, b->id,
                  power_words(start, state), start ? "; look at it" : "");
    return 0;
}

/* ---- one journal ----------------------------------------------------------------------------- */

static int act(struct back *b, bool of_set, const struct record *j, struct recovery *ret,
               struct err *e)
{
    if (step_back_storage(b, e) < 0)
        return -1;
    if (of_set) {
        ret->what = "snapshot";
        return recover_snapshot(b, j, ret, e);
    }
    take_state(b, j);
    if (b->method == BACK_COPY && !b->to)
        return err_set(e, ERR_LOOK,
                       "its journal does not name the VM that it was to make: look for it, for "
                       "clones of set '%s' on the appliances, and remove the journal",
                       b->id);
    ret->what = b->method == BACK_VERIFY ? "verify" : "restore";
    if (b->method == BACK_VERIFY)
        return recover_verify(b, ret, e);
    if (b->method == BACK_IN_PLACE)
        return recover_in_place(b, j, ret, e);
    return recover_switch(b, j, ret, e);
}

/* A run that has the VM now is not to be disturbed, nor shall one begin meanwhile. */
static int lock_vm(struct back *b, const struct record *j, struct err *e)
{
    const char *uuid = record_text(j, "domain.uuid");

    if (!uuid || b->method == BACK_VERIFY || b->method == BACK_COPY)
        return 0;
    return store_lock(b->run.conf->state_dir, uuid, &b->run.lock_fd, e);
}

static struct record *set_of(const struct config *conf, const struct record *j, bool of_set,
                             struct err *e)
{
    struct err why = ERR_INIT;
    const char *id = record_text(j, "set"), *domain = record_text(j, "domain.name");
    struct record *set;

    /* a record that the dead run was about to put in place is the one to go by */
    if (domain && store_prepare(conf->state_dir, domain, e) < 0)
        return NULL;
    set = id ? store_load(conf->state_dir, id, &why) : NULL;
    if (set)
        return set;
    if (of_set && id && why.code == ERR_NOT_FOUND) {
        /* the journal's first line is the record as it was when the run was announced */
        set = record_new();
        record_copy(set, j, "set");
        record_copy(set, j, "domain");
        record_copy(set, j, "volumes");
        record_copy(set, j, "schema");
        record_copy(set, j, "cbsnap");
        record_copy(set, j, "verdict");
        record_copy(set, j, "reasons");
        record_copy(set, j, "started");
        return set;
    }
    *e = why;
    if (!err_is_set(e))
        err_set(e, ERR_CONFIG, "it names no set");
    return NULL;
}

static void give_back(const struct config *conf, struct storage **storages)
{
    for (size_t n = 0; storages && n < conf->appliance_count; n++)
        storage_close(storages[n]);
    free(storages);
}

/* Its first line is written before anything is done: without one, nothing was. */
static bool is_empty(const struct record *j)
{
    return !record_text(j, "set") && !record_text(j, "act") && record_count(j, "begun") == 0;
}

int recover_journal(const struct config *conf, const struct domain_ops *ops, struct loop *loop,
                    const char *uri, const char *id, struct storage **storages,
                    struct run_reporter report, struct recovery *ret, struct err *e)
{
    enum back_method method = BACK_SWITCH;
    struct journal *journal;
    struct record *j, *set;
    struct back b;
    bool of_set;
    int rc;

    *ret = (struct recovery){.what = "run"};
    if (journal_take_over(&journal, &j, conf->state_dir, id, e) < 0) {
        give_back(conf, storages);
        return -1;
    }
    if (is_empty(j)) {
        give_back(conf, storages);
        record_free(j);
        journal_close(journal, true);
        recovery_told(ret, "it had begun nothing");
        return 0;
    }
    of_set = !method_of(j, &method);
    set = set_of(conf, j, of_set, e);
    if (!set) {
        give_back(conf, storages);
        record_free(j);
        journal_close(journal, false);
        return err_prefix(e, "the journal of run '%s'", id);
    }
    back_init(&b, conf, ops, loop, record_text(j, "uri") ?: uri, set);
    b.run.storages = storages;
    b.run.report = report;
    b.run.journal = journal;
    b.method = method;
    ret->set = xstrdup(b.id);
    ret->domain = xstrdup(b.run.domain_name);
    loop_shield(loop, true);
    rc = lock_vm(&b, j, e) < 0 ? -1 : act(&b, of_set, j, ret, e);
    loop_shield(loop, false);
    journal_close(b.run.journal, rc == 0);
    b.run.journal = NULL;
    record_free(j);
    back_release(&b);
    return rc < 0 ? err_prefix(e, "recover %s of set '%s'", ret->what, ret->set) : 0;
}
