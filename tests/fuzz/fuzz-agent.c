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
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"

#define MOUNTS  3
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
    struct session *session;
    struct peer peers[PEERS];
    struct worker live_worker, *evidence_worker;
    struct session_job *queue[8];
    size_t queued;
    unsigned fails;
    uint64_t samples;
    struct sample *sample[SAMPLES];
    struct names *names;
    /* what is held, and whether all of it was until it was let go */
    bool locked, frozen[MOUNTS], armed, fired, held_lock, held_all;
    bool probed[MOUNTS]; /* were frozen when the session last asked in this freeze */
    int64_t armed_until_us;
} w;

/* ---- what the session works on --------------------------------------------------------------- */

static const struct mount mounts[MOUNTS] = {
    {.path = (char *)"/",
     .device = (char *)"vda1",
     .disk = (char *)"vda",
     .serial = (char *)"",
     .fstype = (char *)"ext4"},
    {.path = (char *)"/mnt/mysql",
     .device = (char *)"vdb",
     .disk = (char *)"vdb",
     .serial = (char *)"s1",
     .fstype = (char *)"xfs"},
    {.path = (char *)"/mnt/mysqldata",
     .device = (char *)"vdc",
     .disk = (char *)"vdc",
     .serial = (char *)"s2",
     .fstype = (char *)"xfs"},
};

static void op_submit(void *arg, struct session_job *job)
{
    (void)arg;
    FUZZ_MUST(w.queued < ARRAY_SIZE(w.queue));
    w.queue[w.queued++] = job;
}

static void op_nothing(void *arg)
{
    (void)arg;
}

static void op_watch(void *arg, bool on)
{
    (void)arg, (void)on;
}

static void op_quiet(void *arg, bool on)
{
    (void)arg;
    evidence_quiet(w.daemon.evidence, on);
}

static void op_tick_in(void *arg, int ms)
{
    (void)arg, (void)ms;
}

static void op_keep_epoch(void *arg, uint64_t epoch)
{
    (void)arg, (void)epoch;
}

/* As the daemon does. */
static void op_event(void *arg, const Cbsnap__FreezeEvent *event)
{
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    (void)arg;
    if (event->kind == CBSNAP__FREEZE_EVENT__KIND__LOCKED)
        FUZZ_MUST((w.locked || w.fired) && event->position);
    MSG_BODY(&m, freeze_event, FREEZE_EVENT, (Cbsnap__FreezeEvent *)(uintptr_t)event);
    if (w.peers[0].there)
        (void)peer_send(&w.peers[0], &m, PEER_MUST);
}

static int64_t op_now(void *arg)
{
    (void)arg;
    return mono_us();
}

static bool op_arm(void *arg, int64_t at_us)
{
    (void)arg;
    /* whoever asked: writers do not wait for longer than an admin may configure */
    FUZZ_MUST(at_us - mono_us() <= INT64_C(3600) * 1000000);
    if (w.fired)
        return false;
    w.armed = true;
    w.armed_until_us = at_us;
    return true;
}

static bool op_disarm(void *arg)
{
    bool in_time = !w.fired;

    (void)arg;
    w.armed = w.fired = false;
    return in_time;
}

static size_t op_mount_count(void *arg)
{
    (void)arg;
    return MOUNTS;
}

static const struct mount *op_mount_at(void *arg, size_t n)
{
    (void)arg;
    return &mounts[n];
}

static int op_enter(void *arg, uint64_t epoch, const char *run_id, struct err *e)
{
    (void)arg, (void)epoch, (void)run_id;
    return w.fails & ENTER_FAILS ? err_set(e, ERR_IO, "no marker") : 0;
}

static int op_lock_take(void *arg, struct position *ret_position, struct lock_report *ret_report,
                        struct err *e)
{
    (void)arg;
    FUZZ_MUST(w.armed);
    *ret_report = (struct lock_report){.tries = 1, .requested_us = mono_us()};
    if (w.fails & LOCK_FAILS)
        return err_set(e, ERR_LOCK, "not granted");
    w.locked = w.held_lock = true;
    memset(w.probed, 0, sizeof(w.probed));
    ret_report->locked_us = mono_us();
    *ret_position = (struct position){.binlog_file = xstrdup("bin.000001"), .binlog_offset = 4};
    return 0;
}

