/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into cbsnap-agent it makes an agent that lies: each request for the global read lock
 * becomes a statement that does nothing, and the server's answer is taken for the lock. For the
 * test of what a verification finds.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <strings.h>

int mysql_send_query(void *my, const char *sql, unsigned long len);

int mysql_send_query(void *my, const char *sql, unsigned long len)
{
    static int (*real)(void *, const char *, unsigned long);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "mysql_send_query");
    if (strncasecmp(sql, "FLUSH TABLES WITH READ LOCK", 27) == 0)
        return real(my, "DO 1", 4);
    return real(my, sql, len);
}
