/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a run's facts to its record; see report.h. */
#include "host-coordinator/plan/report.h"

#include "proto/base/clock.h"

#include <string.h>

#define LOCK_TRIES_MAX 64 /* as an agent's lock.tries */

/* The guest may send any number: reckoned as reals, which cannot overflow. */
static void set_ms(struct run *r, const char *path, int64_t from_us, int64_t to_us)
{
    record_set_real(r->record, path, ((double)to_us - (double)from_us) / 1000.0);
}

void report_begun(struct run *r)
{
    struct record *rec = r->record;
    char at[32];

    record_set_int(rec, "schema", RECORD_SCHEMA);
    record_set_text(rec, "cbsnap", CBSNAP_VERSION);
    record_set_text(rec, "set", r->set);
    record_set_text(rec, "verdict", "void");
    record_append_text(rec, "reasons", "the run has not ended, or its coordinator died");
    record_set_text(rec, "started", clock_iso(r->started_wall_us, at));
}

void report_volumes(struct run *r)
{
    for (size_t n = 0; n < r->volume_count; n++) {
        const struct set_volume *v = &r->volumes[n];
        struct record *rec = record_append(r->record, "volumes");

        record_set_text(rec, "target", v->disk->target);
        record_set_told(rec, "mounts", v->mounts, RUN_MOUNTS_TEXT_MAX);
        record_set_text(rec, "appliance", v->appliance);
        record_set_text(rec, "id", v->volume.id);
        record_set_text(rec, "name", v->volume.name);
        record_set_text(rec, "iqn", v->volume.iqn);
        record_set_text(rec, "group", v->volume.group);
        if (v->volume.size_bytes > 0)
            record_set_int(rec, "size_bytes", v->volume.size_bytes);
        record_set_text(rec, "snapshot.name", r->set);
    }
}

static const char *snapshot_state(const struct set_volume *v)
{
    if (!v->asked)
        return "not taken";
    if (v->removed)
        return "removed";
    if (v->path && !v->never_seen && !v->left)
        return "kept";
    return "unknown";
}

void report_snapshots(struct run *r)
{
    for (size_t n = 0; n < r->volume_count; n++) {
        const struct set_volume *v = &r->volumes[n];
        struct record *rec = record_at(r->record, "volumes", n);

        record_set_text(rec, "snapshot.state", snapshot_state(v));
        record_set_text(rec, "snapshot.path", v->path);
        record_set_text(rec, "snapshot.listed_time", v->listed_time);
        record_set_text(rec, "snapshot.id", v->op.snapshot_id);
        if (!v->asked)
            continue;
        if (v->op.started_us > 0 && v->op.ended_us > 0) {
            record_set_real(rec, "snapshot.start_ms", run_ms(r, v->op.started_us));
            record_set_real(rec, "snapshot.end_ms", run_ms(r, v->op.ended_us));
        }
        if (err_is_set(&v->op.err))
            record_set_text(rec, "snapshot.error", v->op.err.msg);
    }
}

/* The GTID set is whole or worth nothing: a message bounds it. */
static void report_position(struct record *rec, const Cbsnap__Position *p)
{
    record_set_told(rec, "position.binlog_file", p->binlog_file, RUN_TOLD_MAX);
    if (p->has_binlog_offset)
        record_set_int(rec, "position.binlog_offset", (int64_t)p->binlog_offset);
    record_set_told(rec, "position.gtid_set", p->gtid_set, WIRE_MAX_PAYLOAD);
    if (p->has_innodb_lsn)
        record_set_int(rec, "position.innodb_lsn", (int64_t)p->innodb_lsn);
    if (p->has_innodb_lsn_checkpoint)
        record_set_int(rec, "position.innodb_lsn_checkpoint", (int64_t)p->innodb_lsn_checkpoint);
    record_set_told(rec, "position.server_uuid", p->server_uuid, RUN_TOLD_MAX);
    if (p->has_server_id)
        record_set_int(rec, "position.server_id", p->server_id);
    record_set_told(rec, "position.server_version", p->server_version, RUN_TOLD_MAX);
    record_set_told(rec, "position.source", p->source, RUN_TOLD_MAX);
}

static void report_lock(struct run *r)
{
    const Cbsnap__FreezeEvent *ev = r->freeze.locked ? r->freeze.locked->freeze_event : NULL;

    if (!ev)
        return;
    record_set_int(r->record, "guest.epoch", (int64_t)r->epoch);
    for (size_t n = 0; n < ev->n_try_ && n < LOCK_TRIES_MAX; n++) {
        struct record *one = record_append(r->record, "lock_tries");

        if (ev->try_[n]->has_waited_ms)
            record_set_int(one, "waited_ms", ev->try_[n]->waited_ms);
        if (ev->try_[n]->has_victims)
            record_set_int(one, "victims", ev->try_[n]->victims);
        record_set_told(one, "outcome", ev->try_[n]->outcome, RUN_TOLD_MAX);
    }
    if (ev->position)
        report_position(r->record, ev->position);
}

static struct record *add_phase(struct run *r, const char *name, int64_t from, int64_t to)
{
    struct record *phase = record_append(r->record, "phases");

