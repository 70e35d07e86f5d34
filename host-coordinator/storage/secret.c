/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Blanking the API key in foreign text; see secret.h. */
#include "host-coordinator/storage/secret.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/compat.h"

/* A shorter piece of a key occurs in ordinary text, and gives nothing away. */
#define PIECE_MIN 16
#define KEY_MIN   8
/* Only so much of a body is looked at: a message shows far less. */
#define SCAN_MAX 4096

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One character of text, percent-decoded, at `at`; returns how many bytes it took. */
static size_t decode(const char *at, const char *end, char *ret_char)
{
    if (*at == '%' && end - at >= 3 && hex_digit(at[1]) >= 0 && hex_digit(at[2]) >= 0) {
        *ret_char = (char)(hex_digit(at[1]) * 16 + hex_digit(at[2]));
        return 3;
    }
    *ret_char = *at;
    return 1;
}

/* How many bytes at `at` spell key[from...], and how many of the key's characters those are. */
static size_t match(const char *at, const char *end, const char *key, size_t *ret_chars)
{
    const char *p = at;
    size_t chars = 0;

    while (p < end && key[chars]) {
        char c;
        size_t took = decode(p, end, &c);

        if (c != key[chars]) {
            /* the key itself may hold a '%' that the text did not encode */
            if (*p != key[chars])
                break;
            took = 1;
        }
        p += took;
        chars++;
    }
    *ret_chars = chars;
    return (size_t)(p - at);
}

/* Bytes at `at` that give away the key or a piece of it; 0 if none do. */
static size_t leak_at(const char *at, const char *end, const char *key, size_t key_len)
{
    size_t worst = 0;

    for (size_t from = 0; from < key_len; from++) {
        size_t chars;
        size_t bytes = match(at, end, key + from, &chars);

        if (bytes > worst && (chars >= PIECE_MIN || chars == key_len))
            worst = bytes;
    }
    return worst;
}

static void put(char *out, size_t *used, char c)
{
    if (*used + 1 < SAFE_TEXT_MAX)
        out[(*used)++] = c;
}

char *safe_text(char out[SAFE_TEXT_MAX], const char *text, const char *key)
{
    const char *end = text + strnlen(text, SCAN_MAX);
    size_t key_len = strlen(key), used = 0;
    bool gap = false;

    for (const char *at = text; at < end && used + 1 < SAFE_TEXT_MAX;) {
        size_t leak = leak_at(at, end, key, key_len);

        if (leak == 0 && isspace((unsigned char)*at)) {
            gap = used > 0;
            at++;
            continue;
        }
        if (gap)
            put(out, &used, ' ');
        gap = false;
        if (leak > 0) {
            for (int i = 0; i < 3; i++)
                put(out, &used, '*');
            at += leak;
        } else {
            put(out, &used, *at >= 0x20 && *at < 0x7f ? *at : '?');
            at++;
        }
    }
    out[used] = '\0';
    return out;
}

bool text_leaks(const char *text, const char *key)
{
    const char *end = text + strlen(text);
    size_t key_len = strlen(key);

    for (const char *at = text; key_len >= KEY_MIN && at < end; at++) {
        if (leak_at(at, end, key, key_len) > 0)
            return true;
    }
    return false;
}

void buf_wipe(struct buf *b)
{
    if (b->data)
        wipe(b->data, b->cap);
    buf_release(b);
}

void text_wipe(char *text)
{
    if (text)
        wipe(text, strlen(text));
    free(text);
}
