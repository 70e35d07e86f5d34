/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replies and the serializer that reproduces the appliance's layout; see reply.h. */
#include "tests/elastistor-sim/reply.h"
#include "proto/base/cleanup.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void set(struct reply *r, enum reply_shape shape, const char *item, json_t *value)
{
    json_decref(r->value);
    r->shape = shape;
    r->status = 200;
    r->value = value;
    snprintf(r->item, sizeof(r->item), "%s", item);
}

void reply_plain(struct reply *r, json_t *object)
{
    set(r, REPLY_PLAIN, "", object);
}

void reply_list(struct reply *r, const char *item, json_t *array)
{
    set(r, REPLY_LIST, item, array);
}

void reply_object(struct reply *r, const char *item, json_t *object)
{
    set(r, REPLY_OBJECT, item, object);
}

void reply_success(struct reply *r)
{
    set(r, REPLY_SUCCESS, "success", json_string("true"));
}

void reply_fail(struct reply *r, int status, const char *fmt, ...)
{
    json_t *o = json_object();
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(r->error, sizeof(r->error), fmt, ap);
    va_end(ap);
    json_object_set_new(o, "uuidList", json_array());
    put_int(o, "errorcode", status);
    put_text(o, "errortext", "%s", r->error);
    put_text(o, "licensetype", "trial");
    set(r, REPLY_ERROR, "", o);
    r->status = status;
}

void reply_release(struct reply *r)
{
    json_decref(r->value);
    r->value = NULL;
}

void put_text(json_t *o, const char *name, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    /* text that is no UTF-8 gives NULL: an absent member rather than a broken body */
    json_object_set_new(o, name, json_vsprintf(fmt, ap));
    va_end(ap);
}

void put_int(json_t *o, const char *name, int64_t value)
{
    json_object_set_new(o, name, json_integer(value));
}

void put_float(json_t *o, const char *name, double value)
{
    json_object_set_new(o, name, json_real(value));
}

void put_bool(json_t *o, const char *name, bool value)
{
    json_object_set_new(o, name, json_boolean(value));
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void render_value(const json_t *value, int depth, struct buf *out);

static void indent(int depth, struct buf *out)
{
    buf_addf(out, "%*s", depth * 2, "");
}

static void render_scalar(const json_t *value, struct buf *out)
{
    AUTO_FREE char *text = NULL;

    if (json_is_real(value)) {
        double d = json_real_value(value);

        /* 10240.0, as Java prints a double that is whole */
        buf_addf(out, d == floor(d) ? "%.1f" : "%.12g", d);
        return;
    }
    text = json_dumps(value, JSON_ENCODE_ANY);
    buf_addf(out, "%s", text ? text : "null");
}

static void render_members(const json_t *object, int depth, struct buf *out)
{
    const char *name, *sep = "";
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        buf_addf(out, "%s", sep);
        indent(depth, out);
        buf_addf(out, "\"%s\": ", name);
        render_value(value, depth, out);
        sep = ",\n";
    }
    buf_addf(out, "\n");
}

static void render_array(const json_t *array, int depth, struct buf *out)
{
    const json_t *value;
    size_t i;

    if (json_array_size(array) == 0) {
        buf_addf(out, "[]");
        return;
    }
    buf_addf(out, "[\n");
    json_array_foreach(array, i, value)
    {
        indent(depth + 1, out);
        render_value(value, depth + 1, out);
        buf_addf(out, i + 1 < json_array_size(array) ? ",\n" : "\n");
    }
    indent(depth, out);
    buf_addf(out, "]");
}

static void render_value(const json_t *value, int depth, struct buf *out)
{
    if (json_is_array(value)) {
        render_array(value, depth, out);
    } else if (json_is_object(value)) {
        if (json_object_size(value) == 0) {
            buf_addf(out, "{}");
            return;
        }
        buf_addf(out, "{\n");
        render_members(value, depth + 1, out);
        indent(depth, out);
        buf_addf(out, "}");
    } else {
        render_scalar(value, out);
    }
}

static void render_list(const struct reply *r, const char *key, struct buf *out)
{
    const json_t *value;
    size_t i, n = json_array_size(r->value);

    if (n == 0) {
        buf_addf(out, "{ \"%s\" : {} }", key);
        return;
    }
    buf_addf(out, "{ \"%s\" : { \"count\":%zu ,\"%s\" : [  ", key, n, r->item);
    json_array_foreach(r->value, i, value)
    {
        if (i > 0)
            buf_addf(out, ", ");
        render_value(value, 0, out);
    }
    buf_addf(out, " ] } }");
}

void reply_render_json(const struct reply *r, const char *key, struct buf *out)
{
    switch (r->shape) {
    case REPLY_PLAIN:
    case REPLY_ERROR:
        buf_addf(out, "{ \"%s\" : ", key);
        render_value(r->value, 0, out);
        buf_addf(out, " }");
        break;
    case REPLY_LIST:
        render_list(r, key, out);
        break;
    case REPLY_OBJECT:
        buf_addf(out, "{ \"%s\" :  { \"%s\" : ", key, r->item);
        render_value(r->value, 0, out);
        buf_addf(out, " }  }");
        break;
    case REPLY_SUCCESS:
        buf_addf(out, "{ \"%s\" : { \"success\" : \"true\"}  }", key);
        break;
    }
}

/* ---- XML: what a client gets that forgets response=json ------------------------------------- */

static void render_xml_text(const char *text, struct buf *out)
{
    for (; *text; text++) {
        switch (*text) {
        case '<':
            buf_addf(out, "&lt;");
            break;
        case '>':
            buf_addf(out, "&gt;");
            break;
        case '&':
            buf_addf(out, "&amp;");
            break;
        default:
            buf_add(out, text, 1);
        }
    }
}

static void render_xml(const char *name, const json_t *value, struct buf *out)
{
    const char *member;
    const json_t *item;
    json_t *child;
    size_t i;

    if (json_is_array(value)) {
        json_array_foreach(value, i, item)
        {
            render_xml(name, item, out);
        }
        return;
    }
    buf_addf(out, "<%s>", name);
    if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, member, child)
        {
            render_xml(member, child, out);
        }
    } else if (json_is_string(value)) {
        render_xml_text(json_string_value(value), out);
    } else {
        render_scalar(value, out);
    }
    buf_addf(out, "</%s>", name);
}

void reply_render_xml(const struct reply *r, const char *key, struct buf *out)
{
    const char *member;
    json_t *child;

    buf_addf(out,
             "<?xml version=\"1.0\" encoding=\"UTF-8\"?><%s cloud-stack-version=\"1.4.0.897\">",
             key);
    if (r->shape == REPLY_LIST && json_array_size(r->value) > 0)
        buf_addf(out, "<count>%zu</count>", json_array_size(r->value));
    if (r->shape == REPLY_PLAIN || r->shape == REPLY_ERROR) {
        json_object_foreach(r->value, member, child)
        {
            render_xml(member, child, out);
        }
    } else {
        render_xml(r->item, r->value, out);
    }
    buf_addf(out, "</%s>", key);
}
