/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's end of the port, answering for the model of the guest. See snap_world.h. */
#include "tests/unit/host-coordinator/snap_world.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/cleanup.h"

static pthread_mutex_t line = PTHREAD_MUTEX_INITIALIZER; /* one message after the other */

static void say(struct peer *p, Cbsnap__Envelope *m)
{
    AUTO_LOCK(lock, &line);
    if (!model_stopped() && !w.after_death)
        peer_send(p, m);
}

static void hello(struct peer *p, uint32_t reply_to)
{
    AUTO_LOCK(lock, &line);
    if (!model_stopped())
        peer_hello(p, model_instance(), reply_to);
}

void agent_die(void)
{
    model_die();
    hello(w.peer, 0);
}

void agent_event(Cbsnap__FreezeEvent__Kind kind, const char *run_id, uint64_t epoch,
                 int64_t position)
{
    Cbsnap__FreezeEvent ev = CBSNAP__FREEZE_EVENT__INIT;
    Cbsnap__Position at = CBSNAP__POSITION__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    MSG_SET(&ev, kind, kind);
    MSG_SET(&ev, epoch, epoch);
    ev.run_id = (char *)run_id;
    at.binlog_file = (char *)"binlog.000042";
    MSG_SET(&at, binlog_offset, (uint64_t)position);
    ev.position = &at;
    MSG_BODY(&m, freeze_event, FREEZE_EVENT, &ev);
    say(w.peer, &m);
}

