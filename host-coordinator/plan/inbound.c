/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way in: find the domain, the agent, the appliances, and see that a set would hold the whole
 * database. Nothing here changes anything, so each failure is a refusal.
 */
#include "host-coordinator/plan/coverage.h"
#include "host-coordinator/plan/events.h"
#include "host-coordinator/plan/run.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <string.h>

#define LET_GO_MS 1000

#define MISSING_RIGHTS_MAX 32 /* told, whatever the guest sends */

/* ---- the domain ------------------------------------------------------------------------------ */

/*
 * qemu-ga that believes in a freeze answers nothing but to thaw. It may be one that has ended
 * without it, by the lease of a dead run: so it is not asked for filesystems then, and the disks'
 * serials have to tell what lies on which (coverage.h).
 */
static int call_look(struct domain_call *c, struct err *e)
{
    if (c->ops->running(c->domain, e) < 0 || c->ops->xml(c->domain, &c->xml, e) < 0 ||
        c->ops->agent_status(c->domain, 5, &c->agent, e) < 0)
        return -1;
    return c->agent == AGENT_FROZEN ? 0 : c->ops->filesystems(c->domain, &c->fs, e);
}

int step_domain(void *run, struct err *e)
{
    struct run *r = run;
    struct domain_job job;
    struct domain_call *c;

    if (run_open_domain(r, e) < 0)
        return -1;

    job = domain_job_start(r, call_look);
    if (domain_job_wait(r, &job, mono_in_ms(r->conf->libvirt_ms), &c, "look at the domain", e) < 0)
        return -1;
    r->fs = c->fs;
    c->fs = (struct domain_fs_list){.count = 0};
    r->agent_frozen = c->agent == AGENT_FROZEN;
    if (domain_xml_parse(&r->xml, c->xml, e) < 0) {
        domain_call_free(c);
        return err_prefix(e, "the XML of domain '%s'", r->domain_name);
    }
    domain_call_free(c);
    record_set_text(r->record, "domain.name", r->ops->name(r->domain));
    record_set_text(r->record, "domain.uuid", r->ops->uuid(r->domain));
    record_set_text(r->record, "domain.uri", r->uri);
    return 0;
}

int step_lock(void *run, struct err *e)
{
    struct run *r = run;

    if (store_prepare(r->conf->state_dir, r->ops->name(r->domain), e) < 0)
        return -1;
    return store_lock(r->conf->state_dir, r->ops->uuid(r->domain), &r->lock_fd, e);
}

int step_lock_undo(void *run, struct err *e)
{
    struct run *r = run;

    (void)e;
    if (r->lock_fd >= 0)
        close(r->lock_fd);
    r->lock_fd = -1;
    return 0;
}

/* ---- the appliances -------------------------------------------------------------------------- */

static int open_storage(struct run *r, size_t n, struct err *e)
{
    const struct appliance_config *a = &r->conf->appliances[n];
    const struct storage_conf conf = {
        .name = a->name,
        .driver = a->driver,
        .url = a->url,
        .ca = a->ca,
        .fingerprint = a->fingerprint,
        .api_key = a->api_key,
        .timeout_ms = a->timeout_ms,
    };

    return storage_open(&r->storages[n], &conf, r->loop, e);
}

int run_open_storages(struct run *r, struct err *e)
{
    if (!r->storages)
        r->storages = xcalloc(r->conf->appliance_count, sizeof(struct storage *));
    for (size_t n = 0; n < r->conf->appliance_count; n++) {
        /* tests bring their own array */
        if (!r->storages[n] && open_storage(r, n, e) < 0)
            return -1;
    }
    return 0;
}

