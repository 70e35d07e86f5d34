/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The outer plan of `snapshot`: the way in, the critical plan, what the appliance lists, the tail,
 * and the record. A set that is not `application` in the end has its snapshots removed; its record
 * stays and says why.
 */
#include "host-coordinator/plan/report.h"
#include "host-coordinator/plan/run.h"
#include "host-coordinator/plan/volumes_watch.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <string.h>

#define LOOK_LATE_US 200000 /* between two looks for a snapshot that was given up on */

/* What would refuse the run after it has watched for long may as well refuse it now. */
static int inspect_step(void *run, struct err *e)
{
    return step_inspect(run, e) < 0 ? -1 : step_coverage(run, e);
}

/* A snapshot that has the name already is an older run's, of the same second and the same random
 * number: ours would be refused, and the undo would remove the other. */
int run_warm_storages(struct run *r, struct err *e)
{
    for (size_t n = 0; n < r->conf->appliance_count; n++) {
        struct volume *share = xcalloc(r->volume_count, sizeof(*share));
        struct storage_op op = {.done = false};
        int64_t deadline = mono_in_ms(r->conf->appliances[n].timeout_ms);
        size_t count = 0;

        for (size_t v = 0; v < r->volume_count; v++) {
            if (r->volumes[v].storage == r->storages[n])
                share[count++] = r->volumes[v].volume;
        }
        if (count > 0) {
            r->storages[n]->ops->prepare(r->storages[n], share, count, r->set, deadline, &op);
            if (storage_wait(r->loop, r->storages[n], &op, deadline, e) == 0 && op.found)
                err_set(e, ERR_REFUSED,
                        "a volume of the set has a snapshot '%s' on appliance '%s' already, which "
                        "is not this run's: try again",
                        r->set, r->conf->appliances[n].name);
        }
        storage_op_release(&op);
        free(share); /* only lent: the strings are the set's */
        if (err_is_set(e))
            return -1;
    }
    return 0;
}

/* No handshake is left for later. */
static int warm_step(void *run, struct err *e)
{
    struct run *r = run;

    /* from here until the thaw the appliances are asked for nothing but the set */
    if (r->watch)
        volumes_watch_suspend(r->watch, true);
    return run_warm_storages(r, e);
}

/* From here on the record exists and names what the appliance may come to hold. */
static int announce_step(void *run, struct err *e)
{
    struct run *r = run;

    /* a signal that came while nothing was waited for: still untouched */
    if (loop_check(r->loop, e) < 0)
        return -1;
    if (journal_open(&r->journal, r->conf->state_dir, r->set, e) < 0)
        return -1;
    report_volumes(r);
    report_begun(r);
    /* a journal without it names nothing that recover could remove */
    if (journal_write(r->journal, r->record, true, e) < 0 ||
        store_save(r->conf->state_dir, r->ops->name(r->domain), r->set, r->record, e) < 0)
        return -1;
    r->touched = true;
    return 0;
}

static void hold_report(struct run *r, bool on)
{
    if (r->report.hold)
        r->report.hold(r->report.arg, on);
}

static int critical_step(void *run, struct err *e)
{
    struct run *r = run;
    struct plan_result result;

    hold_report(r, true);
    result = plan_run(critical_steps, critical_step_count, r, &run_watch, e);
    hold_report(r, false);
    r->look = result.undo_failed;
    if (r->watch)
        volumes_watch_suspend(r->watch, false);
    return result.rc;
}

static int find_one(struct run *r, struct set_volume *v, struct storage_op *op, struct err *e)
{
    int64_t deadline = mono_in_ms(v->timeout_ms);

    v->storage->ops->find_snapshot(v->storage, &v->volume, r->set, deadline, op);
    return storage_wait(r->loop, v->storage, op, deadline, e);
}

