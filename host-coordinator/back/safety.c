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

static void judge(struct back *b)
{
    struct record *rec = b->run.record;

    report_snapshots(&b->run);
    report_ended(&b->run);
    record_clear(rec, "reasons");
    record_set_text(rec, "verdict", b->clean ? "filesystem" : "crash");
    record_append_text(rec, "reasons",
                       b->clean ? "the guest had shut down, and the VM was off"
                       : b->ran ? "the VM was off, but its guest had been ended"
                                : "the VM was off; how its guest had ended is not known");
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
    if (loop_check(b->run.loop, e) < 0 || step_storage(&b->run, e) < 0)
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

/* A snapshot that was given up on may yet come to be, after it had been "removed". */
static void wait_to_show(struct back *b, struct set_volume *v)
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
}

static int remove_one(struct back *b, struct set_volume *v, struct err *e)
{
    if (v->op.unsure)
        wait_to_show(b, v);
    return storage_remove_seen(b->run.loop, v->storage, &v->volume, b->run.set,
                               b->run.conf->clone_ms, v->timeout_ms, e);
}

/* The VM stays as it is, so there is nothing to be safe from. */
int step_safety_undo(void *back, struct err *e)
{
    struct back *b = back;
    struct run *r = &b->run;
    bool asked = false;

    if (b->defined || b->define_unsure)
        return 0;
    for (size_t n = 0; n < r->volume_count; n++)
        asked = asked || r->volumes[n].asked;
    /* the record goes first: it must not promise what is about to go, and the journal tells more */
    if (asked && store_remove(r->conf->state_dir,
                              r->domain ? r->ops->name(r->domain) : r->domain_name, r->set, e) < 0)
        return -1;
    for (size_t n = 0; n < r->volume_count; n++) {
        if (r->volumes[n].asked && remove_one(b, &r->volumes[n], e) < 0)
            return err_set(e, ERR_LOOK,
                           "safety snapshot '%s' of volume '%s' may be left: cbsnap-coord recover "
                           "removes it (%.200s)",
                           r->set, r->volumes[n].volume.name, e->msg);
        r->volumes[n].asked = false;
    }
    return 0;
}
