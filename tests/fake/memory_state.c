/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the array in memory holds and does; see memory_state.h. */
#include "tests/fake/memory_state.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#define TIME_TOLD "Thu May 12 2016 10:55"

/* ---- finding ------------------------------------------------------------------------------ */

struct held *state_held(const struct memory_state *m, const char *volume_id, const char *name)
{
    for (size_t i = 0; i < m->held_count; i++) {
        if (strcmp(m->held[i].volume_id, volume_id) == 0 && strcmp(m->held[i].name, name) == 0)
            return &m->held[i];
    }
    return NULL;
}

struct disk *state_disk(const struct memory_state *m, const char *volume_id)
{
    for (size_t i = 0; i < m->disk_count; i++) {
        if (strcmp(m->disks[i].volume.id, volume_id) == 0)
            return &m->disks[i];
    }
    return NULL;
}

/* The volume's snapshot that was made next after `h`; with NULL its first. */
static const struct held *next_of(const struct memory_state *m, const char *volume_id,
                                  const struct held *h)
{
    for (const struct held *n = h ? h + 1 : m->held; n < m->held + m->held_count; n++) {
        if (strcmp(n->volume_id, volume_id) == 0)
            return n;
    }
    return NULL;
}

static int64_t clones_of(const struct memory_state *m, const struct held *h)
{
    int64_t n = 0;

    for (size_t i = 0; i < m->disk_count; i++) {
        const struct disk *d = &m->disks[i];

        n += d->origin_id && strcmp(d->origin_id, h->volume_id) == 0 &&
             strcmp(d->origin_name, h->name) == 0;
    }
    return n;
}

static bool name_taken(const struct memory_state *m, const char *name)
{
    for (size_t i = 0; i < m->disk_count; i++) {
        if (strcmp(m->disks[i].volume.name, name) == 0)
            return true;
    }
    return false;
}

/* ---- adding and dropping ------------------------------------------------------------------ */

struct disk *state_add(struct memory_state *m, const char *id, const char *name, const char *iqn)
{
    char *serial = xstrdup(id), *to = serial;
    struct disk *d;

    for (const char *from = id; *from; from++) {
        if (*from != '-')
            *to++ = *from;
    }
    *to = '\0';
    m->disks = xrealloc(m->disks, (m->disk_count + 1) * sizeof(*m->disks));
    d = &m->disks[m->disk_count++];
    *d = (struct disk){.access = xstrdup("")};
    d->volume = (struct volume){
        .id = xstrdup(id),
        .name = xstrdup(name),
        .iqn = xstrdup(iqn),
        .serial = serial,
        .group = xstrdup("memory"),
        .size_bytes = INT64_C(1) << 30,
        .free_bytes = INT64_C(1) << 29,
    };
    return d;
}

void state_allow(struct memory_state *m, struct disk *d, const char *access)
{
    m->words = xrealloc(m->words, (m->word_count + 1) * sizeof(*m->words));
    m->words[m->word_count++] = xstrdup(access);
    free(d->access);
    d->access = xstrdup(access);
}

static void drop_held(struct memory_state *m, struct held *h)
{
    size_t after = (size_t)(m->held + m->held_count - (h + 1));

    free(h->volume_id);
    free(h->name);
    memmove(h, h + 1, after * sizeof(*h));
    m->held_count--;
}

static void drop_disk(struct memory_state *m, struct disk *d)
{
    size_t after = (size_t)(m->disks + m->disk_count - (d + 1));

    volume_release(&d->volume);
    free(d->access);
    free(d->origin_id);
    free(d->origin_name);
    for (size_t n = 0; n < d->past_count; n++)
        free(d->past[n].time);
    free(d->past);
    memmove(d, d + 1, after * sizeof(*d));
    m->disk_count--;
}

void state_release(struct memory_state *m)
{
    while (m->held_count > 0)
        drop_held(m, &m->held[m->held_count - 1]);
    while (m->disk_count > 0)
        drop_disk(m, &m->disks[m->disk_count - 1]);
    while (m->word_count > 0)
        free(m->words[--m->word_count]);
    free(m->held);
    free(m->disks);
    free(m->words);
}

/* ---- commands ----------------------------------------------------------------------------- */

static void list_volumes(const struct memory_state *m, struct storage_op *op)
{
    op->volumes = xcalloc(m->disk_count, sizeof(*op->volumes));
    op->volume_count = m->disk_count;
    for (size_t i = 0; i < m->disk_count; i++)
        volume_copy(&op->volumes[i], &m->disks[i].volume);
}

static void find_snapshot(const struct held *h, struct storage_op *op)
{
    op->found = h != NULL;
    if (!h)
        return;
    op->snapshot_path = xasprintf("pool/%s@%s", h->volume_id, h->name);
    op->snapshot_time = xstrdup(TIME_TOLD);
}

static void list_snapshots(const struct memory_state *m, const struct disk *d,
                           struct storage_op *op)
{
    op->snapshots = xcalloc(m->held_count, sizeof(*op->snapshots));
    for (const struct held *h = next_of(m, d->volume.id, NULL); h;
         h = next_of(m, d->volume.id, h)) {
        op->snapshots[op->snapshot_count++] = (struct volume_snapshot){
            .name = xstrdup(h->name),
            .path = xasprintf("pool/%s@%s", h->volume_id, h->name),
            .time = xstrdup(TIME_TOLD),
            .clones = clones_of(m, h),
        };
    }
}

