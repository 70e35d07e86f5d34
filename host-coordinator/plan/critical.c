/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between freeze and thaw, while writers wait: freeze, confirm what is really held, snapshot all
 * volumes at once, witness that nothing was written, and always thaw.
 *
 * The thaw is the undo of the freeze. It goes over the agent's port first: libvirt lets one agent
 * call in at a time, so behind a freeze that hangs virDomainFSThaw() would hang too, and the agent
 * needs no hook to be started before it lets MySQL go. qemu-ga hears of it afterwards.
 */
#include "host-coordinator/plan/coverage.h"
#include "host-coordinator/plan/run.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <string.h>

/* The agent lets go within milliseconds; past this, or past what an answer may take at all, the
 * other way is tried as well. */
#define RELEASE_MS   2000
#define ASK_AGAIN_MS 200
/* The hook tells of the lock before qemu-ga freezes and answers, but by another way. */
#define EVENT_MS 200

/* The point at which this run gives up on its freeze, whatever is still under way. Writers wait
 * from the grant of the lock on: the tries before it are bounded by freeze_ms and use up none of
 * this. */
static int64_t stall_deadline(const struct run *r)
{
    int64_t from = r->freeze.locked_us ? r->freeze.locked_us : r->freeze.since_us;

    return from + (int64_t)r->conf->max_stall_ms * 1000;
}

/* ---- freeze ---------------------------------------------------------------------------------- */

static int call_freeze(struct domain_call *c, struct err *e)
{
    return c->ops->freeze(c->domain, &c->filesystems, e);
}

static bool freeze_answered(void *arg)
{
    const struct run *r = arg;

    return job_done(r->freeze.call.job);
}

static bool freeze_settled(void *arg)
{
    const struct run *r = arg;

    return freeze_answered(arg) || r->freeze.lost;
}

static bool lock_settled(void *arg)
{
    const struct run *r = arg;

    return freeze_settled(arg) || r->freeze.locked_us;
}

static bool guest_told(void *arg)
{
    const struct freeze_facts *f = arg;

    return f->locked || f->lock_failed || f->lost;
}

/* What the guest said about a failed freeze is the cause; libvirt only saw its effect. */
static int freeze_failed(struct run *r, struct err *e)
{
    if (r->freeze.lock_failed || r->freeze.lost)
        *e = r->freeze.guest_error;
    return -1;
}

/* Not waited for here: the guest let go while qemu-ga is still at work, or nobody knows. */
static int freeze_call_result(struct run *r, struct domain_call **ret, struct err *e)
{
    if (loop_wait_until(r->loop, freeze_answered, r, mono_us(), e) < 0)
        return -1;
    return domain_job_wait(r, &r->freeze.call, mono_us(), ret, "freeze", e);
}

static int freeze_result(struct run *r, struct err *e)
{
    struct domain_call *c;

    if (freeze_call_result(r, &c, e) < 0) {
        /* a connection that broke has lost the answer, not the freeze */
        r->freeze.in_flight =
            e->code == ERR_TIMEOUT || e->code == ERR_CANCELLED || e->code == ERR_LIBVIRT;
        if (e->code == ERR_TIMEOUT)
            err_set(e, ERR_TIMEOUT,
                    "no answer of qemu-ga in domain '%s' to the freeze in %lld ms; look at its "
                    "journal in the guest",
                    r->domain_name, (long long)(mono_us() - r->freeze.since_us) / 1000);
        return freeze_failed(r, e);
    }
    r->freeze.frozen_count = c->filesystems;
    domain_call_free(c);
    (void)loop_wait_until(r->loop, guest_told, &r->freeze, mono_in_ms(EVENT_MS), NULL);
    if (r->freeze.lock_failed) {
        *e = r->freeze.guest_error;
        return err_hint(e, "qemu-ga froze without it: its hook runner hides a failing hook");
    }
    if (r->freeze.lost)
        return freeze_failed(r, e);
    if (!r->freeze.locked)
        return err_set(e, ERR_FREEZE,
                       "qemu-ga of domain '%s' froze, but its hook never asked the agent for the "
                       "lock; run cbsnap-agent check in the guest",
                       r->domain_name);
    if (r->freeze.frozen_count == 0)
        return err_set(e, ERR_FREEZE, "qemu-ga of domain '%s' froze no filesystem", r->domain_name);
    return 0;
}