    record_set_text(phase, "name", name);
    record_set_real(phase, "start_ms", run_ms(r, from));
    record_set_real(phase, "end_ms", run_ms(r, to));
    record_set_bool(phase, "critical", true);
    return phase;
}

/* A stretch of the guest's clock as a phase on the host's. */
static void guest_phase(struct run *r, const char *name, int64_t from_guest, int64_t to_guest)
{
    int64_t from, to;

    if (run_from_guest(r, from_guest, &from) && run_from_guest(r, to_guest, &to))
        record_set_bool(add_phase(r, name, from, to), "guest_clock", true);
}

int64_t run_writes_end_us(const Cbsnap__Released *rel)
{
    return rel->has_thawed_us && rel->thawed_us > rel->unlocked_us ? rel->thawed_us
                                                                   : rel->unlocked_us;
}

static void report_stall(struct run *r)
{
    const Cbsnap__Released *rel = r->freeze.released ? r->freeze.released->released : NULL;

    run_relate_clocks(r);
    if (r->clocks_related) {
        record_set_int(r->record, "guest.clock_offset_us", r->clock_offset_us);
        record_set_int(r->record, "guest.clock_uncertainty_us", r->clock_uncertainty_us);
    }
    /* the thaw goes on for qemu-ga; what writers wait for is this part of it */
    if (r->freeze.release_us)
        add_phase(r, "release", r->freeze.release_us, r->freeze.released_us);
    if (r->freeze.frozen_count > 0)
        record_set_int(r->record, "stall.filesystems", r->freeze.frozen_count);
    if (!rel || !rel->has_lock_requested_us || !rel->has_locked_us || !rel->has_unlocked_us)
        return;
    set_ms(r, "stall.lock_ms", rel->lock_requested_us, rel->locked_us);
    set_ms(r, "stall.write_ms", rel->lock_requested_us, run_writes_end_us(rel));
    guest_phase(r, "lock wait", rel->lock_requested_us, rel->locked_us);
    if (rel->has_thawed_us) {
        /* the first filesystem froze after the grant: this is at most, never too little */
        set_ms(r, "stall.freeze_ms", rel->locked_us, rel->thawed_us);
        guest_phase(r, "frozen", rel->locked_us, rel->thawed_us);
    }
    guest_phase(r, "write stall", rel->lock_requested_us, run_writes_end_us(rel));
}

static void report_witness(struct run *r)
{
    if (!r->writes_after)
        return;
    record_set_bool(r->record, "witness.held", r->witness_held);
    for (size_t n = 0; n < r->writes_after_count; n++) {
        struct record *disk = record_append(r->record, "witness.disks");

        record_set_text(disk, "target", r->writes_after[n].target);
        for (size_t b = 0; b < r->writes_before_count; b++) {
            if (strcmp(r->writes_before[b].target, r->writes_after[n].target) != 0)
                continue;
            record_set_int(disk, "writes_before", (int64_t)r->writes_before[b].requests);
            record_set_int(disk, "bytes_before", (int64_t)r->writes_before[b].bytes);
        }
        record_set_int(disk, "writes_after", (int64_t)r->writes_after[n].requests);
        record_set_int(disk, "bytes_after", (int64_t)r->writes_after[n].bytes);
    }
}

/*
 * `application` only if every link was seen to hold. The plan has failed at the first that did not,
 * and this asks for each once more: a verdict must not hang on the order of steps alone.
 */
const char *report_missing_link(const struct run *r)
{
    if (!r->freeze.locked || !r->freeze.locked->freeze_event->position)
        return "no position was read under the lock";
    if (!r->freeze.confirmed)
        return "the filesystems were not seen to be frozen";
    if (!r->freeze.held)
        return "the freeze was not held until the thaw";
    if (!r->witness_held)
        return "nobody watched the disks while frozen";
    for (size_t n = 0; n < r->volume_count; n++) {
        if (!r->volumes[n].path)
            return "not every snapshot was seen on the appliance";
    }
    return NULL;
}

static void report_verdict(struct run *r, const struct err *why)
{
    const char *missing = why ? why->msg : report_missing_link(r);

    record_clear(r->record, "reasons");
    record_set_text(r->record, "verdict", missing ? "void" : "application");
    record_append_text(r->record, "reasons",
                       missing ? missing
                               : "lock, frozen filesystems and silent disks were seen to hold from "
                                 "before the first snapshot until after the last");
    if (why) {
        record_set_text(r->record, "error.code", err_code_name(why->code));
        record_set_text(r->record, "error.message", why->msg);
    }
}

/* What happened does not change when the verdict does: a set that could not be published. */
static void report_facts(struct run *r)
{
    if (r->reported)
        return;
    r->reported = true;
    report_lock(r);
    report_stall(r);
    report_witness(r);
}

void report_ended(struct run *r)
{
    char at[32];

    record_set_text(r->record, "ended", clock_iso(wall_us(), at));
    record_set_real(r->record, "duration_ms", run_ms(r, mono_us()));
}

void report_outcome(struct run *r, const struct err *why)
{
    report_verdict(r, why);
    report_facts(r);
    report_snapshots(r);
    report_ended(r);
}
