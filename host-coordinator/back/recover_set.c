/* SPDX-License-Identifier: GPL-2.0-or-later */
/* recover, of a snapshot's journal: what a dead run took is removed, or the set is whole. */
#include "host-coordinator/back/recover.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#include <string.h>

#define LOOK_LATE_US 200000 /* between two looks for a snapshot that may still come */

static bool ask_remove(struct back *b, struct back_volume *v, int64_t deadline_us)
{
    if (v->at < 0)
        return false;
    v->storage->ops->remove_snapshot(v->storage, &v->volume, b->id, deadline_us, &v->op);
    return true;
}

static bool ask_find(struct back *b, struct back_volume *v, int64_t deadline_us)
{
    if (v->at < 0)
        return false;
    v->storage->ops->find_snapshot(v->storage, &v->volume, b->id, deadline_us, &v->op);
    return true;
}

static bool ask_missing(struct back *b, struct back_volume *v, int64_t deadline_us)
{
    if (!v->listed || v->at >= 0)
        return false;
    v->storage->ops->find_snapshot(v->storage, &v->volume, b->id, deadline_us, &v->op);
    return true;
}

/* It came behind the list that was read, and joins it: the next look takes the answer's place. */
static void add_seen(const struct back *b, struct back_volume *v)
{
    v->snapshots = xrealloc(v->snapshots, (v->snapshot_count + 1) * sizeof(*v->snapshots));
    v->at = (long)v->snapshot_count;
    v->snapshots[v->snapshot_count++] = (struct volume_snapshot){
        .name = xstrdup(b->id),
        .path = STEAL_PTR(v->op.snapshot_path),
        .clones = -1,
    };
}

/* How many volumes do not have it. */
static size_t look_for_missing(struct back *b)
{
    size_t missing = 0;

    for (size_t n = 0; n < b->count; n++) {
        struct back_volume *v = &b->volumes[n];

        if (v->listed && v->at < 0 && v->op.found)
            add_seen(b, v);
        missing += v->listed && v->at < 0;
    }
    return missing;
}

/* The dead run may have asked for snapshots that the appliance makes only now: they would come
 * behind our back. Once all were listed, none is under way. */
static int wait_for_late(struct back *b, const struct record *j, struct err *e)
{
    int64_t end = mono_in_ms(b->run.conf->late_ms);
    bool never = false;

    if (!recover_begun(j, "snapshots") || recover_begun(j, "list"))
        return 0;
    for (;;) {
        int64_t now = mono_us(), next = now + LOOK_LATE_US;

        if (back_all(b, ask_missing, back_patience_ms(b), "look for the snapshot", e) < 0)
            return -1;
        if (look_for_missing(b) == 0 || now >= end)
            return 0;
        (void)loop_wait(b->run.loop, &never, next < end ? next : end, NULL);
    }
}

/* Believed when it is seen, as by the run itself. */
static int remove_all(struct back *b, struct err *e)
{
    if (back_all(b, ask_remove, b->run.conf->clone_ms, "remove the snapshot", e) < 0 ||
        back_all(b, ask_find, back_patience_ms(b), "look for the snapshot", e) < 0)
        return -1;
    for (size_t n = 0; n < b->count; n++) {
        if (b->volumes[n].at >= 0 && b->volumes[n].op.found)
            return err_set(e, ERR_LOOK,
                           "appliance '%s' said that it removed snapshot '%s' of volume '%s', and "
                           "still lists it",
                           b->volumes[n].appliance, b->id, b->volumes[n].volume.name);
    }
    return 0;
}

static int save_set(struct back *b, struct err *e)
{
    return store_save(b->run.conf->state_dir, b->run.domain_name, b->id, b->set, e);
}

/* It was listed to a recover, which then set out to remove it: a path, and no state yet. */
static bool was_seen(const struct record *volume)
{
    return record_text(volume, "snapshot.path") && !record_text(volume, "snapshot.state");
}

/* Written down before it is removed: a recover that follows one that died sees it no more. */
static int note_seen(struct back *b, struct err *e)
{
    bool news = false;

    for (size_t n = 0; n < b->count; n++) {
        const struct back_volume *v = &b->volumes[n];
        struct record *rec = record_at(b->set, "volumes", n);

        if (v->at < 0 || was_seen(rec))
            continue;
        record_set_text(rec, "snapshot.path", v->snapshots[v->at].path);
        record_clear(rec, "snapshot.state");
        news = true;
    }
    return news ? save_set(b, e) : 0;
}

/* That a list lacks a snapshot does not say that it was removed. */
static const char *state_of(const struct record *volume, bool asked)
{
    const char *told = record_text(volume, "snapshot.state"); /* by the run itself */

    if (was_seen(volume) || (told && strcmp(told, "removed") == 0))
        return "removed";
    return asked ? "unknown" : "not taken";
}

static bool is_promised(const struct back *b)
{
    const char *verdict = record_text(b->set, "verdict");

    return verdict && strcmp(verdict, "void") != 0;
}

static bool lacks_a_snapshot(const struct back *b)
{
    for (size_t n = 0; n < b->count; n++) {
        if (b->volumes[n].listed && b->volumes[n].at < 0)
            return true;
    }
    return false;
}

/*
 * A run whose record is in place, and whose disk then failed, has removed what it took and could
 * not say so: its journal tells that it had set out to. Else the journal alone was left behind, of
 * a set that is whole, and a volume or snapshot that is not told of is no proof of the contrary: it
 * may come back.
 */
static int take_promise_back(struct back *b, const struct record *j, const struct err *why,
                             struct err *e)
{
    if (!record_has_text(j, "undoing", "critical") || !lacks_a_snapshot(b))
        return err_set(e, ERR_LOOK,
                       "whether set '%s' is whole cannot be told: once the appliance lists it, "
                       "cbsnap-coord recover looks again; if it never will, remove the journal "
                       "(%.200s)",
                       b->id, why->msg);
    record_set_text(b->set, "verdict", "void");
    record_clear(b->set, "reasons");
    record_append_text(b->set, "reasons", "its run did not end well, and snapshots of it are gone");
    return save_set(b, e);
}

/* The guest has let go by its lease since. */
int recover_snapshot(struct back *b, const struct record *j, struct recovery *ret, struct err *e)
{
    struct err why = ERR_INIT;
    size_t unseen = 0;

    if (is_promised(b) && back_check_whole(b, &why) == 0) {
        recovery_told(ret, "set %s is whole", b->id);
        return 0;
    }
    if (is_promised(b) && take_promise_back(b, j, &why, e) < 0)
        return -1;
    if (wait_for_late(b, j, e) < 0 || note_seen(b, e) < 0 || remove_all(b, e) < 0)
        return -1;
    for (size_t n = 0; n < b->count; n++) {
        struct record *rec = record_at(b->set, "volumes", n);
        const char *state = state_of(rec, recover_begun(j, "snapshots"));

        unseen += strcmp(state, "unknown") == 0;
        record_set_text(rec, "snapshot.state", state);
    }
    if (save_set(b, e) < 0)
        return -1;
    if (unseen > 0)
        recovery_told(ret,
                      "set %s did not come to be; of %zu volumes no snapshot was seen, and one "
                      "that comes later is told by prune --orphans",
                      b->id, unseen);
    else
        recovery_told(ret, "set %s did not come to be, and its snapshots are gone", b->id);
    return 0;
}
