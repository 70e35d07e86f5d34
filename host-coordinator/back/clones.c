/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clones of a set's snapshots, which become a throw-away VM's volumes, another VM's, or the VM's
 * own. A clone that was asked for and not heard of again may still come to be, minutes later: the
 * undo looks whether it shows, and if not, the journal stays and names it for as long as the array
 * was given to make it.
 */
#include "host-coordinator/back/back.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <string.h>

#define LOOK_AGAIN_MS 500

/* "lab-root-20161104T101500Z-7f3a" restored again is "lab-root-20161105T080000Z-01ab". */
static size_t base_length(const char *name)
{
    size_t len = strlen(name);
    const char *tail = len > 22 ? name + len - 22 : NULL;

    return tail && tail[0] == '-' && tail[9] == 'T' && tail[16] == 'Z' && tail[17] == '-' ? len - 22
                                                                                          : len;
}

static char *clone_name(const struct back *b, const struct back_volume *v)
{
    if (b->method == BACK_VERIFY)
        return xasprintf("%s%s-%s", BACK_VERIFY_PREFIX, b->run.set, v->target);
    return xasprintf("%.*s-%s", (int)base_length(v->volume.name), v->volume.name, b->run.set);
}

static bool ask_clone(struct back *b, struct back_volume *v, int64_t deadline_us)
{
    (void)b;
    v->clone_asked = true;
    v->storage->ops->clone(v->storage, &v->volume, v->snapshots[v->at].name, v->clone_name,
                           deadline_us, &v->op);
    return true;
}

static bool give_access(struct back *b, struct back_volume *v, int64_t deadline_us)
{
    (void)b;
    v->storage->ops->set_access(v->storage, &v->clone, v->access, deadline_us, &v->op);
    return true;
}

/* Written down before they are asked for: whoever recovers must know what to look for. And again
 * when they are there, by what a definition names them, and when none can come any more. */
static int note_clones(struct back *b, struct err *e)
{
    struct record *note = record_new();

    for (size_t n = 0; n < b->count; n++) {
        const struct back_volume *v = &b->volumes[n];
        struct record *one = record_append(note, "clones");

        record_set_text(one, "target", v->target);
        record_set_text(one, "name", v->clone_name);
        record_set_text(one, "id", v->clone.id);
        record_set_text(one, "iqn", v->clone.iqn);
        if (v->clone_unsure)
            record_set_int(one, "until_wall_us", v->clone_until_us);
    }
    return back_write(b, note, e);
}

static int note_names(struct back *b, struct err *e)
{
    for (size_t n = 0; n < b->count; n++) {
        struct back_volume *v = &b->volumes[n];

        free(v->clone_name);
        v->clone_name = clone_name(b, v);
        v->clone_unsure = true;
        v->clone_until_us = wall_us() + b->run.conf->clone_ms * INT64_C(1000);
    }
    return note_clones(b, e);
}

/* Without that line a recover waits for them in vain, no more. */
static void note_settled(struct back *b)
{
    struct err why = ERR_INIT;

    if (note_clones(b, &why) < 0)
        log_warn("%s", why.msg);
}

static void keep_clones(struct back *b)
{
    for (size_t n = 0; n < b->count; n++) {
        struct back_volume *v = &b->volumes[n];

        v->clone_unsure = v->op.unsure;
        if (v->op.done && !err_is_set(&v->op.err) && v->op.volume_count == 1)
            volume_copy(&v->clone, &v->op.volumes[0]);
    }
}

/* Fenced volumes have an access of "": a clone of them would serve nobody. */
int back_clone_access(struct back *b, struct err *e)
{
    if (back_read_access(b, e) < 0)
        return -1;
    for (size_t n = 0; n < b->count; n++) {
        const struct back_volume *v = &b->volumes[n];

        if (!*v->access)
            return err_set(e, ERR_REFUSED,
                           "volume '%s' (disk '%s') may be used by nobody, so its clone could not "
                           "be either; give it an initiator group on appliance '%s'",
                           v->volume.name, v->target, v->appliance);
    }
    return 0;
}

int step_clone(void *back, struct err *e)
{
    struct back *b = back;
    int rc;

    /* asked again: since the preflight a guest had its time to shut down */
    if (loop_check(b->run.loop, e) < 0 || back_clone_access(b, e) < 0 || note_names(b, e) < 0)
        return -1;
    rc = back_all(b, ask_clone, b->run.conf->clone_ms, "clone the snapshot", e);
    keep_clones(b);
    if (rc < 0)
        note_settled(b);
    else /* before libvirt hears of them: the journal alone is to tell whether a VM uses them */
        rc = note_clones(b, e);
    if (rc < 0)
        return -1;
    return back_all(b, give_access, b->run.conf->clone_ms, "make the clone usable", e);
}

