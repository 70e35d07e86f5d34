/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing one small JSON document (RFC 8259) piece by piece; the caller sees to its nesting. Every
 * function takes the key, or NULL inside an array. Bytes above 0x7f are copied: the caller has
 * UTF-8..
 */
#ifndef CBSNAP_AGENT_JSON_H
#define CBSNAP_AGENT_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"

void json_open(struct buf *b, const char *key, char bracket);      /* '{' or '[' */
void json_close(struct buf *b, char bracket);                      /* '}' or ']' */
void json_text(struct buf *b, const char *key, const char *value); /* NULL writes nothing */
void json_number(struct buf *b, const char *key, int64_t value);
void json_bool(struct buf *b, const char *key, bool value);

#endif
