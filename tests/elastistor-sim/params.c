/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Request parameters by name; see params.h. */
#include "tests/elastistor-sim/params.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#include <string.h>
#include <strings.h>

void params_add(struct params *p, const char *name, const char *value)
{
    if (!name || !*name || p->n == MAX_PARAMS)
        return;
    p->list[p->n].name = xstrdup(name);
    p->list[p->n].value = xstrdup(value);
    p->n++;
}

void params_parse(struct params *p, const char *query)
{
    AUTO_FREE char *copy = xstrdup(query);
    char *rest = copy, *part;

    while ((part = strsep(&rest, "&")) != NULL) {
        char *value = part;
        char *name = strsep(&value, "=");

        params_add(p, name, value ? value : "");
    }
}

const char *params_get(const struct params *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcasecmp(p->list[i].name, name) == 0)
            return p->list[i].value;
    return NULL;
}

void params_release(struct params *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->list[i].name);
        free(p->list[i].value);
    }
    p->n = 0;
}