/* ---- removing -------------------------------------------------------------------------------- */

static int find_volume(struct back *b, struct back_volume *v, const char *name, struct volume *ret,
                       bool *ret_found, struct err *e)
{
    int64_t deadline = mono_in_ms(v->timeout_ms);

    storage_op_release(&v->op);
    v->storage->ops->list_volumes(v->storage, deadline, &v->op);
    if (back_wait(b, v, deadline, e) < 0)
        return -1;
    *ret_found = false;
    for (size_t n = 0; n < v->op.volume_count && !*ret_found; n++) {
        if (strcmp(v->op.volumes[n].name, name) != 0)
            continue;
        volume_copy(ret, &v->op.volumes[n]);
        *ret_found = true;
    }
    return 0;
}

static int remove_found(struct back *b, struct back_volume *v, const struct volume *found,
                        struct err *e)
{
    int64_t deadline = mono_in_ms(b->run.conf->clone_ms);

    storage_op_release(&v->op);
    v->storage->ops->remove_volume(v->storage, found, deadline, &v->op);
    return back_wait(b, v, deadline, e);
}

int back_find_clones(struct back *b, struct err *e)
{
    for (size_t n = 0; n < b->count; n++) {
        struct back_volume *v = &b->volumes[n];
        struct volume found = {.id = NULL};
        bool there = false;

        if (!v->clone_asked)
            continue;
        if (find_volume(b, v, v->clone_name, &found, &there, e) < 0)
            return -1;
        if (there) {
            volume_release(&v->clone); /* as the journal had it */
            v->clone = found;
        }
    }
    return 0;
}

/* Looks until then for one that may yet come to be, or that a list may just have lacked. */
static int wait_to_show(struct back *b, struct back_volume *v, int64_t until_us, struct volume *ret,
                        bool *ret_found, struct err *e)
{
    bool never = false;

    for (;;) {
        int64_t again = mono_in_ms(LOOK_AGAIN_MS);

        if (find_volume(b, v, v->clone_name, ret, ret_found, e) < 0)
            return -1;
        if (*ret_found || mono_us() >= until_us)
            return 0;
        (void)loop_wait(b->run.loop, &never, again < until_us ? again : until_us, NULL);
    }
}

/* By the list that was read last: somebody gave it another name, so as to keep it. */
static bool was_renamed(const struct back_volume *v)
{
    for (size_t n = 0; n < v->op.volume_count; n++) {
        if (strcmp(v->op.volumes[n].id, v->clone.id) == 0)
            return true;
    }
    return false;
}

/* That it is not listed is no proof that it is gone: one whose id is known is removed by that,
 * which does no harm where it is gone. */
static int remove_clone(struct back *b, struct back_volume *v, int64_t until_us, struct err *e)
{
    struct volume found = {.id = NULL};
    bool there = false;
    char at[32];
    int rc;

    if (wait_to_show(b, v, until_us, &found, &there, e) < 0)
        return -1;
    if (!there && v->clone_unsure)
        return err_set(e, ERR_TIMEOUT, "it has not shown; the appliance may make it until %s",
                       clock_iso(v->clone_until_us, at));
    if (!there && (!v->clone.id || was_renamed(v)))
        return 0;
    if (!there)
        volume_copy(&found, &v->clone);
    if (v->clone_unsure) {
        v->clone_unsure = false;
        note_settled(b); /* whoever follows us when we die does not find it any more */
    }
    rc = remove_found(b, v, &found, e);
    volume_release(&found);
    return rc;
}

int step_clone_undo(void *back, struct err *e)
{
    struct back *b = back;
    int64_t late = mono_in_ms(b->run.conf->late_ms);
    int rc = 0;

    if (b->defined || b->define_unsure) /* they are the VM's now, or may be */
        return 0;
    for (size_t n = 0; n < b->count; n++) {
        struct back_volume *v = &b->volumes[n];
        struct err why = ERR_INIT;

        if (!v->clone_asked)
            continue;
        if (remove_clone(b, v, late, &why) == 0) {
            v->clone_asked = false;
            continue;
        }
        rc = err_set(e, ERR_LOOK,
                     "volume '%s', a clone for disk '%s', may be left on appliance '%s': "
                     "cbsnap-coord recover removes it (%.200s)",
                     v->clone_name, v->target, v->appliance, why.msg);
    }
    return rc;
}
