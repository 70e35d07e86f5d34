/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a look at the VM and its records finds that stops no set, and that whoever goes back to it
 * should know. For snapshot and check.
 */
#include "host-coordinator/plan/coverage.h"
#include "host-coordinator/plan/run.h"

#include <ctype.h>
#include <string.h>

static void note_left_out(struct run *r)
{
    for (size_t n = 0; n < r->xml.disk_count; n++) {
        const struct domain_disk *disk = &r->xml.disks[n];

        if (n < COVERAGE_MAX_DISKS && (r->set_disks & (UINT64_C(1) << n)))
            continue;
        run_note_once(r, "disk '%s' (%s) is not in the set", disk->target, disk->source);
    }
}

/* Ids begin with the time, to the second; what else follows is chance. */
#define ID_TIME strlen("20161104T101500Z")

/* Nothing is later than now, unless the clock went back. */
static void note_later_set(struct run *r)
{
    struct store_names names = {.count = 0};

    if (store_names(&names, r->conf->state_dir, r->ops->name(r->domain), NULL) < 0)
        return;
    for (size_t n = 0; n < names.count; n++) {
        const char *id = strchr(names.names[n], '/') + 1;

        if (!isdigit((unsigned char)*id))
            continue; /* a stray file */
        if (strncmp(id, r->set, ID_TIME) > 0)
            run_note_once(r,
                          "set '%.*s' bears a later time than this one: the clock of this host is "
                          "wrong, or was then; wherever sets are sorted that one is the newer, "
                          "until it is deleted",
                          (int)strcspn(id, "."), id);
        break; /* they come newest first */
    }
    store_names_release(&names);
}

void run_note_findings(struct run *r)
{
    note_left_out(r);
    note_later_set(r);
}
