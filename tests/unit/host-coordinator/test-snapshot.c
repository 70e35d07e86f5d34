/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The whole of `snapshot` with everything around it played: libvirt, the agent, the appliance. Each
 * case breaks one thing, then asks what an outside observer would: was the guest let go, is nothing
 * left on the appliance, does the record tell the truth, is the exit status right?
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host-coordinator/plan/run.h"
#include "host-coordinator/policy/policy.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "tests/fake/collect.h"
#include "tests/fake/domain_fake.h"
#include "tests/fake/peer.h"
#include "tests/fake/storage_memory.h"
#include "tests/unit/host-coordinator/chain_trouble.h"

/* What is wrong with the agent in this case. */
enum agent_fault {
    AGENT_GOOD,
    AGENT_LOCK_REFUSED,    /* tells that the lock was not granted */
    AGENT_NEVER_ASKED,     /* the hook does not run: no event at all */
    AGENT_OLD_EPOCH,       /* its event is about an earlier freeze */
    AGENT_BOOT_VFAT,       /* nothing wrong: one filesystem is of a kind that cannot be frozen */
    AGENT_NOT_FROZEN,      /* one filesystem is not frozen when asked */
    AGENT_LOCK_GONE,       /* says that it holds no lock when asked */
    AGENT_LETS_GO,         /* LOST while the appliance works */
    AGENT_NOT_HELD,        /* the release answers that it was not held */
    AGENT_MUTE_AT_END,     /* no answer to the release */
    AGENT_BUSY_BEFORE,     /* somebody else's freeze is there when we come */
    AGENT_WRITES,          /* a disk is written to after the first look at the counters */
    AGENT_HIDES_MOUNTS,    /* tells of no filesystem when asked */
    AGENT_GIVES_NO_REASON, /* no lock, and no word why */
    AGENT_NO_POSITION,
    AGENT_ODD_EPOCH,      /* the release is about no epoch */
    AGENT_CANNOT_THAW,    /* one filesystem stays frozen, says the release */
    AGENT_RESTARTS,       /* greets as another instance while the appliance works */
    AGENT_RESTARTS_EARLY, /* after it has prepared */
    AGENT_DIES,           /* QEMU closes the port while the appliance works */
    AGENT_TALKS,          /* 10,000 log lines while the appliance works */
    AGENT_HOSTILE,        /* all that can be left out is left out when it prepares */
    AGENT_TOO_MANY,       /* mounts */
    AGENT_LATER,          /* a first connection hears nothing, a second is as always */
    AGENT_HOOK_DISABLED,  /* says that qemu-ga would not call the hook */
};

/* When somebody presses ^C. */
enum signal_moment {
    SIGNAL_NEVER,
    SIGNAL_PREPARE,
    SIGNAL_ANNOUNCE,
    SIGNAL_CRITICAL, /* just before qemu-ga is asked */
    SIGNAL_FREEZE,
    SIGNAL_CONFIRM,
    SIGNAL_SNAPSHOTS,
    SIGNAL_THAW,
    SIGNAL_COUNT
};

static struct {
    struct loop *loop;
    struct peer *peer;
    struct storage *array, *second; /* the second is NULL unless a case makes it */
    struct config conf;
    struct appliance_config appliances[2];
    char dir[40];
    char *xml;
    _Atomic(enum agent_fault) fault;
    atomic_bool locked; /* what the agent holds, as it would say itself */
    atomic_int releases;
    char run_id[40];
    atomic_int subscriptions;
    _Atomic(int64_t) locked_us, released_us;
    enum signal_moment signal_at;
    const char *vanish; /* a folder that is gone once the appliance has been asked */
    bool tells_load, calms;
    char *swapped_xml; /* the domain's from step "policy" on */
    bool has_last_end;
    Cbsnap__FreezeEvent__Kind last_end;
} w;

#define EPOCH 7

static const struct disk_writes quiet[] = {{"vda", 10, 100}, {"vdb", 20, 200}, {"vdc", 30, 300}};
static const struct disk_writes busy[] = {{"vda", 10, 100}, {"vdb", 21, 712}, {"vdc", 30, 300}};

/* ---- the agent ---------------------------------------------------------------------------------
 */

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
    MSG_BODY(&m, freeze_event, FREEZE_EVENT, &ev);
    peer_send(w.peer, &m);
}

