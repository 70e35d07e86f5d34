/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the VM is: its definition goes into the record, and before the freeze, as the set's
 * manifest, onto the guest's root filesystem, so that the root volume's snapshot explains itself
 * even when this host and its records are lost (cbsnap-coord import).
 */
#include "host-coordinator/plan/run.h"

#include "host-coordinator/plan/coverage.h"
#include "host-coordinator/xml/domain_rewrite.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <string.h>

/* How many earlier sets a manifest tells of: each one's own was written before its freeze, so its
 * verdict and position stand only in those of later sets. */
#define EARLIER_SETS 10
/* The agent takes 512 KiB: of the earlier sets the oldest are the first to be left out. */
#define MANIFEST_MAX ((size_t)500 * 1024)

static int call_instance(struct domain_call *c, struct err *e)
{
    struct err why = ERR_INIT;

    if (c->ops->xml(c->domain, &c->xml, e) < 0 || c->ops->host(c->domain, &c->host, e) < 0)
        return -1;
    if (c->ops->definition(c->domain, &c->definition, &why) == 0 || why.code == ERR_NOT_FOUND)
        return 0;
    *e = why;
    return -1;
}

static void report_xml(struct run *r)
{
    for (size_t n = 0; n < r->xml.disk_count; n++) {
        const struct domain_disk *d = &r->xml.disks[n];
        struct record *disk = record_append(r->record, "instance.disks");

        record_set_text(disk, "target", d->target);
        record_set_text(disk, "source", d->source);
        if (*d->serial)
            record_set_text(disk, "serial", d->serial);
        if (*d->iqn)
            record_set_text(disk, "iqn", d->iqn);
        if (d->lun >= 0)
            record_set_int(disk, "lun", d->lun);
    }
    for (size_t n = 0; n < r->xml.channel_count; n++)
        record_append_text(r->record, "instance.channels", r->xml.channels[n].name);
}

/* ---- the way back ---------------------------------------------------------------------------- */

/* The first disk of the set that the definition does not have; NULL: it has them all. */
static const char *disk_not_in(const struct run *r, const char *definition)
{
    struct domain_xml x = {.disk_count = 0};
    const char *missing = NULL;

    if (domain_xml_parse(&x, definition, NULL) < 0)
        return NULL; /* that is for those to tell who make it over */
    for (size_t v = 0; v < r->volume_count && !missing; v++) {
        if (!domain_xml_disk(&x, r->volumes[v].disk->target))
            missing = r->volumes[v].disk->target;
    }
    domain_xml_release(&x);
    return missing;
}

/* The definition that a set of this domain is to be restored by, of the two. */
static const char *choose_definition(struct run *r, const struct domain_call *c)
{
    const char *missing;

    if (!c->definition) {
        run_note_once(r, "domain '%s' is transient: its live XML is all there is to restore it by",
                      r->domain_name);
        return c->xml;
    }
    if (!*c->definition)
        return c->xml;
    if (!(missing = disk_not_in(r, c->definition)))
        return c->definition;
    run_note_once(r,
                  "disk '%s' is in the running domain '%s' only, not in its definition, and is "
                  "gone when it is started anew: virsh attach-device --config",
                  missing, r->domain_name);
    return c->xml;
}

static int rehearse(const struct run *r, const char *definition, enum rewrite_kind kind,
                    struct err *e)
{
    AUTO_FREE struct disk_move *moves = xcalloc(r->volume_count + 1, sizeof(*moves));
    AUTO_FREE char *made = NULL;
    struct domain_rewrite how = {.kind = kind,
                                 .name = "rehearsal",
                                 .uuid = "00000000-0000-4000-8000-000000000000",
                                 .disks = moves,
                                 .disk_count = r->volume_count};

    for (size_t n = 0; n < r->volume_count; n++)
        moves[n] = (struct disk_move){.target = r->volumes[n].disk->target,
                                      .iqn = r->volumes[n].volume.iqn};
    return domain_rewrite(&made, definition, &how, e);
}

/* A set may be all that it says and yet be made into no VM, as its disks are named. It is better
 * known when it is taken than when it is needed. */
static void note_way_back(struct run *r, const char *definition)
{
    struct err why = ERR_INIT;

    if (rehearse(r, definition, REWRITE_MOVE, &why) < 0)
        run_note_once(r, "a set of it can be restored with --in-place only, and not verified: %s",
                      why.msg);
    else if (rehearse(r, definition, REWRITE_THROWAWAY, &why) < 0)
        run_note_once(r, "a set of it cannot be verified: %s", why.msg);
}

/* ---- the instance ---------------------------------------------------------------------------- */

static int read_instance(struct run *r, struct domain_call **ret, struct err *e)
{
    struct domain_job job = domain_job_start(r, call_instance);

    return domain_job_wait(r, &job, mono_in_ms(r->conf->libvirt_ms), ret, "read the definition", e);
}

int step_instance(void *run, struct err *e)
{
    struct run *r = run;
    struct domain_call *c;

    if (read_instance(r, &c, e) < 0)
        return -1;
    record_set_text(r->record, "instance.host", c->host.host);
    record_set_text(r->record, "instance.hypervisor", c->host.hypervisor);
    record_set_text(r->record, "instance.libvirt", c->host.libvirt);
    record_set_text(r->record, "instance.live", c->xml);
    if (c->definition && *c->definition) /* a transient domain has none */
        record_set_text(r->record, "instance.definition", c->definition);
    note_way_back(r, choose_definition(r, c));
    domain_call_free(c);
    report_xml(r);
    return 0;
}

