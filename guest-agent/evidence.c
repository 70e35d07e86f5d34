/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Manifest and mark asked for by the host, and the worker for all such requests; see evidence.h. */
#include "guest-agent/evidence.h"

#include <stdlib.h>
#include <string.h>

#include "guest-agent/evidence/asset.h"
#include "guest-agent/evidence/manifest.h"
#include "guest-agent/evidence_private.h"
#include "guest-agent/mysql/mark.h"
#include "guest-agent/session/login.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

/* A host asks one after the other; more than this is one gone mad, and each holds a document. */
#define PENDING_MAX 4

struct evidence *evidence_new(struct daemon *d)
{
    struct evidence *ev = xcalloc(1, sizeof(*ev));

    ev->daemon = d;
    ev->worker = worker_new(&d->loop);
    evidence_freezes_load(ev);
    memcpy(ev->verifying, d->verifying, sizeof(ev->verifying));
    if (*ev->verifying) {
        struct mysql_login login = options_login(&d->options);

        log_info("verify mode: this guest was booted to verify set %s, and takes no freeze",
                 ev->verifying);
        ev->watch = answer_watch_new(&login);
    }
    return ev;
}

int evidence_free(struct evidence *ev, int wait_ms)
{
    atomic_store(&ev->stop_check, true);
    answer_watch_stop(ev->watch);
    if (worker_free(ev->worker, wait_ms) < 0 || answer_watch_free(ev->watch, wait_ms) < 0)
        return -1;
    freezes_release(&ev->freezes);
    free(ev);
    return 0;
}

const char *evidence_verifying(const struct evidence *ev)
{
    return *ev->verifying ? ev->verifying : NULL;
}

void evidence_quiet(struct evidence *ev, bool on)
{
    atomic_store(&ev->quiet, on);
}

bool evidence_must_stop(void *arg)
{
    struct evidence *ev = arg;

    return atomic_load(&ev->quiet);
}

struct mysql_login evidence_login(const struct evidence *ev)
{
    const struct agent_options *o = &ev->daemon->options;
    struct mysql_login login = options_login(o);

    login.socket = NULL;
    (void)login_resolve(&login, o->mysql_socket);
    return login;
}

/* ---- jobs ---- */

static void on_job_done(struct worker_job *job)
{
    struct evidence_job *j = (struct evidence_job *)job;

    j->ev->pending--;
    if (err_is_set(&j->err))
        call_error(j->call, &j->err);
    else
        j->answer(j);
    j->release(j);
}

int evidence_can_begin(const struct evidence *ev, struct err *e)
{
    struct session *s = live_session(ev->daemon->live);

    if (session_state(s) != SESSION_IDLE)
        return err_set(e, ERR_BUSY, "a freeze is under way in the guest (%s, epoch %llu)",
                       session_state_name(session_state(s)), (unsigned long long)session_epoch(s));
    if (ev->checking)
        return err_set(e, ERR_BUSY, "a data check is under way in the guest");
    if (ev->pending >= PENDING_MAX)
        return err_set(e, ERR_BUSY, "%u requests of this kind are under way", ev->pending);
    return 0;
}

void evidence_start(struct evidence_job *j)
{
    j->ev->pending++;
    j->job.done = on_job_done;
    worker_submit(j->ev->worker, &j->job);
}

void evidence_submit(struct evidence_job *j)
{
    if (!err_is_set(&j->err) && evidence_can_begin(j->ev, &j->err) == 0) {
        evidence_start(j);
        return;
    }
    call_error(j->call, &j->err);
    j->release(j);
}

int evidence_check_quiet(struct evidence_job *j)
{
    if (!evidence_must_stop(j->ev))
        return 0;
    return err_set(&j->err, ERR_BUSY, "a freeze began in the guest");
}

/* ---- manifest and mark ---- */

struct manifest_job {
    struct evidence_job base; /* first */
    char *set, *json;         /* json NULL: forget */
    unsigned keep;
    bool mark;
    /* results */
    char *path;
    unsigned pruned;
    bool marked;
    struct err mark_err;
};

static void manifest_run(struct worker_job *job)
{
    struct manifest_job *j = (struct manifest_job *)job;
    const struct agent_options *o = &j->base.ev->daemon->options;
    struct mysql_login login = evidence_login(j->base.ev);

    if (evidence_check_quiet(&j->base) < 0)
        return;
    if (!j->json) {
        (void)manifest_forget(o->manifest_dir, j->set, &j->base.err);
        return;
    }
    if (manifest_store(o->manifest_dir, j->set, j->json, j->keep, &j->path, &j->pruned,
                       &j->base.err) < 0)
        return;
    if (j->mark && *o->mark_table)
        j->marked = mark_write(&login, o->mark_table, j->set, wall_us(), evidence_must_stop,
                               j->base.ev, &j->mark_err) == 0;
}

static void manifest_answer(struct evidence_job *base)
{
    struct manifest_job *j = (struct manifest_job *)base;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    Cbsnap__ManifestStored stored = CBSNAP__MANIFEST_STORED__INIT;

    stored.path = j->path;
    MSG_SET(&stored, pruned, j->pruned);
    MSG_SET(&stored, marked, j->marked);
    if (err_is_set(&j->mark_err))
        stored.mark_problem = j->mark_err.msg;
    MSG_BODY(&m, manifest_stored, MANIFEST_STORED, &stored);
    call_send(base->call, &m);
}

static void manifest_release(struct evidence_job *base)
{
    struct manifest_job *j = (struct manifest_job *)base;

    free(j->set);
    free(j->json);
    free(j->path);
    free(j);
}

void evidence_manifest(struct evidence *ev, struct call *call, const Cbsnap__Manifest *m)
{
    struct manifest_job *j = xcalloc(1, sizeof(*j));

    j->base = (struct evidence_job){.ev = ev,
                                    .call = call,
                                    .job.run = manifest_run,
                                    .answer = manifest_answer,
                                    .release = manifest_release};
    j->set = xstrdup(m->set ? m->set : "");
    j->json = m->json ? xstrdup(m->json) : NULL;
    j->keep = m->has_keep ? m->keep : MANIFEST_KEEP;
    j->mark = m->has_mark && m->mark;
    if (evidence_verifying(ev))
        err_set(&j->base.err, ERR_REFUSED, "this guest verifies set %s: it keeps no manifest",
                ev->verifying);
    evidence_submit(&j->base);
}
