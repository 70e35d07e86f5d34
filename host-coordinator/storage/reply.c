/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the appliance's answers without trusting them; see reply.h. */
#include "host-coordinator/storage/reply.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host-coordinator/storage/reply_member.h"
#include "host-coordinator/storage/secret.h"

#define TEXT_MAX    1024
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

#define WRONG_KEY 401

/* There is something else at the address, or the API is not up yet. */
static bool elsewhere(long status)
{
    return status == 404 || (status >= 300 && status < 400);
}

static enum err_code code_for(long status, const char *text)
{
    if (status == WRONG_KEY)
        return ERR_CONFIG;
    if (status == GONE_STATUS && strcasestr(text, GONE_TEXT))
        return ERR_NOT_FOUND;
    return ERR_STORAGE;
}

bool reply_tells_of_timeout(const char *text)
{
    return strcasestr(text, "timeout") || strcasestr(text, "timed out");
}

static int refused(const struct reply_source *from, json_t *value, enum reply_refusal *ret_refusal,
                   struct err *e)
{
    const char *text = json_string_value(json_object_get(value, "errortext"));
    long code = error_code(value);
    char safe[SAFE_TEXT_MAX];

    if (code == 0)
        code = from->status;
    if (text && reply_tells_of_timeout(text))
        *ret_refusal = REPLY_UNSURE;
    else
        *ret_refusal = code == WRONG_KEY || elsewhere(code) ? REPLY_NOT_IN : REPLY_REFUSED;
    if (!text)
        return err_set(e, code_for(code, ""), "failed with code %ld and no reason", code);
    return err_set(e, code_for(code, text), "failed with code %ld: %s", code,
                   safe_text(safe, text, from->api_key));
}

static int not_an_answer(const struct reply_source *from, const char *what,
                         enum reply_refusal *ret_refusal, struct err *e)
{
    char type[SAFE_TEXT_MAX];

    *ret_refusal = REPLY_NOT_IN;
    if (from->status == WRONG_KEY)
        return err_set(e, ERR_CONFIG, "not let in (HTTP 401)");
    if (elsewhere(from->status))
        return err_set(e, ERR_STORAGE, "no such API at this address (HTTP %ld)", from->status);
    *ret_refusal = REPLY_UNSURE;
    return err_set(e, ERR_STORAGE, "answered with HTTP %ld and %s (%zu bytes of type '%s')",
                   from->status, what, from->body_len,
                   safe_text(type, from->content_type, from->api_key));
}

int reply_open(json_t **ret, const struct reply_source *from, const char *key,
               enum reply_refusal *ret_refusal, struct err *e)
{
    json_error_t why;
    /* as reals, so that no number is too large to read: we need none exactly */
    json_t *root = json_loadb(from->body, from->body_len, JSON_DECODE_INT_AS_REAL, &why);
    void *member = json_object_iter(root);
    json_t *value = member ? json_object_iter_value(member) : NULL;
    int rc = -1;

    if (!root)
        (void)not_an_answer(from, "a body that is not JSON", ret_refusal, e);
    else if (json_object_size(root) != 1 || !json_is_object(value))
        (void)not_an_answer(from, "JSON of another shape", ret_refusal, e);
    else if (from->status != 200 || error_code(value) != 0 || json_object_get(value, "errortext") ||
             json_object_get(value, "errorcode"))
        (void)refused(from, value, ret_refusal, e);
    else if (strcasecmp(json_object_iter_key(member), key) != 0)
        (void)not_an_answer(from, "the answer to another command", ret_refusal, e);
    else
        rc = 0;
    if (rc == 0)
        *ret = json_incref(value);
    json_decref(root);
    return rc;
}

/* ---- members ------------------------------------------------------------------------------ */

bool member_plain(const char *text, size_t max)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    }
    return len <= max;
}

bool member_is_id(const char *text)
{
    return *text && member_plain(text, ID_MAX) && !strpbrk(text, " /&?#%");
}

const char *member_text(json_t *item, const char *name, const char *api_key, struct err *e)
{
    const char *text = json_string_value(json_object_get(item, name));

    if (!text)
        return "";
    if (!member_plain(text, TEXT_MAX) || text_leaks(text, api_key)) {
        (void)err_set(e, ERR_STORAGE, "answered with an impossible '%s'", name);
        return NULL;
    }
    return text;
}

const char *member_id(json_t *item, const char *name, const char *api_key, struct err *e)
{
    const char *id = member_text(item, name, api_key, e);

    if (!id || member_is_id(id))
        return id;
    (void)err_set(e, ERR_STORAGE, "answered without a usable '%s'", name);
    return NULL;
}

int member_list(json_t **ret, json_t *answer, const char *name, struct err *e)
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

bool member_reading(json_t *item, const char *name, double *ret)
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