static void add_volume(struct run *r, size_t disk, const struct volume *v, size_t storage)
{
    struct set_volume *added;

    r->volumes = xrealloc(r->volumes, (r->volume_count + 1) * sizeof(*r->volumes));
    added = &r->volumes[r->volume_count++];
    *added = (struct set_volume){.disk = &r->xml.disks[disk], .disk_index = disk};
    volume_copy(&added->volume, v);
    added->storage = r->storages[storage];
    added->appliance = r->conf->appliances[storage].name;
    added->timeout_ms = r->conf->appliances[storage].timeout_ms;
    r->set_disks |= UINT64_C(1) << disk;
}

/* Every disk of the domain that is one of this appliance's volumes joins the set. */
static void match_disks(struct run *r, const struct storage_op *listed, size_t storage)
{
    for (size_t n = 0; n < r->xml.disk_count && n < COVERAGE_MAX_DISKS; n++) {
        const struct domain_disk *disk = &r->xml.disks[n];
        const struct volume *v;

        if ((r->set_disks & (UINT64_C(1) << n)) || disk->read_only ||
            coverage_excluded(r->conf->exclude, disk->target))
            continue;
        v = coverage_volume(disk, listed->volumes, listed->volume_count);
        if (v)
            add_volume(r, n, v, storage);
    }
}

int step_storage(void *run, struct err *e)
{
    struct run *r = run;

    if (run_open_storages(r, e) < 0)
        return -1;
    for (size_t n = 0; n < r->conf->appliance_count; n++) {
        struct storage_op op = {.done = false};
        int64_t deadline = mono_in_ms(r->conf->appliances[n].timeout_ms);

        r->storages[n]->ops->list_volumes(r->storages[n], deadline, &op);
        if (storage_wait(r->loop, r->storages[n], &op, deadline, e) == 0)
            match_disks(r, &op, n);
        storage_op_release(&op);
        if (err_is_set(e))
            return -1;
    }
    if (r->volume_count == 0)
        return err_set(e, ERR_REFUSED,
                       "no disk of domain '%s' is a volume of a configured appliance; compare its "
                       "disks (virsh domblklist) with [appliance] in coord.conf",
                       r->domain_name);
    return 0;
}

/* ---- the agent ------------------------------------------------------------------------------- */

int step_link(void *run, struct err *e)
{
    struct run *r = run;
    const struct domain_channel *ch = domain_xml_channel(&r->xml, r->conf->channel);
    const Cbsnap__Hello *hello;

    if (!ch || !*ch->path)
        return err_set(e, ERR_REFUSED,
                       "domain '%s' has no channel '%s'; add <channel type='unix'><target "
                       "type='virtio' name='%s'/></channel> to its XML",
                       r->domain_name, r->conf->channel, r->conf->channel);
    if (run_meet_agent(r, ch, e) < 0)
        return err_prefix(e, "domain '%s'", r->domain_name);
    hello = guest_hello(r->guest);
    record_set_told(r->record, "guest.agent_version", hello->agent_version, RUN_TOLD_MAX);
    record_set_told(r->record, "guest.boot_id", hello->boot_id, RUN_TOLD_MAX);
    return 0;
}

int step_link_undo(void *run, struct err *e)
{
    struct run *r = run;

    (void)e;
    run_relate_clocks(r); /* for the last time */
    guest_request_release(&r->prepared);
    guest_close(r->guest);
    r->guest = NULL;
    return 0;
}

/* Did the agent's last freeze end without qemu-ga? A failed one, or one that qemu-ga's own hook
 * ended, left it knowing better: then it froze since, and for somebody else. */
static bool ended_behind_qemu_ga(const Cbsnap__FreezeEvent *end)
{
    if (!end || !end->has_kind)
        return false;
    if (end->kind == CBSNAP__FREEZE_EVENT__KIND__RELEASED)
        return !end->cause || strcmp(end->cause, "hook") != 0;
    return end->kind == CBSNAP__FREEZE_EVENT__KIND__LOST;
}

/*
 * A freeze that is under way is never ours here: the VM's lock is held and this run froze nothing
 * yet. The agent's word counts; qemu-ga may still believe in a freeze that the lease has ended.
 */
