/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeping the API key out of everything that people read. The API wants it in the URL, so an
 * answer, an error page or a library's message may quote it back.
 *
 * Pure functions; no thread owns anything here.
 */
#ifndef CBSNAP_STORAGE_SECRET_H
#define CBSNAP_STORAGE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/buf.h"

/*
 * Copies foreign text for a message: the key is replaced by "***", plain or percent-encoded, in
 * whole or any part of it of 16 characters and more; bytes that are not printable ASCII become
 * '?', runs of white space one space; at most SAFE_TEXT_MAX - 1 characters. Returns `out`.
 */
#define SAFE_TEXT_MAX 200
char *safe_text(char out[SAFE_TEXT_MAX], const char *text, const char *key);

/*
 * True if a name, path or id holds the key: such an answer is refused, since blanking would make
 * it name something else. A key under 8 characters is not looked for: it may be an ordinary word.
 */
bool text_leaks(const char *text, const char *key);

/* Overwrites the whole memory of the buffer, then frees it. */
void buf_wipe(struct buf *b);
/* The same for a string; accepts NULL. */
void text_wipe(char *text);

#endif
