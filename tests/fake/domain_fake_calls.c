/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every call of the scripted domain goes through: the log, its act, and what hangs until it is
 * let go; see domain_fake.h.
 */
#include "tests/fake/domain_fake_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#define ACTS_MAX 16

struct line {
    struct fake_act acts[ACTS_MAX];
    size_t count, next;
    unsigned calls;
    void (*hook)(void *arg);
    void *hook_arg;
    int (*effect)(void *arg, struct err *e);
    void *effect_arg;
};

static struct {
    pthread_cond_t changed;
    struct line lines[FAKE_FN_COUNT];
    struct buf log;
    unsigned inside; /* calls under way */
    unsigned let_go; /* raised to free what hangs */
    bool one_agent_call, agent_busy;
} calls = {.changed = PTHREAD_COND_INITIALIZER};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static const char *const fn_names[] = {
    [FAKE_OPEN] = "open",         [FAKE_RUNNING] = "running",
    [FAKE_XML] = "xml",           [FAKE_FILESYSTEMS] = "fs",
    [FAKE_PING] = "ping",         [FAKE_STATUS] = "status",
    [FAKE_FREEZE] = "freeze",     [FAKE_THAW] = "thaw",
    [FAKE_WRITES] = "writes",     [FAKE_CHANNEL] = "channel",
    [FAKE_STATE] = "state",       [FAKE_DEFINITION] = "definition",
    [FAKE_HOST] = "host",         [FAKE_DEFINE] = "define",
    [FAKE_CREATE] = "create",     [FAKE_START] = "start",
    [FAKE_SHUTDOWN] = "shutdown", [FAKE_DESTROY] = "destroy",
    [FAKE_UNDEFINE] = "undefine", [FAKE_FORGET_SAVED] = "forget_saved",
};

pthread_mutex_t *fake_mutex(void)
{
    return &mutex;
}

/* A call is under way until its result is written: reset() must not come back before that. */
int fake_enter(void)
{
    AUTO_LOCK(lock, &mutex);
    calls.inside++;
    return 0;
}

/* What this thread's call does with its answer. */
static _Thread_local bool mute, garbage, has_agent;

static void wait_let_go_locked(unsigned seen)
{
    while (calls.let_go == seen)
        (void)pthread_cond_wait(&calls.changed, &mutex);
}

void fake_leave(int *entered)
{
    (void)entered;
    AUTO_LOCK(lock, &mutex);
    if (mute)
        wait_let_go_locked(calls.let_go);
    if (has_agent)
        calls.agent_busy = false;
    mute = garbage = has_agent = false;
    calls.inside--;
    (void)pthread_cond_broadcast(&calls.changed);
}

/* ---- acting ---------------------------------------------------------------------------------- */

static struct fake_act take_act_locked(struct line *l)
{
    if (l->count == 0)
        return (struct fake_act){.delay_ms = 0};
    if (l->next + 1 < l->count)
        return l->acts[l->next++];
    return l->acts[l->next];
}

static void sleep_ms(int ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    (void)nanosleep(&t, NULL);
}

/* A copy of the line as the call begins: the hook and the effect run without the mutex. */
static struct line begin(enum domain_fn fn)
{
    AUTO_LOCK(lock, &mutex);
    calls.lines[fn].calls++;
    buf_addf(&calls.log, "%s%s", calls.log.len > 0 ? " " : "", fn_names[fn]);
    return calls.lines[fn];
}

static void wait_for_agent_locked(enum domain_fn fn)
{
    if (!calls.one_agent_call || fn < FAKE_FILESYSTEMS || fn > FAKE_THAW)
        return;
    while (calls.agent_busy)
        (void)pthread_cond_wait(&calls.changed, &mutex);
    calls.agent_busy = has_agent = true;
}

