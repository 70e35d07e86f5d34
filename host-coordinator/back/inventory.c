/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading and judging; see inventory.h. What is changed is in tidy.c. */
#include "host-coordinator/back/inventory.h"

#include "host-coordinator/back/back.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <string.h>

/* ---- records and journals -------------------------------------------------------------------- */

static int read_sets(struct inventory *inv, struct err *e)
{
    const char *state_dir = inv->run->conf->state_dir;
    struct store_names names = {.count = 0};

    if (store_names(&names, state_dir, NULL, e) < 0)
        return -1;
    inv->sets = xcalloc(names.count ? names.count : 1, sizeof(*inv->sets));
    for (size_t n = 0; n < names.count; n++) {
        AUTO_FREE char *path = xasprintf("%s/records/%s", state_dir, names.names[n]);
        struct err why = ERR_INIT;
        struct record *r = store_read(path, &why);

        if (r && record_text(r, "set")) {
            inv->sets[inv->set_count++] = r;
            continue;
        }
        record_free(r);
        inv->unreadable++;
        log_warn("left alone: %s", err_is_set(&why) ? why.msg : path);
    }
    store_names_release(&names);
    return 0;
}

static void add_journal(struct inventory *inv, struct record *journal)
{
    inv->journals = xrealloc(inv->journals, (inv->journal_count + 1) * sizeof(*inv->journals));
    inv->journals[inv->journal_count++] = journal;
}

int inventory_look_again(struct inventory *inv, struct err *e)
{
    const char *state_dir = inv->run->conf->state_dir;
    struct store_names names = {.count = 0};

    if (journal_names(&names, state_dir, e) < 0)
        return -1;
    for (size_t n = 0; n < names.count; n++) {
        struct record *j = journal_read(state_dir, names.names[n], NULL);

        if (!j) /* it is over by now, or cannot be read: its name alone tells enough */
            j = record_new();
        if (!record_text(j, "id"))
            record_set_text(j, "id", names.names[n]);
        add_journal(inv, j);
    }
    store_names_release(&names);
    return 0;
}

/* ---- appliances ------------------------------------------------------------------------------ */

static bool recorded(const struct inventory *inv, const char *appliance, const char *id)
{
    for (size_t n = 0; n < inv->set_count; n++) {
        for (size_t v = 0; v < record_count(inv->sets[n], "volumes"); v++) {
            const struct record *rec = record_at(inv->sets[n], "volumes", v);
            const char *a = record_text(rec, "appliance"), *i = record_text(rec, "id");

            if (a && i && strcmp(a, appliance) == 0 && strcmp(i, id) == 0)
                return true;
        }
    }
    return false;
}

static void add_volume(struct inventory_volume **list, size_t *count, size_t appliance,
                       struct run *r, const struct volume *v)
{
    struct inventory_volume *added;

    *list = xrealloc(*list, (*count + 1) * sizeof(**list));
    added = &(*list)[(*count)++];
    *added = (struct inventory_volume){
        .appliance = r->conf->appliances[appliance].name,
        .storage = r->storages[appliance],
        .timeout_ms = r->conf->appliances[appliance].timeout_ms,
    };
    volume_copy(&added->volume, v);
}

static bool digits(const char *text, size_t count)
{
    for (size_t n = 0; n < count; n++) {
        if (text[n] < '0' || text[n] > '9')
            return false;
    }
    return true;
}

bool inventory_is_id(const char *text, size_t len)
{
    if (len != INVENTORY_ID_LEN || strnlen(text, len) < len)
        return false;
    return digits(text, 8) && text[8] == 'T' && digits(text + 9, 6) && text[15] == 'Z' &&
           text[16] == '-' && strspn(text + 17, "0123456789abcdef") >= 4;
}

/* "cbsnap-verify-20161104T101500Z-7f3a-vda" */
static bool is_temporary(const char *name)
{
    size_t prefix = strlen(BACK_VERIFY_PREFIX);

    return strncmp(name, BACK_VERIFY_PREFIX, prefix) == 0 &&
           inventory_is_id(name + prefix, INVENTORY_ID_LEN) &&
           name[prefix + INVENTORY_ID_LEN] == '-';
}

static int read_appliance(struct inventory *inv, size_t n, struct err *e)
{
    struct run *r = inv->run;
    struct storage_op op = {.done = false};
    int64_t deadline = mono_in_ms(r->conf->appliances[n].timeout_ms);

    r->storages[n]->ops->list_volumes(r->storages[n], deadline, &op);
    if (storage_wait(r->loop, r->storages[n], &op, deadline, e) == 0) {
        for (size_t v = 0; v < op.volume_count; v++) {
            if (recorded(inv, r->conf->appliances[n].name, op.volumes[v].id))
                add_volume(&inv->volumes, &inv->count, n, r, &op.volumes[v]);
            else if (is_temporary(op.volumes[v].name))
                add_volume(&inv->temporary, &inv->temporary_count, n, r, &op.volumes[v]);
        }
    }
    storage_op_release(&op);
    return err_is_set(e) ? -1 : 0;
}

