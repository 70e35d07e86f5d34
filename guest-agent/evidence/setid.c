/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See setid.h. */
#include "guest-agent/evidence/setid.h"

#include <string.h>

bool setid_is(const char *text, size_t len)
{
    static const char shape[SETID_SIZE] = "00000000T000000Z-ffff";

    if (len != SETID_LEN)
        return false;
    for (size_t n = 0; n < len; n++) {
        const char *set = shape[n] == '0'   ? "0123456789"
                          : shape[n] == 'f' ? "0123456789abcdef"
                                            : NULL;

        if (text[n] == '\0' || (set ? !strchr(set, text[n]) : text[n] != shape[n]))
            return false;
    }
    return true;
}