static int freeze_step(void *run, struct err *e)
{
    struct run *r = run;
    int64_t end = mono_in_ms(r->conf->freeze_ms);

    /* the last moment at which a signal costs nobody anything */
    if (loop_check(r->loop, e) < 0)
        return -1;
    if (guest_restarts(r->guest) != r->agent_restarts)
        return err_set(e, ERR_LOST,
                       "the agent of domain '%s' restarted after it had prepared; try again",
                       r->domain_name);
    r->freeze.started = true;
    r->freeze.since_us = mono_us();
    r->freeze.call = domain_job_start(r, call_freeze);
    /* a timeout or a signal shows again in freeze_result() */
    if (loop_wait_until(r->loop, lock_settled, r, end, NULL) == 0)
        (void)loop_wait_until(r->loop, freeze_settled, r,
                              stall_deadline(r) < end ? stall_deadline(r) : end, NULL);
    return freeze_result(r, e);
}

/* ---- thaw ------------------------------------------------------------------------------------ */

static void judge_release(struct run *r, struct guest_request *req)
{
    const Cbsnap__Released *rel = req->answer->released;

    if (r->freeze.released)
        return; /* asked twice, to be sure: the first answer is about what was held */
    r->freeze.held = rel->has_held && rel->held && rel->has_epoch && rel->epoch == r->epoch &&
                     !r->freeze.lost && guest_restarts(r->guest) == r->agent_restarts;
    if (!r->freeze.held && !r->freeze.lost)
        err_set(&r->freeze.guest_error, ERR_LOST, "the freeze was not held until the thaw: %s",
                rel->reason ? rel->reason : "the agent gives no reason");
    r->freeze.released = STEAL_PTR(req->answer);
}

static int release_ms(const struct run *r)
{
    return r->conf->answer_ms < RELEASE_MS ? r->conf->answer_ms : RELEASE_MS;
}

/* True when the agent answered that all is let go: then it holds nothing any more, whether or not
 * it had been held until now. */
static bool release_by_port(struct run *r, struct err *e)
{
    Cbsnap__Release release = CBSNAP__RELEASE__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    struct guest_request req = {.done = false};

    if (!r->guest)
        return false;
    release.run_id = r->set;
    MSG_SET(&release, epoch, r->epoch);
    MSG_BODY(&m, release, RELEASE, &release);
    if (guest_call(r->guest, &req, &m, CBSNAP__ENVELOPE__BODY_RELEASED, mono_in_ms(release_ms(r)),
                   e) < 0) {
        guest_request_release(&req);
        return false;
    }
    (void)run_check_released(req.answer->released, e);
    judge_release(r, &req);
    guest_request_release(&req);
    return !err_is_set(e);
}

/*
 * The filesystems are thawed, and nobody said so of the lock: the agent is silent or out of reach.
 * It is asked again until its lease has ended whatever it held, since "failed" promises a VM that
 * is let go.
 */
static void wait_for_lease(struct run *r)
{
    int64_t end = mono_in_ms(r->conf->lease_ms);
    bool told = false;

    while (!told && mono_us() < end) {
        struct err again = ERR_INIT;
        int64_t pause = mono_in_ms(ASK_AGAIN_MS);

        told = release_by_port(r, &again);
        if (!told)
            (void)loop_wait(r->loop, &told, pause < end ? pause : end, NULL);
    }
    if (!told)
        run_note(r, "the agent did not answer the release; its lease of %d ms has ended by now",
                 r->conf->lease_ms);
}

/* qemu-ga must hear of the thaw too, or it refuses the next freeze. */
static int release_by_libvirt(struct run *r, struct err *e)
{
    struct domain_job job = domain_job_start(r, domain_call_thaw);
    struct domain_call *c;

    if (domain_job_wait(r, &job, mono_in_ms(r->conf->libvirt_ms), &c, "thaw", e) < 0)
        return -1;
    domain_call_free(c);
    return 0;
}

