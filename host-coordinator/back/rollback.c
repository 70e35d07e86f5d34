/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In place: the VM's own volumes are rolled back, one by one, which no appliance does at once. So
 * before the first it is written down that there is only forward from here; until the last the VM
 * cannot be started by accident, for nobody may use the volumes. See back.h.
 *
 * ZFS destroys all snapshots that are newer than the one rolled back to, which is why this is not
 * how a restore is done by default, and why it can keep no safety set.
 */
#include "host-coordinator/back/inventory.h"
#include "host-coordinator/back/vm.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#include <string.h>

#define TRIES    3
#define PAUSE_MS 2000

/* ---- the fence ------------------------------------------------------------------------------- */

static bool take_access(struct back *b, struct back_volume *v, int64_t deadline_us)
{
    (void)b;
    v->storage->ops->set_access(v->storage, &v->volume, "", deadline_us, &v->op);
    return true;
}

static bool give_access(struct back *b, struct back_volume *v, int64_t deadline_us)
{
    (void)b;
    bool wanted = v->listed && v->access && *v->access;

    if (wanted)
        v->storage->ops->set_access(v->storage, &v->volume, v->access, deadline_us, &v->op);
    return wanted;
}

static int note_access(struct back *b, struct err *e)
{
    struct record *note = record_new();

    for (size_t n = 0; n < b->count; n++) {
        struct record *one = record_append(note, "access");

        record_set_text(one, "target", b->volumes[n].target);
        record_set_text(one, "word", b->volumes[n].access);
    }
    return back_write(b, note, e);
}

static int check_access(const struct back *b, struct err *e)
{
    for (size_t n = 0; n < b->count; n++) {
        const struct back_volume *v = &b->volumes[n];

        if (!*v->access)
            return err_set(
                e, ERR_REFUSED,
                "volume '%s' (disk '%s') may be used by nobody, so it could not be opened "
                "again; give it an initiator group on appliance '%s'",
                v->volume.name, v->target, v->appliance);
    }
    return 0;
}

int back_look_access(struct back *b, struct err *e)
{
    return back_read_access(b, e) < 0 || check_access(b, e) < 0 ? -1 : 0;
}

int step_fence(void *back, struct err *e)
{
    struct back *b = back;

    if (loop_check(b->run.loop, e) < 0 || back_look_access(b, e) < 0 || note_access(b, e) < 0)
        return -1;
    b->fenced = true;
    if (back_all(b, take_access, b->run.conf->clone_ms, "close a volume to everybody", e) < 0)
        return -1;
    return vm_check_off(b, e); /* one that was started before keeps its sessions */
}

/* From here on the VM may write, and a recover that did not know would roll that back. */
static int note_opened(struct back *b, struct err *e)
{
    struct err why = ERR_INIT;

    loop_shield(b->run.loop, true);
    b->opened = b->opened || back_note(b, "opened", true, &why) == 0;
    if (b->opened)
        return 0;
    return err_set(e, ERR_LOOK,
                   "domain '%s' stays off, and its volumes closed, for it cannot be written down "
                   "that they are opened: once it can, cbsnap-coord recover finishes it (%.200s)",
                   b->run.domain_name, why.msg);
}

/* It cannot be opened, and once the journal is gone nobody knows who might use it. */
static int check_all_listed(const struct back *b, struct err *e)
{
    for (size_t n = 0; n < b->count; n++) {
        const struct back_volume *v = &b->volumes[n];

        if (v->listed || !v->access)
            continue;
        return err_set(
            e, ERR_LOOK,
            "volume '%s' (disk '%s') may be closed to everybody, and appliance '%s' does "
            "not list it: once it does, cbsnap-coord recover lets '%s' use it again; if "
            "it never will, remove the journal",
            record_text(record_at(b->set, "volumes", n), "name") ?: "?", v->target, v->appliance,
            v->access);
    }
    return 0;
}

int step_unfence(void *back, struct err *e)
{
    struct back *b = back;

    if (!b->fenced)
        return 0;
    if (b->committed && note_opened(b, e) < 0)
        return -1;
    if (back_all(b, give_access, b->run.conf->clone_ms, "open a volume again", e) < 0 ||
        check_all_listed(b, e) < 0)
        return -1;
    b->fenced = false;
    return 0;
}

int step_fence_undo(void *back, struct err *e)
{
    struct back *b = back;

    if (b->committed || step_unfence(b, e) == 0)
        return 0;
    return err_set(e, ERR_LOOK,
                   "a volume may still be closed: cbsnap-coord recover opens it "
                   "(%.200s)",
                   e->msg);
}

/* ---- what is newer --------------------------------------------------------------------------- */

/* A record must not promise what is about to go: it is told first, and only then, for a removal
 * that fails must not cost the sets that it has not come to. */