/* What the hook does when qemu-ga freezes; in the thread of the libvirt call. */
static void hook_called(void *arg)
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
    static const char *const serials[] = {"serial-of-the-root-disk", "serial-of-the-log-disk1",
                                          "serial-of-the-data-disk"};

    for (int n = 0; n < 3; n++) {
        cbsnap__mount__init(&mounts[n]);
        mounts[n].path = (char *)paths[n];
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
    for (int n = 0; w.fault == AGENT_TALKS && n < 10000; n++)
        peer_log_line(p, "so much to tell\033[2J \xff\xfe");
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
    MSG_SET(&m, reply_to, request->id);
    MSG_BODY(&m, state, STATE, &s);
    peer_send(p, &m);
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
    MSG_SET(&m, reply_to, request->id);
    MSG_BODY(&m, prepared, PREPARED, &prepared);
    if (w.fault == AGENT_TOO_MANY)
        make_many(&prepared);
    peer_send(p, &m);
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
    MSG_SET(&r, unlocked_us, 9500);
    r.reason = held ? NULL : (char *)"not held, by order of the test";
    MSG_SET(&m, reply_to, request->id);
    MSG_BODY(&m, released, RELEASED, &r);
    peer_send(p, &m);
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

    MSG_SET(&m, reply_to, request->id);
    MSG_BODY(&m, manifest_stored, MANIFEST_STORED, &stored);
    peer_send(p, &m);
}

static void agent(struct peer *p)
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

/* ---- the world ---------------------------------------------------------------------------------
 */

static char *make_xml(const char *socket, const char *root)
{
    return xasprintf(
        "<domain><name>db</name><uuid>11111111-2222-3333-4444-555555555555</uuid><devices>"
        "<disk type='network' device='disk'><source protocol='iscsi' name='iqn.t:%s/0'/>"
        "<target dev='vda'/><serial>serial-of-the-root-disk</serial></disk>"
        "<disk type='network' device='disk'><source protocol='iscsi' name='iqn.t:log/0'/>"
        "<target dev='vdb'/><serial>serial-of-the-log-disk1</serial></disk>"
        "<disk type='network' device='disk'><source protocol='iscsi' name='iqn.t:data/0'/>"
        "<target dev='vdc'/><serial>serial-of-the-data-disk</serial></disk>"
        "<channel type='unix'><source mode='bind' path='%s'/>"
        "<target type='virtio' name='org.cbsnap.agent.0' state='connected'/></channel>"
        "</devices></domain>",
        root, socket);
}

static int setup(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    strcpy(w.dir, "/tmp/cbsnap-snapshot-XXXXXX");
    assert_non_null(mkdtemp(w.dir));
    w.loop = loop_new();
    loop_catch_signals(w.loop);
    w.peer = peer_start(agent);
    w.xml = make_xml(peer_path(w.peer), "root");
    w.array = storage_memory_new(w.loop);
    storage_memory_add(w.array, "id-root", "root", "iqn.t:root");
    storage_memory_add(w.array, "id-log", "log", "iqn.t:log");
    storage_memory_add(w.array, "id-data", "data", "iqn.t:data");
    w.appliances[0] = (struct appliance_config){.name = (char *)"array", .timeout_ms = 1000};
    w.appliances[1] = (struct appliance_config){.name = (char *)"second", .timeout_ms = 1000};
    w.conf = (struct config){
        .state_dir = w.dir,
        .channel = (char *)"org.cbsnap.agent.0",
        .exclude = (char *)"",
        .answer_ms = 2000,
        .libvirt_ms = 1000,
        .lease_ms = 600,
        .freeze_ms = 1500,
        .max_stall_ms = 1500,
        .late_ms = 300,
        .after_ms = 0,
        .appliances = w.appliances,
        .appliance_count = 1,
    };
    domain_fake_reset();
    domain_fake_set_xml(w.xml);
    domain_fake_set_counts(3, 0);
    domain_fake_set_writes(quiet, 3);
    domain_fake_on(FAKE_FREEZE, hook_called, NULL);
    log_set_level(LOG_LEVEL_ERROR);
    return 0;
}

static int teardown(void **state)
{
    AUTO_FREE char *command = xasprintf("rm -rf '%s'", w.dir);
    AUTO_FREE char *trouble = chain_trouble(w.dir);
    const char *problem;

    (void)state;
    domain_fake_reset();
    loop_free(w.loop);
    problem = peer_stop(w.peer);
    free(w.xml);
    if (problem)
        print_error("the agent: %s\n", problem);
    if (trouble)
        print_error("show --check would find: %s\n", trouble);
    return system(command) != 0 || problem || trouble;
}

static void ignore_text(void *arg, const char *text)
{
    (void)arg;
    (void)text;
}

