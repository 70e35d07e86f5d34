/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The safety set: what the VM's volumes hold before it goes back, taken while the VM is off, so
 * that nothing need be frozen and nothing is between it and the restore. It is a set like others:
 * it is listed, and can be gone back to. See back.h.
 */
#include "host-coordinator/back/vm.h"

#include "host-coordinator/plan/report.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <string.h>

#define LOOK_AGAIN_MS 500

/* The report of this act makes room for the safety set's record while that is written. */
static void swap_record(struct back *b, struct record **other)
{
    struct record *kept = b->run.record;

    b->run.record = *other;
    *other = kept;
}

static int save(struct back *b, struct err *e)
{
    return store_save(b->run.conf->state_dir, b->run.ops->name(b->run.domain), b->run.set,
                      b->run.record, e);
}

static int wait_one(struct back *b, struct set_volume *v, int64_t deadline_us, struct err *e)
{
    if (storage_wait(b->run.loop, v->storage, &v->op, deadline_us, e) == 0)
        return 0;
    return err_prefix(e, "safety snapshot of disk '%s'", v->disk->target);
}

static int take_all(struct back *b, struct err *e)
{
    struct run *r = &b->run;
    int64_t deadline = mono_in_ms(r->conf->clone_ms);

    for (size_t n = 0; n < r->volume_count; n++) {
        struct set_volume *v = &r->volumes[n];

        v->asked = true;
        v->storage->ops->snapshot(v->storage, &v->volume, r->set, deadline, &v->op);
    }
    for (size_t n = 0; n < r->volume_count; n++) {
        struct err why = ERR_INIT;

        /* all are waited for: none may be made after the undo has looked */
        if (wait_one(b, &r->volumes[n], deadline, &why) < 0 && !err_is_set(e))
            *e = why;
    }
    return err_is_set(e) ? -1 : 0;
}

static int look_up(struct back *b, struct set_volume *v, struct err *e)
{
    struct storage_op op = {.done = false};
    int64_t deadline = mono_in_ms(v->timeout_ms);

    v->storage->ops->find_snapshot(v->storage, &v->volume, b->run.set, deadline, &op);
    if (storage_wait(b->run.loop, v->storage, &op, deadline, e) == 0 && !op.found)
        err_set(e, ERR_STORAGE, "appliance '%s' does not list snapshot '%s' of volume '%s'",
                v->appliance, b->run.set, v->volume.name);
    v->path = STEAL_PTR(op.snapshot_path);
    v->listed_time = STEAL_PTR(op.snapshot_time);
    storage_op_release(&op);
    return err_is_set(e) ? -1 : 0;
}

static const char *reason(const struct back *b)
{
    if (b->clean)
        return "the guest had shut down, and the VM was off";
    if (b->saved)
        return "the VM was off, but its guest's memory had been saved, which is not in the set";
    return b->ran ? "the VM was off, but libvirt has not seen its guest shut down"
                  : "the VM was off; how its guest had ended is not known";
}

static void judge(struct back *b)
{
    struct record *rec = b->run.record;

    report_snapshots(&b->run);
    report_ended(&b->run);
    record_clear(rec, "reasons");
    record_set_text(rec, "verdict", b->clean ? "filesystem" : "crash");
    record_append_text(rec, "reasons", reason(b));
    record_set_text(rec, "safety_of", b->id);
}

static int make_set(struct back *b, struct err *e)
{
    struct run *r = &b->run;

    report_begun(r);
    report_volumes(r);
    record_set_text(r->record, "domain.name", r->ops->name(r->domain));
    record_set_text(r->record, "domain.uuid", r->ops->uuid(r->domain));
    record_set_text(r->record, "domain.uri", r->uri);
    record_set_text(r->record, "instance.definition", b->old_definition);
    if (save(b, e) < 0 || take_all(b, e) < 0)
        return -1;
    for (size_t n = 0; n < r->volume_count; n++) {
        if (look_up(b, &r->volumes[n], e) < 0)
            return -1;
    }
    if (vm_check_off(b, e) < 0) /* what they hold is what a running VM left */
        return -1;
    judge(b);
    return save(b, e);
}

int step_safety(void *back, struct err *e)
{
    struct back *b = back;
    struct record *record;
    int rc;

    if (!b->safety)
        return 0;
    if (loop_check(b->run.loop, e) < 0 || step_storage(&b->run, e) < 0 ||
        run_warm_storages(&b->run, e) < 0)
        return -1;
    record = record_new();
    swap_record(b, &record);
    rc = make_set(b, e);
    swap_record(b, &record);
    record_free(record);
    if (rc == 0)
        record_set_text(b->run.record, "safety", b->run.set);
    return rc;
}

/* ---- undo ------------------------------------------------------------------------------------ */

