/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An object as text that people read and diff, a list of many without all of them in memory, and
 * the way back; see record.h. */
#include "host-coordinator/record/record_internal.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/plain.h"

#include <stdlib.h>
#include <string.h>

#define LINE_LENGTH 120

/* Takes `text`. JSON does not mind DEL and U+0080 to U+009F, which a terminal obeys. They can only
 * stand in strings, where they may be written by their numbers: their last byte's. */
static char *without_controls(char *text)
{
    struct buf out = BUF_INIT;
    const char *at = text;

    while (*at && !plain_control(at))
        at++;
    if (!*at)
        return text;
    for (at = text; *at;) {
        size_t control = plain_control(at);

        if (control)
            buf_addf(&out, "\\u%04x", (unsigned char)at[control - 1]);
        else
            buf_add(&out, at, 1);
        at += control ? control : 1;
    }
    free(text);
    return buf_steal(&out);
}

static char *dump(const json_t *at)
{
    char *text = json_dumps(at, JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));

    return text ? without_controls(text) : xstrdup("null");
}

static void format(struct buf *to, const json_t *at, int depth);

static void new_line(struct buf *to, int depth)
{
    size_t width = 2 * (size_t)depth;

    buf_add(to, "\n", 1);
    memset(buf_reserve(to, width), ' ', width);
    to->len += width;
}

static bool is_plain(const char *text, size_t len)
{
    for (size_t n = 0; n < len; n++) {
        if (text[n] < ' ' || text[n] > '~' || text[n] == '"' || text[n] == '\\')
            return false;
    }
    return true;
}

/* A list of all sets has some hundred thousand texts, nearly all of them plain. */
static bool add_plain(struct buf *to, const char *text, size_t len)
{
    if (!is_plain(text, len))
        return false;
    buf_add(to, "\"", 1);
    buf_add(to, text, len);
    buf_add(to, "\"", 1);
    return true;
}

static void add_dump(struct buf *to, const json_t *at)
{
    AUTO_FREE char *text = dump(at);

    buf_add(to, text, strlen(text));
}

static void format_key(struct buf *to, const char *key)
{
    if (!add_plain(to, key, strlen(key))) {
        json_t *name = json_string(key);

        add_dump(to, name);
        json_decref(name);
    }
    buf_add(to, ": ", 2);
}

static void format_scalar(struct buf *to, const json_t *at)
{
    if (json_is_string(at) && add_plain(to, json_string_value(at), json_string_length(at)))
        return;
    if (json_is_integer(at))
        buf_addf(to, "%lld", (long long)json_integer_value(at));
    else
        add_dump(to, at);
}

static void format_item(struct buf *to, const char *key, const json_t *value, bool first, int depth)
{
    if (!first)
        buf_add(to, ",", 1);
    new_line(to, depth);
    if (key)
        format_key(to, key);
    format(to, value, depth);
}

/* How long a value is at least; one that holds others has lines of its own. */
static size_t least_length(const json_t *value)
{
    if (json_is_object(value) || json_is_array(value))
        return LINE_LENGTH;
    return json_is_string(value) ? json_string_length(value) + 2 : 1;
}

/* Reckoned before it is tried, for most objects do not: "key": value and what divides it from the
 * next. */
static bool may_fit_a_line(const json_t *at)
{
    const json_t *value;
    size_t length = 0, n;
    const char *key;

    json_object_foreach((json_t *)at, key, value)
    {
        length += strlen(key) + 4 + least_length(value) + 2;
        if (length > LINE_LENGTH)
            return false;
    }
    json_array_foreach(at, n, value)
    {
        length += least_length(value) + 2;
        if (length > LINE_LENGTH)
            return false;
    }
    return true;
}

static void format(struct buf *to, const json_t *at, int depth)
{
    bool array = json_is_array(at), first = true;
    AUTO_FREE char *line = NULL;
    const json_t *value;
    const char *key;
    size_t n;

    if (!array && !json_is_object(at)) {
        format_scalar(to, at);
        return;
    }
    line = may_fit_a_line(at) ? dump(at) : NULL;
    if (line && strlen(line) <= LINE_LENGTH) {
        buf_add(to, line, strlen(line));
        return;
    }
    buf_add(to, array ? "[" : "{", 1);
    json_object_foreach((json_t *)at, key, value)
    {
        format_item(to, key, value, first, depth + 1);
        first = false;
    }
    json_array_foreach(at, n, value)
    {
        format_item(to, NULL, value, n == 0, depth + 1);
    }
    new_line(to, depth);
    buf_add(to, array ? "]" : "}", 1);
}

char *record_format(const struct record *r)
{
    struct buf text = BUF_INIT;

    format(&text, json(r), 0);
    buf_addf(&text, "\n");
    return buf_steal(&text);
}

static int flush(struct buf *text, FILE *to)
{
    int rc = fputs(buf_text(text), to);

    buf_clear(text);
    return rc == EOF ? -1 : 0;
}

int record_write_list(FILE *to, const struct record *head, const char *name, record_next *next,
                      void *arg)
{
    struct record *item = record_new();
    struct buf text = BUF_INIT;
    const json_t *value;
    const char *key;
    bool first = true;
    int rc = 0;

    buf_add(&text, "{", 1);
    json_object_foreach(json(head), key, value)
    {
        format_item(&text, key, value, first, 1);
        first = false;
    }
    if (!first)
        buf_add(&text, ",", 1);
    new_line(&text, 1);
    format_key(&text, name);
    buf_add(&text, "[", 1);
    for (first = true; rc == 0 && next(arg, item); first = false) {
        format_item(&text, NULL, json(item), first, 2);
        json_object_clear(json(item));
        rc = flush(&text, to);
    }
    if (!first)
        new_line(&text, 1);
    buf_addf(&text, "]\n}\n");
    rc = rc < 0 ? rc : flush(&text, to);
    buf_release(&text);
    record_free(item);
    return rc;
}

char *record_format_line(const struct record *r)
{
    char *dumped = json_dumps((const json_t *)r, JSON_COMPACT | JSON_REAL_PRECISION(12));
    AUTO_FREE char *text = dumped ? without_controls(dumped) : NULL;

    return xasprintf("%s\n", text ? text : "{}");
}

struct record *record_parse(const char *text, const char *where, struct err *e)
{
    json_error_t why;
    json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, &why);

    if (j && json_is_object(j))
        return (struct record *)j;
    if (j)
        err_set(e, ERR_CONFIG, "%s is not a JSON object", where);
    else
        err_set(e, ERR_CONFIG, "%s line %d is not JSON: %s", where, why.line, why.text);
    json_decref(j);
    return NULL;
}
