/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cbsnap-coord check DOMAIN: what snapshot would do, and what would stop it. Changes nothing. */
#include "host-coordinator/command/command.h"

#include "proto/base/cleanup.h"

#include <stdio.h>
#include <string.h>

struct check {
    const char *name;
    step_fn *run;
    unsigned needs, gives; /* masks: a check whose ground is missing is not tried */
};

enum { DOMAIN_SEEN = 1, VOLUMES_SEEN = 2, AGENT_SEEN = 4, GUEST_READY = 8 };

/* A run takes its lock there, and no set is without a record. Asked in any case: of a domain that
 * was not found only the folders of all. */
static int step_state(void *run, struct err *e)
{
    const struct run *r = run;

    return store_usable(r->conf->state_dir, r->domain ? r->ops->name(r->domain) : NULL,
                        r->domain ? r->ops->uuid(r->domain) : NULL, e);
}

static const struct check checks[] = {
    {"domain", step_domain, 0, DOMAIN_SEEN},
    {"state", step_state, 0, 0},
    {"appliance", step_storage, DOMAIN_SEEN, VOLUMES_SEEN},
    {"agent", step_link, DOMAIN_SEEN, AGENT_SEEN},
    {"server", step_inspect, AGENT_SEEN, GUEST_READY},
    {"definition", step_way_back, VOLUMES_SEEN, 0},
    {"coverage", step_coverage, VOLUMES_SEEN | GUEST_READY, 0},
    {"policy", step_glance, AGENT_SEEN, 0},
};

static void note_result(struct run *r, const struct check *check, const struct err *why, bool json)
{
    struct record *item = record_append(r->record, "checks");

    record_set_text(item, "name", check->name);
    record_set_bool(item, "ok", !why);
    if (why)
        record_set_text(item, "problem", why->msg);
    if (json)
        return;
    if (why)
        printf("FAIL %-10s %s\n", check->name, why->msg);
    else
        printf("ok   %-10s\n", check->name);
}

static void print_plan(const struct run *r)
{
    for (size_t n = 0; n < r->volume_count; n++) {
        const struct set_volume *v = &r->volumes[n];

        printf("would snapshot disk '%s' (%s): volume '%s' of appliance '%s'\n", v->disk->target,
               v->mounts ? v->mounts : "no filesystem seen", v->volume.name, v->appliance);
    }
    for (size_t n = 0; n < record_count(r->record, "notes"); n++)
        printf("note: %s\n", record_text_at(r->record, "notes", n));
}

/* The first failure decides the exit status; every independent one is shown. */
static int run_checks(struct run *r, bool json, struct err *first)
{
    unsigned seen = 0;

    for (size_t n = 0; n < ARRAY_SIZE(checks); n++) {
        struct err why = ERR_INIT;

        if ((seen & checks[n].needs) != checks[n].needs)
            continue;
        if (checks[n].run(r, &why) == 0) {
            seen |= checks[n].gives;
            note_result(r, &checks[n], NULL, json);
            continue;
        }
        note_result(r, &checks[n], &why, json);
        if (!err_is_set(first))
            *first = why;
        if (why.code == ERR_CANCELLED)
            break;
    }
    return err_is_set(first) ? -1 : 0;
}

int cmd_check(const struct command_context *c, struct err *e)
{
    struct err first = ERR_INIT;
    struct run r;
    int rc;

    (void)e; /* each problem was told on its own line */
    run_init(&r, c->conf, &domain_libvirt, c->loop, c->uri, c->args[0]);
    r.report = progress_reporter(true);
    rc = run_checks(&r, c->json, &first);
    record_set_bool(r.record, "ready", rc == 0);
    if (c->json)
        command_answer(c, r.record);
    else if (rc == 0)
        print_plan(&r);
    run_release(&r);
    if (rc == 0)
        return EXIT_DONE;
    return first.code == ERR_CONFIG ? EXIT_USAGE : EXIT_REFUSED;
}
