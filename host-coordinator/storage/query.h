/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Building the URL of a request, and checking what the admin configured for it.
 * Pure functions; a URL holds the API key: the caller wipes it with buf_wipe() or text_wipe().
 */
#ifndef CBSNAP_STORAGE_QUERY_H
#define CBSNAP_STORAGE_QUERY_H

#include <stdbool.h>

#include "proto/base/buf.h"

struct query_param {
    const char *name, *value;
};

/* Appends text with every byte but the unreserved ones of RFC 3986 percent-encoded. */
void query_encode(struct buf *b, const char *text);

/*
 * "URL?command=...&response=json&apiKey=...&NAME=VALUE..."; params ends with a NULL name. The
 * buffer is sized before the key is written, so that no freed block keeps a copy of it.
 */
void query_build(struct buf *ret, const char *url, const char *command, const char *api_key,
                 const struct query_param *params);

/* "sha256//" and the base64 of 32 bytes, as curl and openssl print it. */
bool fingerprint_valid(const char *text);

/* At least one character, all of them printable ASCII without space. */
bool api_key_valid(const char *key);

#endif