static void history(const struct disk *d, struct storage_op *op)
{
    op->history = xcalloc(d->past_count, sizeof(*op->history));
    op->history_count = d->past_count;
    for (size_t i = 0; i < d->past_count; i++)
        op->history[i] = (struct volume_past){xstrdup(d->past[i].time), d->past[i].iops};
}

static int snapshot(struct memory_state *m, const struct disk *d, const char *name,
                    struct storage_op *op, struct err *e)
{
    if (state_held(m, d->volume.id, name))
        return err_set(e, ERR_STORAGE, "snapshot '%s' exists", name);
    m->held = xrealloc(m->held, (m->held_count + 1) * sizeof(*m->held));
    m->held[m->held_count++] = (struct held){
        .volume_id = xstrdup(d->volume.id), .name = xstrdup(name), .content = d->content};
    if (op)
        op->snapshot_id = xasprintf("%s-%s", d->volume.id, name);
    return 0;
}

static int remove_snapshot(struct memory_state *m, struct held *h, struct err *e)
{
    if (!h)
        return 0;
    if (clones_of(m, h) > 0)
        return err_set(e, ERR_STORAGE, "snapshot '%s' has clones", h->name);
    drop_held(m, h);
    return 0;
}

static int rollback(struct memory_state *m, struct disk *d, const struct held *h, struct err *e)
{
    const struct held *newer = next_of(m, d->volume.id, h);

    if (newer)
        return err_set(e, ERR_STORAGE, "snapshot '%s' is newer than '%s'", newer->name, h->name);
    if (d->access[0])
        m->rollbacks_in_use++;
    d->content = h->content;
    return 0;
}

static int make_clone(struct memory_state *m, const struct held *h, const char *name,
                      struct storage_op *op, struct err *e)
{
    AUTO_FREE char *id = NULL, *iqn = NULL;
    struct disk *d;

    if (name_taken(m, name))
        return err_set(e, ERR_STORAGE, "a volume named '%s' exists", name);
    id = xasprintf("clone-%u", ++m->clones);
    iqn = xasprintf("iqn.2016-05.memory:%s", name);
    d = state_add(m, id, name, iqn);
    d->content = h->content;
    d->origin_id = xstrdup(h->volume_id);
    d->origin_name = xstrdup(h->name);
    if (!op)
        return 0;
    op->volumes = xcalloc(1, sizeof(*op->volumes));
    op->volume_count = 1;
    volume_copy(op->volumes, &d->volume);
    return 0;
}

static int remove_volume(struct memory_state *m, struct disk *d, struct err *e)
{
    const struct held *h = next_of(m, d->volume.id, NULL);

    if (h)
        return err_set(e, ERR_STORAGE, "volume '%s' has snapshot '%s'", d->volume.name, h->name);
    drop_disk(m, d);
    return 0;
}

static int set_access(const struct memory_state *m, struct disk *d, const char *word, struct err *e)
{
    bool known = !*word;

    for (size_t i = 0; i < m->word_count && !known; i++)
        known = strcmp(m->words[i], word) == 0;
    if (!known)
        return err_set(e, ERR_STORAGE, "nobody is known as '%s'", word);
    free(d->access);
    d->access = xstrdup(word);
    return 0;
}

/* ---- doing -------------------------------------------------------------------------------- */

/* Commands of which nothing is left but what they tell. */
static void tell(const struct memory_state *m, const struct wish *w, const struct disk *d,
                 const struct held *h, struct storage_op *op)
{
    if (w->command == MEMORY_LIST)
        list_volumes(m, op);
    else if (w->command == MEMORY_FIND)
        find_snapshot(h, op);
    else if (w->command == MEMORY_LIST_SNAPSHOTS)
        list_snapshots(m, d, op);
    else if (w->command == MEMORY_ACCESS)
        op->access = xstrdup(d->access);
    else if (w->command == MEMORY_STATS)
        op->stats = d->stats;
    else if (w->command == MEMORY_HISTORY)
        history(d, op);
}

int state_act(struct memory_state *m, const struct wish *w, struct storage_op *op, struct err *e)
{
    struct disk *d = w->volume_id ? state_disk(m, w->volume_id) : NULL;
    struct held *h = d && w->name ? state_held(m, w->volume_id, w->name) : NULL;

    if (w->volume_id && !d && w->command == MEMORY_REMOVE_VOLUME)
        return 0;
    if (w->volume_id && !d)
        return err_set(e, ERR_STORAGE, "there is no volume of id '%s'", w->volume_id);
    if (!h && (w->command == MEMORY_ROLLBACK || w->command == MEMORY_CLONE))
        return err_set(e, ERR_NOT_FOUND, "there is no snapshot '%s'", w->name);
    if (w->command == MEMORY_SNAPSHOT)
        return snapshot(m, d, w->name, op, e);
    if (w->command == MEMORY_REMOVE)
        return remove_snapshot(m, h, e);
    if (w->command == MEMORY_ROLLBACK)
        return rollback(m, d, h, e);
    if (w->command == MEMORY_CLONE)
        return make_clone(m, h, w->word, op, e);
    if (w->command == MEMORY_REMOVE_VOLUME)
        return remove_volume(m, d, e);
    if (w->command == MEMORY_SET_ACCESS)
        return set_access(m, d, w->word, e);
    if (op)
        tell(m, w, d, h, op);
    return 0;
}
