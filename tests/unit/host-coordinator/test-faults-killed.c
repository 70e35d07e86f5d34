/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The coordinator dies before, during and after each step of a snapshot: at its begin and end, and
 * at each call, request and message in it. A child process goes on from there as the world after
 * the death, with a copy of the folder of records, whose locks are nobody's; the parent is the run
 * itself, and goes on to its next moment. What the dead one had under way is done all the same, or
 * never, or only after somebody has recovered.
 *
 * CBSNAP_FAULTS_MATRIX=FILE adds a line for each death: "fake STEP killed-...", as test-faults.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/unit/host-coordinator/dead.h"
#include "tests/unit/host-coordinator/snap_world.h"

enum pending { DONE_AT_ONCE, NEVER_DONE, DONE_LATE, PENDINGS };

static const char *const pending_names[PENDINGS] = {"killed", "killed-undone", "killed-late"};

static struct {
    bool undo;
    size_t deaths, bad;
} k;

/* What went on without the dead one: libvirt ends a call that was under way. */
static void let_libvirt_end(const struct moment *m)
{
    struct err e = ERR_INIT;

    if (strcmp(m->label, "call freeze") == 0)
        (void)model_freeze(NULL, &e);
    else if (strcmp(m->label, "call thaw") == 0)
        (void)model_thaw(NULL, &e);
}

/* Later than recover begins, and sooner than it may give up. */
static void on_late(uv_timer_t *timer)
{
    storage_memory_desert(w.array, true);
    uv_close((uv_handle_t *)timer, NULL);
}

static void do_late(void)
{
    static uv_timer_t timer;

    w.conf.late_ms = 300;
    (void)uv_timer_init(loop_uv(w.loop), &timer);
    (void)uv_timer_start(&timer, on_late, 10, 0);
}

static struct verdict live_on(const char *set, const struct moment *m, enum pending pending)
{
    AUTO_FREE char *dead = xasprintf("%s/dead", w.dir);

    dead_copy(w.dir, dead);
    w.conf.state_dir = dead;
    w.after_death = true;
    model_broken(mono_us());
    w.witness = NULL;
    w.run = NULL;
    w.loop = loop_new();
    storage_memory_use(w.array, w.loop);
    if (pending == DONE_AT_ONCE)
        let_libvirt_end(m);
    if (pending == DONE_LATE)
        do_late();
    else
        storage_memory_desert(w.array, pending == DONE_AT_ONCE);
    return world_judge_dead(set);
}

/* Its exit status, as waitpid() tells it. */
static int live_after(struct run *r, const struct moment *m, enum pending pending)
{
    int64_t began = mono_us();
    int status = -1;
    pid_t child;

    dead_wait_asleep();
    child = domain_fake_fork();
    if (child == 0) {
        struct verdict v;

        (void)signal(SIGSEGV, SIG_DFL); /* in here cmocka would go on with the tests */
        (void)alarm(5);
        v = live_on(r->set, m, pending);
        world_matrix(m->step, pending_names[pending], &v, (double)(mono_us() - began) / 1e6);
        if (!verdict_good(&v))
            fprintf(stderr, "%s%s, %s (%u), %s: %s\n", k.undo ? "failing, " : "", m->step, m->label,
                    m->nth, pending_names[pending], v.why);
        _exit(verdict_good(&v) ? 0 : 1);
    }
    (void)waitpid(child, &status, 0);
    return status;
}

static void die(struct run *r, const struct moment *m, enum pending pending)
{
    int status = -1;

    /* a thread that woke up just then may have had a lock, for which the child waits for ever */
    for (int n = 0; n < 3 && (n == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM));
         n++) {
        AUTO_FREE char *dead = xasprintf("%s/dead", w.dir);

        status = live_after(r, m, pending);
        world_remove(dead);
    }
    if (WIFSIGNALED(status))
        fprintf(stderr, "%s, %s: ended by signal %d\n", m->label, pending_names[pending],
                WTERMSIG(status));
    k.bad += status != 0;
    k.deaths++;
}

static void at_each_moment(struct run *r, const struct moment *m)
{
    if (k.undo && strncmp(m->step, "undo ", 5) != 0)
        return;
    for (int n = 0; n < PENDINGS; n++) {
        if (n != DONE_LATE || storage_memory_open(w.array, MEMORY_SNAPSHOT) > 0)
            die(r, m, (enum pending)n);
    }
}

static void try_run(bool undo)
{
    struct tale t;

    memset(&k, 0, sizeof(k));
    k.undo = undo;
    world_open(false);
    /* the deaths take their time, and the parent's lease is not to end meanwhile */
    w.lease_ms = 600000;
    w.conf.lease_ms = w.conf.max_stall_ms = w.conf.freeze_ms = (int)w.lease_ms;
    w.conf.libvirt_ms = w.conf.answer_ms = w.appliances[0].timeout_ms = 600000;
    w.conf.late_ms = 20;
    w.spoil = undo;
    w.witness = at_each_moment;
    t = world_run();
    w.witness = NULL;
    if (t.status != (undo ? 4 : 0))
        fail_msg("exit status %d: %s", t.status, t.e.msg);
    print_message("died %zu times\n", k.deaths);
    assert_true(k.deaths >= 50);
    assert_int_equal(k.bad, 0);
    world_close();
}

static void a_death_at_any_moment(void **state)
{
    (void)state;
    try_run(false);
}

static void a_death_while_a_failed_run_undoes(void **state)
{
    (void)state;
    try_run(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_death_at_any_moment),
        cmocka_unit_test(a_death_while_a_failed_run_undoes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
