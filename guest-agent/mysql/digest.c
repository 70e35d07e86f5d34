/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking the values out of a statement; see digest.h. Whatever could be read in two ways (by
 * another sql_mode, by a newer server) is a doubt and gives no digest: words that look like code
 * could then be the inside of a text.
 */
#include "guest-agent/mysql/digest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

struct scan {
    const char *at;
    struct buf out;
    bool blank; /* one is due before the next token */
    bool doubt;
};

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static bool is_blank(char c)
{
    return c == ' ' || (c && iscntrl((unsigned char)c));
}

static void put(struct scan *s, const char *text, size_t len)
{
    if (s->blank && s->out.len > 0)
        buf_add(&s->out, " ", 1);
    s->blank = false;
    buf_add(&s->out, text, len);
}

/*
 * A quoted text, up to its end or the statement's. With backslashes as escapes \' goes on, with
 * NO_BACKSLASH_ESCAPES it ends there: an odd number of them before a quote is a doubt.
 */
static void quoted_value(struct scan *s)
{
    char quote = *s->at++;
    size_t slashes = 0;

    for (; *s->at; s->at++) {
        if (*s->at == '\\') {
            slashes++;
            continue;
        }
        if (*s->at == quote) {
            s->doubt |= slashes % 2 == 1;
            if (s->at[1] != quote)
                break;
            s->at++;
        }
        slashes = 0;
    }
    if (*s->at)
        s->at++;
    put(s, "?", 1);
}

/* `a``b` is one name; an unfinished one is cut off by the server, and left out. */
static void quoted_name(struct scan *s)
{
    const char *from = s->at++;

    for (; *s->at; s->at++) {
        if (*s->at != '`')
            continue;
        if (s->at[1] != '`') {
            s->at++;
            put(s, from, (size_t)(s->at - from));
            return;
        }
        s->at++;
    }
}

/* The inside of a conditional comment is code, which may hold quotes and comments of its own. */
static bool is_plain_inside(const char *from, const char *to)
{
    for (; from < to; from++) {
        if (!is_word(*from) && !is_blank(*from) && *from != '!')
            return false;
    }
    return true;
}

static void comment(struct scan *s)
{
    const char *from = s->at + 2, *end = strstr(from, "*/");

    if (*from == '!' || (*from == 'M' && from[1] == '!'))
        s->doubt |= !is_plain_inside(from, end ? end : from + strlen(from));
    s->at = end ? end + 2 : from + strlen(from);
    s->blank = true;
}

static void line_comment(struct scan *s)
{
    s->at += strcspn(s->at, "\n");
    s->blank = true;
}

/* What begins with a digit is a number, or might be one ("1e5", "0xff", "2024abc"). */
static void word(struct scan *s)
{
    const char *from = s->at;
    bool number = isdigit((unsigned char)*from);

    if (*from == '$') {
        s->doubt = true; /* $$ quotes a text on newer servers */
        return;
    }
    while (is_word(*s->at) || (number && *s->at == '.'))
        s->at++;
    /* 1e-5 */
    if (number && (s->at[-1] == 'e' || s->at[-1] == 'E') && (*s->at == '-' || *s->at == '+'))
        for (s->at++; is_word(*s->at);)
            s->at++;
    if (number)
        put(s, "?", 1);
    else
        put(s, from, (size_t)(s->at - from));
}

static bool starts_line_comment(const char *at)
{
    return *at == '#' || (at[0] == '-' && at[1] == '-' && (is_blank(at[2]) || !at[2]));
}

static void token(struct scan *s)
{
    if (is_blank(*s->at)) {
        s->blank = true;
        s->at++;
    } else if (*s->at == '\'' || *s->at == '"') {
        quoted_value(s);
    } else if (*s->at == '`') {
        quoted_name(s);
    } else if (strncmp(s->at, "/*", 2) == 0) {
        comment(s);
    } else if (starts_line_comment(s->at)) {
        line_comment(s);
    } else if (is_word(*s->at)) {
        word(s);
    } else if (*s->at == '.' && isdigit((unsigned char)s->at[1])) {
        s->at++; /* .5; and t.1a, whose second half is then taken for a number: none the worse */
        word(s);
    } else {
        s->doubt |= *s->at == '\\' || strncmp(s->at, "*/", 2) == 0;
        put(s, s->at, 1);
        s->at++;
    }
}

char *digest_of(const char *sql)
{
    struct scan s = {.at = sql};

    while (*s.at && !s.doubt)
        token(&s);
    if (s.doubt || s.out.len == 0) {
        buf_release(&s.out);
        return NULL;
    }
    return buf_steal(&s.out);
}

/* ---- UTF-8 ---- */

/* Bytes of the character at `p`, 0 when it is none: broken off, overlong, a surrogate, too large.
 * Source: RFC 3629, section 4. */
static size_t utf8_length(const unsigned char *p)
{
    static const struct {
        unsigned char from, to, second_from, second_to, length;
    } rows[] = {
        {0x01, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
        size_t len = rows[n].length;

        if (p[0] < rows[n].from || p[0] > rows[n].to)
            continue;
        if (len > 1 && (p[1] < rows[n].second_from || p[1] > rows[n].second_to))
            return 0;
        if ((len > 2 && (p[2] & 0xc0) != 0x80) || (len > 3 && (p[3] & 0xc0) != 0x80))
            return 0;
        return len;
    }
    return 0;
}

char *utf8_head(const char *text, size_t chars)
{
    const unsigned char *p = (const unsigned char *)text;
    struct buf out = BUF_INIT;

    while (*p && chars-- > 0) {
        size_t len = utf8_length(p);
        /* U+0080 to U+009F are control characters too */
        bool control = len == 1 ? iscntrl(*p) : len == 2 && p[0] == 0xc2 && p[1] < 0xa0;

        if (len == 0)
            buf_add(&out, "?", 1);
        else if (control)
            buf_add(&out, " ", 1);
        else
            buf_add(&out, p, len);
        p += len ? len : 1;
    }
    return buf_steal(&out);
}