/*
 * A freeze that had not reached libvirt yet when we thawed was not undone by that. Once libvirt has
 * answered it, whatever it said, a thaw comes behind it. False when it may come still, or when that
 * thaw fails.
 */
static bool thaw_behind_freeze(struct run *r, struct err *e)
{
    struct domain_call *c;
    struct err answer = ERR_INIT;
    int64_t until = mono_in_ms(err_is_set(e) ? 0 : r->conf->libvirt_ms);

    if (domain_job_wait(r, &r->freeze.call, until, &c, "freeze", &answer) == 0) {
        domain_call_free(c);
    } else if (answer.code == ERR_TIMEOUT) {
        if (!err_is_set(e))
            *e = answer;
        return false;
    }
    r->freeze.in_flight = false;
    *e = (struct err)ERR_INIT;
    return release_by_libvirt(r, e) == 0;
}

static int thaw_verdict(struct run *r, struct err *e)
{
    if (r->freeze.held)
        return 0;
    if (err_is_set(&r->freeze.guest_error)) {
        *e = r->freeze.guest_error;
        e->code = ERR_LOST;
        return -1;
    }
    return err_set(e, ERR_LOST, "the agent did not confirm that the freeze held until the thaw");
}

static int thaw_step(void *run, struct err *e)
{
    struct run *r = run;
    struct err port = ERR_INIT, libvirt = ERR_INIT;
    bool told, thawed, late = r->freeze.in_flight;

    if (!r->freeze.started || r->freeze.thaw_done)
        return 0;
    r->freeze.release_us = mono_us();
    told = release_by_port(r, &port);
    r->freeze.released_us = mono_us();
    thawed = release_by_libvirt(r, &libvirt) == 0;
    if (r->freeze.call.job)
        thawed = thaw_behind_freeze(r, &libvirt);
    if (!thawed) {
        if (late) {
            struct err again = ERR_INIT;

            /* what was not locked yet when the agent was asked may have been locked meanwhile */
            (void)release_by_port(r, &again);
        }
        if (!told || late)
            return err_set(e, ERR_LOOK,
                           "cannot confirm that domain '%s' is thawed: run cbsnap-coord thaw %s; "
                           "its lease of %d ms ends the freeze by itself (%.120s; %.120s)",
                           r->domain_name, r->domain_name, r->conf->lease_ms,
                           !told                 ? port.msg
                           : r->freeze.in_flight ? "a freeze is still under way"
                                                 : "the freeze came after the agent was asked",
                           libvirt.msg);
        run_note(r, "the agent let go, but qemu-ga could not be told: %s", libvirt.msg);
    } else {
        r->freeze.in_flight = false; /* qemu-ga takes one command after the other */
        if (!told)
            wait_for_lease(r);
    }
    r->freeze.thaw_done = true;
    return thaw_verdict(r, e);
}

/* ---- confirm --------------------------------------------------------------------------------- */

static int call_writes(struct domain_call *c, struct err *e)
{
    return c->ops->writes(c->domain, &c->writes, &c->count, e);
}

static int read_writes(struct run *r, struct domain_job *job, struct disk_writes **ret,
                       size_t *ret_count, struct err *e)
{
    struct domain_call *c;

    if (domain_job_wait(r, job, stall_deadline(r), &c, "read the disks' write counters", e) < 0)
        return -1;
    *ret = STEAL_PTR(c->writes);
    *ret_count = c->count;
    domain_call_free(c);
    return 0;
}

static bool in_set(const struct run *r, const Cbsnap__Mount *m)
{
    bool all;

    return m->path && (coverage_disks(m, &r->fs, &r->xml, &all) & r->set_disks);
}

static bool is_frozen(const Cbsnap__Mount *m)
{
    return m->has_frozen && m->frozen;
}

