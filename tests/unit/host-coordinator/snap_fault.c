/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The moments of a run, and the faults that come at them. See snap_world.h. */
#include "tests/unit/host-coordinator/snap_world.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#define OVERTAKEN_MS 100

#define CALLS   (1u << AT_CALL | 1u << AT_REQUEST | 1u << AT_PORT)
#define BEGINS  (1u << AT_BEGIN)
#define ANYTIME (CALLS | BEGINS | 1u << AT_DOING)

static const struct {
    const char *name;
    unsigned kinds; /* of moments at which it can come */
    bool hangs;     /* so it is given up on soon */
    bool harmless;  /* no set may be lost for it */
    enum memory_fault array;
} faults[FAULTS] = {
    [NO_FAULT] = {"none", 0, false, true, MEMORY_NO_FAULT},
    [FAILS] = {"fails", CALLS, false, false, MEMORY_REFUSES},
    [FAILS_DONE] = {"fails-done", CALLS, false, false, MEMORY_DENIES},
    [HANGS] = {"hangs", CALLS, true, false, MEMORY_HANGS},
    [MUTE] = {"hangs-done", CALLS, true, false, MEMORY_MUTE},
    [GARBAGE] = {"garbage", CALLS, false, false, MEMORY_GARBAGE},
    [SLOW] = {"slow", CALLS, false, true, MEMORY_SLOW},
    [RESETS] = {"reset", 1u << AT_REQUEST, false, false, MEMORY_RESETS},
    [DROPS] = {"reset-done", 1u << AT_REQUEST, false, false, MEMORY_DROPS},
    [LATE] = {"done-late", 1u << AT_REQUEST, true, false, MEMORY_LATE},
    [LIES] = {"lies", 1u << AT_REQUEST, false, false, MEMORY_LIES},
    [ARRAY_FAILS] = {"array-errors", BEGINS, false, false, MEMORY_REFUSES},
    [ARRAY_HANGS] = {"array-silent", BEGINS, true, false, MEMORY_HANGS},
    [ARRAY_SLOW] = {"array-slow", BEGINS, false, true, MEMORY_SLOW},
    [ARRAY_RESETS] = {"array-resets", BEGINS, false, false, MEMORY_DROPS},
    [ARRAY_GARBAGE] = {"array-garbage", BEGINS, false, false, MEMORY_GARBAGE},
    [ARRAY_LISTS_LIES] = {"array-lies", BEGINS, false, false, MEMORY_LIES},
    [LIBVIRT_FAILS] = {"libvirt-errors", BEGINS, false, false, MEMORY_NO_FAULT},
    [LIBVIRT_HANGS] = {"libvirt-silent", BEGINS, true, false, MEMORY_NO_FAULT},
    [AGENT_KILLED] = {"agent-killed", ANYTIME, false, false, MEMORY_NO_FAULT},
    [AGENT_STOPPED] = {"agent-stopped", ANYTIME, true, false, MEMORY_NO_FAULT},
    [LINK_CUT] = {"link-cut", ANYTIME, true, false, MEMORY_NO_FAULT},
    [DISK_FULL] = {"disk-full", BEGINS, false, false, MEMORY_NO_FAULT},
    [DISK_FULL_ONCE] = {"disk-full-once", BEGINS, false, false, MEMORY_NO_FAULT},
    [DISK_CUT] = {"disk-nearly-full", BEGINS, false, false, MEMORY_NO_FAULT},
    [LEAVES_ONE] = {"one-not-frozen", BEGINS, false, false, MEMORY_NO_FAULT},
    [WRITES] = {"stray-write", ANYTIME, false, false, MEMORY_NO_FAULT},
    [LETS_GO] = {"lock-lost", ANYTIME, false, false, MEMORY_NO_FAULT},
    [LOST_UNTOLD] = {"lock-lost-untold", ANYTIME, false, false, MEMORY_NO_FAULT},
    [THAWED] = {"thawed-by-others", BEGINS | 1u << AT_REQUEST | 1u << AT_DOING, false, false,
                MEMORY_NO_FAULT},
    [SIGNALLED] = {"signal", ANYTIME, false, false, MEMORY_NO_FAULT},
};

const char *fault_name(enum fault f)
{
    return faults[f].name;
}

bool fault_fits(enum fault f, enum moment_kind kind)
{
    return faults[f].kinds & (1u << kind);
}

