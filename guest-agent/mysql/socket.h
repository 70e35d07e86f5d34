/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose socket is it? Whoever answers there is given the password, and believed when it says that
 * it has locked. Private to this folder.
 *
 * Who may make a socket in a folder is for the folder to say, so in one of the server's or of the
 * administrator's it is taken as it is. Where anybody may write to a folder on the way (/tmp), the
 * socket has to be root's or the server's own.
 */
#ifndef CBSNAP_MYSQL_SOCKET_H
#define CBSNAP_MYSQL_SOCKET_H

#include <sys/types.h>

#include "proto/base/err.h"

#define SOCKET_OWNER_DEFAULT "mysql"

/*
 * Of `fd`, which was opened by that path (O_PATH does, without connecting): later another may be
 * there by that name. `self` is trusted as root is; `owner` is an account of /etc/passwd, or its
 * number. ERR_CONFIG for somebody else's.
 */
int socket_check(int fd, const char *path, uid_t self, const char *owner, struct err *e);

#endif
