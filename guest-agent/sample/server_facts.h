/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the server's lane learns at login and the files' lane needs: which process the server is,
 * and where it logs. Written by one thread, read by another.
 */
#ifndef CBSNAP_SERVER_FACTS_H
#define CBSNAP_SERVER_FACTS_H

#include <sys/types.h>

struct server_facts;
struct server_facts *server_facts_new(void);
void server_facts_free(struct server_facts *f);

/* 0 and NULL: not known (any more). `error_log` is an absolute path; NULL also when the server
 * does not log to a file. `datadir` and `tmpdir` as the server says. */
void server_facts_set(struct server_facts *f, pid_t pid, const char *error_log, const char *datadir,
                      const char *tmpdir);
/* The caller frees the strings, which may be NULL; any pointer to a string may be NULL. */
pid_t server_facts_get(struct server_facts *f, char **ret_error_log, char **ret_datadir,
                       char **ret_tmpdir);

#endif
