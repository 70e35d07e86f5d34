/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's end: every message that a host on the port, or a hook on the socket, may send at any
 * time (guest-agent/requests.c, answers.c, prepare.c, evidence.c, stream.c and the freeze session).
 * First byte: what of the outside fails. Each record's first byte says who sends the rest, or what
 * happens instead: enum act.
 *
 * Whatever they say, no lock is told of that is not there, `held` is only said of what was held, a
 * freeze has a watchdog that comes soon, each request is answered, and all is let go at the end.
 */
#include <string.h>

#include "guest-agent/daemon.h"
#include "guest-agent/evidence/certificate.h"
#include "guest-agent/evidence_private.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/fake/session_outside.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"

#define PEERS   3 /* the host, two on the socket */
#define SAMPLES 4

const size_t fuzz_head_bytes = 1;
const size_t fuzz_message_at = 1;

enum act {
    ACT_MESSAGE,    /* 0..2: of that peer */
    ACT_WORK = 16,  /* the workers do all that waits */
    ACT_WORK_ONE,   /* one job of the session's */
    ACT_FIRE,       /* the watchdog */
    ACT_CONNECTION, /* MySQL's breaks */
    ACT_QEMU_GA,    /* it froze */
    ACT_TICK,
    ACT_TIME,                    /* 6 s */
    ACT_SAMPLE,                  /* a new one */
    ACT_GONE,                    /* 24..26: that peer, cleanly */
    ACT_BREAKS = ACT_GONE + 3,   /* 27..29: and not cleanly */
    ACT_THAWED = ACT_BREAKS + 3, /* somebody else thaws one filesystem */
};

enum fails { LOCK_FAILS = 1, ENTER_FAILS = 2, UNLOCK_FAILS = 4, THAW_FAILS = 8, VERIFIES = 16 };

struct peer {
    void *data;
    bool there;
};

struct live {
    char unused;
};

struct worker {
    struct worker_job *jobs, **end;
    bool runs; /* what blocks, too */
};

static struct {
    struct daemon daemon;
    struct outside out;
    struct session *session;
    struct peer peers[PEERS];
    struct worker live_worker, *evidence_worker;
    uint64_t samples;
    struct sample *sample[SAMPLES];
    struct names *names;
} w;

/* ---- what the session works on: session_outside.c but for these ------------------------------ */

void outside_broken(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    abort();
}

/* It comes too late: the lock is granted although somebody wants out. */
static void op_cancel(void *arg)
{
    (void)arg;
}

static void op_quiet(void *arg, bool on)
{
    outside_ops.quiet(arg, on);
    evidence_quiet(w.daemon.evidence, on);
}

/* As the daemon does. */
static void op_event(void *arg, const Cbsnap__FreezeEvent *event)
{
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    outside_ops.event(arg, event);
    if (event->kind == CBSNAP__FREEZE_EVENT__KIND__LOCKED)
        FUZZ_MUST(w.out.locked || w.out.fired);
    MSG_BODY(&m, freeze_event, FREEZE_EVENT, (Cbsnap__FreezeEvent *)(uintptr_t)event);
    if (w.peers[0].there)
        (void)peer_send(&w.peers[0], &m, PEER_MUST);
}

static bool op_arm(void *arg, int64_t at_us)
{
    /* whoever asked: writers do not wait for longer than an admin may configure */
    FUZZ_MUST(at_us - mono_us() <= INT64_C(3600) * 1000000);
    return outside_ops.arm(arg, at_us);
}

static struct session *new_session(unsigned fails)
{
    static struct session_ops ops;

    ops = outside_ops;
    ops.cancel = op_cancel;
    ops.quiet = op_quiet;
    ops.event = op_event;
    ops.arm = op_arm;
    outside_init(&w.out);
    w.out.clock = mono_us;
    w.out.lock_fails = fails & LOCK_FAILS;
    w.out.enter_fails = fails & ENTER_FAILS;
    w.out.unlock_fails = fails & UNLOCK_FAILS;
    w.out.thaw_fails = fails & THAW_FAILS;
    return session_new(&ops, &w.out, &outside_limits, 7);
}

/* ---- in place of session/live.c, session/worker.c -------------------------------------------- */

struct session *live_session(struct live *l)
{
    (void)l;
    return w.session;
}

struct worker *live_worker(struct live *l)
{
    (void)l;
    return &w.live_worker;
}

struct mysql_lock *live_mysql(struct live *l)
{
    (void)l;
    return NULL;
}