static int tell_record(struct back *b, const char *set, struct err *e)
{
    struct err why = ERR_INIT;
    struct record *r = store_load(b->run.conf->state_dir, set, &why);
    AUTO_FREE char *reason = NULL;
    int rc;

    if (!r) { /* nobody's snapshot */
        if (why.code == ERR_NOT_FOUND)
            return 0;
        *e = why;
        return -1;
    }
    reason = xasprintf("its snapshots were removed to restore set %s in place", b->id);
    record_set_text(r, "verdict", "void");
    record_clear(r, "reasons");
    record_append_text(r, "reasons", reason);
    for (size_t n = 0; n < record_count(r, "volumes"); n++)
        record_set_text(record_at(r, "volumes", n), "snapshot.state", "removed");
    rc = store_save(b->run.conf->state_dir, record_text(r, "domain.name"), set, r, e);
    record_free(r);
    return rc;
}

static bool is_set_name(const char *name)
{
    return inventory_is_id(name, strlen(name));
}

/* The volume's last snapshot, if it is newer than the set's. */
static const char *last_of(const struct back_volume *v)
{
    size_t kept = (size_t)(v->at + 1);

    return v->snapshot_count > kept ? v->snapshots[v->snapshot_count - 1].name : NULL;
}

/* What is the last of a volume, and of the latest set; what is no set's is in the way of those. */
static char *newest(const struct back *b)
{
    const char *found = NULL;

    for (size_t n = 0; n < b->count; n++) {
        const char *last = last_of(&b->volumes[n]);

        if (last && !is_set_name(last))
            return xstrdup(last);
        if (last && (!found || strcmp(last, found) > 0)) /* ids sort by time */
            found = last;
    }
    return found ? xstrdup(found) : NULL;
}

static void report_removed(struct back *b, const struct back_volume *v, const char *name)
{
    AUTO_FREE char *text =
        is_set_name(name) ? xstrdup(name) : xasprintf("%s@%s", v->volume.name, name);

    if (!record_has_text(b->run.record, "removed", text))
        record_append_text(b->run.record, "removed", text);
}

static int remove_last(struct back *b, struct back_volume *v, struct err *e)
{
    struct volume_snapshot *last = &v->snapshots[v->snapshot_count - 1];
    int64_t deadline = mono_in_ms(b->run.conf->clone_ms);

    report_removed(b, v, last->name);
    storage_op_release(&v->op);
    v->storage->ops->remove_snapshot(v->storage, &v->volume, last->name, deadline, &v->op);
    if (back_wait(b, v, deadline, e) < 0)
        return err_prefix(e, "remove the newer snapshot '%s' of disk '%s'", last->name, v->target);
    volume_snapshot_release(last);
    v->snapshot_count--;
    return 0;
}

static int remove_newest(struct back *b, const char *name, struct err *e)
{
    if (loop_check(b->run.loop, e) < 0 || (is_set_name(name) && tell_record(b, name, e) < 0))
        return -1;
    for (size_t n = 0; n < b->count; n++) {
        const char *last = last_of(&b->volumes[n]);

        if (last && strcmp(last, name) == 0 && remove_last(b, &b->volumes[n], e) < 0)
            return -1;
    }
    return 0;
}

int step_newer(void *back, struct err *e)
{
    struct back *b = back;
    int rc = 0;
    char *name;

    while (rc == 0 && (name = newest(b))) {
        rc = remove_newest(b, name, e);
        free(name);
    }
    return rc;
}

/* ---- rolling back ---------------------------------------------------------------------------- */

static bool ask_rollback(struct back *b, struct back_volume *v, int64_t deadline_us)
{
    (void)b;
    v->storage->ops->rollback(v->storage, &v->volume, v->snapshots[v->at].name, deadline_us,
                              &v->op);
    return true;
}

int step_rollback(void *back, struct err *e)
{
    struct back *b = back;
    struct err why = ERR_INIT;
    int pause_ms = back_patience_ms(b) < PAUSE_MS ? back_patience_ms(b) : PAUSE_MS;
    bool never = false;

    /* without that line a recover would open the volumes as if none had been touched */
    if (loop_check(b->run.loop, e) < 0 ||
        (!b->committed && (vm_check_off(b, e) < 0 || back_note(b, "committed", true, e) < 0)))
        return -1;
    b->committed = true;
    /* half of them rolled back serve nobody: a signal has to wait */
    loop_shield(b->run.loop, true);
    for (int n = 0; n < TRIES; n++) {
        why = ERR_INIT;
        if (n > 0)
            (void)loop_wait(b->run.loop, &never, mono_in_ms(pause_ms), NULL);
        if (back_all(b, ask_rollback, b->run.conf->clone_ms, "roll back", &why) == 0)
            return 0;
    }
    return err_set(e, ERR_LOOK,
                   "domain '%s' stays off, for its volumes may be rolled back in part: once the "
                   "appliance works again, cbsnap-coord recover finishes it (%.200s)",
                   b->run.domain_name, why.msg);
}
