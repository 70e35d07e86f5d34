/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent of the tests of `snapshot`, and the hook that asks it for the lock. */
#include "tests/unit/host-coordinator/take_world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#define EPOCH 7

static const struct disk_writes busy[] = {{"vda", 10, 100}, {"vdb", 21, 712}, {"vdc", 30, 300}};

static void send_event(Cbsnap__FreezeEvent__Kind kind)
{
    Cbsnap__FreezeEvent ev = CBSNAP__FREEZE_EVENT__INIT;
    Cbsnap__Position position = CBSNAP__POSITION__INIT;
    Cbsnap__Error error = CBSNAP__ERROR__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    MSG_SET(&ev, kind, kind);
    MSG_SET(&ev, epoch, w.fault == AGENT_OLD_EPOCH ? EPOCH - 1 : EPOCH);
    ev.run_id = w.run_id;
    if (kind == CBSNAP__FREEZE_EVENT__KIND__LOCKED) {
        position.binlog_file = (char *)"binlog.000042";
        MSG_SET(&position, binlog_offset, 1234);
        ev.position = w.fault == AGENT_NO_POSITION ? NULL : &position;
    } else if (w.fault != AGENT_GIVES_NO_REASON) {
        MSG_SET(&error, code, kind == CBSNAP__FREEZE_EVENT__KIND__LOST ? ERR_LOST : ERR_LOCK);
        error.message = (char *)"by order of the test";
        ev.error = &error;
        ev.cause = (char *)"test";
    }
    swell_lock(&ev);
    MSG_BODY(&m, freeze_event, FREEZE_EVENT, &ev);
    peer_send(w.peer, &m);
}

void world_hook(void *arg)
{
    (void)arg;
    switch (w.fault) {
    case AGENT_NEVER_ASKED:
        break;
    case AGENT_LOCK_REFUSED:
    case AGENT_GIVES_NO_REASON:
        send_event(CBSNAP__FREEZE_EVENT__KIND__LOCK_FAILED);
        break;
    default:
        w.locked_us = mono_us();
        w.locked = true;
        send_event(CBSNAP__FREEZE_EVENT__KIND__LOCKED);
    }
    if (w.signal_at == SIGNAL_FREEZE)
        kill(getpid(), SIGTERM);
    usleep(20000); /* the event comes before qemu-ga's answer, as in life */
}

static Cbsnap__Mount mounts[3] = {CBSNAP__MOUNT__INIT, CBSNAP__MOUNT__INIT, CBSNAP__MOUNT__INIT};
static Cbsnap__Mount *mount_ptrs[3] = {&mounts[0], &mounts[1], &mounts[2]};

static void set_mounts(bool with_answers)
{
    static const char *const paths[] = {"/", "/mnt/log", "/mnt/data"};
    static const char *const disks[] = {"vda", "vdb", "vdc"};
    static const char *const serials[] = {"serial-of-the-root-disk", "serial-of-the-log-disk1",
                                          "serial-of-the-data-disk"};

    for (int n = 0; n < 3; n++) {
        cbsnap__mount__init(&mounts[n]);
        mounts[n].path = (char *)paths[n];
        mounts[n].disk = (char *)disks[n];
        mounts[n].serial = (char *)serials[n];
        if (n == 1 && w.fault == AGENT_BOOT_VFAT)
            mounts[n].fstype = (char *)"vfat";
        if (with_answers)
            MSG_SET(&mounts[n], frozen,
                    !(n == 1 && (w.fault == AGENT_NOT_FROZEN || w.fault == AGENT_BOOT_VFAT)));
    }
}

/* Called when the host has been told that all is frozen, and asks the appliance. */
static void act_while_frozen(struct peer *p)
{
    swell_readings(p);
    if (w.signal_at == SIGNAL_SNAPSHOTS || w.fault == AGENT_LETS_GO || w.fault == AGENT_RESTARTS ||
        w.fault == AGENT_DIES)
        usleep(100000); /* into the time in which the appliance works */
    if (w.signal_at == SIGNAL_SNAPSHOTS)
        kill(getpid(), SIGTERM);
    if (w.fault == AGENT_LETS_GO || w.fault == AGENT_RESTARTS || w.fault == AGENT_DIES)
        w.locked = false;
    if (w.fault == AGENT_LETS_GO)
        send_event(CBSNAP__FREEZE_EVENT__KIND__LOST);
    if (w.fault == AGENT_RESTARTS)
        peer_hello(p, 2, 0);
    if (w.fault == AGENT_DIES)
        peer_close(p);
    for (int n = 0; w.fault == AGENT_TALKS && n < 2000; n++)
        peer_log_line(p, "so much to tell\033[2J \xff\xfe");
}

