/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Removing sets, and what is left on one side only; see inventory.h. A record never promises what
 * is about to go: it says so before the first snapshot is removed, and a removal that was
 * interrupted is one that can be asked for again.
 */
#include "host-coordinator/back/inventory.h"

#include "host-coordinator/back/back.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#include <string.h>

#define LOST_REASON "its snapshots are not on the appliance any more"

static int finish(struct inventory *inv, struct storage *s, struct storage_op *op,
                  int64_t deadline_us, struct err *e)
{
    int rc = storage_wait(inv->run->loop, s, op, deadline_us, e);

    storage_op_release(op);
    return rc;
}

static int save_set(struct inventory *inv, struct record *set, struct err *e)
{
    return store_save(inv->run->conf->state_dir, record_text(set, "domain.name"),
                      record_text(set, "set"), set, e);
}

static int tell_gone(struct inventory *inv, struct record *set, const char *reason, struct err *e)
{
    const char *verdict = record_text(set, "verdict");

    if (!verdict || strcmp(verdict, "void") != 0) {
        record_set_text(set, "verdict", "void");
        record_clear(set, "reasons");
    }
    /* of a removal that is asked for again it stands there already */
    if (!record_has_text(set, "reasons", reason))
        record_append_text(set, "reasons", reason);
    return save_set(inv, set, e);
}

/* ---- sets ------------------------------------------------------------------------------------ */

/* What was removed is no orphan later on. */
static void forget(struct inventory_volume *v, const char *name)
{
    for (size_t n = 0; n < v->count; n++) {
        if (strcmp(v->snapshots[n].name, name) != 0)
            continue;
        volume_snapshot_release(&v->snapshots[n]);
        v->snapshots[n] = v->snapshots[--v->count];
        return;
    }
}

static int remove_snapshots(struct inventory *inv, const struct record *set, struct err *e)
{
    for (size_t n = 0; n < record_count(set, "volumes"); n++) {
        const struct record *rec = record_at(set, "volumes", n);
        struct inventory_volume *v = inventory_volume_of(inv, rec);
        const char *name = record_text(rec, "snapshot.name");

        if (!v || !name) /* the volume is gone, and its snapshots with it */
            continue;
        if (storage_remove_seen(inv->run->loop, v->storage, &v->volume, name,
                                inv->run->conf->clone_ms, v->timeout_ms, e) < 0)
            return err_prefix(e, "set '%s'", record_text(set, "set"));
        forget(v, name);
    }
    return 0;
}

/* A volume on an appliance that coord.conf does not name would keep its snapshots for ever. */
static int check_appliances(struct inventory *inv, const struct record *set, struct err *e)
{
    const struct config *conf = inv->run->conf;

    for (size_t n = 0; n < record_count(set, "volumes"); n++) {
        const char *name = record_text(record_at(set, "volumes", n), "appliance");
        bool known = false;

        for (size_t a = 0; a < conf->appliance_count && name; a++)
            known = known || strcmp(conf->appliances[a].name, name) == 0;
        if (!known)
            return err_set(e, ERR_CONFIG,
                           "set '%s' has snapshots on appliance '%s', which coord.conf does not "
                           "name",
                           record_text(set, "set"), name ? name : "?");
    }
    return 0;
}

/* A record that came from elsewhere must not make us remove what is another set's. */
static int check_names(const struct record *set, const char *id, struct err *e)
{
    for (size_t n = 0; n < record_count(set, "volumes"); n++) {
        const char *name = record_text(record_at(set, "volumes", n), "snapshot.name");

        if (name && strcmp(name, id) != 0)
            return err_set(e, ERR_REFUSED,
                           "the record of set '%s' names a snapshot '%.100s', which is not called "
                           "like the set: it is not removed",
                           id, name);
    }
    return 0;
}

/* The record as it is by now; *ret is NULL when it is gone. */
static int load_again(const struct inventory *inv, const struct record *set, struct record **ret,
                      struct err *e)
{
    struct err why = ERR_INIT;

    *ret = store_load(inv->run->conf->state_dir, record_text(set, "set"), &why);
    if (*ret || why.code == ERR_NOT_FOUND)
        return 0;
    *e = why;
    return -1;
}