/* Told of each step as it begins: a place to break things from. */
static void step_begins(void *arg, const char *what)
{
    (void)arg;
    if (w.swapped_xml && strcmp(what, "policy") == 0)
        domain_fake_set_xml(w.swapped_xml);
    if (w.signal_at == SIGNAL_ANNOUNCE && strcmp(what, "announce") == 0)
        kill(getpid(), SIGTERM);
    if (w.signal_at == SIGNAL_CRITICAL && strcmp(what, "freeze") == 0)
        kill(getpid(), SIGTERM);
    if (w.signal_at == SIGNAL_CONFIRM && strcmp(what, "confirm") == 0)
        kill(getpid(), SIGTERM);
    if (w.vanish && strcmp(what, "list") == 0) {
        AUTO_FREE char *command = xasprintf("rm -rf '%s'", w.vanish);

        assert_int_equal(system(command), 0);
    }
}

static void ignore_end(void *arg, const char *what, double ms, const struct err *why)
{
    (void)arg;
    (void)what;
    (void)ms;
    (void)why;
}

/* What an outside observer sees after a run. */
struct outcome {
    int status;
    struct err e;
    char verdict[16];
    size_t snapshots;
    bool record;           /* there is one, and it was read back from the disk */
    char told_verdict[16]; /* of the record as the run has it */
    size_t second;         /* snapshots on the second appliance */
    size_t log_lines, witness_disks;
    size_t findings; /* of the policy, as read back */
    bool waited, series;
    int64_t load_count; /* readings of it before the freeze */
};

static void look_at_readings(struct outcome *out, const struct record *rec, const char *set)
{
    const struct record *load = record_member(rec, "metrics.before.values", "system.load1");
    AUTO_FREE char *path = series_file_path(w.dir, "db", set);
    double seconds;

    out->findings = record_count(rec, "policy.findings");
    out->waited = record_real(rec, "policy.waited_s", &seconds) && seconds > 0.3;
    out->series = access(path, R_OK) == 0;
    (void)(load && record_int(load, "count", &out->load_count));
}

static struct outcome take(void)
{
    struct outcome out = {.e = ERR_INIT};
    struct record *rec;
    struct run r;

    run_init(&r, &w.conf, &domain_fake, w.loop, "", "db");
    r.report = (struct run_reporter){
        .begin = step_begins, .end = ignore_end, .note = ignore_text, .arg = NULL};
    r.storages = xcalloc(2, sizeof(*r.storages));
    r.storages[0] = w.array;
    r.storages[1] = w.second;
    (void)snapshot_run(&r, &out.status, &out.e);
    out.log_lines = record_count(r.record, "guest.log");
    out.witness_disks = record_count(r.record, "witness.disks");
    (void)snprintf(out.told_verdict, sizeof(out.told_verdict), "%s",
                   record_text(r.record, "verdict") ? record_text(r.record, "verdict") : "");
    rec = store_load(w.dir, r.set, NULL);
    out.record = rec != NULL;
    collect_record(rec);
    if (record_text(r.record, "verdict"))
        collect_record(r.record); /* what a program is told, written or not */
    if (rec) {
        (void)snprintf(out.verdict, sizeof(out.verdict), "%s", record_text(rec, "verdict"));
        look_at_readings(&out, rec, r.set);
        record_free(rec);
    }
    out.snapshots = storage_memory_snapshots(w.array);
    if (w.second)
        out.second = storage_memory_snapshots(w.second);
    r.storages[0] = r.storages[1] = NULL; /* looked at above, and closed below */
    for (size_t n = 0; n < r.volume_count; n++)
        assert_true(r.volumes[n].op.done || !r.volumes[n].asked);
    run_release(&r);
    storage_close(w.array);
    storage_close(w.second);
    return out;
}

/* Also by the threads that were given up. */
static void assert_domain_closed(void)
{
    domain_fake_let_go();
    for (int n = 0; n < 200 && domain_fake_open_count() > 0; n++)
        usleep(10000);
    assert_int_equal(domain_fake_open_count(), 0);
}

/* A run that failed after the freeze: let go, by both ways; nothing left; a record that says void.
 */
static void assert_clean_failure(const struct outcome *out, int status, const char *words)
{
    assert_int_equal(out->status, status);
    if (!strstr(out->e.msg, words))
        fail_msg("'%s' is not in '%s'", words, out->e.msg);
    assert_false(w.locked);
    /* one that does not answer is asked again, as long as its lease may last */
    assert_true(w.fault == AGENT_MUTE_AT_END ? w.releases > 1 : w.releases >= 1);
    assert_true(domain_fake_calls(FAKE_THAW) >= 1);
    assert_int_equal(out->snapshots, 0);
    assert_true(out->record);
    assert_string_equal(out->verdict, "void");
    assert_domain_closed();
}