bool fault_excuses(enum fault f)
{
    return !faults[f].harmless;
}

bool fault_hangs(enum fault f)
{
    return faults[f].hangs;
}

/* ---- breaking -------------------------------------------------------------------------------- */

static void break_call(enum domain_fn fn, enum fault f)
{
    static const struct fake_act acts[] = {
        [FAILS] = {.fail = ERR_LIBVIRT}, [FAILS_DONE] = {.fail = ERR_LIBVIRT, .done = true},
        [HANGS] = {.hang = true},        [MUTE] = {.mute = true},
        [GARBAGE] = {.garbage = true},   [SLOW] = {.delay_ms = MEMORY_SLOW_MS},
    };

    domain_fake_script(fn, acts[f]);
    domain_fake_script(fn, (struct fake_act){.delay_ms = 0});
}

static void break_libvirt(enum fault f)
{
    for (int n = 0; n < FAKE_FN_COUNT; n++)
        domain_fake_script((enum domain_fn)n, f == LIBVIRT_HANGS
                                                  ? (struct fake_act){.hang = true}
                                                  : (struct fake_act){.fail = ERR_LIBVIRT});
}

static void break_array(enum fault f)
{
    for (int n = 0; n < MEMORY_COMMANDS; n++) {
        if (f != ARRAY_LISTS_LIES || n == MEMORY_FIND)
            storage_memory_fault(w.array, (enum memory_command)n, NULL, faults[f].array, -1);
    }
}

void world_disk(int64_t room_bytes)
{
    struct rlimit limit = {.rlim_max = RLIM_INFINITY};

    (void)signal(SIGXFSZ, SIG_IGN);
    (void)getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = room_bytes < 0 ? limit.rlim_max : (rlim_t)room_bytes;
    (void)setrlimit(RLIMIT_FSIZE, &limit);
}

/* Half of the journal's next line fits. */
static int64_t room_for_half_a_line(void)
{
    AUTO_FREE char *path = xasprintf("%s/journal/%s.jsonl", w.dir, w.run ? w.run->set : "");
    struct stat st;

    return stat(path, &st) == 0 ? (int64_t)st.st_size + 30 : 30;
}

static void break_world(enum fault f)
{
    switch (f) {
    case LIBVIRT_FAILS:
    case LIBVIRT_HANGS:
        break_libvirt(f);
        break;
    case AGENT_KILLED:
        agent_die();
        break;
    case AGENT_STOPPED:
        model_stop();
        break;
    case LINK_CUT:
        peer_close(w.peer);
        break;
    case DISK_FULL:
    case DISK_FULL_ONCE:
    case DISK_CUT:
        w.disk_once = f == DISK_FULL_ONCE;
        world_disk(f == DISK_CUT ? room_for_half_a_line() : 0);
        break;
    case LEAVES_ONE:
        model_leave_one();
        break;
    case WRITES:
        model_write(1);
        break;
    case LETS_GO:
        agent_lets_go(true);
        break;
    case LOST_UNTOLD:
        model_rest();
        agent_lets_go(false);
        break;
    case THAWED:
        (void)model_thaw(NULL, NULL);
        break;
    case SIGNALLED:
        (void)kill(getpid(), SIGTERM);
        break;
    default:
        break_array(f);
        break;
    }
}

static void meet(enum fault f, enum moment_kind kind, int what)
{
    model_broken(mono_us());
    if (f >= ARRAY_FAILS)
        break_world(f);
    else if (kind == AT_CALL)
        break_call((enum domain_fn)what, f);
    else if (kind == AT_REQUEST)
        storage_memory_fault(w.array, (enum memory_command)what, NULL, faults[f].array, 1);
}

/* ---- moments --------------------------------------------------------------------------------- */

static unsigned times_seen(const char *label)
{
    unsigned times = 0;

    for (size_t n = 0; n < w.seen_count; n++)
        times += strcmp(w.seen[n].label, label) == 0;
    return times;
}

static struct moment note_moment(enum moment_kind kind, const char *label, size_t *ret_armed)
{
    struct moment m = {.kind = kind};
    AUTO_LOCK(lock, &w.mutex);