const struct mysql_login *live_login(const struct live *l)
{
    (void)l;
    return NULL;
}

struct worker *worker_new(uv_loop_t *loop)
{
    struct worker *worker = xcalloc(1, sizeof(*worker));

    (void)loop;
    worker->runs = true;
    w.evidence_worker = worker;
    return worker;
}

void worker_submit(struct worker *to, struct worker_job *job)
{
    struct worker_job **at = &to->jobs;

    while (*at)
        at = &(*at)->next;
    job->next = NULL;
    *at = job;
}

int worker_free(struct worker *worker, int wait_ms)
{
    (void)wait_ms;
    FUZZ_MUST(!worker->jobs);
    free(worker);
    return 0;
}

int thread_start(pthread_t *ret, size_t stack_kib, void *(*body)(void *), void *arg)
{
    (void)ret, (void)stack_kib, (void)body, (void)arg;
    abort(); /* nothing here has a thread */
}

/* Of what asks the server only the end is played: there is none. */
static void work(struct worker *worker)
{
    while (worker->jobs) {
        struct worker_job *job = worker->jobs;

        worker->jobs = job->next;
        if (worker->runs)
            job->run(job);
        job->done(job);
    }
}

static bool work_one(void)
{
    struct session_job *job = outside_run(&w.out);

    if (job)
        session_job_done(job);
    return job != NULL;
}

static void work_all(void)
{
    work(&w.live_worker);
    work(w.evidence_worker);
    while (work_one())
        ;
}

Cbsnap__Certificate *certificate_make(const struct mysql_login *login,
                                      const struct certificate_query *q)
{
    Cbsnap__Certificate *c = malloc(sizeof(*c));

    (void)login, (void)q;
    cbsnap__certificate__init(c);
    MSG_SET(c, ready, 0);
    return c;
}

/* ---- in place of channel/peer.c, channel/port.c, sampler.c ----------------------------------- */

void *peer_data(const struct peer *p)
{
    return p->data;
}

void peer_set_data(struct peer *p, void *data)
{
    p->data = data;
}

bool peer_has_room(const struct peer *p)
{
    (void)p;
    return true;
}

int peer_send(struct peer *p, Cbsnap__Envelope *m, enum peer_weight weight)
{
    struct buf frame = BUF_INIT;
    int rc = message_frame(&frame, m, NULL);

    (void)weight;
    FUZZ_MUST(p->there);
    if (m->body_case == CBSNAP__ENVELOPE__BODY_RELEASED && m->released->held)
        FUZZ_MUST(outside_held(&w.out));
    buf_release(&frame);
    return rc;
}

struct peer *port_peer(const struct port *p)
{
    (void)p;
    return w.peers[0].there ? &w.peers[0] : NULL;
}

const char *port_problem(const struct port *p)
{
    (void)p;
    return "";
}

void sampler_hurry(struct sampler *s, int interval_ms)
{
    (void)s;
    FUZZ_MUST(interval_ms == 0 || interval_ms >= 100);
}

uint64_t sampler_first(const struct sampler *s)
{
    (void)s;
    return w.samples > SAMPLES ? w.samples - SAMPLES : 0;
}

uint64_t sampler_next(const struct sampler *s)
{
    (void)s;
    return w.samples;
}

const struct sample *sampler_at(const struct sampler *s, uint64_t number)
{
    FUZZ_MUST(number >= sampler_first(s) && number < w.samples);
    return w.sample[number % SAMPLES];
}

const struct names *sampler_names(const struct sampler *s)
{
    (void)s;
    return w.names;
}

static void new_sample(void)
{
    struct sample **at = &w.sample[w.samples % SAMPLES];

    sample_free(*at);
    *at = sample_new(w.names);
    sample_emit(*at, "system.load1", 1.5);
    if (w.samples % 2)
        sample_emit_of(*at, "disk.*.writes", "vdb", (double)w.samples);
    if (w.samples % 3 == 0)
        sample_add_line(*at, 0, LINE_ERROR, "broken");
    w.samples++;
    for (struct client *c = w.daemon.clients; c; c = c->next)
        stream_pump(&c->stream, w.daemon.sampler, c->peer);
}

/* ---- what happens ---------------------------------------------------------------------------- */

static struct client *client_of(size_t n)
{
    if (!w.peers[n].there) {
        w.peers[n] = (struct peer){.there = true};
        client_hello(client_new(&w.daemon, &w.peers[n], n == 0), 0);
    }
    return peer_data(&w.peers[n]);
}