static void reply(struct peer *p, const Cbsnap__Envelope *request, Cbsnap__Envelope *m)
{
    MSG_SET(m, reply_to, request->id);
    peer_send(p, m);
}

static void reply_error(struct peer *p, const Cbsnap__Envelope *request, enum err_code code,
                        const char *words)
{
    Cbsnap__Error error = CBSNAP__ERROR__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    MSG_SET(&error, code, (uint32_t)code);
    error.message = (char *)(uintptr_t)words;
    MSG_BODY(&m, error, ERROR, &error);
    reply(p, request, &m);
}

static void answer_state(struct peer *p, const Cbsnap__Envelope *request)
{
    Cbsnap__State s = CBSNAP__STATE__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    Cbsnap__FreezeEvent end = CBSNAP__FREEZE_EVENT__INIT;
    bool held = w.locked && w.fault != AGENT_LOCK_GONE;

    MSG_SET(&s, state,
            held || w.fault == AGENT_BUSY_BEFORE ? CBSNAP__SESSION_STATE__STATE_LOCKED
                                                 : CBSNAP__SESSION_STATE__STATE_IDLE);
    MSG_SET(&s, epoch, EPOCH);
    MSG_SET(&s, lock_held, held);
    if (w.has_last_end) {
        MSG_SET(&end, kind, w.last_end);
        s.last_end = &end;
    }
    s.run_id = held ? w.run_id : NULL;
    if (w.fault == AGENT_LOCK_GONE && w.locked)
        s.run_id = w.run_id;
    if (request->state_query->has_probe_frozen && w.fault == AGENT_WRITES) {
        usleep(100000); /* the first look was begun before we were asked */
        domain_fake_set_writes(busy, 3);
    }
    set_mounts(request->state_query->has_probe_frozen);
    s.n_mount = w.fault == AGENT_HIDES_MOUNTS && held ? 0 : 3;
    s.mount = mount_ptrs;
    MSG_BODY(&m, state, STATE, &s);
    reply(p, request, &m);
    if (request->state_query->has_probe_frozen)
        act_while_frozen(p);
}

static void make_many(Cbsnap__Prepared *p)
{
    p->n_mount = 10000;
    p->mount = xcalloc(p->n_mount, sizeof(Cbsnap__Mount *));
    for (size_t n = 0; n < p->n_mount; n++)
        p->mount[n] = &mounts[n % 3];
}

static void answer_prepare(struct peer *p, const Cbsnap__Envelope *request)
{
    Cbsnap__Prepared prepared = CBSNAP__PREPARED__INIT;
    Cbsnap__Server server = CBSNAP__SERVER__INIT;
    Cbsnap__ServerPath data = CBSNAP__SERVER_PATH__INIT, *paths[] = {&data};
    Cbsnap__Hook hook = CBSNAP__HOOK__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    if (w.fault == AGENT_NO_SERVER) {
        reply_error(p, request, ERR_MYSQL, "cannot log in as 'root'");
        return;
    }
    (void)snprintf(w.run_id, sizeof(w.run_id), "%s",
                   request->prepare->run_id ? request->prepare->run_id : "");
    data.role = (char *)"datadir";
    data.path = (char *)"/mnt/data/mysql";
    data.mount = (char *)"/mnt/data";
    server.n_path = 1;
    server.path = paths;
    if (w.fault == AGENT_HOOK_DISABLED)
        hook.problem = (char *)"qemu-ga runs without a hook";
    if (w.signal_at == SIGNAL_PREPARE)
        kill(getpid(), SIGTERM);
    set_mounts(false);
    if (w.fault != AGENT_HOSTILE)
        MSG_SET(&prepared, epoch, EPOCH);
    prepared.server = &server;
    prepared.hook = &hook;
    prepared.n_mount = 3;
    prepared.mount = mount_ptrs;
    swell_server(&prepared);
    MSG_BODY(&m, prepared, PREPARED, &prepared);
    if (w.fault == AGENT_TOO_MANY)
        make_many(&prepared);
    reply(p, request, &m);
    if (w.fault == AGENT_TOO_MANY)
        free(prepared.mount);
    if (w.fault == AGENT_RESTARTS_EARLY && request->prepare->run_id)
        peer_hello(p, 2, 0);
}

