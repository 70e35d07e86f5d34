/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See gtidhead.h. */
#include "guest-agent/mysql/gtidhead.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

static char *without_blanks(const char *s)
{
    char *copy = xstrdup(s), *to = copy;

    for (; *s; s++) {
        if (!isspace((unsigned char)*s))
            *to++ = *s;
    }
    *to = '\0';
    return copy;
}

struct item {
    unsigned long domain;
    const char *text;
};

struct list {
    struct item *items;
    size_t count;
};

static void put(struct list *l, const char *text)
{
    unsigned long domain = strtoul(text, NULL, 10);

    for (size_t n = 0; n < l->count; n++) {
        if (l->items[n].domain == domain) {
            l->items[n].text = text; /* the newest comes last */
            return;
        }
    }
    l->items = xrealloc(l->items, (l->count + 1) * sizeof(*l->items));
    l->items[l->count++] = (struct item){.domain = domain, .text = text};
}

static int by_domain(const void *a, const void *b)
{
    const struct item *x = a, *y = b;

    return x->domain < y->domain ? -1 : x->domain > y->domain;
}

/* "[0-1-10,0-7-12]" */
static char *newest_of_each(const char *info)
{
    AUTO_FREE char *copy = without_blanks(info);
    size_t len = strlen(copy);
    struct list l = {.count = 0};
    struct buf out = BUF_INIT;
    char *save = NULL;

    if (len < 2 || copy[0] != '[' || copy[len - 1] != ']')
        return NULL;
    copy[len - 1] = '\0';
    for (char *s = strtok_r(copy + 1, ",", &save); s; s = strtok_r(NULL, ",", &save))
        put(&l, s);
    if (l.count > 0)
        qsort(l.items, l.count, sizeof(*l.items), by_domain);
    for (size_t n = 0; n < l.count; n++)
        buf_addf(&out, "%s%s", n ? "," : "", l.items[n].text);
    free(l.items);
    return out.len ? buf_steal(&out) : xstrdup("");
}

char *gtidhead_of(const char *event_type, const char *info)
{
    if (!event_type || !info)
        return NULL;
    if (strcmp(event_type, "Previous_gtids") == 0)
        return without_blanks(info);
    if (strcmp(event_type, "Gtid_list") == 0)
        return newest_of_each(info);
    return NULL;
}