/* A look at the domain of several calls, given up in the middle: the thread goes on to the next
 * call after the run has closed its domain. */
static void a_look_that_is_given_up_keeps_its_domain(void **state)
{
    struct outcome out;

    (void)state;
    domain_fake_script(FAKE_XML, (struct fake_act){.hang = true});
    out = take();
    assert_int_equal(out.status, 3);
    assert_false(out.record);
    assert_int_equal(domain_fake_open_count(), 1);
    assert_domain_closed();
    assert_int_equal(domain_fake_calls(FAKE_FILESYSTEMS), 1);
}

static void a_good_run_keeps_its_set(void **state)
{
    struct outcome out = take();

    (void)state;
    assert_int_equal(out.status, 0);
    assert_string_equal(out.verdict, "application");
    assert_int_equal(out.snapshots, 3);
    assert_false(w.locked);
    assert_int_equal(w.releases, 1);
    assert_int_equal(domain_fake_calls(FAKE_FREEZE), 1);
    assert_int_equal(domain_fake_calls(FAKE_THAW), 1);
    assert_int_equal(domain_fake_calls(FAKE_WRITES), 2);
    assert_int_equal(domain_fake_open_count(), 0);
}

/* /boot/efi: no server file is on it, and the witness watches its disk as well */
static void a_filesystem_that_cannot_be_frozen_is_no_hindrance(void **state)
{
    struct outcome out;

    (void)state;
    w.fault = AGENT_BOOT_VFAT;
    out = take();
    assert_int_equal(out.status, 0);
    assert_string_equal(out.verdict, "application");
}

struct agent_case {
    enum agent_fault fault;
    const char *words;
};

static void whatever_the_agent_does_wrong_makes_the_set_void(void **state)
{
    static const struct agent_case cases[] = {
        {AGENT_LOCK_REFUSED, "by order of the test"},
        {AGENT_NEVER_ASKED, "never asked the agent for the lock"},
        {AGENT_OLD_EPOCH, "never asked the agent for the lock"},
        {AGENT_NOT_FROZEN, "'/mnt/log' of domain 'db' is not frozen"},
        {AGENT_LOCK_GONE, "does not hold the server's lock"},
        {AGENT_LETS_GO, "the guest let go"},
        {AGENT_NOT_HELD, "not held, by order of the test"},
        {AGENT_MUTE_AT_END, "did not confirm"},
        {AGENT_HIDES_MOUNTS, "does not confirm that filesystem '/mnt/data' is frozen"},
        {AGENT_GIVES_NO_REASON, "gives no reason"},
        {AGENT_NO_POSITION, "no position"},
        {AGENT_ODD_EPOCH, "not held until the thaw"},
        {AGENT_RESTARTS, "restarted during the freeze"},
    };

    for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
        struct outcome out;

        if (n > 0)
            assert_int_equal(setup(state), 0);
        w.fault = cases[n].fault;
        if (w.fault == AGENT_LETS_GO || w.fault == AGENT_RESTARTS)
            storage_memory_latency(w.array, MEMORY_SNAPSHOT, 400);
        out = take();
        assert_clean_failure(&out, 4, cases[n].words);
        if (n + 1 < ARRAY_SIZE(cases))
            assert_int_equal(teardown(state), 0);
    }
}

static void what_is_wrong_beforehand_is_refused_untouched(void **state)
{
    static const struct agent_case cases[] = {
        {AGENT_BUSY_BEFORE, "frozen or locked already"},
        {AGENT_HOOK_DISABLED, "qemu-ga runs without a hook"},
        {AGENT_HOSTILE, "without an epoch"},
        {AGENT_TOO_MANY, "10000 mounts"},
    };

    for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
        struct outcome out;

        if (n > 0)
            assert_int_equal(setup(state), 0);
        w.fault = cases[n].fault;
        out = take();
        assert_int_equal(out.status, 3);
        assert_non_null(strstr(out.e.msg, cases[n].words));
        assert_int_equal(domain_fake_calls(FAKE_FREEZE), 0);
        assert_int_equal(domain_fake_calls(FAKE_THAW), 0);
        assert_int_equal(w.releases, 0);
        assert_false(out.record);
        if (n + 1 < ARRAY_SIZE(cases))
            assert_int_equal(teardown(state), 0);
    }
}

