/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A JSON writer for status and check; see json.h. */
#include "guest-agent/json.h"

#include <inttypes.h>
#include <string.h>

static void quoted(struct buf *b, const char *text)
{
    buf_addf(b, "\"");
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\')
            buf_addf(b, "\\%c", *p);
        else if (*p < 0x20 || *p == 0x7f)
            buf_addf(b, "\\u%04x", *p);
        else
            buf_add(b, p, 1);
    }
    buf_addf(b, "\"");
}

/* The comma before all but the first, the key if there is one. */
static void begin(struct buf *b, const char *key)
{
    if (b->len > 0 && !strchr("{[", b->data[b->len - 1]))
        buf_addf(b, ",");
    if (key) {
        quoted(b, key);
        buf_addf(b, ":");
    }
}

void json_open(struct buf *b, const char *key, char bracket)
{
    begin(b, key);
    buf_add(b, &bracket, 1);
}

void json_close(struct buf *b, char bracket)
{
    buf_add(b, &bracket, 1);
}

void json_text(struct buf *b, const char *key, const char *value)
{
    if (!value)
        return;
    begin(b, key);
    quoted(b, value);
}

void json_number(struct buf *b, const char *key, int64_t value)
{
    begin(b, key);
    buf_addf(b, "%" PRId64, value);
}

void json_bool(struct buf *b, const char *key, bool value)
{
    begin(b, key);
    buf_addf(b, value ? "true" : "false");
}
