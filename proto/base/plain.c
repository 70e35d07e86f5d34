/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines that are safe for a terminal; see plain.h. */
#include "proto/base/plain.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/err.h"

void plain_line(FILE *to, const char *fmt, ...)
{
    AUTO_FREE char *text = NULL;
    va_list ap;
    int rc;

    va_start(ap, fmt);
    rc = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (rc < 0)
        text = xstrdup("");
    err_plain(text);
    fprintf(to, "%s\n", text);
}
