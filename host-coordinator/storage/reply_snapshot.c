/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading what the appliance tells of snapshots; see reply.h. */

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host-coordinator/storage/reply_member.h"
#include "proto/base/buf.h"

/* ---- snapshots ---------------------------------------------------------------------------- */

int reply_taken(char **ret_id, json_t *answer, const struct volume *v, const char *name,
                const char *api_key, struct err *e)
{
    json_t *taken = json_object_get(answer, "StorageSnapshot");
    const char *id, *got_name, *got_volume;

    if (!json_is_object(taken))
        return err_set(e, ERR_STORAGE, "answered without telling of a snapshot");
    if (!(id = member_text(taken, "id", api_key, e)) ||
        !(got_name = member_text(taken, "name", api_key, e)) ||
        !(got_volume = member_text(taken, "lunid", api_key, e)))
        return -1;
    /* optional members, but if they speak they must speak of what was asked for */
    if ((*got_name && strcmp(got_name, name) != 0) ||
        (*got_volume && strcmp(got_volume, v->id) != 0))
        return err_set(e, ERR_STORAGE, "answered about snapshot '%.64s' of volume id '%.64s'",
                       got_name, got_volume);
    *ret_id = *id ? xstrdup(id) : NULL;
    return 0;
}

/* POOL/ACCOUNTTSM/VOLUME@NAME */
static bool path_names(const char *path, const char *name)
{
    const char *at = strrchr(path, '@');

    return at && at > path && strcmp(at + 1, name) == 0;
}

int reply_find(struct reply_snapshot *ret, json_t *answer, const char *name, const char *api_key,
               struct err *e)
{
    json_t *items, *found = NULL;
    const char *path, *told;
    size_t n;
    json_t *item;

    if (member_list(&items, answer, "snapshot", e) < 0)
        return -1;
    json_array_foreach(items, n, item)
    {
        const char *given = json_string_value(json_object_get(item, "name"));

        if (!given)
            return err_set(e, ERR_STORAGE, "listed a snapshot without a name");
        if (strcmp(given, name) != 0)
            continue;
        if (found)
            return err_set(e, ERR_STORAGE, "listed snapshot '%s' twice", name);
        found = item;
    }
    *ret = (struct reply_snapshot){.path = NULL};
    if (!found)
        return 0;
    if (!(path = member_text(found, "path", api_key, e)) ||
        !(told = member_text(found, "timestamp", api_key, e)))
        return -1;
    if (!path_names(path, name))
        return err_set(e, ERR_STORAGE, "listed snapshot '%s' with the path '%.100s'", name, path);
    *ret = (struct reply_snapshot){.path = xstrdup(path), .time = xstrdup(told)};
    return 0;
}

/* -1 for whatever cannot be a number of clones. */
static int64_t clones_member(json_t *item)
{
    double clones;

    if (!member_reading(item, "clones", &clones) || clones >= 1e9)
        return -1;
    return (int64_t)clones;
}

static int read_snapshot(struct volume_snapshot *ret, json_t *item, const char *api_key,
                         struct err *e)
{
    const char *name, *path, *told;

    if (!(name = member_text(item, "name", api_key, e)) ||
        !(path = member_text(item, "path", api_key, e)) ||
        !(told = member_text(item, "timestamp", api_key, e)))
        return -1;
    if (!*name)
        return err_set(e, ERR_STORAGE, "listed a snapshot without a name");
    if (!path_names(path, name))
        return err_set(e, ERR_STORAGE, "listed snapshot '%.100s' with the path '%.100s'", name,
                       path);
    *ret = (struct volume_snapshot){
        .name = xstrdup(name),
        .path = xstrdup(path),
        .time = xstrdup(told),
        .clones = clones_member(item),
    };
    return 0;
}

int reply_snapshots(struct volume_snapshot **ret, size_t *ret_count, json_t *answer,
                    const char *api_key, struct err *e)
{
    struct volume_snapshot *all;
    json_t *items;
    size_t size, n;

    if (member_list(&items, answer, "snapshot", e) < 0)
        return -1;
    size = json_array_size(items);
    all = xcalloc(size, sizeof(*all));
    for (n = 0; n < size; n++) {
        if (read_snapshot(&all[n], json_array_get(items, n), api_key, e) < 0)
            break;
    }
    if (n < size) {
        while (n-- > 0)
            volume_snapshot_release(&all[n]);
        free(all);
        return -1;
    }
    *ret = all;
    *ret_count = size;
    return 0;
}

int reply_rolled_back(json_t *answer, struct err *e)
{
    if (!json_is_object(json_object_get(answer, "Rollback")))
        return err_set(e, ERR_STORAGE, "answered without saying that it went back");
    return 0;
}

int reply_deleted(json_t *answer, struct err *e)
{
    json_t *result = json_object_get(answer, "DeleteSnapshot");
    const char *status = json_string_value(json_object_get(result, "status"));

    if (!status || strcasecmp(status, "success") != 0)
        return err_set(e, ERR_STORAGE, "answered without saying that the snapshot is deleted");
    return 0;
}
