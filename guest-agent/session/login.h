/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the server's socket is when the configuration does not say: distributions differ. */
#ifndef CBSNAP_SESSION_LOGIN_H
#define CBSNAP_SESSION_LOGIN_H

#include <stdbool.h>

#include "guest-agent/mysql/lock.h"

/* Sets login->socket from `configured`, or, when that is "", to the first usual place where a
 * socket exists now. True when that changed it: connections made with the old one are then for the
 * wrong server. `configured` is borrowed. */
bool login_resolve(struct mysql_login *login, const char *configured);

#endif