static bool lists_frozen(const Cbsnap__State *s, const char *path)
{
    for (size_t n = 0; n < s->n_mount; n++) {
        if (s->mount[n]->path && strcmp(s->mount[n]->path, path) == 0)
            return is_frozen(s->mount[n]);
    }
    return false;
}

/* The kernel has no freeze for these; they hold boot files (/boot/efi) that change with upgrades
 * only, and the witness still sees a write to them. */
static bool cannot_freeze(const Cbsnap__Mount *m)
{
    static const char *const types[] = {"vfat", "msdos", "exfat", "iso9660", "squashfs"};

    for (size_t n = 0; n < ARRAY_SIZE(types) && m->fstype; n++) {
        if (strcmp(m->fstype, types[n]) == 0)
            return true;
    }
    return false;
}

/* Every filesystem that the agent lists on a disk of the set is frozen, and each that holds files
 * of the server is listed and frozen: silence proves nothing. (Read-only mounts are not listed
 * while frozen.)
 */
static int check_mounts(const struct run *r, const Cbsnap__State *s, struct err *e)
{
    const Cbsnap__Server *server = r->prepared.answer->prepared->server;

    for (size_t n = 0; n < s->n_mount; n++) {
        const Cbsnap__Mount *m = s->mount[n];

        if (in_set(r, m) && !is_frozen(m) && !cannot_freeze(m))
            return err_set(e, ERR_FREEZE, "filesystem '%s' of domain '%s' is not frozen%s%s",
                           m->path, r->domain_name, m->problem ? ": " : "",
                           m->problem ? m->problem : "");
    }
    for (size_t n = 0; n < server->n_path; n++) {
        const char *path = server->path[n]->mount;

        if (!path || !lists_frozen(s, path))
            return err_set(e, ERR_FREEZE,
                           "the agent of domain '%s' does not confirm that filesystem '%s' is "
                           "frozen",
                           r->domain_name, path ? path : "?");
    }
    return 0;
}

static int check_state(struct run *r, const Cbsnap__State *s, struct err *e)
{
    if (!s->has_epoch || s->epoch != r->epoch || !s->run_id || strcmp(s->run_id, r->set) != 0)
        return err_set(e, ERR_LOST, "the agent holds another freeze than this run's");
    if (!s->has_lock_held || !s->lock_held)
        return err_set(e, ERR_LOST, "the agent does not hold the server's lock%s%s",
                       s->problem ? ": " : "", s->problem ? s->problem : "");
    if (s->n_mount > RUN_MOUNTS_MAX)
        return err_set(e, ERR_PROTOCOL, "the agent tells of %zu mounts; more than %d are too many",
                       s->n_mount, RUN_MOUNTS_MAX);
    return check_mounts(r, s, e);
}

static int confirm_step(void *run, struct err *e)
{
    struct run *r = run;
    Cbsnap__StateQuery query = CBSNAP__STATE_QUERY__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    struct guest_request req = {.done = false};
    struct domain_job job = domain_job_start(r, call_writes);
    int rc;

    MSG_SET(&query, probe_frozen, 1);
    MSG_BODY(&m, state_query, STATE_QUERY, &query);
    rc = guest_call(r->guest, &req, &m, CBSNAP__ENVELOPE__BODY_STATE, stall_deadline(r), e);
    if (rc == 0) {
        rc = check_state(r, req.answer->state, e);
        r->freeze.state = STEAL_PTR(req.answer);
    }
    guest_request_release(&req);
    /* the counters are waited for in any case: the thread must not be left behind */
    if (read_writes(r, &job, &r->writes_before, &r->writes_before_count, rc == 0 ? e : NULL) < 0)
        rc = -1;
    r->freeze.confirmed = rc == 0;
    return rc;
}

/* ---- snapshots ------------------------------------------------------------------------------- */

static bool snapshots_settled(void *arg)
{
    const struct run *r = arg;

    bool all = true;

    if (r->freeze.lost)
        return true;
    for (size_t n = 0; n < r->volume_count; n++) {
        const struct storage_op *op = &r->volumes[n].op;

        if (op->done && err_is_set(&op->err))
            return true; /* the set is void: writers wait for the others in vain */
        all = all && op->done;
    }
    return all;
}