static int read_snapshots(struct inventory *inv, struct inventory_volume *v, struct err *e)
{
    struct storage_op op = {.done = false};
    int64_t deadline = mono_in_ms(v->timeout_ms);

    v->storage->ops->list_snapshots(v->storage, &v->volume, deadline, &op);
    if (storage_wait(inv->run->loop, v->storage, &op, deadline, e) == 0) {
        v->snapshots = STEAL_PTR(op.snapshots);
        v->count = op.snapshot_count;
        op.snapshot_count = 0;
    }
    storage_op_release(&op);
    return err_is_set(e) ? -1 : 0;
}

int inventory_read(struct inventory *ret, struct run *r, struct err *e)
{
    *ret = (struct inventory){.run = r};
    /* first: what a run or a verification that ends meanwhile writes into a record is not read */
    if (inventory_look_again(ret, e) < 0 || read_sets(ret, e) < 0 || run_open_storages(r, e) < 0)
        return -1;
    for (size_t n = 0; n < r->conf->appliance_count; n++) {
        if (read_appliance(ret, n, e) < 0)
            return -1;
    }
    for (size_t n = 0; n < ret->count; n++) {
        if (read_snapshots(ret, &ret->volumes[n], e) < 0)
            return -1;
    }
    /* and last: whatever of these is not in a record by now is in its journal */
    return inventory_look_again(ret, e);
}

static void release_volumes(struct inventory_volume *list, size_t count)
{
    for (size_t n = 0; n < count; n++) {
        for (size_t i = 0; i < list[n].count; i++)
            volume_snapshot_release(&list[n].snapshots[i]);
        free(list[n].snapshots);
        volume_release(&list[n].volume);
    }
    free(list);
}

void inventory_release(struct inventory *inv)
{
    for (size_t n = 0; n < inv->set_count; n++)
        record_free(inv->sets[n]);
    free(inv->sets);
    for (size_t n = 0; n < inv->journal_count; n++)
        record_free(inv->journals[n]);
    free(inv->journals);
    release_volumes(inv->volumes, inv->count);
    release_volumes(inv->temporary, inv->temporary_count);
    *inv = (struct inventory){.run = NULL};
}

/* ---- judging --------------------------------------------------------------------------------- */

struct record *inventory_set(const struct inventory *inv, const char *id)
{
    for (size_t n = 0; n < inv->set_count; n++) {
        if (strcmp(record_text(inv->sets[n], "set"), id) == 0)
            return inv->sets[n];
    }
    return NULL;
}

struct inventory_volume *inventory_volume_of(const struct inventory *inv, const struct record *rec)
{
    const char *appliance = record_text(rec, "appliance"), *id = record_text(rec, "id");

    for (size_t n = 0; n < inv->count && appliance && id; n++) {
        if (strcmp(inv->volumes[n].appliance, appliance) == 0 &&
            strcmp(inv->volumes[n].volume.id, id) == 0)
            return &inv->volumes[n];
    }
    return NULL;
}

static const struct volume_snapshot *find(const struct inventory_volume *v, const char *name)
{
    for (size_t n = 0; n < v->count && name; n++) {
        if (strcmp(v->snapshots[n].name, name) == 0)
            return &v->snapshots[n];
    }
    return NULL;
}

bool inventory_in_journal(const struct inventory *inv, const char *id)
{
    for (size_t n = 0; n < inv->journal_count; n++) {
        const char *own = record_text(inv->journals[n], "id");
        const char *set = record_text(inv->journals[n], "set");

        if ((own && strcmp(own, id) == 0) || (set && strcmp(set, id) == 0))
            return true;
    }
    return false;
}

void inventory_judge(const struct inventory *inv, const struct record *set, struct standing *ret)
{
    const char *verdict = record_text(set, "verdict");

    *ret = (struct standing){.volumes = record_count(set, "volumes")};
    for (size_t n = 0; n < ret->volumes; n++) {
        const struct record *rec = record_at(set, "volumes", n);
        const struct inventory_volume *v = inventory_volume_of(inv, rec);
        const struct volume_snapshot *s = v ? find(v, record_text(rec, "snapshot.name")) : NULL;

        ret->unseen += v == NULL;
        ret->present += s != NULL;
        ret->clones = ret->clones || (s && s->clones > 0);
    }
    ret->journal = inventory_in_journal(inv, record_text(set, "set"));
    ret->good =
        verdict && strcmp(verdict, "void") != 0 && ret->volumes > 0 && ret->present == ret->volumes;
}

/* What was seen while it was made says less of it, or nothing. */
static bool is_crash(const struct record *set)
{
    const char *verdict = record_text(set, "verdict");

    return verdict && strcmp(verdict, "crash") == 0;
}

bool inventory_last_good(const struct inventory *inv, const struct record *set)
{
    const char *domain = record_text(set, "domain.name");
    const char *verdict = record_text(set, "verdict");
    struct standing s;

    if (!verdict || strcmp(verdict, "void") == 0 || !domain)
        return false;
    for (size_t n = 0; n < inv->set_count; n++) {
        const char *other = record_text(inv->sets[n], "domain.name");
        const char *result = record_text(inv->sets[n], "verify.result");

        if (inv->sets[n] == set || !other || strcmp(other, domain) != 0 ||
            (is_crash(inv->sets[n]) && !is_crash(set)))
            continue;
        inventory_judge(inv, inv->sets[n], &s);
        if (s.good && !(result && strcmp(result, "different") == 0))
            return false;
    }
    return true;
}
