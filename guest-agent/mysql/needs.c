/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the account lacks, and what it has too much; see rights.h. */
#include <stdlib.h>
#include <string.h>

#include "guest-agent/mysql/rights.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

/* More than so many to tell of are told as one: nobody takes them away one by one. */
#define EXCESS_MAX 6

static void add(struct sentences *s, char *text)
{
    s->list = xrealloc(s->list, (s->count + 1) * sizeof(*s->list));
    s->list[s->count++] = text;
}

void sentences_release(struct sentences *s)
{
    for (size_t n = 0; n < s->count; n++)
        free(s->list[n]);
    free(s->list);
    *s = (struct sentences){.list = NULL};
}

/* ---- too little ---- */

/* Each right by all its names: a server has one of them; the first is advised. */
struct need {
    const char *names[4];
    const char *why;
    enum { ANY, MYSQL, MARIADB } server;
    unsigned since, until; /* versions that have the right by this name; 0: no bound */
};

static const struct need needs[] = {
    {.names = {"RELOAD", "FLUSH_TABLES"}, .why = "needed for the global read lock"},
    {.names = {"PROCESS"},
     .why = "needed to see who waits behind the lock and where tablespaces lie"},
    {.names = {"REPLICATION CLIENT", "SUPER"},
     .why = "needed to read the position of the binary log",
     .server = MYSQL},
    /* MariaDB renamed it in 10.5 */
    {.names = {"REPLICATION CLIENT", "SUPER"},
     .why = "needed to read the position of the binary log",
     .server = MARIADB,
     .until = 100500},
    {.names = {"BINLOG MONITOR", "REPLICATION CLIENT", "SUPER"},
     .why = "needed to read the position of the binary log",
     .server = MARIADB,
     .since = 100500},
    {.names = {"REPLICA MONITOR", "SLAVE MONITOR", "SUPER"},
     .why = "needed to see whether and how far it replicates",
     .server = MARIADB,
     .since = 100509},
    {.names = {"BACKUP_ADMIN"},
     .why = "without it the position is put together from older statements",
     .server = MYSQL,
     .since = 80011},
};

/* Of the performance schema. An older server is asked by other means, which need PROCESS alone. */
static const struct {
    const char *table, *why;
    unsigned since;
} tables[] = {
    {"log_status", "needed to read the position in one piece", 80011},
    {"threads", "needed to name who stands in the way of the lock, and to see replicas", 80011},
    {"metadata_locks", "needed to know who stands in the way of the lock", 80011},
    {"events_statements_current", "needed to tell what a long transaction does", 80011},
    {"error_log", "needed to see the server's errors where its log is in no file", 80022},
};

static bool concerns(const struct need *n, bool mariadb, unsigned version)
{
    if (n->server != ANY && (n->server == MARIADB) != mariadb)
        return false;
    return version >= n->since && (!n->until || version < n->until);
}

static bool has_one(const struct rights *r, const struct need *n)
{
    for (size_t k = 0; k < ARRAY_SIZE(n->names) && n->names[k]; k++) {
        if (rights_have(r, n->names[k]))
            return true;
    }
    return false;
}

void rights_missing(const struct rights *r, bool mariadb, unsigned version, const char *user,
                    struct sentences *ret)
{
    *ret = (struct sentences){.list = NULL};
    for (size_t n = 0; n < ARRAY_SIZE(needs); n++) {
        if (concerns(&needs[n], mariadb, version) && !has_one(r, &needs[n]))
            add(ret, xasprintf("%s: %s; GRANT %s ON *.* TO %s", needs[n].names[0], needs[n].why,
                               needs[n].names[0], user));
    }
    for (size_t n = 0; !mariadb && n < ARRAY_SIZE(tables); n++) {
        const char *t = tables[n].table;

        if (version >= tables[n].since && !rights_read(r, t))
            add(ret, xasprintf("SELECT on performance_schema.%s: %s; GRANT SELECT ON "
                               "performance_schema.%s TO %s",
                               t, tables[n].why, t, user));
    }
}

/* ---- too much ---- */

static const char *const wanted[] = {
    "USAGE",          "RELOAD",        "FLUSH_TABLES", "PROCESS",           "REPLICATION CLIENT",
    "BINLOG MONITOR", "SLAVE MONITOR", "BACKUP_ADMIN", "REPLICATION SLAVE", /* for the GTID set at a
                                                                               start */
};

static const struct {
    const char *name, *lets;
} dangers[] = {
    {"SUPER", "change the server's settings and end everybody's sessions"},
    {"FILE", "read and write files as the server does"},
    {"SELECT", "read all data"},
    {"SHUTDOWN", "stop the server"},
    {"CREATE USER", "make accounts, and change the passwords of others"},
    {"PROXY", "act as other accounts"},
    {"SYSTEM_VARIABLES_ADMIN", "change the server's settings"},
    {"CONNECTION_ADMIN", "end everybody's sessions"},
    {"INSERT", "change all data"},
    {"UPDATE", "change all data"},
    {"DELETE", "remove all data"},
    {"DROP", "remove all tables"},
};

static bool is_wanted(const char *name)
{
    for (size_t n = 0; n < ARRAY_SIZE(wanted); n++) {
        if (strcmp(name, wanted[n]) == 0)
            return true;
    }
    return false;
}

static const char *lets(const char *name)
{
    for (size_t n = 0; n < ARRAY_SIZE(dangers); n++) {
        if (strcmp(name, dangers[n].name) == 0)
            return dangers[n].lets;
    }
    return "do what the agent never does";
}

static void add_global(struct sentences *s, const struct rights *r, const char *user)
{
    for (size_t n = 0; n < r->count; n++) {
        const char *name = r->global[n];

        if (!is_wanted(name))
            add(s, xasprintf("%s lets the agent %s; REVOKE %s ON *.* FROM %s", name, lets(name),
                             name, user));
    }
    if (r->may_grant)
        add(s, xasprintf("GRANT OPTION lets the agent give what it has to others; REVOKE GRANT "
                         "OPTION ON *.* FROM %s",
                         user));
}

void rights_excess(const struct rights *r, const char *user, struct sentences *ret)
{
    *ret = (struct sentences){.list = NULL};
    if (!r->all)
        add_global(ret, r, user);
    for (size_t n = 0; !r->all && n < r->schema_count; n++)
        add(ret,
            xasprintf("a right on %s lets the agent at what it has no use for; SHOW GRANTS FOR "
                      "%s, and revoke it",
                      r->schemas[n], user));
    if (!r->all && ret->count <= EXCESS_MAX)
        return;
    sentences_release(ret);
    /* an administrator's account: nothing is to be taken away from that */
    add(ret, xasprintf("%s may do %s with the server: make an account for the agent alone, as "
                       "cbsnap's docs/security.md shows",
                       user, r->all ? "anything" : "far more than the agent needs"));
}
