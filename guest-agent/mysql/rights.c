/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading grants, leniently; see rights.h. */
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

/* "`performance_schema`.`threads`" without the quotes that a name need not have. */
static char *bare(const char *from, size_t len)
{
    char *name = xcalloc(1, len + 1), *to = name;

    for (size_t n = 0; n < len; n++) {
        if (from[n] != '`')
            *to++ = from[n];
    }
    return name;
}

static bool lets_select(const char *names)
{
    return strcasestr(names, "SELECT") || starts_with(names, "ALL");
}

static char **list_add(char **list, size_t *count, char *text)
{
    list = xrealloc(list, (*count + 1) * sizeof(*list));
    list[(*count)++] = text;
    return list;
}

/* Of one table (the mark's is one), of a routine, or of a whole schema. Takes `where` over. */
static void add_narrow(struct rights *r, const char *names, char *where)
{
    const char *schema = "performance_schema.";

    if (strncasecmp(where, schema, strlen(schema)) == 0 && lets_select(names)) {
        r->readable = list_add(r->readable, &r->readable_count, xstrdup(where + strlen(schema)));
    } else if (strlen(where) > 2 && strcmp(where + strlen(where) - 2, ".*") == 0) {
        r->schemas = list_add(r->schemas, &r->schema_count, STEAL_PTR(where));
    }
    free(where);
}

void rights_add_line(struct rights *r, const char *line)
{
    const char *list, *on, *to;

    if (!starts_with(line, "GRANT "))
        return; /* REVOKE lines (partial revokes) concern single schemas */
    list = line + strlen("GRANT ");
    on = strcasestr(list, " ON ");
    to = on ? strcasestr(on + strlen(" ON "), " TO ") : NULL;
    if (!to)
        return; /* a role */
    if (starts_with(list, "PROXY ") || starts_with(on + 4, "*.* ")) {
        add_names(r, list, (size_t)(on - list));
        r->may_grant |= strcasestr(to, "WITH GRANT OPTION") != NULL;
    } else {
        AUTO_FREE char *names = xasprintf("%.*s", (int)(on - list), list);

        add_narrow(r, names, bare(on + 4, (size_t)(to - on - 4)));
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

bool rights_read(const struct rights *r, const char *table)
{
    if (rights_have(r, "SELECT"))
        return true;
    for (size_t n = 0; n < r->readable_count; n++) {
        if (strcmp(r->readable[n], "*") == 0 || strcasecmp(r->readable[n], table) == 0)
            return true;
    }
    return false;
}

static void list_free(char **list, size_t count)
{
    for (size_t n = 0; n < count; n++)
        free(list[n]);
    free(list);
}

void rights_release(struct rights *r)
{
    list_free(r->global, r->count);
    list_free(r->readable, r->readable_count);
    list_free(r->schemas, r->schema_count);
    *r = (struct rights){.global = NULL};
}
