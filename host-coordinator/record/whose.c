/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which VM a folder of records is about, and which folder a VM's records are in; see store.h. */
#include "host-coordinator/record/store.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#include <string.h>
#include <strings.h>

#define UUID_DIGITS 32

/* The digits of a UUID in lower case; false when it is none. As libvirt takes it, dashes may stand
 * anywhere. */
static bool uuid_digits(char digits[UUID_DIGITS + 1], const char *text)
{
    size_t count = 0;

    for (; *text; text++) {
        if (*text == '-')
            continue;
        if (count == UUID_DIGITS || !strchr("0123456789abcdefABCDEF", *text))
            return false;
        digits[count++] = *text;
    }
    digits[count] = '\0';
    return count == UUID_DIGITS;
}

bool store_same_uuid(const char *a, const char *b)
{
    char x[UUID_DIGITS + 1], y[UUID_DIGITS + 1];

    return a && b && uuid_digits(x, a) && uuid_digits(y, b) && strcasecmp(x, y) == 0;
}

/* As the record of that name tells it, for the caller to free; NULL when it does not. */
static char *uuid_in(const char *state_dir, const char *name)
{
    AUTO_FREE char *path = xasprintf("%s/records/%s", state_dir, name);
    struct record *r = store_read(path, NULL);
    const char *uuid = r ? record_text(r, "domain.uuid") : NULL;
    char *copy = uuid ? xstrdup(uuid) : NULL;

    record_free(r);
    return copy;
}

int store_uuid(const char *state_dir, const char *domain, char **ret, struct err *e)
{
    struct store_names names;
    char *uuid = NULL;

    if (store_names(&names, state_dir, domain, e) < 0)
        return -1;
    if (names.count == 0)
        return err_set(e, ERR_NOT_FOUND,
                       "there are no records of a domain '%s' in '%s/records'; cbsnap-coord list "
                       "shows all",
                       domain, state_dir);
    for (size_t n = 0; n < names.count && !uuid; n++)
        uuid = uuid_in(state_dir, names.names[n]);
    store_names_release(&names);
    *ret = uuid;
    return 0;
}

/* ---- the folder of a UUID -------------------------------------------------------------------- */

/* The place of a record's folder among the domains; their count if it is not there. */
static size_t folder_of(const struct store_names *domains, const char *name)
{
    size_t len = strcspn(name, "/"), n = 0;

    while (n < domains->count &&
           (strncmp(domains->names[n], name, len) != 0 || domains->names[n][len] != '\0'))
        n++;
    return n;
}

/* A folder's newest record that tells a UUID says whose it is by now. */
static const char *find_folder(const char *state_dir, const struct store_names *domains,
                               const struct store_names *newest_first, const char *given)
{
    AUTO_FREE bool *told = xcalloc(domains->count + 1, sizeof(*told));

    for (size_t n = 0; n < newest_first->count; n++) {
        size_t folder = folder_of(domains, newest_first->names[n]);
        AUTO_FREE char *uuid = NULL;

        if (folder == domains->count || told[folder])
            continue;
        uuid = uuid_in(state_dir, newest_first->names[n]);
        told[folder] = uuid != NULL;
        if (store_same_uuid(uuid, given))
            return domains->names[folder];
    }
    return NULL;
}

int store_domain_of(const char *state_dir, const char *given, char **ret, struct err *e)
{
    struct store_names domains = {.count = 0}, names = {.count = 0};
    const char *folder = NULL;
    int rc = 0;

    if (store_same_uuid(given, given)) {
        rc = store_domains(&domains, state_dir, e);
        if (rc == 0 && folder_of(&domains, given) == domains.count) /* no domain is called so */
            rc = store_names(&names, state_dir, NULL, e);
        folder = find_folder(state_dir, &domains, &names, given);
    }
    if (rc == 0)
        *ret = xstrdup(folder ? folder : given);
    store_names_release(&names);
    store_names_release(&domains);
    return rc;
}