/* The list is for all domains, so one that lacks a disk of it is no fault of a run's. But in a
 * check somebody looks at one domain, and may have meant another disk. */
static void note_excluded(struct run *r)
{
    AUTO_FREE char *unknown = coverage_excluded_unknown(r->conf->exclude, &r->xml);

    if (unknown)
        run_note_once(r, "'exclude' in coord.conf names what is no disk of domain '%s': %s",
                      r->domain_name, unknown);
}

int step_way_back(void *run, struct err *e)
{
    struct run *r = run;
    struct domain_call *c;

    note_excluded(r);
    if (read_instance(r, &c, e) < 0)
        return -1;
    note_way_back(r, choose_definition(r, c));
    domain_call_free(c);
    return 0;
}

/* ---- the manifest ---------------------------------------------------------------------------- */

/* What later sets tell of an earlier one: all that a restore or a comparison needs. Of its volumes
 * that is not what the appliance remembered of their load, which is most of it. */
static void add_earlier(struct record *manifest, const struct record *set)
{
    static const char *const members[] = {"schema",   "cbsnap",  "set",     "verdict",
                                          "reasons",  "started", "ended",   "domain",
                                          "position", "volumes", "witness", "stall"};
    struct record *to = record_append(manifest, "earlier");

    for (size_t n = 0; n < ARRAY_SIZE(members); n++)
        record_copy(to, set, members[n]);
    record_copy(to, set, "instance.manifest");
    for (size_t n = 0; n < record_count(to, "volumes"); n++)
        record_clear(record_at(to, "volumes", n), "history");
}

static void add_earlier_sets(struct run *r, struct record *manifest)
{
    struct store_names names = {.count = 0};
    size_t told = 0;

    if (store_names(&names, r->conf->state_dir, r->ops->name(r->domain), NULL) < 0)
        return;
    for (size_t n = 0; n < names.count && told < EARLIER_SETS; n++) {
        AUTO_FREE char *path = xasprintf("%s/records/%s", r->conf->state_dir, names.names[n]);
        struct record *set = store_read(path, NULL);
        const char *id = set ? record_text(set, "set") : NULL;
        const char *verdict = set ? record_text(set, "verdict") : NULL;

        if (id && verdict && strcmp(id, r->set) != 0 && strcmp(verdict, "void") != 0) {
            add_earlier(manifest, set);
            told++;
        }
        record_free(set);
    }
    store_names_release(&names);
}

static char *format_manifest(struct run *r)
{
    struct record *manifest = record_new();
    char *text;

    record_copy(manifest, r->record, "schema");
    record_copy(manifest, r->record, "cbsnap");
    record_copy(manifest, r->record, "set");
    record_copy(manifest, r->record, "started");
    record_copy(manifest, r->record, "domain");
    record_copy(manifest, r->record, "server");
    record_copy(manifest, r->record, "volumes");
    record_copy(manifest, r->record, "instance");
    add_earlier_sets(r, manifest);
    text = record_format(manifest);
    for (size_t most = EARLIER_SETS; most > 0 && strlen(text) > MANIFEST_MAX;) {
        most /= 2;
        record_cut(manifest, "earlier", most);
        free(text);
        text = record_format(manifest);
    }
    record_free(manifest);
    return text;
}

static int send_manifest(struct run *r, char *json, struct guest_request *req, struct err *e)
{
    Cbsnap__Manifest body = CBSNAP__MANIFEST__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    body.set = r->set;
    body.json = json;
    if (json)
        MSG_SET(&body, mark, 1);
    MSG_BODY(&m, manifest, MANIFEST, &body);
    return run_ask(r, req, &m, CBSNAP__ENVELOPE__BODY_MANIFEST_STORED, e);
}

/* The set can be gone back to without it, while this host lives: that it is missing is noted. */
int step_manifest(void *run, struct err *e)
{
    struct run *r = run;
    AUTO_FREE char *json = format_manifest(r);
    struct guest_request req = {.done = false};
    struct err why = ERR_INIT;
    const Cbsnap__ManifestStored *stored;

    r->manifest = true;
    if (send_manifest(r, json, &req, &why) < 0) {
        guest_request_release(&req);
        if (why.code == ERR_CANCELLED || why.code == ERR_LOST) {
            *e = why;
            return -1;
        }
        record_set_text(r->record, "instance.manifest.problem", why.msg);
        run_note(r, "the root volume will not explain itself: %s", why.msg);
        return 0;
    }
    stored = req.answer->manifest_stored;
    record_set_told(r->record, "instance.manifest.path", stored->path, RUN_TOLD_MAX);
    record_set_bool(r->record, "instance.manifest.marked", stored->has_marked && stored->marked);
    if (stored->mark_problem) {
        record_set_told(r->record, "instance.manifest.problem", stored->mark_problem, RUN_TOLD_MAX);
        run_note(r, "the mark row was not written: %s", stored->mark_problem);
    }
    guest_request_release(&req);
    return 0;
}

/* Of a set that did not come to be the guest need not tell. What stays is pruned later. */
int step_manifest_undo(void *run, struct err *e)
{
    struct run *r = run;
    struct guest_request req = {.done = false};
    struct err why = ERR_INIT;

    (void)e;
    if (!r->manifest || !r->guest)
        return 0;
    if (send_manifest(r, NULL, &req, &why) < 0)
        log_warn("the guest keeps the manifest of set '%s', which did not come to be: %s", r->set,
                 why.msg);
    guest_request_release(&req);
    r->manifest = false;
    return 0;
}