static void a_freeze_that_fails_or_is_late_is_let_go(void **state)
{
    struct outcome out;

    domain_fake_script(FAKE_FREEZE, (struct fake_act){.fail = ERR_FREEZE, .words = "hook failed"});
    out = take();
    assert_clean_failure(&out, 4, "hook failed");
    assert_int_equal(teardown(state), 0);

    assert_int_equal(setup(state), 0);
    domain_fake_script(FAKE_FREEZE, (struct fake_act){.delay_ms = w.conf.freeze_ms + 500});
    out = take();
    assert_clean_failure(&out, 4, "no answer");
    /* what may have come before it undid nothing */
    assert_int_equal(domain_fake_calls(FAKE_THAW), 2);
}

/* nobody can say whether qemu-ga still freezes: a person must look, and is told what to run */
static void a_freeze_that_hangs_needs_a_person(void **state)
{
    for (int thaw_hangs = 0; thaw_hangs <= 1; thaw_hangs++) {
        struct outcome out;

        if (thaw_hangs)
            assert_int_equal(setup(state), 0);
        domain_fake_script(FAKE_FREEZE, (struct fake_act){.hang = true});
        domain_fake_script(FAKE_THAW, (struct fake_act){.hang = thaw_hangs});
        out = take();
        assert_int_equal(out.status, 5);
        assert_non_null(strstr(out.e.msg, "run cbsnap-coord thaw db"));
        assert_false(w.locked);
        assert_string_equal(out.verdict, "void");
        assert_int_equal(out.snapshots, 0);
        assert_domain_closed();
        if (!thaw_hangs)
            assert_int_equal(teardown(state), 0);
    }
}

/* One way could not, the other did not answer: nobody may call this VM thawed. */
static void a_filesystem_that_stays_frozen_needs_a_person(void **state)
{
    struct outcome out;

    (void)state;
    w.fault = AGENT_CANNOT_THAW;
    domain_fake_script(FAKE_THAW, (struct fake_act){.fail = ERR_LIBVIRT});
    out = take();
    assert_int_equal(out.status, 5);
    assert_non_null(strstr(out.e.msg, "run cbsnap-coord thaw db"));
    assert_non_null(strstr(out.e.msg, "'/mnt/data' was not thawed"));
    assert_int_equal(out.snapshots, 0);
    assert_string_equal(out.verdict, "void");
}

static void qemu_ga_that_cannot_be_told_does_not_spoil_a_held_set(void **state)
{
    struct outcome out;

    (void)state;
    domain_fake_script(FAKE_THAW, (struct fake_act){.fail = ERR_LIBVIRT});
    out = take();
    assert_int_equal(out.status, 0);
    assert_string_equal(out.verdict, "application");
    assert_int_equal(out.snapshots, 3);
}

static void a_snapshot_that_fails_takes_the_others_with_it(void **state)
{
    static const enum memory_fault faults[] = {MEMORY_REFUSES, MEMORY_HANGS, MEMORY_MUTE};

    for (size_t n = 0; n < ARRAY_SIZE(faults); n++) {
        struct outcome out;

        if (n > 0)
            assert_int_equal(setup(state), 0);
        storage_memory_fault(w.array, MEMORY_SNAPSHOT, "id-log", faults[n], -1);
        out = take();
        assert_clean_failure(&out, 4, "");
        if (n + 1 < ARRAY_SIZE(faults))
            assert_int_equal(teardown(state), 0);
    }
}

static void a_snapshot_that_cannot_be_removed_is_told(void **state)
{
    struct outcome out;

    (void)state;
    w.fault = AGENT_NOT_HELD;
    storage_memory_fault(w.array, MEMORY_REMOVE, "id-data", MEMORY_REFUSES, -1);
    out = take();
    assert_int_equal(out.status, 5);
    assert_int_equal(out.snapshots, 1);
    assert_string_equal(out.verdict, "void");
    assert_false(w.locked);
}

static void an_appliance_that_fails_beforehand_touches_nothing(void **state)
{
    struct outcome out;

    (void)state;
    storage_memory_fault(w.array, MEMORY_PREPARE, NULL, MEMORY_REFUSES, -1);
    out = take();
    assert_int_equal(out.status, 3);
    assert_int_equal(domain_fake_calls(FAKE_FREEZE), 0);
    assert_false(out.record);
}

static void a_write_while_frozen_is_witnessed(void **state)
{
    struct outcome out;

    (void)state;
    w.fault = AGENT_WRITES;
    out = take();
    assert_clean_failure(&out, 4, "disk 'vdb' was written to while frozen: 1 requests, 512 bytes");
}