static int op_lock_release(void *arg, struct err *e)
{
    bool was = w.locked && !(w.fails & UNLOCK_FAILS);

    (void)arg;
    w.held_lock = was;
    w.locked = false;
    return was ? 0 : err_set(e, ERR_LOST, "the lock was lost");
}

static void op_thaw(void *arg, struct fs_result *results)
{
    (void)arg;
    w.held_all = w.frozen[0] || w.frozen[1] || w.frozen[2];
    for (size_t n = 0; n < MOUNTS; n++) {
        bool fails = n == 1 && (w.fails & THAW_FAILS);

        w.held_all &= !fails && (w.frozen[n] || !w.probed[n]);
        results[n] = (struct fs_result){.answer = fails         ? FS_FAILED
                                                  : w.frozen[n] ? FS_FROZEN
                                                                : FS_NOT_FROZEN,
                                        .sys_errno = fails ? 5 : 0};
        w.frozen[n] = false;
    }
}

static void op_probe(void *arg, struct fs_result *results)
{
    (void)arg;
    for (size_t n = 0; n < MOUNTS; n++) {
        w.probed[n] = w.frozen[n];
        results[n] = (struct fs_result){.answer = w.frozen[n] ? FS_FROZEN : FS_NOT_FROZEN};
    }
}

static const struct session_ops ops = {
    .submit = op_submit,
    .cancel = op_nothing,
    .watch = op_watch,
    .quiet = op_quiet,
    .tick_in = op_tick_in,
    .keep_epoch = op_keep_epoch,
    .event = op_event,
    .forget = op_nothing,
    .open_mounts = op_nothing,
    .now_us = op_now,
    .wall_us = op_now,
    .arm = op_arm,
    .disarm = op_disarm,
    .mount_count = op_mount_count,
    .mount_at = op_mount_at,
    .enter = op_enter,
    .leave = op_nothing,
    .lock_take = op_lock_take,
    .lock_release = op_lock_release,
    .thaw = op_thaw,
    .probe = op_probe,
};

static const struct session_limits limits = {.run_lease_us = 10000000,
                                             .hook_lease_us = 60000000,
                                             .lock_budget_us = 20000000,
                                             .prepared_for_us = 60000000,
                                             .sweep_for_us = 30000000};

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
    struct session_job *job;

    if (w.queued == 0)
        return false;
    job = w.queue[0];
    memmove(w.queue, w.queue + 1, --w.queued * sizeof(w.queue[0]));
    session_job_run(job);
    session_job_done(job);
    return true;
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
        FUZZ_MUST(w.held_lock && w.held_all);
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

/* It thaws and severs by itself, then tells the session. */
static void fire(void)
{
    if (!w.armed)
        return;
    w.armed = w.locked = false;
    w.fired = true;
    memset(w.frozen, 0, sizeof(w.frozen));
    session_fired(w.session);
}

static void qemu_ga_freezes(void)
{
    if (session_state(w.session) != SESSION_LOCKED)
        return;
    for (size_t n = 0; n < MOUNTS; n++)
        w.frozen[n] = true;
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
        w.frozen[1] = false;
    else if (what == ACT_WORK_ONE)
        (void)work_one();
    else if (what == ACT_FIRE)
        fire();
    else if (what == ACT_CONNECTION) {
        w.locked = false;
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
    FUZZ_MUST(!w.locked && !w.armed);
    for (size_t n = 0; n < MOUNTS; n++)
        FUZZ_MUST(!w.frozen[n]);
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
    w.fails = fails;
    w.names = names_new();
    w.daemon.options = (struct agent_options){.manifest_dir = dir,
                                              .asset_file = (char *)"/nowhere/tag",
                                              .mysql_socket = (char *)"/nowhere/socket",
                                              .guard_s = 5};
    w.daemon.instance = 42;
    (void)uv_loop_init(&w.daemon.loop);
    w.session = session_new(&ops, &w, &limits, 7);
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
