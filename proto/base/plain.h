/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text from a guest, a server or an appliance on its way to somebody's terminal: a terminal obeys
 * control characters, so none of them may come from there.
 */
#ifndef CBSNAP_BASE_PLAIN_H
#define CBSNAP_BASE_PLAIN_H

#include <stddef.h>
#include <stdio.h>

/* How many bytes the control character at `text` has: below U+0020, DEL, or U+0080 to U+009F as
 * UTF-8 has them. 0: none is there, or the end of the text. */
static inline size_t plain_control(const char *text)
{
    unsigned char c = (unsigned char)text[0], next = c == 0xC2 ? (unsigned char)text[1] : 0;

    if ((c > 0 && c < 0x20) || c == 0x7F)
        return 1;
    return next >= 0x80 && next < 0xA0 ? 2 : 0;
}

/* One line, its newline added; each control character in it becomes '?' (err_plain()). */
void plain_line(FILE *to, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