/* Looks until the appliance lists it, or no longer does, or late_ms have passed: then 0, else 1. */
static int wait_listed(struct run *r, struct set_volume *v, bool listed, struct err *e)
{
    int64_t end = mono_in_ms(r->conf->late_ms);
    bool never = false;

    for (;;) {
        struct storage_op op = {.done = false};
        int rc = find_one(r, v, &op, e);
        bool found = op.found;
        int64_t now = mono_us();

        storage_op_release(&op);
        if (rc < 0 || found == listed || now >= end)
            return rc < 0 ? -1 : found == listed;
        (void)loop_wait(r->loop, &never, now + LOOK_LATE_US < end ? now + LOOK_LATE_US : end, NULL);
    }
}

/* The appliance's own list is the proof that it is gone, too. */
static int remove_one(struct run *r, struct set_volume *v, struct err *e)
{
    struct storage_op op = {.done = false};
    int64_t deadline = mono_in_ms(v->timeout_ms);
    int rc;

    v->storage->ops->remove_snapshot(v->storage, &v->volume, r->set, deadline, &op);
    rc = storage_wait(r->loop, v->storage, &op, deadline, e);
    storage_op_release(&op);
    if (rc == 0)
        rc = wait_listed(r, v, false, e);
    if (rc == 0)
        return err_set(e, ERR_STORAGE, "the appliance said that it is removed, and still lists it");
    return rc < 0 ? -1 : 0;
}

/*
 * A request that we gave up on may still be carried out. Waits for its snapshot to show, so that
 * it is not made behind our back after it was "removed".
 */
static int remove_late(struct run *r, struct set_volume *v, struct err *e)
{
    int shown = wait_listed(r, v, true, e);

    if (shown != 0)
        return shown < 0 ? -1 : remove_one(r, v, e);
    v->never_seen = true;
    run_note(r, "snapshot '%s' of volume '%s' did not show within %d ms after it was given up",
             r->set, v->volume.name, r->conf->late_ms);
    return 0;
}

/* A request under way when the run failed ends by itself, at the deadline that it was given. */
static void let_end(struct run *r, struct set_volume *v)
{
    if (!v->op.done &&
        loop_wait(r->loop, &v->op.done, mono_in_ms(r->conf->max_stall_ms + 1000), NULL) < 0)
        storage_cancel(v->storage, &v->op);
}

/* Whatever this run asked for and may exist; what never came to be is a removal that succeeds. */
static int remove_snapshots(void *run, struct err *e)
{
    struct run *r = run;
    int rc = 0;

    for (size_t n = 0; n < r->volume_count; n++) {
        struct set_volume *v = &r->volumes[n];
        struct err why = ERR_INIT;

        if (!v->asked || v->removed)
            continue;
        let_end(r, v);
        if ((v->op.unsure ? remove_late(r, v, &why) : remove_one(r, v, &why)) == 0) {
            v->removed = !v->never_seen;
            continue;
        }
        v->left = true;
        run_note(r, "snapshot '%s' of volume '%s' on appliance '%s' may be left: %s", r->set,
                 v->volume.name, v->appliance, why.msg);
        rc = err_set(e, ERR_LOOK,
                     "snapshot '%s' of volume '%s' may be left: look for it on appliance '%s' and "
                     "remove it (%.200s)",
                     r->set, v->volume.name, v->appliance, why.msg);
    }
    return rc;
}

/* The appliance's own list is the proof that a snapshot exists; its path is what restores need. */
static int list_step(void *run, struct err *e)
{
    struct run *r = run;

    for (size_t n = 0; n < r->volume_count; n++) {
        struct set_volume *v = &r->volumes[n];
        struct storage_op op = {.done = false};

        if (find_one(r, v, &op, e) == 0 && !op.found)
            err_set(e, ERR_STORAGE,
                    "appliance '%s' said that it made snapshot '%s' of volume '%s', but does not "
                    "list it",
                    v->appliance, r->set, v->volume.name);
        v->path = STEAL_PTR(op.snapshot_path);
        v->listed_time = STEAL_PTR(op.snapshot_time);
        storage_op_release(&op);
        if (err_is_set(e))
            return -1;
    }
    return 0;
}