static void answer_release(struct peer *p, const Cbsnap__Envelope *request)
{
    Cbsnap__Released r = CBSNAP__RELEASED__INIT;
    Cbsnap__Mount stuck = CBSNAP__MOUNT__INIT, *stuck_ptr = &stuck;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    bool held = w.locked && w.fault != AGENT_NOT_HELD;

    w.releases++;
    w.releases_of_none += !request->release->has_epoch;
    w.released_us = mono_us();
    if (w.signal_at == SIGNAL_THAW)
        kill(getpid(), SIGTERM);
    w.locked = false;
    if (w.fault == AGENT_MUTE_AT_END)
        return;
    MSG_SET(&r, held, held);
    if (w.fault != AGENT_ODD_EPOCH)
        MSG_SET(&r, epoch, EPOCH);
    if (w.fault == AGENT_CANNOT_THAW) {
        stuck.path = (char *)"/mnt/data";
        stuck.problem = (char *)"Input/output error";
        r.n_mount = 1;
        r.mount = &stuck_ptr;
    }
    MSG_SET(&r, lock_requested_us, 1000);
    MSG_SET(&r, locked_us, 2000);
    MSG_SET(&r, thawed_us, 9000);
    MSG_SET(&r, unlocked_us, w.unlocks_first ? 8000 : 9500);
    r.reason = held ? NULL : (char *)"not held, by order of the test";
    MSG_BODY(&m, released, RELEASED, &r);
    reply(p, request, &m);
    swell_readings(p);
}

static void send_load(struct peer *p, int64_t at_us, double value)
{
    Cbsnap__Name name = CBSNAP__NAME__INIT, *names[] = {&name};
    Cbsnap__Names list = CBSNAP__NAMES__INIT;
    Cbsnap__Sample sample = CBSNAP__SAMPLE__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    uint32_t id = 4;

    MSG_SET(&name, id, id);
    name.name = (char *)"system.load1";
    list.n_name = 1;
    list.name = names;
    MSG_BODY(&m, names, NAMES, &list);
    peer_send(p, &m);
    MSG_SET(&sample, mono_us, at_us);
    sample.n_id = sample.n_value = 1;
    sample.id = &id;
    sample.value = &value;
    MSG_BODY(&m, sample, SAMPLE, &sample);
    peer_send(p, &m);
}

/* A load of 9 until now; with `calms` it has gone when the run looks again. */
static void answer_subscribe(struct peer *p)
{
    int64_t now = mono_us();

    w.subscriptions++;
    swell_readings(p);
    if (!w.tells_load)
        return;
    send_load(p, now - 2000000, 9);
    send_load(p, now, 9);
    if (w.calms)
        send_load(p, now + 300000, 1);
}

static void answer_manifest(struct peer *p, const Cbsnap__Envelope *request)
{
    Cbsnap__ManifestStored stored = CBSNAP__MANIFEST_STORED__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    free(w.manifest);
    w.manifest = xstrdup(request->manifest->json);
    swell_stored(&stored);
    MSG_BODY(&m, manifest_stored, MANIFEST_STORED, &stored);
    reply(p, request, &m);
}

void world_agent(struct peer *p)
{
    if (w.fault == AGENT_LATER) {
        Cbsnap__Envelope *m;

        while ((m = peer_receive(p)))
            message_free(m);
        if (!peer_next(p))
            return;
    }
    peer_greet(p, 1);
    for (;;) {
        AUTO_MESSAGE Cbsnap__Envelope *m = peer_receive(p);

        if (!m)
            return;
        if (m->body_case == CBSNAP__ENVELOPE__BODY_STATE_QUERY)
            answer_state(p, m);
        else if (m->body_case == CBSNAP__ENVELOPE__BODY_PREPARE)
            answer_prepare(p, m);
        else if (m->body_case == CBSNAP__ENVELOPE__BODY_RELEASE)
            answer_release(p, m);
        else if (m->body_case == CBSNAP__ENVELOPE__BODY_SUBSCRIBE)
            answer_subscribe(p);
        else if (m->body_case == CBSNAP__ENVELOPE__BODY_MANIFEST)
            answer_manifest(p, m);
    }
}