static int refuse_frozen(struct run *r, const Cbsnap__State *state, struct err *e)
{
    if (state->has_state && state->state != CBSNAP__SESSION_STATE__STATE_IDLE)
        return err_set(e, ERR_REFUSED,
                       "domain '%s' is frozen or locked already, by %s; if nobody needs that any "
                       "more: cbsnap-coord thaw %s",
                       r->domain_name, state->run_id && *state->run_id ? state->run_id : "somebody",
                       r->domain_name);
    if (r->agent_frozen && !ended_behind_qemu_ga(state->last_end))
        return err_set(e, ERR_REFUSED,
                       "qemu-ga of domain '%s' says that its filesystems are frozen, and the agent "
                       "did not do it; if nobody needs that any more: cbsnap-coord thaw %s",
                       r->domain_name, r->domain_name);
    return 0;
}

static int ask(struct run *r, struct guest_request *req, Cbsnap__Envelope *m,
               Cbsnap__Envelope__BodyCase expected, int patience_ms, struct err *e)
{
    if (guest_call(r->guest, req, m, expected, mono_in_ms(patience_ms), e) == 0)
        return 0;
    return err_prefix(e, "domain '%s'", r->domain_name);
}

int run_ask(struct run *r, struct guest_request *req, Cbsnap__Envelope *m,
            Cbsnap__Envelope__BodyCase expected, struct err *e)
{
    return ask(r, req, m, expected, r->conf->answer_ms, e);
}

static int ask_state(struct run *r, struct guest_request *req, struct err *e)
{
    Cbsnap__StateQuery query = CBSNAP__STATE_QUERY__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    MSG_BODY(&m, state_query, STATE_QUERY, &query);
    return run_ask(r, req, &m, CBSNAP__ENVELOPE__BODY_STATE, e);
}

static int ask_prepare(struct run *r, bool dry, struct err *e)
{
    Cbsnap__Prepare prepare = CBSNAP__PREPARE__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    if (!dry) {
        prepare.run_id = r->set;
        MSG_SET(&prepare, lease_ms, (uint32_t)r->conf->lease_ms);
        MSG_SET(&prepare, flush, 1);
    }
    MSG_BODY(&m, prepare, PREPARE, &prepare);
    guest_request_release(&r->prepared); /* of an earlier question */
    r->agent_restarts = guest_restarts(r->guest);
    /* flushing what has gathered takes as long as the disks need */
    return ask(r, &r->prepared, &m, CBSNAP__ENVELOPE__BODY_PREPARED,
               r->conf->answer_ms + (dry ? 0 : r->conf->flush_ms), e);
}

static int check_prepared(struct run *r, struct err *e)
{
    const Cbsnap__Prepared *p = r->prepared.answer->prepared;

    if (p->hook && p->hook->problem)
        return err_set(e, ERR_REFUSED, "domain '%s': %s", r->domain_name, p->hook->problem);
    if (!p->server)
        return err_set(e, ERR_REFUSED,
                       "the agent of domain '%s' does not describe its server; run cbsnap-agent "
                       "check in the guest",
                       r->domain_name);
    if (!p->has_epoch || p->n_mount > RUN_MOUNTS_MAX)
        return err_set(e, ERR_PROTOCOL,
                       "the agent of domain '%s' answered without an epoch or with %zu mounts; "
                       "install the same version of cbsnap on both",
                       r->domain_name, p->n_mount);
    for (size_t n = 0; n < p->server->n_missing_right && n < MISSING_RIGHTS_MAX; n++)
        run_note_once(r, "missing right: %s", p->server->missing_right[n]);
    r->epoch = p->epoch;
    record_set_told(r->record, "server.version", p->server->version, RUN_TOLD_MAX);
    record_set_told(r->record, "server.uuid", p->server->uuid, RUN_TOLD_MAX);
    if (p->hook)
        record_set_told(r->record, "guest.hook_runner", p->hook->runner, RUN_TOLD_MAX);
    if (p->has_flush_ms)
        record_set_int(r->record, "guest.flush_ms", p->flush_ms);
    return 0;
}