static int save(struct run *r, struct err *e)
{
    return store_save(r->conf->state_dir, r->ops->name(r->domain), r->set, r->record, e);
}

static int publish_step(void *run, struct err *e)
{
    struct run *r = run;

    if (report_missing_link(r))
        return err_set(e, ERR_INTERNAL, "%s", report_missing_link(r));
    report_outcome(r, NULL);
    if (save(r, e) < 0)
        return -1;
    /* the set is there and its record says so: from here on a run that dies leaves nothing to mend
     */
    journal_close(r->journal, true);
    r->journal = NULL;
    return 0;
}

/* What was read around the freeze. The set does not hang on it, so it fails no run. */
static int readings_step(void *run, struct err *e)
{
    struct run *r = run;
    struct err why = ERR_INIT;

    (void)e;
    report_readings(r);
    report_ended(r);
    if (save(r, &why) < 0)
        log_warn("the readings after the freeze are not in the record: %s", why.msg);
    return 0;
}

static const struct step steps[] = {
    {"domain", step_domain, NULL, UNDO_ALWAYS, .critical = false},
    {"lock-vm", step_lock, step_lock_undo, UNDO_ALWAYS, .critical = false},
    {"storage", step_storage, NULL, UNDO_ALWAYS, .critical = false},
    {"link", step_link, NULL, UNDO_ALWAYS, .critical = false},
    {"inspect", inspect_step, NULL, UNDO_ALWAYS, .critical = false},
    {"instance", step_instance, NULL, UNDO_ALWAYS, .critical = false},
    {"observe", step_observe, step_observe_undo, UNDO_ALWAYS, .critical = false},
    {"policy", step_policy, NULL, UNDO_ALWAYS, .critical = false},
    {"recheck", step_recheck, NULL, UNDO_ALWAYS, .critical = false},
    {"prepare", step_prepare, step_prepare_undo, UNDO_ON_FAILURE, .critical = false},
    {"coverage", step_coverage, NULL, UNDO_ALWAYS, .critical = false},
    {"warm", warm_step, NULL, UNDO_ALWAYS, .critical = false},
    {"announce", announce_step, NULL, UNDO_ALWAYS, .critical = false},
    {"manifest", step_manifest, step_manifest_undo, UNDO_ON_FAILURE, .critical = false},
    {"critical", critical_step, remove_snapshots, UNDO_ON_FAILURE, .critical = false},
    {"list", list_step, NULL, UNDO_ON_FAILURE, .critical = false},
    {"publish", publish_step, NULL, UNDO_ON_FAILURE, .critical = false},
    {"after", step_after, NULL, UNDO_ALWAYS, .critical = false},
    {"readings", readings_step, NULL, UNDO_ALWAYS, .critical = false},
};

static int exit_of(const struct run *r, const struct plan_result *result, const struct err *e)
{
    if (result->rc == 0)
        return 0;
    if (r->look || result->undo_failed)
        return 5;
    if (r->touched)
        return 4;
    return e->code == ERR_CONFIG || e->code == ERR_USAGE ? 2 : 3;
}

int snapshot_run(struct run *r, int *ret_exit, struct err *e)
{
    struct plan_result result = plan_run(steps, ARRAY_SIZE(steps), r, &run_watch, e);

    *ret_exit = exit_of(r, &result, e);
    if (result.rc < 0 && (r->touched || r->refused)) {
        struct err why = ERR_INIT;

        /* the record of a failed attempt is written after the undo, so that it tells that too */
        if (!r->touched) {
            report_volumes(r);
            report_begun(r);
        }
        report_outcome(r, e);
        report_readings(r);
        if (save(r, &why) < 0) {
            log_error("%s", why.msg);
            return result.rc;
        }
        r->recorded = true;
    }
    /* a run that left something keeps its journal: it names what a person must look for */
    journal_close(r->journal, *ret_exit != 5);
    r->journal = NULL;
    return result.rc;
}
