/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the appliance's answers without trusting them; see reply.h. */
#include "host-coordinator/storage/reply.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host-coordinator/storage/secret.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#define ID_MAX      128
#define TEXT_MAX    1024
#define MIB         1048576.0
#define READING_MAX 1e15

/* The text is ZFS's own, passed through by the appliance. */
#define GONE_STATUS 431
#define GONE_TEXT   "could not find any snapshots"

/* ---- errors ------------------------------------------------------------------------------- */

/* errorcode as number or as quoted number, 0 if there is none */
static long error_code(json_t *value)
{
    json_t *code = json_object_get(value, "errorcode");

    if (json_is_string(code))
        return strtol(json_string_value(code), NULL, 10);
    if (json_is_number(code) && json_number_value(code) > 0 && json_number_value(code) < 1e6)
        return (long)json_number_value(code);
    return 0;
}

static enum err_code code_for(long status, const char *text)
{
    if (status == 401)
        return ERR_AUTH;
    if (status == 404 || (status >= 300 && status < 400))
        return ERR_CONFIG;
    if (status == GONE_STATUS && strcasestr(text, GONE_TEXT))
        return ERR_NOT_FOUND;
    return ERR_STORAGE;
}

/* "Failed to create clone due to timeout": what it was waiting for may still be done. */
static bool tells_of_timeout(const char *text)
{
    return strcasestr(text, "timeout") || strcasestr(text, "timed out");
}

static int refused(const struct reply_source *from, json_t *value, bool *ret_refused, struct err *e)
{
    const char *text = json_string_value(json_object_get(value, "errortext"));
    long code = error_code(value);
    char safe[SAFE_TEXT_MAX];

    if (code == 0)
        code = from->status;
    *ret_refused = !text || !tells_of_timeout(text);
    if (!text)
        return err_set(e, code_for(code, ""), "failed with code %ld and no reason", code);
    return err_set(e, code_for(code, text), "failed with code %ld: %s", code,
                   safe_text(safe, text, from->api_key));
}

static int not_an_answer(const struct reply_source *from, const char *what, bool *ret_refused,
                         struct err *e)
{
    char type[SAFE_TEXT_MAX];
    enum err_code code = code_for(from->status, "");

    *ret_refused = code == ERR_AUTH || code == ERR_CONFIG; /* the API was not even reached */
    if (code == ERR_AUTH)
        return err_set(e, ERR_AUTH, "not let in (HTTP 401)");
    if (code == ERR_CONFIG)
        return err_set(e, ERR_CONFIG, "no such API at this address (HTTP %ld)", from->status);
    return err_set(e, ERR_STORAGE, "answered with HTTP %ld and %s (%zu bytes of type '%s')",
                   from->status, what, from->body_len,
                   safe_text(type, from->content_type, from->api_key));
}

int reply_open(json_t **ret, const struct reply_source *from, const char *key, bool *ret_refused,
               struct err *e)
{
    json_error_t why;
    /* as reals, so that no number is too large to read: we need none exactly */
    json_t *root = json_loadb(from->body, from->body_len, JSON_DECODE_INT_AS_REAL, &why);
    void *member = json_object_iter(root);
    json_t *value = member ? json_object_iter_value(member) : NULL;
    int rc = -1;

    if (!root)
        (void)not_an_answer(from, "a body that is not JSON", ret_refused, e);
    else if (json_object_size(root) != 1 || !json_is_object(value))
        (void)not_an_answer(from, "JSON of another shape", ret_refused, e);
    else if (from->status != 200 || error_code(value) != 0 || json_object_get(value, "errortext") ||
             json_object_get(value, "errorcode"))
        (void)refused(from, value, ret_refused, e);
    else if (strcasecmp(json_object_iter_key(member), key) != 0)
        (void)not_an_answer(from, "the answer to another command", ret_refused, e);
    else
        rc = 0;
    if (rc == 0)
        *ret = json_incref(value);
    json_decref(root);
    return rc;
}

/* ---- members ------------------------------------------------------------------------------ */

static bool plain(const char *text, size_t max)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    }
    return len <= max;
}

static bool id_like(const char *text)
{
    return *text && plain(text, ID_MAX) && !strpbrk(text, " /&?#%");
}

/*
 * A member that is text, "" if absent or of another kind. Control characters and the API key have
 * no business in a name: NULL with e set.
 */
static const char *text_member(json_t *item, const char *name, const char *api_key, struct err *e)
{
    const char *text = json_string_value(json_object_get(item, name));

    if (!text)
        return "";
    if (!plain(text, TEXT_MAX) || text_leaks(text, api_key)) {
        (void)err_set(e, ERR_STORAGE, "answered with an impossible '%s'", name);
        return NULL;
    }
    return text;
}

/*
 * The items of a list; an absent array is an empty one. A count that disagrees means that we did
 * not get all there is, and then nothing may be called absent.
 */
