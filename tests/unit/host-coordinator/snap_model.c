/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest as it really is: who holds the lock, which filesystems are frozen, how far the server
 * has come. Writers write whenever they can, so no two looks at an unlocked guest are alike, and a
 * set that was taken of it cannot pass for a true one. Nothing runs here: each look brings what the
 * time since the last one has done. See snap_world.h.
 */
#include "tests/unit/host-coordinator/snap_world.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

const char *const world_volumes[WORLD_VOLUMES] = {"id-root", "id-log", "id-data"};
static const char *const targets[WORLD_VOLUMES] = {"vda", "vdb", "vdc"};

#define TORN_STEP  1000000 /* of a volume that is written to while the others stand still */
#define LOOKS_KEPT 64

struct shot { /* a snapshot, as it really is */
    bool taken, locked, frozen;
    unsigned generation;
    int64_t commits;
    uint64_t raw[WORLD_VOLUMES];
};

static struct {
    pthread_mutex_t mutex;
    bool locked, frozen, qga_frozen, stopped, rests, host_gone, leaves_one, left_one;
    uint64_t instance, epoch;
    unsigned generation, freezes; /* locks ever; freezes of this run */
    char prepared[40], run[40];   /* the run that may freeze next; that holds the lock */
    int lease_ms;
    int64_t lease_end_us, held_since_us, broken_us, longest_us;
    Cbsnap__FreezeEvent__Kind last_end;
    const char *last_cause;

    int64_t commits, writable_since_us;
    uint64_t raw[WORLD_VOLUMES], raw_asked[WORLD_VOLUMES]; /* writes; those when the first snapshot
                                                              was asked for */
    bool asked;
    int torn[WORLD_VOLUMES];

    struct shot shots[WORLD_VOLUMES];
    struct disk_writes told[LOOKS_KEPT][WORLD_VOLUMES];
    unsigned looks;
} g = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* ---- time ------------------------------------------------------------------------------------ */

/* What writers have done until now. */
static void touch(int64_t now)
{
    int64_t more;

    if (g.locked || g.frozen || g.rests)
        return;
    more = 1 + (now > g.writable_since_us ? (now - g.writable_since_us) / 1000 : 0);
    g.commits += more;
    for (int n = 0; n < WORLD_VOLUMES; n++)
        g.raw[n] += (uint64_t)more;
    g.writable_since_us = now;
}

/* The filesystems, then the lock. */
static void let_go(int64_t at, Cbsnap__FreezeEvent__Kind kind, const char *cause)
{
    int64_t from = g.held_since_us > g.broken_us ? g.held_since_us : g.broken_us;

    if (at - from > g.longest_us)
        g.longest_us = at - from;
    g.locked = g.frozen = false;
    g.writable_since_us = at;
    g.lease_end_us = 0;
    g.run[0] = '\0';
    g.epoch++;
    g.last_end = kind;
    g.last_cause = cause;
}

static void settle(int64_t now)
{
    if (g.lease_end_us && now >= g.lease_end_us && (g.locked || g.frozen))
        let_go(g.lease_end_us, CBSNAP__FREEZE_EVENT__KIND__LOST, "lease");
    touch(now);
}

/* ---- the test's side ------------------------------------------------------------------------- */

void model_open(void)
{
    pthread_mutex_t kept = PTHREAD_MUTEX_INITIALIZER;

    memset(&g, 0, sizeof(g));
    g.mutex = kept;
    g.instance = 1;
    g.epoch = 7;
    g.writable_since_us = mono_us();
}

void model_run_begins(void)
{
    AUTO_LOCK(lock, &g.mutex);
    memset(g.shots, 0, sizeof(g.shots));
    g.freezes = 0;
    g.asked = false;
    g.longest_us = g.broken_us = 0;
}

void model_heal(void)
{
    AUTO_LOCK(lock, &g.mutex);
    g.stopped = g.leaves_one = false;
}

void model_broken(int64_t at_us)
{
    AUTO_LOCK(lock, &g.mutex);
    g.broken_us = at_us;
}

struct model_facts model_look(int64_t at_us)
{
    AUTO_LOCK(lock, &g.mutex);
    settle(at_us);
    return (struct model_facts){
        .locked = g.locked, .frozen = g.frozen, .freezes = g.freezes, .longest_us = g.longest_us};
}

void model_asked(void)
{
    AUTO_LOCK(lock, &g.mutex);
    settle(mono_us());
    if (!g.asked)
        memcpy(g.raw_asked, g.raw, sizeof(g.raw));
    g.asked = true;
}