static void two_runs_on_one_vm_the_second_is_refused(void **state)
{
    struct err e = ERR_INIT;
    struct outcome out;
    int fd;

    (void)state;
    assert_int_equal(store_prepare(w.dir, "db", &e), 0);
    assert_int_equal(store_lock(w.dir, domain_fake.uuid(NULL), &fd, &e), 0);
    out = take();
    close(fd);
    assert_int_equal(out.status, 3);
    assert_int_equal(out.e.code, ERR_BUSY);
    assert_int_equal(domain_fake_calls(FAKE_FREEZE), 0);
}

/* The link is gone, so libvirt alone thaws; whether all was held, nobody can say. */
static void an_agent_whose_port_closes_makes_the_set_void(void **state)
{
    struct outcome out;

    (void)state;
    w.fault = AGENT_DIES;
    storage_memory_latency(w.array, MEMORY_SNAPSHOT, 400);
    out = take();
    assert_int_equal(out.status, 4);
    assert_int_equal(domain_fake_calls(FAKE_THAW), 1);
    assert_int_equal(out.snapshots, 0);
    assert_string_equal(out.verdict, "void");
}

/* As of a port that has lost the news of somebody who left while the VM was paused. */
static void a_port_that_is_mute_is_opened_anew(void **state)
{
    struct outcome out;

    (void)state;
    w.fault = AGENT_LATER;
    w.conf.answer_ms = 6000; /* half of it is given to the first: on a busy machine too */
    out = take();
    assert_int_equal(out.status, 0);
    assert_string_equal(out.verdict, "application");
}

/* Nothing was frozen yet: there is nothing to let go. */
static void an_agent_that_restarts_before_the_freeze_is_not_frozen(void **state)
{
    struct outcome out;

    (void)state;
    w.fault = AGENT_RESTARTS_EARLY;
    storage_memory_latency(w.array, MEMORY_PREPARE, 200);
    out = take();
    assert_int_equal(out.status, 4);
    assert_non_null(strstr(out.e.msg, "restarted after it had prepared"));
    assert_int_equal(domain_fake_calls(FAKE_FREEZE), 0);
    assert_int_equal(out.snapshots, 0);
    assert_string_equal(out.verdict, "void");
    for (int n = 0; n < 100 && w.subscriptions < 2; n++)
        usleep(10000);
    assert_int_equal(w.subscriptions, 2);
}

static void a_flood_of_log_lines_changes_nothing(void **state)
{
    struct outcome out;

    (void)state;
    w.fault = AGENT_TALKS;
    storage_memory_latency(w.array, MEMORY_SNAPSHOT, 300);
    out = take();
    assert_int_equal(out.status, 0);
    assert_string_equal(out.verdict, "application");
    assert_int_equal(out.log_lines, 200);
}

/* Before the freeze a signal touches nothing; from then on the guest is let go and the set is void.
 */
static void a_signal_at_any_moment_lets_the_guest_go(void **state)
{
    for (int at = SIGNAL_PREPARE; at < SIGNAL_COUNT; at++) {
        struct outcome out;
        bool frozen = at >= SIGNAL_FREEZE;

        if (at > SIGNAL_PREPARE)
            assert_int_equal(setup(state), 0);
        w.signal_at = (enum signal_moment)at;
        storage_memory_latency(w.array, MEMORY_FIND, 50);
        storage_memory_latency(w.array, MEMORY_SNAPSHOT, 200);
        out = take();
        assert_int_equal(out.status, at < SIGNAL_CRITICAL ? 3 : 4);
        assert_int_equal(out.e.code, ERR_CANCELLED);
        assert_int_equal(domain_fake_calls(FAKE_FREEZE), frozen);
        /* once more behind a freeze that was not answered yet */
        assert_in_range(domain_fake_calls(FAKE_THAW), frozen, frozen + (at == SIGNAL_FREEZE));
        assert_int_equal(w.releases, at > SIGNAL_PREPARE); /* which is when it is only looked at */
        assert_false(w.locked);
        assert_int_equal(out.snapshots, 0);
        assert_int_equal(out.record, at >= SIGNAL_CRITICAL);
        assert_domain_closed();
        if (at + 1 < SIGNAL_COUNT)
            assert_int_equal(teardown(state), 0);
    }
}

/* The others are not waited for while writers wait: they end, and are removed, after the thaw. */
static void a_failed_snapshot_ends_the_stall_at_once(void **state)
{
    struct outcome out;

    (void)state;
    storage_memory_fault(w.array, MEMORY_SNAPSHOT, "id-log", MEMORY_REFUSES, 1);
    storage_memory_latency(w.array, MEMORY_SNAPSHOT, 800);
    out = take();
    assert_clean_failure(&out, 4, "volume 'log'");
    assert_true(w.released_us - w.locked_us < 600000);
}

