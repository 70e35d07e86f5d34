/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON objects by dotted path, on jansson; see record.h. */
#include "host-coordinator/record/record_internal.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/plain.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct record *record_new(void)
{
    return (struct record *)json_object();
}

void record_free(struct record *r)
{
    json_decref(json(r));
}

/* The object that holds the last part of `path`; *ret_key points at that part. */
static json_t *parent_of(json_t *at, const char *path, bool make, const char **ret_key)
{
    const char *dot;

    while (at && (dot = strchr(path, '.'))) {
        AUTO_FREE char *key = strndup(path, (size_t)(dot - path));
        json_t *next = json_object_get(at, key);

        if (!json_is_object(next) && make) {
            next = json_object();
            json_object_set_new(at, key, next);
        }
        at = next;
        path = dot + 1;
    }
    *ret_key = path;
    return at;
}

static void set_new(struct record *r, const char *path, json_t *value)
{
    const char *key;
    json_t *parent = parent_of(json(r), path, true, &key);

    json_object_set_new(parent, key, value);
}

static json_t *get(const struct record *r, const char *path)
{
    const char *key;
    json_t *parent = parent_of(json(r), path, false, &key);

    return json_object_get(parent, key);
}

/* Text from the guest or the appliance need not be UTF-8; bytes that are not become '?'. */
static json_t *text_value(const char *value)
{
    json_t *text = json_string(value);

    if (!text) {
        AUTO_FREE char *safe = xstrdup(value);

        for (char *p = safe; *p; p++) {
            if ((unsigned char)*p >= 0x80)
                *p = '?';
        }
        text = json_string(safe);
    }
    return text;
}

void record_set_text(struct record *r, const char *path, const char *value)
{
    if (value)
        set_new(r, path, text_value(value));
}

char *record_told(const char *text, size_t max)
{
    size_t len = text ? strnlen(text, max) : 0;
    char *copy;

    if (!text)
        return NULL;
    if (text[len] != '\0') {
        while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80)
            len--;
    }
    copy = xasprintf("%.*s", (int)len, text);
    for (char *p = copy; *p;) {
        size_t control = *p == '\n' || *p == '\t' ? 0 : plain_control(p);

        memset(p, '?', control);
        p += control ? control : 1;
    }
    return copy;
}

void record_set_told(struct record *r, const char *path, const char *value, size_t max)
{
    AUTO_FREE char *told = record_told(value, max);

    record_set_text(r, path, told);
}

void record_set_int(struct record *r, const char *path, int64_t value)
{
    set_new(r, path, json_integer(value));
}

void record_set_real(struct record *r, const char *path, double value)
{
    /* JSON has no NaN: a number that is none is absent */
    if (isfinite(value))
        set_new(r, path, json_real(value));
}

void record_set_bool(struct record *r, const char *path, bool value)
{
    set_new(r, path, json_boolean(value));
}

/* A reading: an integer keeps all its digits, as a log sequence number must; nobody needs more than
 * six of the rest. */
static json_t *number(double value)
{
    char text[32];

    if (fabs(value) >= 1e5)
        value = round(value);
    if (value == floor(value) && fabs(value) < 9e15)
        return json_integer((json_int_t)value);
    (void)snprintf(text, sizeof(text), "%.6g", value);
    return json_real(strtod(text, NULL));
}

void record_set_number(struct record *r, const char *path, double value)
{
    set_new(r, path, number(value));
}

/* ---- members by their own names -------------------------------------------------------------- */

static json_t *object_at(struct record *r, const char *path)
{
    json_t *object = get(r, path);

    if (!json_is_object(object)) {
        object = json_object();
        set_new(r, path, object);
    }
    return object;
}

struct record *record_make_object(struct record *r, const char *path)
{
    return (struct record *)object_at(r, path);
}

/* A member's name may come from the guest too: one that is no UTF-8 is none to jansson, which frees
 * the value then. */
static void set_member(json_t *object, const char *name, json_t *value)
{
    json_t *key = text_value(name);

    json_object_set_new(object, json_string_value(key), value);
    json_decref(key);
}

static json_t *get_member(const json_t *object, const char *name)
{
    json_t *key = text_value(name);
    json_t *value = json_object_get(object, json_string_value(key));

    json_decref(key);
    return value;
}

struct record *record_make_member(struct record *r, const char *path, const char *name)
{
    json_t *object = object_at(r, path);
    json_t *child = get_member(object, name);

    if (!json_is_object(child)) {
        child = json_object();
        set_member(object, name, child);
    }
    return (struct record *)child;
}

