/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each step of a snapshot, and each call, request and message in it, meets each fault: a run, then
 * the four questions of the observer (snap_look.c). Which steps and calls there are is found out by
 * a run in which all goes well, and those of the undo by one that fails when all snapshots are
 * there.
 *
 * CBSNAP_FAULTS_MATRIX=FILE adds a line for each case: "fake STEP FAULT", four yes or no, seconds.
 * CASE=PATTERN runs the tests whose names match.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "tests/unit/host-coordinator/dead.h"
#include "tests/unit/host-coordinator/snap_world.h"

/* A run spends its time waiting for what hangs, so some are made at once. */
#define WORKERS 4

/* True when the fault was met. */
static bool try_once(const struct moment *at, enum fault fault, bool undo, struct verdict *ret,
                     struct tale *ret_tale)
{
    bool met;

    world_open(fault_hangs(fault));
    w.spoil = undo;
    world_arm(at, fault);
    *ret_tale = world_run();
    met = world_met();
    *ret = world_judge(ret_tale);
    world_run_again(ret);
    world_close();
    return met;
}

static bool try_fault(const struct moment *at, enum fault fault, bool undo)
{
    int64_t began = mono_us();
    struct verdict v;
    struct tale t;
    bool met = false;

    /* on a busy machine a run may take another way before it comes there */
    for (int n = 0; n < 5 && !met; n++)
        met = try_once(at, fault, undo, &v, &t) && (fault_excuses(fault) || undo || t.status == 0);
    world_matrix(at->step, fault_name(fault), &v, (double)(mono_us() - began) / 1e6);
    if (verdict_good(&v) && met)
        return true;
    fprintf(stderr, "%s%s, %s (%u), %s: %s; exit status %d: %s\n", undo ? "failing, " : "",
            at->step, at->label, at->nth, fault_name(fault),
            verdict_good(&v) ? "the fault was never met, or cost the set without need" : v.why,
            t.status, t.e.msg);
    return false;
}

struct task {
    const struct moment *moments;
    size_t count;
    enum fault first, last;
    bool undo;
};

/* The cases of one worker, or of nobody, to count them all. */
static size_t each_case(const struct task *task, int worker, size_t *ret_bad)
{
    size_t cases = 0;

    *ret_bad = 0;
    for (size_t n = 0; n < task->count; n++) {
        for (int f = task->first; f <= (int)task->last; f++) {
            if (!fault_fits((enum fault)f, task->moments[n].kind))
                continue;
            if ((int)(cases++ % WORKERS) == worker)
                *ret_bad += !try_fault(&task->moments[n], (enum fault)f, task->undo);
        }
    }
    return cases;
}

static void try_faults(enum fault first, enum fault last, bool undo)
{
    size_t count, cases, bad, failed = 0;
    struct moment *moments = world_moments(undo, &count);
    const struct task task = {moments, count, first, last, undo};
    pid_t workers[WORKERS];

    cases = each_case(&task, -1, &bad);
    for (int n = 0; n < WORKERS; n++) {
        dead_wait_asleep();
        workers[n] = fork();
        if (workers[n] == 0) {
            (void)each_case(&task, n, &bad);
            _exit(bad > 0);
        }
    }
    for (int n = 0; n < WORKERS; n++) {
        int status = 0;

        failed += workers[n] < 0 || waitpid(workers[n], &status, 0) != workers[n] || status != 0;
    }
    free(moments);
    print_message("%zu cases\n", cases);
    assert_true(cases > 0);
    assert_int_equal(failed, 0);
}

#define FAULT_CASE(name, first, last)                                                              \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        try_faults(first, last, false);                                                            \
    }                                                                                              \
    static void name##_in_undo(void **state)                                                       \
    {                                                                                              \
        (void)state;                                                                               \
        try_faults(first, last, true);                                                             \
    }

FAULT_CASE(a_call_that_fails, FAILS, FAILS_DONE)
FAULT_CASE(a_call_that_hangs, HANGS, MUTE)
FAULT_CASE(an_answer_that_makes_no_sense, GARBAGE, GARBAGE)
FAULT_CASE(an_answer_that_is_late, SLOW, SLOW)
FAULT_CASE(a_request_that_breaks_off_or_is_late_or_a_lie, RESETS, LIES)
FAULT_CASE(a_sick_array, ARRAY_FAILS, ARRAY_LISTS_LIES)
FAULT_CASE(a_sick_libvirt, LIBVIRT_FAILS, LIBVIRT_HANGS)
FAULT_CASE(an_agent_that_is_killed, AGENT_KILLED, AGENT_KILLED)
FAULT_CASE(an_agent_that_is_stopped, AGENT_STOPPED, AGENT_STOPPED)
FAULT_CASE(a_link_that_is_cut, LINK_CUT, LINK_CUT)
FAULT_CASE(a_full_disk, DISK_FULL, DISK_CUT)
FAULT_CASE(a_guest_that_others_touch, LEAVES_ONE, THAWED)
FAULT_CASE(a_signal, SIGNALLED, SIGNALLED)

/* Longer than a lease, which is renewed meanwhile. */
static void an_array_that_takes_long_is_waited_for(void **state)
{
    struct tale t = {.status = -1};

    (void)state;
    for (int n = 0; n < 5 && t.status != 0; n++) {
        struct verdict v;

        world_open(false);
        w.conf.lease_ms = LEASE_MS / 5;
        storage_memory_latency(w.array, MEMORY_SNAPSHOT, LEASE_MS / 2);
        t = world_run();
        v = world_judge(&t);
        world_close();
        assert_true(verdict_good(&v));
    }
    assert_int_equal(t.status, 0);
}

int main(void)
{
#define BOTH(name) cmocka_unit_test(name), cmocka_unit_test(name##_in_undo)
    const struct CMUnitTest tests[] = {
        BOTH(a_call_that_fails),
        BOTH(a_call_that_hangs),
        BOTH(an_answer_that_makes_no_sense),
        BOTH(an_answer_that_is_late),
        BOTH(a_request_that_breaks_off_or_is_late_or_a_lie),
        BOTH(a_sick_array),
        BOTH(a_sick_libvirt),
        BOTH(an_agent_that_is_killed),
        BOTH(an_agent_that_is_stopped),
        BOTH(a_link_that_is_cut),
        BOTH(a_full_disk),
        BOTH(a_guest_that_others_touch),
        BOTH(a_signal),
        cmocka_unit_test(an_array_that_takes_long_is_waited_for),
    };

    cmocka_set_test_filter(getenv("CASE"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