/* The set is complete, and nobody could ever know of it: it goes, and what is told is not doubled.
 */
static void a_set_that_cannot_be_published_is_removed(void **state)
{
    AUTO_FREE char *folder = xasprintf("%s/records/db", w.dir);
    struct outcome out;

    (void)state;
    w.vanish = folder;
    out = take();
    assert_int_equal(out.status, 4);
    assert_non_null(strstr(out.e.msg, "cannot write the record"));
    assert_int_equal(out.snapshots, 0);
    assert_false(w.locked);
    assert_string_equal(out.told_verdict, "void");
    assert_int_equal(out.witness_disks, 3);
}

static void a_state_dir_that_cannot_be_written_is_refused(void **state)
{
    AUTO_FREE char *records = xasprintf("%s/records", w.dir);
    FILE *f = fopen(records, "w");
    struct outcome out;

    (void)state;
    assert_non_null(f);
    fclose(f);
    out = take();
    assert_int_equal(out.status, 3);
    assert_non_null(strstr(out.e.msg, "records"));
    assert_int_equal(domain_fake_calls(FAKE_FREEZE), 0);
    assert_int_equal(unlink(records), 0);
}

/* qemu-ga says frozen, and the agent's last freeze failed: another backup is at work. */
static void somebody_elses_freeze_is_not_thawed(void **state)
{
    struct outcome out;

    (void)state;
    domain_fake_set_status(AGENT_FROZEN);
    w.last_end = CBSNAP__FREEZE_EVENT__KIND__LOCK_FAILED;
    w.has_last_end = true;
    out = take();
    assert_int_equal(out.status, 3);
    assert_int_equal(domain_fake_calls(FAKE_THAW), 0);
    assert_int_equal(teardown(state), 0);

    assert_int_equal(setup(state), 0);
    domain_fake_set_status(AGENT_FROZEN);
    w.last_end = CBSNAP__FREEZE_EVENT__KIND__LOST;
    w.has_last_end = true;
    /* as the real one: "guest-get-fsinfo has been disabled" until it is thawed */
    domain_fake_script(FAKE_FILESYSTEMS, (struct fake_act){.fail = ERR_LIBVIRT});
    out = take();
    assert_int_equal(out.status, 0);
    assert_int_equal(domain_fake_calls(FAKE_THAW), 2);
}

static void add_second(void)
{
    w.second = storage_memory_new(w.loop);
    storage_memory_add(w.second, "id-archive", "archive", "iqn.t:archive");
    free(w.xml);
    w.xml = make_xml(peer_path(w.peer), "archive");
    domain_fake_set_xml(w.xml);
    w.conf.appliance_count = 2;
}

/* The root disk is on another appliance: it is in the set, and goes with it. */
static void a_set_may_lie_on_two_appliances(void **state)
{
    struct outcome out;

    add_second();
    out = take();
    assert_int_equal(out.status, 0);
    assert_int_equal(out.snapshots, 2);
    assert_int_equal(out.second, 1);
    assert_int_equal(teardown(state), 0);

    assert_int_equal(setup(state), 0);
    add_second();
    storage_memory_fault(w.array, MEMORY_SNAPSHOT, "id-data", MEMORY_MUTE, -1);
    out = take();
    assert_clean_failure(&out, 4, "volume 'data'");
    assert_int_equal(out.second, 0);
    assert_int_equal(teardown(state), 0);

    assert_int_equal(setup(state), 0);
    add_second();
    storage_memory_fault(w.second, MEMORY_LIST, NULL, MEMORY_REFUSES, -1);
    out = take();
    assert_int_equal(out.status, 3);
    assert_int_equal(domain_fake_calls(FAKE_FREEZE), 0);
}

static void add_rule(const char *text)
{
    struct err e = ERR_INIT;

    w.conf.policy = w.conf.policy ? w.conf.policy : policy_new();
    assert_int_equal(policy_add(w.conf.policy, POLICY_REFUSE, text, 1, NULL, &e), 0);
}

static void a_refusal_touches_nothing_and_leaves_its_record(void **state)
{
    struct outcome out;

    (void)state;
    w.tells_load = true;
    w.conf.before_ms = 100;
    add_rule("system.load1 > 8");
    out = take();
    assert_int_equal(out.status, 3);
    assert_non_null(strstr(out.e.msg, "system.load1 > 8"));
    assert_true(out.record);
    assert_string_equal(out.verdict, "void");
    assert_int_equal(out.findings, 1);
    assert_int_equal(domain_fake_calls(FAKE_FREEZE), 0);
    assert_int_equal(out.snapshots, 0);
    policy_free(w.conf.policy);
}