static int prepare_guest(struct run *r, bool dry, struct err *e)
{
    struct guest_request req = {.done = false};
    int rc = ask_state(r, &req, e);

    if (rc == 0)
        rc = refuse_frozen(r, req.answer->state, e);
    guest_request_release(&req);
    if (rc < 0 || ask_prepare(r, dry, e) < 0)
        return -1;
    return check_prepared(r, e);
}

int step_inspect(void *run, struct err *e)
{
    return prepare_guest(run, true, e);
}

int step_prepare(void *run, struct err *e)
{
    struct run *r = run;
    struct domain_call *c;

    if (prepare_guest(r, false, e) < 0)
        return -1;
    if (r->agent_frozen) {
        /* the lease ended an earlier freeze; qemu-ga must hear of it before it freezes again */
        struct domain_job job = domain_job_start(r, domain_call_thaw);

        if (domain_job_wait(r, &job, mono_in_ms(r->conf->libvirt_ms), &c, "thaw", e) < 0)
            return err_prefix(e, "qemu-ga still believes in an earlier freeze");
        domain_call_free(c);
        run_note(r, "qemu-ga still believed in an earlier freeze that had ended; corrected");
    }
    return 0;
}

/* No freeze of ours will come: the guest would take the next one, whoever asks for it, for that. */
int step_prepare_undo(void *run, struct err *e)
{
    struct run *r = run;
    Cbsnap__Release release = CBSNAP__RELEASE__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    struct guest_request req = {.done = false};
    struct err why = ERR_INIT;

    (void)e;
    if (r->freeze.in_flight || r->freeze.locked || r->freeze.lock_failed || !r->guest)
        return 0; /* one may still come, and must be refused; or it has come */
    release.run_id = r->set;
    MSG_BODY(&m, release, RELEASE, &release);
    /* an agent that is silent is not waited for again */
    if (guest_call(r->guest, &req, &m, CBSNAP__ENVELOPE__BODY_RELEASED,
                   mono_in_ms(r->conf->answer_ms < LET_GO_MS ? r->conf->answer_ms : LET_GO_MS),
                   &why) < 0)
        log_info("the guest was not told that no freeze will come: %s", why.msg);
    guest_request_release(&req);
    return 0;
}

/* ---- coverage -------------------------------------------------------------------------------- */

static void name_mounts(struct run *r, const Cbsnap__Prepared *p)
{
    for (size_t v = 0; v < r->volume_count; v++) {
        free(r->volumes[v].mounts);
        r->volumes[v].mounts = NULL;
    }
    for (size_t n = 0; n < p->n_mount; n++) {
        bool all;
        uint64_t disks = coverage_disks(p->mount[n], &r->fs, &r->xml, &all);

        for (size_t v = 0; v < r->volume_count; v++) {
            struct set_volume *volume = &r->volumes[v];
            char *old = volume->mounts;

            if (!p->mount[n]->path || !(disks & (UINT64_C(1) << volume->disk_index)) ||
                (old && strlen(old) > RUN_MOUNTS_TEXT_MAX))
                continue;
            volume->mounts =
                old ? xasprintf("%s,%s", old, p->mount[n]->path) : xstrdup(p->mount[n]->path);
            free(old);
        }
    }
}

int step_coverage(void *run, struct err *e)
{
    struct run *r = run;
    const Cbsnap__Prepared *p = r->prepared.answer->prepared;

    if (coverage_check(p->server, p->mount, p->n_mount, &r->fs, &r->xml, r->set_disks, e) < 0)
        return err_prefix(e, "domain '%s'", r->domain_name);
    name_mounts(r, p);
    run_note_findings(r);
    return 0;
}