void agent_lets_go(bool tells)
{
    char run[40];
    uint64_t epoch = 0;

    if (model_lose(run, &epoch) && tells)
        agent_event(CBSNAP__FREEZE_EVENT__KIND__LOST, run, epoch, 0);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* What the script is about to say, or not. */
struct turn {
    struct peer *peer;
    const Cbsnap__Envelope *request;
    enum fault fault;
};

static void answer(const struct turn *t, Cbsnap__Envelope *m)
{
    static const char junk[] = "\xff\0CBSN\x7f\x7f\x7f\x7f junk junk junk";
    Cbsnap__Error error = CBSNAP__ERROR__INIT;
    Cbsnap__LogLine log = CBSNAP__LOG_LINE__INIT;

    if (!t->request->has_id || t->fault == HANGS || t->fault == MUTE)
        return;
    if (t->fault == FAILS || t->fault == FAILS_DONE) {
        MSG_SET(&error, code, ERR_IO);
        error.message = (char *)"by order of the test";
        MSG_BODY(m, error, ERROR, &error);
    } else if (t->fault == GARBAGE) {
        AUTO_LOCK(lock, &line);

        peer_send_raw(t->peer, junk, sizeof(junk));
        MSG_BODY(m, log_line, LOG_LINE, &log);
    }
    MSG_SET(m, reply_to, t->request->id);
    say(t->peer, m);
}

static bool does(const struct turn *t)
{
    return t->fault != FAILS && t->fault != HANGS;
}

struct mounts {
    Cbsnap__Mount items[WORLD_VOLUMES];
    Cbsnap__Mount *list[WORLD_VOLUMES];
};

static void make_mounts(struct mounts *m, const bool *frozen)
{
    static const char *const paths[] = {"/", "/mnt/log", "/mnt/data"};
    static const char *const disks[] = {"vda", "vdb", "vdc"};
    static const char *const serials[] = {"serial-of-the-root-disk", "serial-of-the-log-disk1",
                                          "serial-of-the-data-disk"};

    for (int n = 0; n < WORLD_VOLUMES; n++) {
        cbsnap__mount__init(&m->items[n]);
        m->items[n].path = (char *)paths[n];
        m->items[n].disk = (char *)disks[n];
        m->items[n].serial = (char *)serials[n];
        if (frozen)
            MSG_SET(&m->items[n], frozen, frozen[n]);
        m->list[n] = &m->items[n];
    }
}

static void answer_state(const struct turn *t)
{
    Cbsnap__State s = CBSNAP__STATE__INIT;
    Cbsnap__FreezeEvent end = CBSNAP__FREEZE_EVENT__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    struct model_state is = model_state();
    struct mounts mounts;

    make_mounts(&mounts, t->request->state_query->has_probe_frozen ? is.frozen : NULL);
    MSG_SET(&s, state,
            is.locked ? CBSNAP__SESSION_STATE__STATE_LOCKED : CBSNAP__SESSION_STATE__STATE_IDLE);
    MSG_SET(&s, epoch, is.epoch);
    MSG_SET(&s, lock_held, is.locked);
    s.run_id = is.run[0] ? is.run : NULL;
    if (is.last_cause) {
        MSG_SET(&end, kind, is.last_end);
        end.cause = (char *)is.last_cause;
        s.last_end = &end;
    }
    s.n_mount = WORLD_VOLUMES;
    s.mount = mounts.list;
    MSG_BODY(&m, state, STATE, &s);
    answer(t, &m);
}

static void answer_prepare(const struct turn *t)
{
    const Cbsnap__Prepare *asked = t->request->prepare;
    Cbsnap__Prepared prepared = CBSNAP__PREPARED__INIT;
    Cbsnap__Server server = CBSNAP__SERVER__INIT;
    Cbsnap__ServerPath data = CBSNAP__SERVER_PATH__INIT, *paths[] = {&data};
    Cbsnap__Hook hook = CBSNAP__HOOK__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    struct mounts mounts;
    uint64_t epoch = 0;

    if (does(t))
        (void)model_prepare(asked->run_id, (int)asked->lease_ms, &epoch);
    make_mounts(&mounts, NULL);
    data.role = (char *)"datadir";
    data.path = (char *)"/mnt/data/mysql";
    data.mount = (char *)"/mnt/data";
    server.n_path = 1;
    server.path = paths;
    MSG_SET(&prepared, epoch, epoch);
    prepared.server = &server;
    prepared.hook = &hook;
    prepared.n_mount = WORLD_VOLUMES;
    prepared.mount = mounts.list;
    MSG_BODY(&m, prepared, PREPARED, &prepared);
    answer(t, &m);
}

static void answer_manifest(const struct turn *t)
{
    Cbsnap__ManifestStored stored = CBSNAP__MANIFEST_STORED__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    stored.path = (char *)"/var/lib/cbsnap/instance/manifest.json";
    MSG_BODY(&m, manifest_stored, MANIFEST_STORED, &stored);
    answer(t, &m);
}

static void answer_release(const struct turn *t)
{
    const Cbsnap__Release *asked = t->request->release;
    Cbsnap__Released r = CBSNAP__RELEASED__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    uint64_t epoch = 0;
    bool held = does(t) && model_release(asked->run_id, asked->has_epoch, asked->epoch, &epoch);

    MSG_SET(&r, held, held);
    MSG_SET(&r, epoch, epoch);
    r.reason = held ? NULL : (char *)"it was not held";
    MSG_BODY(&m, released, RELEASED, &r);
    answer(t, &m);
}

static void serve_one(const struct turn *t)
{
    switch (t->request->body_case) {
    case CBSNAP__ENVELOPE__BODY_HELLO:
        if (t->fault == NO_FAULT || t->fault == SLOW)
            hello(t->peer, t->request->id);
        else
            answer(t, &(Cbsnap__Envelope)CBSNAP__ENVELOPE__INIT);
        break;
    case CBSNAP__ENVELOPE__BODY_STATE_QUERY:
        answer_state(t);
        break;
    case CBSNAP__ENVELOPE__BODY_PREPARE:
        answer_prepare(t);
        break;
    case CBSNAP__ENVELOPE__BODY_MANIFEST:
        answer_manifest(t);
        break;
    case CBSNAP__ENVELOPE__BODY_RENEW:
        if (does(t))
            model_renew(t->request->renew->run_id, t->request->renew->epoch);
        break;
    case CBSNAP__ENVELOPE__BODY_RELEASE:
        answer_release(t);
        break;
    default: /* readings are no matter of these tests */
        break;
    }
}

static const char *kind_of(const Cbsnap__Envelope *m)
{
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(
        &cbsnap__envelope__descriptor, (unsigned)m->body_case);

    return f ? f->name : "nothing";
}

static void serve(struct peer *p)
{
    Cbsnap__Envelope *m;

    hello(p, 0);
    while ((m = peer_receive(p))) {
        struct turn t = {.peer = p, .request = m};
        char label[LABEL_SIZE];

        (void)snprintf(label, sizeof(label), "port %s", kind_of(m));
        if (!model_stopped())
            t.fault = world_moment(AT_PORT, (int)m->body_case, label);
        if (t.fault == SLOW)
            usleep(MEMORY_SLOW_MS * 1000);
        if (!model_stopped())
            serve_one(&t);
        message_free(m);
    }
    model_host_gone();
}

/* Ends with the world: who counts threads can rely on it. */
void world_agent(struct peer *p)
{
    do
        serve(p);
    while (peer_next(p));
}
