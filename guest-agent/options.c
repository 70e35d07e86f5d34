/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's options as a table; see options.h. */
#include "guest-agent/options.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "guest-agent/evidence/asset.h"
#include "guest-agent/evidence/manifest.h"
#include "guest-agent/mysql/mark.h"
#include "guest-agent/session/session.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/conf/conf.h"

#define AT(field) offsetof(struct agent_options, field)

static const struct conf_option rows[] = {
    {"mysql", "socket", CONF_PATH, AT(mysql_socket), "", 0, 0,
     "UNIX socket of the server; empty looks in the usual places"},
    {"mysql", "socket_owner", CONF_STRING, AT(mysql_socket_owner), "mysql", 0, 0,
     "account, or its number, that the server's socket must belong to where anybody may write"},
    {"mysql", "user", CONF_STRING, AT(mysql_user), "root", 0, 0,
     "account in the server; check names rights that it lacks, or has too much"},
    {"mysql", "password_file", CONF_PATH, AT(mysql_password_file), "", 0, 0,
     "file whose first line is the password, mode 0600"},
    {"mysql", "connect_timeout_ms", CONF_INT, AT(connect_timeout_ms), "2000", 100, 30000,
     "how long connecting to the server may take"},
    {"lock", "try_ms", CONF_INT, AT(try_ms), "500", 10, 10000,
     "how long one request for the lock may wait: the longest that a writer queues behind it"},
    {"lock", "tries", CONF_INT, AT(tries), "10", 1, LOCK_MAX_TRIES,
     "requests for the lock, then the freeze fails"},
    {"lock", "victims", CONF_INT, AT(victims), "5", 1, 100000,
     "sessions queued behind the request at which a try ends early"},
    {"lock", "guard_s", CONF_INT, AT(guard_s), "60", 1, 86400,
     "do not even try while a statement has been running for longer"},
    {"lock", "backoff_ms", CONF_INT, AT(backoff_ms), "250", 0, 10000,
     "first pause between tries; doubles up to 8 times this"},
    {"lease", "run_ms", CONF_INT, AT(lease_run_ms), "10000", 500, SESSION_LEASE_MAX_MS,
     "freeze ends by itself when the host is silent for so long; the host may name another"},
    {"lease", "hook_ms", CONF_INT, AT(lease_hook_ms), "60000", 500, 3600000,
     "the same for a freeze that no coordinator prepared (virsh domfsfreeze)"},
    {"freeze", "rcu_expedited", CONF_BOOL, AT(rcu_expedited), "yes", 0, 0,
     "set /sys/kernel/rcu_expedited during the freeze"},
    {"sample", "interval_ms", CONF_INT, AT(interval_ms), "1000", 100, 60000,
     "between two samples; cbsnap-coord may ask for more during a run"},
    {"sample", "history_s", CONF_INT, AT(history_s), "600", 1, 86400,
     "how far back samples are kept in memory; less when they fill 1280 KiB"},
    {"sample", "trx_long_s", CONF_INT, AT(trx_long_s), "10", 1, 86400,
     "a transaction older than this is a long one"},
    {"sample", "statements", CONF_TAKE, 0, "digest", 0, 0,
     "what is told of a long transaction's statement: off, digest (no values) or text"},
    {"sample", "log_every_ms", CONF_INT, AT(log_every_ms), "5000", 100, 600000,
     "pace of what costs more: error log, deleted files, transactions"},
    {"sample", "cost_percent", CONF_INT, AT(cost_percent), "2", 1, 100,
     "share of the time that reading one source may take; a slower one is read less often"},
    {"manifest", "dir", CONF_PATH, AT(manifest_dir), MANIFEST_DIR_DEFAULT, 1, 0,
     "where each set's manifest is kept: on the root filesystem"},
    {"mark", "table", CONF_TAKE, 0, "", 0, 0,
     "schema.table that gets a row for each set; empty: none"},
    {"verify", "asset_file", CONF_PATH, AT(asset_file), ASSET_FILE_DEFAULT, 1, 0,
     "holds the chassis asset tag, by which the host says that it booted this guest to verify"},
    {"verify", "unit", CONF_STRING, AT(verify_unit), "", 0, 0,
     "the server's unit, stopped for its checksums; empty: found from its process"},
    {"agent", "port", CONF_PATH, AT(port), "/dev/virtio-ports/org.cbsnap.agent.0", 0, 0,
     "the way to cbsnap-coord; empty: none, freezes by virsh domfsfreeze work without it"},
    {"agent", "socket", CONF_PATH, AT(socket), "", 0, 0,
     "where hook and status ask; empty: agent.sock in run_dir"},
    {"agent", "run_dir", CONF_PATH, AT(run_dir), "/run/cbsnap", 1, 0,
     "marker of a freeze, epoch, socket: on tmpfs, for it is written while disks are frozen"},
};

static int take_statements(struct agent_options *options, const struct conf_option *o,
                           const char *text, struct err *e)
{
    static const char *const words[] = {
        [STATEMENTS_OFF] = "off", [STATEMENTS_DIGEST] = "digest", [STATEMENTS_TEXT] = "text"};

    for (size_t n = 0; n < ARRAY_SIZE(words); n++) {
        if (strcmp(text, words[n]) != 0)
            continue;
        options->statements = (enum mysql_statements)n;
        return 0;
    }
    return err_set(e, ERR_CONFIG, "%s is off, digest or text, not '%s'", o->key, text);
}

static int take_word(void *target, const struct conf_option *o, const char *text,
                     struct conf_place *place, struct err *e)
{
    struct agent_options *options = target;

    (void)place;
    if (strcmp(o->section, "mark") != 0)
        return take_statements(options, o, text, e);
    if (*text && !mark_name_is(text))
        return err_set(e, ERR_CONFIG,
                       "mark.table is schema.table, of letters, digits, '_' and '$', not '%s'",
                       text);
    (void)snprintf(options->mark_table, sizeof(options->mark_table), "%s", text);
    return 0;
}

const struct conf_spec agent_conf_spec = {
    .options = rows, .count = ARRAY_SIZE(rows), .take = take_word};

int options_read(struct agent_options *ret, const char *path, struct err *e)
{
    struct err own = ERR_INIT;
    int rc;

    *ret = (struct agent_options){.port = NULL};
    conf_defaults(&agent_conf_spec, NULL, ret);
    rc = conf_read(&agent_conf_spec, path ? path : AGENT_CONF_DEFAULT, ret, &own);
    if (rc < 0 && !path && own.code == ERR_NOT_FOUND)
        rc = 0; /* the defaults are good for a stock server */
    if (rc < 0 && e)
        *e = own;
    if (!ret->socket[0]) {
        free(ret->socket);
        ret->socket = xasprintf("%s/agent.sock", ret->run_dir);
    }
    return rc;
}

void options_release(struct agent_options *o)
{
    conf_release(&agent_conf_spec, NULL, o);
}

struct mysql_login options_login(const struct agent_options *o)
{
    return (struct mysql_login){.socket = o->mysql_socket,
                                .socket_owner = o->mysql_socket_owner,
                                .user = o->mysql_user,
                                .password_file = o->mysql_password_file,
                                .connect_timeout_ms = o->connect_timeout_ms};
}

struct lock_limits options_limits(const struct agent_options *o)
{
    return (struct lock_limits){.try_ms = o->try_ms,
                                .tries = o->tries,
                                .victims = o->victims,
                                .guard_s = o->guard_s,
                                .backoff_ms = o->backoff_ms};
}
