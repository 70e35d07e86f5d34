/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading what the appliance tells of volumes, and of what it measured; see reply.h. */

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host-coordinator/storage/reply_member.h"
#include "host-coordinator/storage/secret.h"
#include "proto/base/buf.h"

/* ---- volumes ------------------------------------------------------------------------------ */

/* A number, or a number in quotes, of MiB; 0 for whatever cannot be a size. */
static int64_t size_member(json_t *item)
{
    json_t *quota = json_object_get(item, "numericquota");
    double mib =
        json_is_string(quota) ? strtod(json_string_value(quota), NULL) : json_number_value(quota);

    /* written so that NaN fails it */
    if (!(mib > 0 && mib < 8e12))
        return 0;
    return (int64_t)(mib * MIB);
}

/* -1 for whatever cannot be a size. */
static int64_t free_member(json_t *item)
{
    double mib;

    if (!member_reading(item, "currentAvailableSpace", &mib) || mib >= 8e12)
        return -1;
    return (int64_t)(mib * MIB);
}

/* The exported disk's unit serial is the volume's id without hyphens. */
static char *serial_of(const char *id)
{
    char *serial = xstrdup(id), *to = serial;

    for (const char *from = id; *from; from++) {
        if (*from != '-')
            *to++ = *from;
    }
    *to = '\0';
    return serial;
}

static int read_volume(struct volume *ret, json_t *item, const char *api_key, struct err *e)
{
    const char *id, *name, *iqn, *group;

    if (!(id = member_text(item, "id", api_key, e)) ||
        !(name = member_text(item, "name", api_key, e)) ||
        !(iqn = member_text(item, "iqnname", api_key, e)) ||
        !(group = member_text(item, "Tsmid", api_key, e)))
        return -1;
    if (!member_is_id(id) || !*name)
        return err_set(e, ERR_STORAGE, "listed a volume without a usable %s",
                       *name ? "'id'" : "'name'");
    *ret = (struct volume){
        .id = xstrdup(id),
        .name = xstrdup(name),
        .iqn = xstrdup(iqn),
        .serial = serial_of(id),
        .group = xstrdup(group),
        .size_bytes = size_member(item),
        .free_bytes = free_member(item),
    };
    return 0;
}

int reply_volumes(struct volume **ret, size_t *ret_count, json_t *answer, const char *api_key,
                  struct err *e)
{
    json_t *items;
    size_t size, n;
    struct volume *all;

    if (member_list(&items, answer, "filesystem", e) < 0)
        return -1;
    size = json_array_size(items);
    all = xcalloc(size, sizeof(*all));
    for (n = 0; n < size; n++) {
        if (read_volume(&all[n], json_array_get(items, n), api_key, e) < 0)
            break;
    }
    if (n < size) {
        while (n-- > 0)
            volume_release(&all[n]);
        free(all);
        return -1;
    }
    *ret = all;
    *ret_count = size;
    return 0;
}

/* What speaks of the parent instead of the clone would make its caller use production's disk. */
static int check_clone(const struct volume *got, const struct volume *parent, const char *name,
                       struct err *e)
{
    if (strcmp(got->name, name) != 0)
        return err_set(e, ERR_STORAGE, "answered about volume '%.100s' when asked for clone '%s'",
                       got->name, name);
    if (strcmp(got->id, parent->id) == 0 || (*got->iqn && strcasecmp(got->iqn, parent->iqn) == 0))
        return err_set(e, ERR_STORAGE, "answered with the volume itself in place of clone '%s'",
                       name);
    return 0;
}

int reply_cloned(struct volume *ret, char **ret_account, json_t *answer,
                 const struct volume *parent, const char *name, const char *api_key, struct err *e)
{
    json_t *item = json_object_get(answer, "filesystem");
    const char *account;
    struct volume got;

    if (!json_is_object(item))
        return err_set(e, ERR_STORAGE, "answered without telling of a clone");
    if (!(account = member_text(item, "accountid", api_key, e)) ||
        read_volume(&got, item, api_key, e) < 0)
        return -1;
    if (check_clone(&got, parent, name, e) < 0) {
        volume_release(&got);
        return -1;
    }
    *ret = got;
    *ret_account = member_is_id(account) ? xstrdup(account) : NULL;
    return 0;
}

int reply_account(char **ret, json_t *answer, const struct volume *v, const char *api_key,
                  struct err *e)
{
    json_t *items, *item, *found = NULL;
    const char *account, *name;
    size_t n;

    if (member_list(&items, answer, "filesystem", e) < 0)
        return -1;
    json_array_foreach(items, n, item)
    {
        const char *got = json_string_value(json_object_get(item, "id"));

        if (!got)
            return err_set(e, ERR_STORAGE, "listed a volume without a usable 'id'");
        if (strcmp(got, v->id) == 0)
            found = item;
    }
    if (!found)
        return err_set(e, ERR_NOT_FOUND, "there is no volume of id '%.64s'", v->id);
    if (!(name = member_text(found, "name", api_key, e)) ||
        !(account = member_id(found, "accountid", api_key, e)))
        return -1;
    if (strcmp(name, v->name) != 0)
        return err_set(e, ERR_STORAGE, "the volume of this id is called '%.100s'", name);
    *ret = xstrdup(account);
    return 0;
}

/* ---- readings ----------------------------------------------------------------------------- */

int reply_stats(struct volume_stats *ret, json_t *answer, const char *id, struct err *e)
{
    json_t *items, *item, *found = NULL;
    double mib;
    size_t n;

    if (member_list(&items, answer, "filesystem", e) < 0)
        return -1;
    json_array_foreach(items, n, item)
    {
        const char *got = json_string_value(json_object_get(item, "id"));

        if (got && strcmp(got, id) == 0)
            found = item;
    }
    if (!found)
        return err_set(e, ERR_NOT_FOUND, "answered without the volume of id '%.64s'", id);
    *ret = (struct volume_stats){.has_iops = false};
    ret->has_iops = member_reading(found, "currentIOPS", &ret->iops);
    ret->has_throughput = member_reading(found, "currentThroughput", &ret->throughput_kb_s);
    ret->has_latency = member_reading(found, "currentLatency", &ret->latency);
    ret->has_throttle = member_reading(found, "currentThrottle", &ret->throttle);
    ret->has_used = member_reading(found, "currentUsedSpace", &mib);
    if (ret->has_used)
        ret->used_bytes = mib * MIB;
    return 0;
}

int reply_history(struct volume_past **ret, size_t *ret_count, json_t *answer, const char *api_key,
                  struct err *e)
{
    struct volume_past *past;
    size_t size, first, count = 0;
    json_t *items;

    if (member_list(&items, answer, "monitorFilesystemQoS", e) < 0)
        return -1;
    size = json_array_size(items);
    first = size > STORAGE_HISTORY_MAX ? size - STORAGE_HISTORY_MAX : 0;
    past = xcalloc(size - first, sizeof(*past));
    for (size_t n = first; n < size; n++) {
        json_t *item = json_array_get(items, n);
        const char *told = json_string_value(json_object_get(item, "timestamp"));

        if (!member_reading(item, "iops", &past[count].iops))
            continue;
        if (!told || !member_plain(told, ID_MAX) || text_leaks(told, api_key))
            told = "";
        past[count++].time = xstrdup(told);
    }
    *ret = past;
    *ret_count = count;
    return 0;
}
