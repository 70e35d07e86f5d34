/* SPDX-License-Identifier: GPL-2.0-or-later */
/* URLs of requests, fingerprints and keys; see query.h. */
#include "host-coordinator/storage/query.h"

#include <string.h>

static bool unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c));
}

void query_encode(struct buf *b, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        const char coded[3] = {'%', digits[c >> 4], digits[c & 15]};

        if (unreserved(c))
            buf_add(b, text, 1);
        else
            buf_add(b, coded, sizeof(coded));
    }
}

void query_build(struct buf *ret, const char *url, const char *command, const char *api_key,
                 const struct query_param *params)
{
    size_t most = strlen(url) + 3 * (strlen(command) + strlen(api_key)) + 64;

    for (const struct query_param *p = params; p->name; p++)
        most += 3 * (strlen(p->name) + strlen(p->value)) + 2;
    (void)buf_reserve(ret, most);
    buf_add(ret, url, strlen(url));
    buf_add(ret, "?command=", 9);
    query_encode(ret, command);
    buf_add(ret, "&response=json&apiKey=", 22);
    query_encode(ret, api_key);
    for (const struct query_param *p = params; p->name; p++) {
        buf_add(ret, "&", 1);
        query_encode(ret, p->name);
        buf_add(ret, "=", 1);
        query_encode(ret, p->value);
    }
}

bool fingerprint_valid(const char *text)
{
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const char head[] = "sha256//";

    if (strncmp(text, head, sizeof(head) - 1) != 0)
        return false;
    text += sizeof(head) - 1;
    /* 32 bytes: 43 digits, the last of which carries only four bits, and one '=' */
    return strspn(text, base64) == 43 && strcmp(text + 43, "=") == 0 &&
           (strchr(base64, text[42]) - base64) % 4 == 0;
}

bool api_key_valid(const char *key)
{
    if (!*key)
        return false;
    for (; *key; key++) {
        if (*key <= 0x20 || *key >= 0x7f)
            return false;
    }
    return true;
}
