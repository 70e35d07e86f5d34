/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is asked of the guest before a freeze: its facts, whether the server can be locked at all,
 * and to write out what is dirty so that the freeze finds little. Done on the worker; nothing here
 * holds anything.
 */
#include "guest-agent/daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest-agent/mysql/patience.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#define FACTS_FRESH_US    INT64_C(500000) /* younger ones are told without asking again */
#define STATE_PATIENCE_MS 1000 /* a server that is slow to answer keeps no status waiting */

struct inquiry {
    struct worker_job job; /* first: the worker hands this back */
    struct daemon *daemon;
    struct call *call;    /* NULL: answered with what was known */
    uv_timer_t *patience; /* of who only asks for the state; NULL: none */
    struct facts facts;
    bool prepare, flush;
    char run_id[SESSION_RUN_ID_SIZE];
    uint32_t lease_ms;
    int guard_s;
    /* results */
    struct err err;
    uint32_t longest_s, flush_ms;
};

/* ---- worker's thread ---------------------------------------------------------------------------
 */

static int flush(struct inquiry *q, struct mysql_lock *mysql)
{
    struct fs_set *set = fs_set_open(&q->facts.mounts);
    int64_t began = mono_ms();
    int rc;

    rc = mysql_flush_logs(mysql, &q->err);
    fs_set_sync(set);
    fs_set_close(set);
    q->flush_ms = (uint32_t)(mono_ms() - began);
    return rc;
}

static void prepare_run(struct inquiry *q, struct mysql_lock *mysql)
{
    if (err_is_set(&q->facts.problem)) {
        q->err = q->facts.problem;
        return;
    }
    if (mysql_longest_statement(mysql, &q->longest_s, &q->err) < 0)
        return;
    if (q->longest_s > (uint32_t)q->guard_s) {
        err_set(&q->err, ERR_LOCK,
                "a statement has been running for %u s, longer than lock.guard_s = %d: wait for it "
                "or end it",
                q->longest_s, q->guard_s);
        return;
    }
    if (q->flush)
        (void)flush(q, mysql);
}

static void inquiry_run(struct worker_job *job)
{
    struct inquiry *q = (struct inquiry *)job;
    struct mysql_lock *mysql = live_mysql(q->daemon->live);

    facts_read(&q->facts, mysql, live_login(q->daemon->live));
    if (q->prepare)
        prepare_run(q, mysql);
}

/* ---- loop's thread -----------------------------------------------------------------------------
 */

static void send_prepared(struct inquiry *q)
{
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    Cbsnap__Prepared prepared = CBSNAP__PREPARED__INIT;
    struct facts_view view;

    facts_describe(&q->daemon->facts, &view);
    MSG_SET(&prepared, epoch, session_epoch(live_session(q->daemon->live)));
    prepared.server = view.server_ptr;
    prepared.mount = view.mount_ptrs;
    prepared.n_mount = view.mount_count;
    prepared.hook = &view.hook;
    MSG_SET(&prepared, longest_statement_s, q->longest_s);
    if (q->flush)
        MSG_SET(&prepared, flush_ms, q->flush_ms);
    MSG_BODY(&m, prepared, PREPARED, &prepared);
    call_send(q->call, &m);
    facts_view_release(&view);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle);
}

static void stop_waiting(struct inquiry *q)
{
    if (!q->patience)
        return;
    uv_close((uv_handle_t *)q->patience, on_timer_closed);
    q->patience = NULL;
}

/* The question goes on, and what it brings is known to the next who asks. */
static void on_impatient(uv_timer_t *timer)
{
    struct inquiry *q = timer->data;
    struct facts *known = &q->daemon->facts;

    if (!err_is_set(&known->problem))
        err_set(&known->problem, ERR_TIMEOUT,
                "the server has not answered for %d ms; what is told of it is from before",
                STATE_PATIENCE_MS);
    call_state(q->call);
    q->call = NULL;
    stop_waiting(q);
}

static void wait_no_longer(struct inquiry *q)
{
    q->patience = xcalloc(1, sizeof(*q->patience));
    uv_timer_init(&q->daemon->loop, q->patience);
    q->patience->data = q;
    uv_timer_start(q->patience, on_impatient, STATE_PATIENCE_MS, 0);
}