/* Keeps the guest waiting, as long as we do. */
static void renew(struct run *r)
{
    Cbsnap__Renew body = CBSNAP__RENEW__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    body.run_id = r->set;
    MSG_SET(&body, epoch, r->epoch);
    MSG_SET(&body, frozen, r->freeze.frozen_count);
    MSG_BODY(&m, renew, RENEW, &body);
    guest_post(r->guest, &m);
}

static int wait_for_snapshots(struct run *r, struct err *e)
{
    for (;;) {
        int64_t next = mono_in_ms(r->conf->lease_ms / 3), end = stall_deadline(r);
        struct err why = ERR_INIT;

        if (loop_wait_until(r->loop, snapshots_settled, r, next < end ? next : end, &why) == 0)
            break;
        if (why.code != ERR_TIMEOUT || mono_us() >= end) {
            *e = why;
            return err_prefix(e, "wait for the snapshots of domain '%s'", r->domain_name);
        }
        renew(r);
    }
    if (r->freeze.lost)
        *e = r->freeze.guest_error;
    return r->freeze.lost ? -1 : 0;
}

static int snapshots_step(void *run, struct err *e)
{
    struct run *r = run;

    for (size_t n = 0; n < r->volume_count; n++) {
        struct set_volume *v = &r->volumes[n];

        v->asked = true;
        v->storage->ops->snapshot(v->storage, &v->volume, r->set, stall_deadline(r), &v->op);
    }
    renew(r);
    /* on failure what is under way is left to end by itself, while the guest is let go */
    if (wait_for_snapshots(r, e) < 0)
        return -1;
    for (size_t n = 0; n < r->volume_count; n++) {
        if (err_is_set(&r->volumes[n].op.err)) {
            *e = r->volumes[n].op.err;
            return err_prefix(e, "snapshot of disk '%s' (volume '%s')", r->volumes[n].disk->target,
                              r->volumes[n].volume.name);
        }
    }
    return 0;
}

/* ---- witness --------------------------------------------------------------------------------- */

static const struct disk_writes *writes_of(const struct disk_writes *all, size_t count,
                                           const char *target)
{
    for (size_t n = 0; n < count; n++) {
        if (strcmp(all[n].target, target) == 0)
            return &all[n];
    }
    return NULL;
}

static int compare_writes(struct run *r, struct err *e)
{
    for (size_t n = 0; n < r->volume_count; n++) {
        const char *target = r->volumes[n].disk->target;
        const struct disk_writes *a = writes_of(r->writes_before, r->writes_before_count, target);
        const struct disk_writes *b = writes_of(r->writes_after, r->writes_after_count, target);

        if (!a || !b)
            return err_set(e, ERR_LIBVIRT, "libvirt has no write counters of disk '%s'", target);
        if (a->requests != b->requests || a->bytes != b->bytes)
            return err_set(e, ERR_LOST,
                           "disk '%s' was written to while frozen: %llu requests, %llu bytes",
                           target, (unsigned long long)(b->requests - a->requests),
                           (unsigned long long)(b->bytes - a->bytes));
    }
    return 0;
}

static int witness_step(void *run, struct err *e)
{
    struct run *r = run;
    struct domain_job job = domain_job_start(r, call_writes);

    if (read_writes(r, &job, &r->writes_after, &r->writes_after_count, e) < 0 ||
        compare_writes(r, e) < 0)
        return -1;
    r->witness_held = true;
    return 0;
}

const struct step critical_steps[] = {
    {"freeze", freeze_step, thaw_step, UNDO_ALWAYS, .critical = true},
    {"confirm", confirm_step, NULL, UNDO_ON_FAILURE, .critical = true},
    /* their removal is the outer plan's: it can wait until writers write again */
    {"snapshots", snapshots_step, NULL, UNDO_ON_FAILURE, .critical = true},
    {"witness", witness_step, NULL, UNDO_ON_FAILURE, .critical = true},
};
const size_t critical_step_count = ARRAY_SIZE(critical_steps);
