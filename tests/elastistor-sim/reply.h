/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a command answers, and its layout on the wire, byte for byte as captured from a real
 * appliance (where the spaces of a list, a wrapped object and a plain body all differ).
 *
 * A command fills the reply by exactly one of the reply_...() calls; they take over the JSON
 * value. reply_release() frees it. Not thread-safe: one thread owns a reply.
 */
#ifndef SIM_REPLY_H
#define SIM_REPLY_H

#include "proto/base/buf.h"

#include <jansson.h>
#include <stdbool.h>

enum reply_shape {
    REPLY_PLAIN,   /* { "K" : {\n members \n} } */
    REPLY_LIST,    /* { "K" : { "count":n ,"item" : [  {...}, {...} ] } }; empty: { "K" : {} } */
    REPLY_OBJECT,  /* { "K" :  { "item" : {...} }  } */
    REPLY_SUCCESS, /* { "K" : { "success" : "true"}  } */
    REPLY_ERROR
};

struct reply {
    enum reply_shape shape;
    int status; /* HTTP */
    char item[64];
    char error[512];
    json_t *value;
};

void reply_plain(struct reply *r, json_t *object);
void reply_list(struct reply *r, const char *item, json_t *array);
void reply_object(struct reply *r, const char *item, json_t *object);
void reply_success(struct reply *r);
/* Status and errorcode; the text is what the client shows. */
void reply_fail(struct reply *r, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void reply_release(struct reply *r);

/* The body under `key`: JSON in the captured layout, or CloudStack's XML. */
void reply_render_json(const struct reply *r, const char *key, struct buf *out);
void reply_render_xml(const struct reply *r, const char *key, struct buf *out);

/* Members of objects in views: kinds of number are stable per field on the appliance. */
void put_text(json_t *o, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void put_int(json_t *o, const char *name, int64_t value);
void put_float(json_t *o, const char *name, double value);
void put_bool(json_t *o, const char *name, bool value);

#endif