/* What a server that hangs is asked may stay in it, in one session after another. A login that came
 * to no end is no timeout by its code. */
static void note_patience(struct daemon *d)
{
    const struct facts *f = &d->facts;
    bool hangs =
        f->problem.code == ERR_TIMEOUT ||
        (err_is_set(&f->problem) && mono_us() - f->read_us >= INT64_C(1000) * STATE_PATIENCE_MS);
    int pause_ms;

    d->unanswered = hangs ? d->unanswered + 1 : 0;
    pause_ms = hangs ? patience_retry_ms(ERR_TIMEOUT, d->unanswered) : 0;
    d->ask_after_us = mono_in_ms(pause_ms);
    if (hangs)
        err_hint(&d->facts.problem, "it is asked again after %d s", pause_ms / 1000);
}

static void inquiry_done(struct worker_job *job)
{
    struct inquiry *q = (struct inquiry *)job;
    struct daemon *d = q->daemon;

    stop_waiting(q);

    facts_release(&d->facts);
    d->facts = q->facts;
    note_patience(d);
    /* last: a hook may have begun a freeze while this ran */
    if (q->prepare && !err_is_set(&q->err) && q->run_id[0] && q->call->client)
        (void)session_prepare(live_session(d->live), q->run_id, q->lease_ms, &q->err);
    if (q->prepare && err_is_set(&q->err))
        call_error(q->call, &q->err);
    else if (q->prepare)
        send_prepared(q);
    else if (q->call) /* not told already */
        call_state(q->call);
    if (!q->prepare)
        d->asking = false;
    free(q);
}

static void submit(struct inquiry *q)
{
    q->job.run = inquiry_run;
    q->job.done = inquiry_done;
    q->guard_s = q->daemon->options.guard_s;
    worker_submit(live_worker(q->daemon->live), &q->job);
}

void prepare_begin(struct call *call, const Cbsnap__Prepare *m)
{
    struct daemon *d = call->daemon;
    struct session *s = live_session(d->live);
    struct err e = ERR_INIT;
    struct inquiry *q;

    if (session_state(s) != SESSION_IDLE)
        err_set(&e, ERR_BUSY, "a freeze is under way in the guest (%s, epoch %llu)",
                session_state_name(session_state(s)), (unsigned long long)session_epoch(s));
    else if (evidence_verifying(d->evidence))
        err_set(&e, ERR_REFUSED, "this guest was booted to verify set %s: it takes no freeze",
                evidence_verifying(d->evidence));
    else if (m->run_id && strlen(m->run_id) >= sizeof(q->run_id))
        err_set(&e, ERR_PROTOCOL, "a run id of %zu characters is too long", strlen(m->run_id));
    if (err_is_set(&e)) {
        call_error(call, &e);
        return;
    }
    q = xcalloc(1, sizeof(*q));
    q->daemon = d;
    q->call = call;
    q->prepare = true;
    q->flush = m->has_flush && m->flush;
    q->lease_ms = m->has_lease_ms ? m->lease_ms : 0;
    if (m->run_id)
        (void)snprintf(q->run_id, sizeof(q->run_id), "%s", m->run_id);
    submit(q);
}

/* While a freeze is under way the answer is what was known before: nothing may be asked. Likewise
 * for some time after a server did not answer; a run, which must know, asks all the same. */
void state_begin(struct call *call)
{
    struct daemon *d = call->daemon;
    bool fresh = d->facts.read_us && mono_us() - d->facts.read_us < FACTS_FRESH_US;
    struct inquiry *q;

    /* one question to a server that is slow is enough: the lock may come to wait behind it */
    if (fresh || d->asking || mono_us() < d->ask_after_us ||
        session_state(live_session(d->live)) != SESSION_IDLE) {
        call_state(call);
        return;
    }
    q = xcalloc(1, sizeof(*q));
    q->daemon = d;
    q->call = call;
    d->asking = true;
    wait_no_longer(q);
    submit(q);
}