/* The newest reading decides, and its time comes while the run waits. */
static void a_calm_moment_is_waited_for(void **state)
{
    struct outcome out;

    (void)state;
    w.tells_load = w.calms = true;
    w.conf.before_ms = 100;
    w.conf.wait_ms = 10000;
    add_rule("system.load1 > 8");
    out = take();
    assert_int_equal(out.status, 0);
    assert_string_equal(out.verdict, "application");
    assert_true(out.waited);
    policy_free(w.conf.policy);
}

/* Somebody attaches another volume while the run waits: the set would name the old one. */
static void disks_that_change_while_it_waits_refuse_the_run(void **state)
{
    AUTO_FREE char *other = make_xml(peer_path(w.peer), "elsewhere");
    struct outcome out;

    (void)state;
    w.tells_load = w.calms = true;
    w.conf.before_ms = 100;
    w.conf.wait_ms = 10000;
    w.swapped_xml = other;
    add_rule("system.load1 > 8");
    out = take();
    assert_int_equal(out.status, 3);
    assert_non_null(strstr(out.e.msg, "was changed since the run began"));
    assert_int_equal(domain_fake_calls(FAKE_FREEZE), 0);
    assert_int_equal(out.snapshots, 0);
    policy_free(w.conf.policy);
}

/* A rule without readings is told, and refuses only where that was asked for. */
static void what_cannot_be_decided_is_noted_or_refused(void **state)
{
    struct outcome out;

    add_rule("repl.lag > 5");
    out = take();
    assert_int_equal(out.status, 0);
    assert_int_equal(out.findings, 1);
    policy_free(w.conf.policy);
    assert_int_equal(teardown(state), 0);

    assert_int_equal(setup(state), 0);
    add_rule("repl.lag > 5");
    w.conf.absent_refuses = true;
    out = take();
    assert_int_equal(out.status, 3);
    assert_int_equal(out.snapshots, 0);
    policy_free(w.conf.policy);
}

static void readings_around_the_freeze_are_kept(void **state)
{
    struct outcome out;

    (void)state;
    w.tells_load = true;
    w.conf.before_ms = 100;
    w.conf.history_ms = 60000;
    out = take();
    assert_int_equal(out.status, 0);
    assert_int_equal(out.load_count, 2);
    assert_true(out.series);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_good_run_keeps_its_set),
        CASE(a_filesystem_that_cannot_be_frozen_is_no_hindrance),
        CASE(whatever_the_agent_does_wrong_makes_the_set_void),
        CASE(what_is_wrong_beforehand_is_refused_untouched),
        CASE(a_look_that_is_given_up_keeps_its_domain),
        CASE(a_freeze_that_fails_or_is_late_is_let_go),
        CASE(a_freeze_that_hangs_needs_a_person),
        CASE(a_filesystem_that_stays_frozen_needs_a_person),
        CASE(qemu_ga_that_cannot_be_told_does_not_spoil_a_held_set),
        CASE(a_snapshot_that_fails_takes_the_others_with_it),
        CASE(a_snapshot_that_cannot_be_removed_is_told),
        CASE(an_appliance_that_fails_beforehand_touches_nothing),
        CASE(a_write_while_frozen_is_witnessed),
        CASE(two_runs_on_one_vm_the_second_is_refused),
        CASE(an_agent_whose_port_closes_makes_the_set_void),
        CASE(a_port_that_is_mute_is_opened_anew),
        CASE(an_agent_that_restarts_before_the_freeze_is_not_frozen),
        CASE(a_flood_of_log_lines_changes_nothing),
        CASE(a_signal_at_any_moment_lets_the_guest_go),
        CASE(a_failed_snapshot_ends_the_stall_at_once),
        CASE(a_set_that_cannot_be_published_is_removed),
        CASE(a_state_dir_that_cannot_be_written_is_refused),
        CASE(somebody_elses_freeze_is_not_thawed),
        CASE(a_set_may_lie_on_two_appliances),
        CASE(a_refusal_touches_nothing_and_leaves_its_record),
        CASE(a_calm_moment_is_waited_for),
        CASE(disks_that_change_while_it_waits_refuse_the_run),
        CASE(what_cannot_be_decided_is_noted_or_refused),
        CASE(readings_around_the_freeze_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
