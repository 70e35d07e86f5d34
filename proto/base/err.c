/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The error value: formatting into its fixed buffer; see err.h. */
#include "proto/base/err.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/plain.h"

/* One line, whatever a peer or a library put in: a terminal obeys control characters. */
void err_plain(char *text)
{
    while (*text) {
        size_t control = plain_control(text);

        memset(text, '?', control);
        text += control ? control : 1;
    }
}

/* Not straight into msg, which may be what the new message is made of. */
static void set_v(struct err *e, enum err_code code, int sys_errno, const char *fmt, va_list ap)
{
    char text[ERR_TEXT];

    (void)vsnprintf(text, sizeof(text), fmt, ap);
    err_plain(text);
    e->code = code;
    e->sys_errno = sys_errno;
    memcpy(e->msg, text, strlen(text) + 1);
}

int err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    va_list ap;

    if (!e)
        return -1;
    va_start(ap, fmt);
    set_v(e, code, 0, fmt, ap);
    va_end(ap);
    return -1;
}

int err_set_sys(struct err *e, enum err_code code, int sys_errno, const char *fmt, ...)
{
    char reason[128];
    size_t used;
    va_list ap;

    if (!e)
        return -1;
    va_start(ap, fmt);
    set_v(e, code, sys_errno, fmt, ap);
    va_end(ap);
    used = strlen(e->msg);
    /* the GNU strerror_r: returns the text, which need not be in the buffer given */
    (void)snprintf(e->msg + used, sizeof(e->msg) - used, ": %s",
                   strerror_r(sys_errno, reason, sizeof(reason)));
    return -1;
}

int err_prefix(struct err *e, const char *fmt, ...)
{
    char head[ERR_TEXT];
    char old[ERR_TEXT];
    size_t used;
    va_list ap;

    if (!e)
        return -1;
    va_start(ap, fmt);
    (void)vsnprintf(head, sizeof(head), fmt, ap);
    va_end(ap);
    err_plain(head);
    memcpy(old, e->msg, sizeof(old));
    used = (size_t)snprintf(e->msg, sizeof(e->msg), "%.*s: ", 200, head);
    (void)snprintf(e->msg + used, sizeof(e->msg) - used, "%.*s", (int)(sizeof(e->msg) - used - 1),
                   old);
    return -1;
}

int err_hint(struct err *e, const char *fmt, ...)
{
    char hint[ERR_TEXT];
    size_t used;
    va_list ap;

    if (!e)
        return -1;
    va_start(ap, fmt);
    (void)vsnprintf(hint, sizeof(hint), fmt, ap);
    va_end(ap);
    err_plain(hint);
    used = strlen(e->msg);
    (void)snprintf(e->msg + used, sizeof(e->msg) - used, " (%s)", hint);
    return -1;
}

const char *err_code_name(enum err_code code)
{
    static const char *const names[] = {
        [ERR_NONE] = "none",         [ERR_INTERNAL] = "internal",
        [ERR_USAGE] = "usage",       [ERR_CONFIG] = "config",
        [ERR_REFUSED] = "refused",   [ERR_BUSY] = "busy",
        [ERR_TIMEOUT] = "timeout",   [ERR_IO] = "io",
        [ERR_PROTOCOL] = "protocol", [ERR_NOT_FOUND] = "not_found",
        [ERR_AUTH] = "auth",         [ERR_MYSQL] = "mysql",
        [ERR_LOCK] = "lock",         [ERR_LOST] = "lost",
        [ERR_FREEZE] = "freeze",     [ERR_STORAGE] = "storage",
        [ERR_LIBVIRT] = "libvirt",   [ERR_CANCELLED] = "cancelled",
        [ERR_LOOK] = "look",
    };

    /* codes come over the wire: a newer peer may know more of them */
    if ((int)code < 0 || (size_t)code >= sizeof(names) / sizeof(names[0]) || !names[code])
        return "unknown";
    return names[code];
}
