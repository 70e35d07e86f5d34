/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Many sets at once; see catalogue.h. */
#include "host-coordinator/command/catalogue.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/log.h"

#include <string.h>

static void tell_unreadable(const struct command_context *c, const struct index_entry *entry,
                            struct record *answer)
{
    struct record *item;

    log_warn("%s", entry->problem);
    if (answer) {
        AUTO_FREE char *path = xasprintf("%s/records/%s", c->conf->state_dir, entry->name);

        item = record_append(answer, "unreadable");
        record_set_text(item, "path", path);
        record_set_text(item, "problem", entry->problem);
    }
}

int catalogue_read(const struct command_context *c, const char *domain, struct index_list *ret,
                   struct record *answer, struct err *e)
{
    if (index_read(ret, c->conf->state_dir, domain, e) < 0)
        return -1;
    for (size_t n = 0; n < ret->count; n++) {
        if (ret->entries[n].problem)
            tell_unreadable(c, &ret->entries[n], answer);
    }
    return 0;
}

const char *catalogue_verified(const struct set_facts *f)
{
    if (!f->verified)
        return "-";
    if (strcmp(f->verified, "sound") == 0)
        return "sound";
    return strcmp(f->verified, "same") == 0 ? "yes" : "FAILED";
}
