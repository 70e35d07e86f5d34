/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which process a server is, and where it keeps its files and its log. Private to this folder. */
#ifndef CBSNAP_MYSQL_IDENTITY_H
#define CBSNAP_MYSQL_IDENTITY_H

#include "guest-agent/mysql/conn.h"

struct identity {
    pid_t pid;       /* 0: not known */
    char *error_log; /* absolute; NULL when it is no file, or none of this system */
    char *datadir, *tmpdir;
};

/* One question, waiting at most timeout_ms. The caller releases. */
int identity_ask(struct conn *c, int timeout_ms, struct identity *ret, struct err *e);
void identity_release(struct identity *id);

#endif