int model_snapshot(const char *volume_id)
{
    AUTO_LOCK(lock, &g.mutex);
    settle(mono_us());
    for (int n = 0; n < WORLD_VOLUMES; n++) {
        struct shot *s = &g.shots[n];

        if (strcmp(world_volumes[n], volume_id) != 0)
            continue;
        *s = (struct shot){true, g.locked, g.frozen && !g.left_one, g.generation, g.commits, {0}};
        memcpy(s->raw, g.raw, sizeof(g.raw));
        return (int)g.commits + g.torn[n] * TORN_STEP;
    }
    return 0;
}

const char *model_untrue(int64_t position)
{
    AUTO_LOCK(lock, &g.mutex);
    for (int n = 0; n < WORLD_VOLUMES; n++) {
        const struct shot *s = &g.shots[n];

        if (!s->taken)
            return "a volume has no snapshot";
        if (!s->locked || !s->frozen)
            return s->locked ? "a snapshot was taken of filesystems that were not frozen"
                             : "a snapshot was taken while nobody held the lock";
        if (s->generation != g.shots[0].generation)
            return "the lock was let go between two snapshots";
        if (s->commits != position)
            return "a snapshot holds another position than the record says";
        if (memcmp(s->raw, g.raw_asked, sizeof(s->raw)) != 0)
            return "a disk was written to until the last snapshot";
    }
    return NULL;
}

void model_write(int volume)
{
    AUTO_LOCK(lock, &g.mutex);
    g.raw[volume]++;
    g.torn[volume]++;
}

void model_stop(void)
{
    AUTO_LOCK(lock, &g.mutex);
    g.stopped = true;
}

bool model_stopped(void)
{
    AUTO_LOCK(lock, &g.mutex);
    return g.stopped;
}

/* Its connection to the server goes with it, and the lock with that; its successor thaws. */
void model_die(void)
{
    int64_t now = mono_us();
    AUTO_LOCK(lock, &g.mutex);

    settle(now);
    if (g.locked || g.frozen)
        let_go(now, CBSNAP__FREEZE_EVENT__KIND__LOST, "agent restarted");
    g.prepared[0] = '\0';
    g.instance++;
    touch(now);
}

void model_leave_one(void)
{
    AUTO_LOCK(lock, &g.mutex);
    g.leaves_one = true;
}

void model_rest(void)
{
    AUTO_LOCK(lock, &g.mutex);
    touch(mono_us());
    g.rests = true;
}

bool model_lose(char run[40], uint64_t *ret_epoch)
{
    int64_t now = mono_us();
    AUTO_LOCK(lock, &g.mutex);

    settle(now);
    if (!g.locked)
        return false;
    memcpy(run, g.run, sizeof(g.run));
    *ret_epoch = g.epoch;
    let_go(now, CBSNAP__FREEZE_EVENT__KIND__LOST, "connection");
    touch(now);
    return true;
}

uint64_t model_instance(void)
{
    AUTO_LOCK(lock, &g.mutex);
    return g.instance;
}

/* ---- qemu-ga and QEMU ------------------------------------------------------------------------ */

static int lock_server(struct err *e, char run[40], uint64_t *epoch, int64_t *position)
{
    int64_t now = mono_us();
    bool dead; /* the run that prepared */
    AUTO_LOCK(lock, &g.mutex);

    settle(now);
    g.freezes++;
    if (g.qga_frozen)
        return err_set(e, ERR_LIBVIRT, "qemu-ga believes in a freeze");
    dead = g.host_gone && g.prepared[0];
    if (dead)
        g.prepared[0] = '\0';
    if (g.locked || g.stopped || dead)
        return err_set(e, ERR_FREEZE,
                       "the hook failed: the agent is busy, or is silent, or refuses a dead run");
    memcpy(g.run, g.prepared, sizeof(g.run));
    g.prepared[0] = '\0';
    g.locked = true;
    g.generation++;
    g.held_since_us = now;
    g.lease_end_us = now + (int64_t)(g.run[0] ? g.lease_ms : 1000) * 1000;
    memcpy(run, g.run, sizeof(g.run));
    *epoch = g.epoch;
    *position = g.commits;
    return 0;
}

/* One that was let go meanwhile is thawed by the agent's sweep as soon as qemu-ga has frozen. */
static void freeze_filesystems(uint64_t epoch)
{
    AUTO_LOCK(lock, &g.mutex);
    g.qga_frozen = true;
    settle(mono_us());
    if (!g.locked || g.epoch != epoch)
        return;
    g.frozen = true;
    g.left_one = g.leaves_one;
}

