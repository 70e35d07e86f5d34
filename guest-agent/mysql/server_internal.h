/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What server.c and places.c share. */
#ifndef CBSNAP_MYSQL_SERVER_INTERNAL_H
#define CBSNAP_MYSQL_SERVER_INTERNAL_H

#include "guest-agent/mysql/identity.h"
#include "guest-agent/mysql/server.h"

/* Takes `path` over. One that is there already under that role stays one. */
void server_add_path(struct server_info *s, const char *role, char *path);
const char *server_datadir(const struct server_info *s);
/* "./" and trailing slashes go; what is relative is so to the datadir. The caller frees. */
char *server_absolute(const char *datadir, const char *path);
/* Or the same. */
bool server_is_below(const char *path, const char *dir);

/* Looks at all paths that the server told, and adds where symbolic links of the datadir lead,
 * and what is mounted below it. */
int server_find_places(struct server_info *s, const struct identity *id, struct err *e);

#endif