/* A verification of it, say, has begun and ended since: what was judged is not what is there. */
static int check_unchanged(struct inventory *inv, const struct record *set, struct err *e)
{
    struct record *now;
    int64_t line = 0, line_now = 0;

    if (load_again(inv, set, &now, e) < 0)
        return -1;
    if (!now)
        return 0;
    (void)record_int(set, "chain.line", &line);
    (void)record_int(now, "chain.line", &line_now);
    record_free(now);
    if (line == line_now)
        return 0;
    return err_set(e, ERR_REFUSED,
                   "the record of set '%s' has been written since it was read: it is not removed; "
                   "try again",
                   record_text(set, "set"));
}

int inventory_remove(struct inventory *inv, struct record *set, struct err *e)
{
    const char *id = record_text(set, "set");
    struct standing s;

    if (inventory_look_again(inv, e) < 0)
        return -1;
    inventory_judge(inv, set, &s);
    if (s.clones)
        return err_set(e, ERR_REFUSED,
                       "a snapshot of set '%s' has clones: volumes that were restored from it; it "
                       "can go when they have gone",
                       id);
    if (s.journal)
        return err_set(e, ERR_REFUSED,
                       "a run that works with set '%s' is not over; if it died: cbsnap-coord "
                       "recover",
                       id);
    if (check_unchanged(inv, set, e) < 0 || check_names(set, id, e) < 0 ||
        check_appliances(inv, set, e) < 0 || tell_gone(inv, set, "it is being removed", e) < 0 ||
        remove_snapshots(inv, set, e) < 0)
        return -1;
    return store_remove(inv->run->conf->state_dir, record_text(set, "domain.name"), id, e);
}

/* ---- orphans --------------------------------------------------------------------------------- */

static void add(struct orphan **list, size_t *count, struct orphan o)
{
    *list = xrealloc(*list, (*count + 1) * sizeof(**list));
    (*list)[(*count)++] = o;
}

/* It was called lost, and yet all of it is there: the appliance had not told all. */
static bool came_back(const struct inventory *inv, const struct record *set)
{
    const char *reason = record_text_at(set, "reasons", 0);
    struct standing s;

    inventory_judge(inv, set, &s);
    return reason && strcmp(reason, LOST_REASON) == 0 && s.present == s.volumes;
}

/*
 * The picture is of one moment, and a run may have ended since: its journal is gone, its record
 * says that the set is whole, and was read before it did. So whatever seems nobody's is asked for
 * again, in the order in which a run ends: the record is published before the journal goes.
 */
static bool claimed_now(const struct inventory *inv, const char *id)
{
    const char *state_dir = inv->run->conf->state_dir;
    struct err why = ERR_INIT;
    struct record *r = journal_read(state_dir, id, &why);
    bool claimed = r || why.code != ERR_NOT_FOUND;

    record_free(r);
    if (claimed)
        return true;
    why = ERR_INIT;
    r = store_load(state_dir, id, &why);
    claimed = r ? strcmp(record_text(r, "verdict") ?: "", "void") != 0 : why.code != ERR_NOT_FOUND;
    record_free(r);
    return claimed;
}

/* A record of a failed attempt does not own what it says it has removed. */
static bool owned(const struct inventory *inv, const char *id)
{
    const struct record *set = inventory_set(inv, id);
    const char *verdict = set ? record_text(set, "verdict") : NULL;

    return set && verdict && (strcmp(verdict, "void") != 0 || came_back(inv, set));
}

static void find_snapshots(const struct inventory *inv, struct orphan **list, size_t *count)
{
    for (size_t n = 0; n < inv->count; n++) {
        struct inventory_volume *v = &inv->volumes[n];

        for (size_t i = 0; i < v->count; i++) {
            const char *name = v->snapshots[i].name;

            if (!inventory_is_id(name, strlen(name)) || owned(inv, name) ||
                inventory_in_journal(inv, name) || claimed_now(inv, name))
                continue;
            add(list, count,
                (struct orphan){
                    .kind = ORPHAN_SNAPSHOT,
                    .volume = v,
                    .snapshot = i,
                    .text = xasprintf("snapshot %s: no record has it", v->snapshots[i].path)});
        }
    }
}

static struct orphan of_record(struct record *set, const struct standing *s)
{
    const char *id = record_text(set, "set");

