/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /etc/cbsnap/agent.conf: every option with default and range is one row of the table in options.c;
 * guest-agent/agent.conf.example is the same list for people.
 */
#ifndef CBSNAP_AGENT_OPTIONS_H
#define CBSNAP_AGENT_OPTIONS_H

#include <stdbool.h>

#include "guest-agent/mysql/lock.h"
#include "guest-agent/mysql/status.h"

struct agent_options {
    char *mysql_socket, *mysql_socket_owner, *mysql_user, *mysql_password_file;
    int connect_timeout_ms;
    int try_ms, tries, victims, guard_s, backoff_ms;
    int lease_run_ms, lease_hook_ms;
    bool rcu_expedited;
    int interval_ms, history_s, trx_long_s, log_every_ms, cost_percent;
    enum mysql_statements statements;
    char *manifest_dir, *asset_file, *verify_unit;
    char mark_table[132]; /* "schema.table"; "" when no mark is to be written */
    char *port, *socket, *run_dir;
};

struct conf_spec; /* proto/conf/conf.h */
extern const struct conf_spec agent_conf_spec;

#define AGENT_CONF_DEFAULT CBSNAP_SYSCONFDIR "/cbsnap/agent.conf"

/*
 * Reads `path`; NULL reads AGENT_CONF_DEFAULT, which may be absent. On failure *ret holds what was
 * read until then over the defaults, so that a daemon can still find what a predecessor left.
 * options_release() in either case.
 */
int options_read(struct agent_options *ret, const char *path, struct err *e);
void options_release(struct agent_options *o);

/* Borrows from `o`. The socket may be "". */
struct mysql_login options_login(const struct agent_options *o);
struct lock_limits options_limits(const struct agent_options *o);

#endif