    (void)snprintf(m.label, sizeof(m.label), "%s", label);
    (void)snprintf(m.step, sizeof(m.step), "%s", w.step_depth > 0 ? w.steps[w.step_depth - 1] : "");
    m.nth = times_seen(label) + 1;
    if (w.seen_count < MOMENTS_MAX)
        w.seen[w.seen_count++] = m;
    *ret_armed = ARMED_MAX;
    for (size_t n = 0; n < w.armed_count && *ret_armed == ARMED_MAX; n++) {
        if (w.armed[n].hit || w.armed[n].at.nth != m.nth || strcmp(w.armed[n].at.label, label) != 0)
            continue;
        w.armed[n].hit = true;
        *ret_armed = n;
    }
    return m;
}

/* The run's own thread lives in the loop, and is called there. */
static void call_main(const struct moment *m)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    AUTO_LOCK(lock, &w.mutex);
    if (!w.call_main.open)
        return;
    w.call_main.at = *m;
    w.call_main.asked = true;
    (void)uv_async_send(&w.call_main.async);
    while (w.call_main.asked && w.call_main.open &&
           pthread_cond_timedwait(&w.call_main.changed, &w.mutex, &until) == 0)
        ;
}

static void on_later(uv_timer_t *timer)
{
    enum fault f = (enum fault)(intptr_t)timer->data;

    if (faults[f].hangs)
        world_hurry(true);
    meet(f, AT_BEGIN, 0);
}

static void meet_later(size_t n)
{
    uv_timer_t *timer = &w.armed[n].timer;

    (void)uv_timer_init(loop_uv(w.loop), timer);
    timer->data = (void *)(intptr_t)w.armed[n].fault;
    w.armed[n].late = true;
    uv_update_time(loop_uv(w.loop));
    (void)uv_timer_start(timer, on_later, (uint64_t)w.armed[n].later_ms, 0);
}

/* What the run does about it may reach libvirt before the freeze that was about to. */
static void let_thaw_overtake(void)
{
    unsigned before = domain_fake_calls(FAKE_THAW);

    for (int n = 0; n < OVERTAKEN_MS && domain_fake_calls(FAKE_THAW) == before; n++)
        usleep(1000);
}

enum fault world_moment(enum moment_kind kind, int what, const char *label)
{
    enum fault f = NO_FAULT;
    size_t armed;
    struct moment m = note_moment(kind, label, &armed);

    if (armed < ARMED_MAX && w.armed[armed].later_ms > 0) {
        meet_later(armed);
    } else if (armed < ARMED_MAX) {
        f = w.armed[armed].fault;
        meet(f, kind, what);
        if (kind == AT_CALL && what == FAKE_FREEZE && f >= ARRAY_FAILS)
            let_thaw_overtake();
    }
    if (w.witness && w.run && (kind == AT_CALL || kind == AT_PORT))
        call_main(&m);
    else if (w.witness && w.run)
        w.witness(w.run, &m);
    return f < ARRAY_FAILS ? f : NO_FAULT;
}

void world_arm_later(const struct moment *at, enum fault fault, int ms)
{
    if (w.armed_count == ARMED_MAX)
        abort();
    w.armed[w.armed_count].at = *at;
    w.armed[w.armed_count].fault = fault;
    w.armed[w.armed_count].later_ms = ms;
    w.armed[w.armed_count].late = false;
    w.armed[w.armed_count++].hit = false;
}

void world_arm(const struct moment *at, enum fault fault)
{
    world_arm_later(at, fault, 0);
}

void world_disarm(void)
{
    for (size_t n = 0; n < w.armed_count; n++) {
        if (w.armed[n].late && !uv_is_closing((uv_handle_t *)&w.armed[n].timer))
            uv_close((uv_handle_t *)&w.armed[n].timer, NULL);
    }
}

void world_forget_faults(void)
{
    AUTO_LOCK(lock, &w.mutex);

    w.armed_count = 0;
}

bool world_excused(void)
{
    AUTO_LOCK(lock, &w.mutex);
    for (size_t n = 0; n < w.armed_count; n++) {
        if (w.armed[n].hit && fault_excuses(w.armed[n].fault))
            return true;
    }
    return false;
}

bool world_hit(enum fault f)
{
    AUTO_LOCK(lock, &w.mutex);
    for (size_t n = 0; n < w.armed_count; n++) {
        if (w.armed[n].hit && w.armed[n].fault == f)
            return true;
    }
    return false;
}

bool world_met(void)
{
    AUTO_LOCK(lock, &w.mutex);
    for (size_t n = 0; n < w.armed_count; n++) {
        if (!w.armed[n].hit)
            return false;
    }
    return true;
}
