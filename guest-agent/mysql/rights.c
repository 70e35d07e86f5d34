/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading grants, leniently, and saying which are missing; see rights.h. */
#include "guest-agent/mysql/rights.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

static void add_name(struct rights *r, const char *from, size_t len)
{
    char *name;

    while (len > 0 && isspace((unsigned char)*from))
        from++, len--;
    while (len > 0 && isspace((unsigned char)from[len - 1]))
        len--;
    if (len == 0)
        return;
    name = xasprintf("%.*s", (int)len, from);
    for (char *c = name; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    if (strcmp(name, "ALL PRIVILEGES") == 0 || strcmp(name, "ALL") == 0)
        r->all = true;
    r->global = xrealloc(r->global, (r->count + 1) * sizeof(*r->global));
    r->global[r->count++] = name;
}

/* Column lists in parentheses do not occur on *.*, so commas part names. */
static void add_names(struct rights *r, const char *list, size_t len)
{
    while (len > 0) {
        const char *comma = memchr(list, ',', len);
        size_t part = comma ? (size_t)(comma - list) : len;

        add_name(r, list, part);
        if (!comma)
            return;
        list += part + 1;
        len -= part + 1;
    }
}

static bool starts_with(const char *s, const char *head)
{
    return strncasecmp(s, head, strlen(head)) == 0;
}

void rights_add_line(struct rights *r, const char *line)
{
    const char *list, *on;

    if (!starts_with(line, "GRANT "))
        return; /* REVOKE lines (partial revokes) concern single schemas */
    list = line + strlen("GRANT ");
    on = strcasestr(list, " ON ");
    if (!on)
        return; /* a role */
    if (starts_with(on + 4, "*.* ")) {
        add_names(r, list, (size_t)(on - list));
    } else if (starts_with(on + 4, "`performance_schema`.*") ||
               starts_with(on + 4, "performance_schema.*")) {
        AUTO_FREE char *names = xasprintf("%.*s", (int)(on - list), list);

        r->performance_schema |= strcasestr(names, "SELECT") || starts_with(names, "ALL");
    }
}

bool rights_have(const struct rights *r, const char *name)
{
    if (r->all)
        return true;
    for (size_t n = 0; n < r->count; n++) {
        if (strcmp(r->global[n], name) == 0)
            return true;
    }
    return false;
}

void rights_release(struct rights *r)
{
    for (size_t n = 0; n < r->count; n++)
        free(r->global[n]);
    free(r->global);
    *r = (struct rights){.global = NULL};
}

/* Each right by all its names: a server has one of them, `flavour` tells which to advise. */
struct need {
    const char *names[4];
    const char *mariadb_name; /* NULL: names[0] */
    const char *why;
    unsigned mysql_since; /* the right exists from here on; older servers do not need it */
    bool mysql_only;
};

static const struct need needs[] = {
    {.names = {"RELOAD", "FLUSH_TABLES"}, .why = "needed for the global read lock"},
    {.names = {"PROCESS"},
     .why = "needed to see who waits behind the lock and where tablespaces lie"},
    {.names = {"REPLICATION CLIENT", "BINLOG MONITOR", "SUPER"},
     .mariadb_name = "BINLOG MONITOR",
     .why = "needed to read the position of the binary log"},
    {.names = {"BACKUP_ADMIN"},
     .why = "without it the position is put together from older statements",
     .mysql_since = 80011,
     .mysql_only = true},
};

static char *missing_text(const struct need *n, bool mariadb, unsigned version, const char *user)
{
    const char *name = n->names[0];

    /* MariaDB renamed it in 10.5 */
    if (mariadb && n->mariadb_name && version >= 100500)
        name = n->mariadb_name;
    return xasprintf("%s: %s; GRANT %s ON *.* TO %s", name, n->why, name, user);
}

static void add_missing(char ***list, size_t *count, char *text)
{
    *list = xrealloc(*list, (*count + 1) * sizeof(**list));
    (*list)[(*count)++] = text;
}

void rights_missing(const struct rights *r, bool mariadb, unsigned version, const char *user,
                    char ***ret, size_t *ret_count)
{
    *ret = NULL;
    *ret_count = 0;
    for (size_t n = 0; n < ARRAY_SIZE(needs); n++) {
        bool have = false;

        if (needs[n].mysql_only && (mariadb || version < needs[n].mysql_since))
            continue;
        for (size_t k = 0; k < ARRAY_SIZE(needs[n].names) && needs[n].names[k]; k++)
            have |= rights_have(r, needs[n].names[k]);
        if (!have)
            add_missing(ret, ret_count, missing_text(&needs[n], mariadb, version, user));
    }
    if (!mariadb && version >= 80011 && !r->performance_schema && !rights_have(r, "SELECT"))
        add_missing(ret, ret_count,
                    xasprintf("SELECT on performance_schema: needed to read the position in one "
                              "piece; GRANT SELECT ON performance_schema.* TO %s",
                              user));
}