void record_set_member_text(struct record *r, const char *path, const char *name, const char *value)
{
    if (value)
        set_member(object_at(r, path), name, text_value(value));
}

void record_set_member_number(struct record *r, const char *path, const char *name, double value)
{
    set_member(object_at(r, path), name, number(value));
}

/* ---- arrays ---------------------------------------------------------------------------------- */

static json_t *array_at(struct record *r, const char *path)
{
    json_t *array = get(r, path);

    if (!json_is_array(array)) {
        array = json_array();
        set_new(r, path, array);
    }
    return array;
}

struct record *record_append(struct record *r, const char *path)
{
    json_t *item = json_object();

    json_array_append_new(array_at(r, path), item);
    return (struct record *)item;
}

void record_append_text(struct record *r, const char *path, const char *value)
{
    json_array_append_new(array_at(r, path), text_value(value));
}

void record_append_real(struct record *r, const char *path, double value)
{
    json_t *item = json_null();

    if (value == floor(value) && fabs(value) < 9e15)
        item = json_integer((json_int_t)value);
    else if (isfinite(value))
        item = json_real(value);
    json_array_append_new(array_at(r, path), item);
}

size_t record_keep_last(struct record *r, const char *path, size_t max)
{
    json_t *array = get(r, path);
    size_t removed = 0;

    for (; json_array_size(array) > max; removed++)
        json_array_remove(array, 0);
    return removed;
}

void record_set_empty(struct record *r, const char *path)
{
    set_new(r, path, json_array());
}

void record_copy(struct record *to, const struct record *from, const char *path)
{
    json_t *value = get(from, path);

    if (value)
        set_new(to, path, json_deep_copy(value));
}

void record_put(struct record *to, const char *path, const struct record *from)
{
    set_new(to, path, json_deep_copy(json(from)));
}

void record_append_copy(struct record *to, const char *path, const struct record *from)
{
    json_array_append_new(array_at(to, path), json_deep_copy(json(from)));
}

void record_clear(struct record *r, const char *path)
{
    const char *key;
    json_t *parent = parent_of(json(r), path, false, &key);

    if (parent)
        json_object_del(parent, key);
}

void record_cut(struct record *r, const char *path, size_t most)
{
    json_t *items = get(r, path);

    while (json_array_size(items) > most)
        json_array_remove(items, json_array_size(items) - 1);
    if (most == 0)
        record_clear(r, path);
}

const char *record_text(const struct record *r, const char *path)
{
    return json_string_value(get(r, path));
}

bool record_int(const struct record *r, const char *path, int64_t *ret)
{
    const json_t *v = get(r, path);

    if (!json_is_integer(v))
        return false;
    *ret = json_integer_value(v);
    return true;
}

bool record_real(const struct record *r, const char *path, double *ret)
{
    const json_t *v = get(r, path);

    if (!json_is_number(v))
        return false;
    *ret = json_number_value(v);
    return true;
}

bool record_bool(const struct record *r, const char *path)
{
    return json_is_true(get(r, path));
}

size_t record_count(const struct record *r, const char *path)
{
    return json_array_size(get(r, path));
}

struct record *record_at(const struct record *r, const char *path, size_t n)
{
    json_t *item = json_array_get(get(r, path), n);

    return json_is_object(item) ? (struct record *)item : NULL;
}

struct record *record_find(const struct record *r, const char *path, const char *member,
                           const char *text)
{
    for (size_t n = 0; n < record_count(r, path); n++) {
        struct record *one = record_at(r, path, n);
        const char *its = record_text(one, member);

        if (its && strcmp(its, text) == 0)
            return one;
    }
    return NULL;
}

const char *record_text_at(const struct record *r, const char *path, size_t n)
{
    return json_string_value(json_array_get(get(r, path), n));
}

bool record_has_text(const struct record *r, const char *path, const char *text)
{
    for (size_t n = 0; n < record_count(r, path); n++) {
        const char *one = record_text_at(r, path, n);

        if (one && strcmp(one, text) == 0)
            return true;
    }
    return false;
}

struct record *record_object(const struct record *r, const char *path)
{
    json_t *object = get(r, path);

    return json_is_object(object) ? (struct record *)object : NULL;
}

struct record *record_member(const struct record *r, const char *path, const char *name)
{
    json_t *member = json_object_get(get(r, path), name);

    return json_is_object(member) ? (struct record *)member : NULL;
}

void record_members(const struct record *r, const char *path, record_each *each, void *arg)
{
    const char *name;
    json_t *member;

    json_object_foreach(get(r, path), name, member)
    {
        if (json_is_object(member))
            each(arg, name, (struct record *)member);
    }
}