/* A snapshot that was given up on may yet come to be, after it had been "removed". */
static bool wait_to_show(struct back *b, struct set_volume *v)
{
    int64_t end = mono_in_ms(b->run.conf->late_ms);
    bool found = false, never = false;

    while (!found && mono_us() < end) {
        int64_t deadline = mono_in_ms(v->timeout_ms), again = mono_in_ms(LOOK_AGAIN_MS);
        struct storage_op op = {.done = false};

        v->storage->ops->find_snapshot(v->storage, &v->volume, b->run.set, deadline, &op);
        if (loop_wait(b->run.loop, &op.done, deadline + 1000000, NULL) < 0)
            storage_cancel(v->storage, &op);
        found = op.found;
        storage_op_release(&op);
        if (!found)
            (void)loop_wait(b->run.loop, &never, again < end ? again : end, NULL);
    }
    return found;
}

static int remove_one(struct back *b, struct set_volume *v, struct err *e)
{
    bool shown = !v->op.unsure || wait_to_show(b, v);

    if (storage_remove_seen(b->run.loop, v->storage, &v->volume, b->run.set, b->run.conf->clone_ms,
                            v->timeout_ms, e) < 0)
        return err_set(e, ERR_LOOK,
                       "safety snapshot '%s' of volume '%s' may be left: cbsnap-coord recover "
                       "removes it (%.200s)",
                       b->run.set, v->volume.name, e->msg);
    v->removed = shown;
    v->never_seen = !shown;
    if (v->never_seen)
        run_note(&b->run,
                 "snapshot '%s' of volume '%s' did not show within %d ms after it was given up",
                 b->run.set, v->volume.name, b->run.conf->late_ms);
    return 0;
}

/* What an undo before this one has seen gone is not looked for again. Without a record nothing is
 * waited for: one that promised all has seen all, and before the first one nothing is asked for. */
static int remove_all(struct back *b, struct record *record, struct err *e)
{
    for (size_t n = 0; n < b->run.volume_count; n++) {
        struct set_volume *v = &b->run.volumes[n];
        struct record *told = record ? record_find(record, "volumes", "id", v->volume.id) : NULL;
        const char *state = told ? record_text(told, "snapshot.state") : NULL;

        if (!v->asked || v->removed || v->never_seen)
            continue;
        v->op.unsure = v->op.unsure && record;
        if (state && strcmp(state, "removed") == 0)
            v->removed = true;
        else if (remove_one(b, v, e) < 0)
            return -1;
        if (told)
            record_set_text(told, "snapshot.state", v->removed ? "removed" : "unknown");
    }
    return 0;
}

size_t back_safety_unknown(const struct back *b)
{
    size_t unknown = 0;

    for (size_t n = 0; n < b->run.volume_count; n++)
        unknown += b->run.volumes[n].never_seen;
    return unknown;
}

static int look(struct back *b, struct err *e)
{
    return err_set(
        e, ERR_LOOK,
        "the record of safety set '%s' cannot be brought up to date: cbsnap-coord recover "
        "does it (%.200s)",
        b->run.set, e->msg);
}

/* Under the name that the VM had; the one of now may be gone, or another's. */
static const char *domain_of(const struct back *b, const struct record *record)
{
    return record_text(record, "domain.name") ?: b->run.domain_name;
}

static int take_record_away(struct back *b, const struct record *record, struct err *e)
{
    if (store_remove(b->run.conf->state_dir, domain_of(b, record), b->run.set, e) < 0)
        return look(b, e);
    return 0;
}

/* Void: what comes later than it was looked for is to have a record that names it, and the next
 * undo is to know how far this one came. */
static int keep_record(struct back *b, struct record *record, struct err *e)
{
    record_clear(record, "reasons");
    record_append_text(record, "reasons", "the restore that this was to be safe from did not come");
    if (back_safety_unknown(b) > 0)
        record_append_text(record, "reasons", "a snapshot that was given up on has not shown");
    if (store_save(b->run.conf->state_dir, domain_of(b, record), b->run.set, record, e) < 0)
        return look(b, e);
    return 0;
}

static int undo(struct back *b, struct record *record, struct err *e)
{
    const char *verdict = record ? record_text(record, "verdict") : NULL;
    bool promises = verdict && strcmp(verdict, "void") != 0;

    /* it must not promise what is about to go, and the journal tells more */
    if (promises && take_record_away(b, record, e) < 0)
        return -1;
    if (promises || !record)
        return remove_all(b, NULL, e);
    if (remove_all(b, record, e) < 0) {
        struct err why = ERR_INIT;

        if (keep_record(b, record, &why) < 0)
            log_warn("%s", why.msg);
        return -1;
    }
    return back_safety_unknown(b) > 0 ? keep_record(b, record, e) : take_record_away(b, record, e);
}

/* The VM stays as it is, so there is nothing to be safe from. */
int step_safety_undo(void *back, struct err *e)
{
    struct back *b = back;
    struct err why = ERR_INIT;
    struct record *record;
    bool asked = false;
    int rc;

    if (b->defined || b->define_unsure)
        return 0;
    for (size_t n = 0; n < b->run.volume_count; n++)
        asked = asked || b->run.volumes[n].asked;
    if (!asked)
        return 0;
    record = store_load(b->run.conf->state_dir, b->run.set, &why);
    if (!record && why.code != ERR_NOT_FOUND) {
        *e = why;
        return look(b, e);
    }
    rc = undo(b, record, e);
    record_free(record);
    return rc;
}
