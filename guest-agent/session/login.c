/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The usual places of the server's socket; see login.h. */
#include "guest-agent/session/login.h"

#include <string.h>
#include <sys/stat.h>

#include "proto/base/cleanup.h"

/* Debian and MariaDB's packages; MySQL's and Enterprise Linux's. Not where anybody could make one
 * while the server has none: /tmp, a server's that is built from source. */
static const char *const usual[] = {"/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock"};

bool login_resolve(struct mysql_login *login, const char *configured)
{
    const char *was = login->socket;
    struct stat st;

    if (*configured) {
        login->socket = configured;
    } else {
        login->socket = was ? was : usual[0];
        for (size_t n = 0; n < ARRAY_SIZE(usual); n++) {
            if (stat(usual[n], &st) == 0 && S_ISSOCK(st.st_mode)) {
                login->socket = usual[n];
                break;
            }
        }
    }
    return !was || strcmp(was, login->socket) != 0;
}