int fake_begin(enum domain_fn fn, struct err *e)
{
    struct line line = begin(fn);
    struct fake_act a;
    unsigned seen;

    if (line.hook)
        line.hook(line.hook_arg);
    {
        AUTO_LOCK(lock, &mutex);
        wait_for_agent_locked(fn);
        a = take_act_locked(&calls.lines[fn]);
        seen = calls.let_go;
    }
    if (a.delay_ms > 0)
        sleep_ms(a.delay_ms);
    if (a.hang) {
        AUTO_LOCK(lock, &mutex);
        wait_let_go_locked(seen);
    }
    if ((a.fail == ERR_NONE || a.done) && line.effect && line.effect(line.effect_arg, e) < 0)
        return -1;
    mute = a.mute;
    garbage = a.garbage;
    if (a.fail != ERR_NONE)
        return err_set(e, a.fail, "%s", a.words ? a.words : "the fake says no");
    return 0;
}

bool fake_garbage(void)
{
    return garbage;
}

/* ---- the test's side ------------------------------------------------------------------------- */

static void forget_acts_locked(void)
{
    for (size_t n = 0; n < FAKE_FN_COUNT; n++)
        calls.lines[n].count = calls.lines[n].next = 0;
}

/* Again and again: a call that is still in its hook may be told there to hang, and only then begins
 * to wait. */
void domain_fake_heal(void)
{
    AUTO_LOCK(lock, &mutex);
    forget_acts_locked();
    while (calls.inside > 0) {
        struct timespec until;

        calls.let_go++;
        (void)pthread_cond_broadcast(&calls.changed);
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        (void)pthread_cond_timedwait(&calls.changed, &mutex, &until);
        forget_acts_locked();
    }
}

pid_t domain_fake_fork(void)
{
    pid_t child;
    AUTO_LOCK(lock, &mutex);

    child = fork();
    if (child == 0) {
        calls.inside = 0;
        calls.agent_busy = false;
        (void)pthread_cond_init(&calls.changed, NULL); /* the parent's threads wait for theirs */
    }
    return child;
}

void domain_fake_let_go(void)
{
    AUTO_LOCK(lock, &mutex);
    calls.let_go++;
    (void)pthread_cond_broadcast(&calls.changed);
}

void fake_calls_reset_locked(void)
{
    while (calls.inside > 0) {
        calls.let_go++;
        (void)pthread_cond_broadcast(&calls.changed);
        (void)pthread_cond_wait(&calls.changed, &mutex);
    }
    memset(calls.lines, 0, sizeof(calls.lines));
    buf_release(&calls.log);
    calls.one_agent_call = false;
}

void domain_fake_script(enum domain_fn fn, struct fake_act a)
{
    struct line *l = &calls.lines[fn];
    AUTO_LOCK(lock, &mutex);

    if (l->count == ACTS_MAX)
        abort();
    l->acts[l->count++] = a;
}

void domain_fake_one_agent_call(void)
{
    AUTO_LOCK(lock, &mutex);
    calls.one_agent_call = true;
}

void domain_fake_on(enum domain_fn fn, void (*hook)(void *arg), void *arg)
{
    AUTO_LOCK(lock, &mutex);
    calls.lines[fn].hook = hook;
    calls.lines[fn].hook_arg = arg;
}

void domain_fake_does(enum domain_fn fn, int (*effect)(void *arg, struct err *e), void *arg)
{
    AUTO_LOCK(lock, &mutex);
    calls.lines[fn].effect = effect;
    calls.lines[fn].effect_arg = arg;
}

const char *domain_fake_fn_name(enum domain_fn fn)
{
    return fn_names[fn];
}

const char *domain_fake_log(void)
{
    static char text[4096];
    AUTO_LOCK(lock, &mutex);

    (void)snprintf(text, sizeof(text), "%s", buf_text(&calls.log));
    return text;
}

unsigned domain_fake_calls(enum domain_fn fn)
{
    AUTO_LOCK(lock, &mutex);
    return calls.lines[fn].calls;
}