static int list_items(json_t **ret, json_t *answer, const char *name, struct err *e)
{
    json_t *items = json_object_get(answer, name);
    json_t *count = json_object_get(answer, "count");

    if (items && !json_is_array(items))
        return err_set(e, ERR_STORAGE, "answered with a '%s' that is no list", name);
    if (json_is_number(count) && json_number_value(count) != (double)json_array_size(items))
        return err_set(e, ERR_STORAGE, "announced %.0f items of '%s' and listed %zu",
                       json_number_value(count), name, json_array_size(items));
    *ret = items;
    return 0;
}

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

    if (!(id = text_member(item, "id", api_key, e)) ||
        !(name = text_member(item, "name", api_key, e)) ||
        !(iqn = text_member(item, "iqnname", api_key, e)) ||
        !(group = text_member(item, "Tsmid", api_key, e)))
        return -1;
    if (!id_like(id) || !*name)
        return err_set(e, ERR_STORAGE, "listed a volume without a usable %s",
                       *name ? "'id'" : "'name'");
    *ret = (struct volume){
        .id = xstrdup(id),
        .name = xstrdup(name),
        .iqn = xstrdup(iqn),
        .serial = serial_of(id),
        .group = xstrdup(group),
        .size_bytes = size_member(item),
        .free_bytes = -1,
    };
    return 0;
}

int reply_volumes(struct volume **ret, size_t *ret_count, json_t *answer, const char *api_key,
                  struct err *e)
{
    json_t *items;
    size_t size, n;
    struct volume *all;

    if (list_items(&items, answer, "filesystem", e) < 0)
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

/* ---- readings ----------------------------------------------------------------------------- */

/* A number, or a number in quotes; false for whatever cannot have been measured. */
static bool reading_member(json_t *item, const char *name, double *ret)
{
    json_t *member = json_object_get(item, name);
    const char *text = json_string_value(member);
    double value = json_number_value(member);
    char *end;

    if (text) {
        /* digits only: strtod() also takes spaces, signs, "nan", "inf" and "0x1F" */
        if (*text < '0' || *text > '9' || text[strspn(text, "0123456789.")])
            return false;
        value = strtod(text, &end);
        if (*end)
            return false;
    } else if (!json_is_number(member)) {
        return false;
    }
    /* written so that NaN fails it */
    if (!(value >= 0 && value < READING_MAX))
        return false;
    *ret = value;
    return true;
}

int reply_stats(struct volume_stats *ret, json_t *answer, const char *id, struct err *e)
{
    json_t *items, *item, *found = NULL;
    double mib;
    size_t n;

    if (list_items(&items, answer, "filesystem", e) < 0)
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
    ret->has_iops = reading_member(found, "currentIOPS", &ret->iops);
    ret->has_throughput = reading_member(found, "currentThroughput", &ret->throughput_kb_s);
    ret->has_latency = reading_member(found, "currentLatency", &ret->latency);
    ret->has_throttle = reading_member(found, "currentThrottle", &ret->throttle);
    ret->has_used = reading_member(found, "currentUsedSpace", &mib);
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

    if (list_items(&items, answer, "monitorFilesystemQoS", e) < 0)
        return -1;
    size = json_array_size(items);
    first = size > STORAGE_HISTORY_MAX ? size - STORAGE_HISTORY_MAX : 0;
    past = xcalloc(size - first, sizeof(*past));
    for (size_t n = first; n < size; n++) {
        json_t *item = json_array_get(items, n);
        const char *told = json_string_value(json_object_get(item, "timestamp"));

        if (!reading_member(item, "iops", &past[count].iops))
            continue;
        if (!told || !plain(told, ID_MAX) || text_leaks(told, api_key))
            told = "";
        past[count++].time = xstrdup(told);
    }
    *ret = past;
    *ret_count = count;
    return 0;
}

/* ---- snapshots ---------------------------------------------------------------------------- */

int reply_taken(char **ret_id, json_t *answer, const struct volume *v, const char *name,
                const char *api_key, struct err *e)
{
    json_t *taken = json_object_get(answer, "StorageSnapshot");
    const char *id, *got_name, *got_volume;

    if (!json_is_object(taken))
        return err_set(e, ERR_STORAGE, "answered without telling of a snapshot");
    if (!(id = text_member(taken, "id", api_key, e)) ||
        !(got_name = text_member(taken, "name", api_key, e)) ||
        !(got_volume = text_member(taken, "lunid", api_key, e)))
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

    if (list_items(&items, answer, "snapshot", e) < 0)
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
    if (!(path = text_member(found, "path", api_key, e)) ||
        !(told = text_member(found, "timestamp", api_key, e)))
        return -1;
    if (!path_names(path, name))
        return err_set(e, ERR_STORAGE, "listed snapshot '%s' with the path '%.100s'", name, path);
    *ret = (struct reply_snapshot){.path = xstrdup(path), .time = xstrdup(told)};
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