    if (s->unseen > 0)
        return (struct orphan){
            .kind = ORPHAN_UNSEEN,
            .set = set,
            .text = xasprintf("record %s: %zu of its %zu volumes are not told of by any appliance; "
                              "if they are gone for good: cbsnap-coord delete %s",
                              id, s->unseen, s->volumes, id)};
    return (struct orphan){.kind = ORPHAN_RECORD,
                           .set = set,
                           .text = xasprintf("record %s: %zu of its %zu snapshots are not listed",
                                             id, s->volumes - s->present, s->volumes)};
}

static void find_records(const struct inventory *inv, struct orphan **list, size_t *count)
{
    for (size_t n = 0; n < inv->set_count; n++) {
        const char *verdict = record_text(inv->sets[n], "verdict");
        struct standing s;

        inventory_judge(inv, inv->sets[n], &s);
        if (!verdict || strcmp(verdict, "void") == 0 || s.present == s.volumes || s.journal)
            continue;
        add(list, count, of_record(inv->sets[n], &s));
    }
}

static void find_temporary(const struct inventory *inv, struct orphan **list, size_t *count)
{
    for (size_t n = 0; n < inv->temporary_count; n++) {
        struct inventory_volume *v = &inv->temporary[n];
        AUTO_FREE char *id = strndup(v->volume.name + strlen(BACK_VERIFY_PREFIX), INVENTORY_ID_LEN);

        if (inventory_in_journal(inv, id))
            continue;
        add(list, count,
            (struct orphan){.kind = ORPHAN_VOLUME,
                            .volume = v,
                            .text = xasprintf("volume %s: a clone of a verification that is over",
                                              v->volume.name)});
    }
}

size_t inventory_orphans(const struct inventory *inv, struct orphan **ret)
{
    struct orphan *list = NULL;
    size_t count = 0;

    /* whose snapshots those of an unreadable record are cannot be told */
    if (inv->unreadable == 0)
        find_snapshots(inv, &list, &count);
    find_records(inv, &list, &count);
    find_temporary(inv, &list, &count);
    *ret = list;
    return count;
}

void orphans_release(struct orphan *orphans, size_t count)
{
    for (size_t n = 0; n < count; n++)
        free(orphans[n].text);
    free(orphans);
}

/* Each snapshot is looked for once more: a list that lacked one may just not have told all. */
static int look_lost(struct inventory *inv, const struct record *set, bool *ret, struct err *e)
{
    bool lost = false;

    for (size_t n = 0; n < record_count(set, "volumes"); n++) {
        const struct record *rec = record_at(set, "volumes", n);
        const struct inventory_volume *v = inventory_volume_of(inv, rec);
        const char *name = record_text(rec, "snapshot.name");
        bool there = false;

        if (!v || !name)
            return err_set(e, ERR_NOT_FOUND, "there is no volume of id '%s'",
                           record_text(rec, "id") ?: "?");
        if (storage_has_snapshot(inv->run->loop, v->storage, &v->volume, name, v->timeout_ms,
                                 &there, e) < 0)
            return -1;
        lost = lost || !there;
    }
    *ret = lost;
    return 0;
}

/* What was done to the record since it was read stays done; one that is gone stays gone. */
static int repair_record(struct inventory *inv, const struct record *set, struct err *e)
{
    struct record *now;
    bool lost = false;
    int rc;

    if (load_again(inv, set, &now, e) < 0)
        return -1;
    if (!now)
        return 0;
    rc = look_lost(inv, now, &lost, e);
    if (rc == 0 && lost)
        rc = tell_gone(inv, now, LOST_REASON, e);
    record_free(now);
    return rc;
}

int orphan_repair(struct inventory *inv, struct orphan *o, struct err *e)
{
    struct storage_op op = {.done = false};
    int64_t deadline;
    struct inventory_volume *v = o->volume;

    if (o->kind == ORPHAN_UNSEEN)
        return 0;
    if (o->kind == ORPHAN_RECORD)
        return repair_record(inv, o->set, e);
    if (o->kind == ORPHAN_SNAPSHOT && claimed_now(inv, v->snapshots[o->snapshot].name))
        return 0; /* somebody's by now */
    if (o->kind == ORPHAN_SNAPSHOT)
        return storage_remove_seen(inv->run->loop, v->storage, &v->volume,
                                   v->snapshots[o->snapshot].name, inv->run->conf->clone_ms,
                                   v->timeout_ms, e);
    deadline = mono_in_ms(inv->run->conf->clone_ms);
    v->storage->ops->remove_volume(v->storage, &v->volume, deadline, &op);
    return finish(inv, v->storage, &op, deadline, e);
}