static pthread_mutex_t qemu_ga = PTHREAD_MUTEX_INITIALIZER; /* does one thing after the other */

int model_freeze(void *arg, struct err *e)
{
    char run[40];
    uint64_t epoch = 0;
    int64_t position = 0;
    AUTO_LOCK(busy, &qemu_ga);

    (void)arg;
    if (lock_server(e, run, &epoch, &position) < 0)
        return -1;
    agent_event(CBSNAP__FREEZE_EVENT__KIND__LOCKED, run, epoch, position);
    freeze_filesystems(epoch);
    return 0;
}

int model_thaw(void *arg, struct err *e)
{
    int64_t now = mono_us();
    AUTO_LOCK(busy, &qemu_ga);
    AUTO_LOCK(lock, &g.mutex);

    (void)arg, (void)e;
    settle(now);
    g.qga_frozen = false;
    g.frozen = false;
    if (g.locked && !g.stopped) /* its hook reaches the agent */
        let_go(now, CBSNAP__FREEZE_EVENT__KIND__RELEASED, "hook");
    touch(now);
    return 0;
}

int model_status(void *arg, struct err *e)
{
    (void)arg, (void)e;
    AUTO_LOCK(lock, &g.mutex);
    domain_fake_set_status(g.qga_frozen ? AGENT_FROZEN : AGENT_THAWED);
    return 0;
}

int model_filesystems(void *arg, struct err *e)
{
    (void)arg;
    AUTO_LOCK(lock, &g.mutex);
    return g.qga_frozen ? err_set(e, ERR_LIBVIRT, "guest-get-fsinfo has been disabled") : 0;
}

int model_count_writes(void *arg, struct err *e)
{
    struct disk_writes *to;
    AUTO_LOCK(lock, &g.mutex);

    (void)arg, (void)e;
    settle(mono_us());
    to = g.told[g.looks++ % LOOKS_KEPT];
    for (int n = 0; n < WORLD_VOLUMES; n++) {
        (void)snprintf(to[n].target, sizeof(to[n].target), "%s", targets[n]);
        to[n].requests = g.raw[n];
        to[n].bytes = g.raw[n] * 512;
    }
    domain_fake_set_writes(to, WORLD_VOLUMES);
    return 0;
}

/* ---- the agent ------------------------------------------------------------------------------- */

int model_prepare(const char *run, int lease_ms, uint64_t *ret_epoch)
{
    AUTO_LOCK(lock, &g.mutex);
    settle(mono_us());
    *ret_epoch = g.epoch;
    if (run && g.locked)
        return -1;
    if (run) {
        (void)snprintf(g.prepared, sizeof(g.prepared), "%s", run);
        g.lease_ms = lease_ms;
        g.host_gone = false;
    }
    return 0;
}

void model_host_gone(void)
{
    AUTO_LOCK(lock, &g.mutex);
    g.host_gone = true;
}

static bool own(const char *run, bool has_epoch, uint64_t epoch)
{
    return run && g.run[0] && strcmp(run, g.run) == 0 && (!has_epoch || epoch == g.epoch);
}

void model_renew(const char *run, uint64_t epoch)
{
    int64_t now = mono_us();
    AUTO_LOCK(lock, &g.mutex);

    settle(now);
    if (g.locked && own(run, true, epoch))
        g.lease_end_us = now + (int64_t)g.lease_ms * 1000;
}

struct model_state model_state(void)
{
    struct model_state s = {.locked = false};
    AUTO_LOCK(lock, &g.mutex);

    settle(mono_us());
    s.locked = g.locked;
    memcpy(s.run, g.run, sizeof(s.run));
    s.epoch = g.epoch;
    s.last_end = g.last_end;
    s.last_cause = g.last_cause;
    for (int n = 0; n < WORLD_VOLUMES; n++)
        s.frozen[n] = g.frozen && !(g.left_one && n == 1);
    return s;
}

bool model_release(const char *run, bool has_epoch, uint64_t epoch, uint64_t *ret_epoch)
{
    int64_t now = mono_us();
    AUTO_LOCK(lock, &g.mutex);
    bool held;

    settle(now);
    if (run && strcmp(run, g.prepared) == 0)
        g.prepared[0] = '\0';
    *ret_epoch = g.epoch;
    held = g.locked && g.frozen && own(run, has_epoch, epoch);
    if (g.locked && own(run, has_epoch, epoch))
        let_go(now, CBSNAP__FREEZE_EVENT__KIND__RELEASED, "host");
    return held;
}