static void leave(size_t n, bool clean)
{
    if (!w.peers[n].there)
        return;
    client_free(peer_data(&w.peers[n]), clean);
    w.peers[n].there = false;
}

static void take(size_t n, const struct fuzz_input *in)
{
    Cbsnap__Envelope *m = message_unpack(in->data, in->len);

    if (m)
        requests_take(client_of(n), m);
    message_free(m);
}

static void fire(void)
{
    if (w.out.armed)
        outside_fire(&w.out, w.session);
}

static void qemu_ga_freezes(void)
{
    if (session_state(w.session) == SESSION_LOCKED)
        outside_freeze(&w.out);
}

static void act(struct fuzz_input *in)
{
    unsigned what = fuzz_byte(in);

    if (what < PEERS)
        take(what, in);
    else if (what >= ACT_GONE && what < ACT_GONE + PEERS)
        leave(what - ACT_GONE, true);
    else if (what >= ACT_BREAKS && what < ACT_BREAKS + PEERS)
        leave(what - ACT_BREAKS, false);
    else if (what == ACT_THAWED)
        w.out.fs[1] = FS_NOT_FROZEN;
    else if (what == ACT_WORK_ONE)
        (void)work_one();
    else if (what == ACT_FIRE)
        fire();
    else if (what == ACT_CONNECTION) {
        w.out.locked = false;
        session_lock_lost(w.session);
    } else if (what == ACT_QEMU_GA)
        qemu_ga_freezes();
    else if (what == ACT_TICK)
        session_tick(w.session);
    else if (what == ACT_TIME)
        fuzz_let_pass(6000000);
    else if (what == ACT_SAMPLE)
        new_sample();
    else
        work_all();
}

static void on_stopped(void *arg)
{
    *(bool *)arg = true;
}

/* SIGTERM: all that waits is answered, all that is held is let go, in the time that systemd gives.
 */
static void stop(void)
{
    bool stopped = false;

    work_all();
    session_stop(w.session, on_stopped, &stopped);
    work_all();
    for (int64_t waited = 0; !stopped && waited <= 18000000; waited += 6000000) {
        fuzz_let_pass(6000000);
        session_tick(w.session);
        work_all();
    }
    FUZZ_MUST(stopped && session_state(w.session) == SESSION_IDLE);
    FUZZ_MUST(!w.out.locked && !w.out.armed);
    for (size_t n = 0; n < MOUNTS; n++)
        FUZZ_MUST(w.out.fs[n] != FS_FROZEN);
    for (const struct call *c = w.daemon.calls; c; c = c->next)
        FUZZ_MUST(c->freeze); /* these stay until their client goes */
    for (size_t n = 0; n < PEERS; n++)
        leave(n, true);
    FUZZ_MUST(!w.daemon.calls && !w.daemon.clients);
}

static void begin(unsigned fails)
{
    static char *dir;

    memset(&w, 0, sizeof(w));
    if (!dir)
        dir = xasprintf("%s/instance", fuzz_dir());
    fuzz_remove("instance");
    w.names = names_new();
    w.daemon.options = (struct agent_options){.manifest_dir = dir,
                                              .asset_file = (char *)"/nowhere/tag",
                                              .mysql_socket = (char *)"/nowhere/socket",
                                              .guard_s = 5};
    w.daemon.instance = 42;
    (void)uv_loop_init(&w.daemon.loop);
    w.session = new_session(fails);
    w.daemon.evidence = evidence_new(&w.daemon);
    if (fails & VERIFIES)
        memcpy(w.daemon.evidence->verifying, "20161104T101500Z-7f3a", SETID_SIZE);
}

static void end(void)
{
    (void)evidence_free(w.daemon.evidence, 0);
    session_free(w.session);
    for (size_t n = 0; n < SAMPLES; n++)
        sample_free(w.sample[n]);
    names_free(w.names);
    facts_release(&w.daemon.facts);
    for (int turn = 0; turn < 3; turn++)
        (void)uv_run(&w.daemon.loop, UV_RUN_NOWAIT);
    FUZZ_MUST(uv_loop_close(&w.daemon.loop) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size}, one;

    fuzz_begin();
    begin(fuzz_byte(&in));
    new_sample();
    while (fuzz_record(&in, &one))
        act(&one);
    stop();
    end();
    return 0;
}
