/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a server says of itself: version, identity, where its files are, which rights our account
 * lacks. Used by prepare, `check` and `status`.
 */
#ifndef CBSNAP_MYSQL_SERVER_H
#define CBSNAP_MYSQL_SERVER_H

#include <stddef.h>

#include "guest-agent/mysql/lock.h"

struct server_path {
    const char *role; /* static: "datadir", "binlog", "relaylog", "redo", "undo", "doublewrite",
                         "tablespace", "directory" */
    char *path;       /* absolute; a directory, or a file for single tablespaces */
};

struct server_info {
    char *version; /* "9.7.0", "10.11.6-MariaDB-..." */
    char *uuid;    /* NULL on MariaDB */
    bool has_server_id;
    uint32_t server_id;
    struct server_path *paths;
    size_t path_count;
    char **missing_rights; /* each: "RELOAD: needed for the lock; GRANT RELOAD ON *.* TO ..." */
    size_t missing_count;
    char **excess_rights; /* each: "FILE lets the agent ...; REVOKE ..." */
    size_t excess_count;
    char
        *doubt; /* why it is not known that the server means by its paths what we do; NULL: it is */
};

/* Logs in on a connection of its own and asks; each question blocks at most 2 s (the one for
 * tablespaces 5 s), login the connect timeout. ERR_TIMEOUT when one is not answered: its session
 * is then killed, if the server still does that, and goes on if not. ERR_REFUSED when it sees other
 * files at one of its paths than we do (sight.h). ERR_IO when the datadir cannot be searched for
 * links. Tables with a DATA DIRECTORY of their own count as "tablespace"; a "directory" is what is
 * mounted below the datadir. Caller releases *ret. */
int server_info_read(const struct mysql_login *login, struct server_info *ret, struct err *e);
void server_info_release(struct server_info *s);

#endif
