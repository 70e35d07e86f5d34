/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every call to libvirt and every request to the array that a plan makes fails, hangs or is done
 * without an answer, once or from then on; likewise those of the undo. Which there are is found out
 * by a run in which all goes well.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/cleanup.h"
#include "tests/unit/host-coordinator/back_world.h"

#define POINTS_MAX 200

/* A step of do or undo, and a kind of call in it. */
struct place {
    char event[NAME_MAX_]; /* its "begin ..." */
    bool of_array;
    int kind;
};

enum fault { FAILS, HANGS, MUTE, FAULTS };

static struct {
    const char *spoiled; /* "begin X": there the run is made to fail, so that it is undone */
    const struct place *point;
    enum fault fault;
    bool for_ever, hit;
    struct place points[POINTS_MAX];
    size_t count;
    unsigned calls[FAKE_FN_COUNT], requests[MEMORY_COMMANDS];
} c;

/* ---- finding out ----------------------------------------------------------------------------- */

static void count_calls(bool add, const char *event)
{
    for (int n = 0; n < FAKE_FN_COUNT + MEMORY_COMMANDS; n++) {
        bool of_array = n >= FAKE_FN_COUNT;
        int kind = of_array ? n - FAKE_FN_COUNT : n;
        unsigned *seen = of_array ? &c.requests[kind] : &c.calls[kind];
        unsigned now = of_array ? storage_memory_requests(w.array, (enum memory_command)kind)
                                : domain_fake_calls((enum domain_fn)kind);

        if (add && now > *seen && c.count < POINTS_MAX) {
            struct place *p = &c.points[c.count++];

            *p = (struct place){.of_array = of_array, .kind = kind};
            (void)snprintf(p->event, sizeof(p->event), "begin %s", event + strlen("end "));
        }
        *seen = now;
    }
}

/* A start that is refused, once; a signal where nothing is started. */
static void spoil(const char *event)
{
    if (!c.spoiled || strcmp(event, c.spoiled) != 0)
        return;
    if (strcmp(event, "begin start") != 0) {
        kill(getpid(), SIGTERM);
        return;
    }
    domain_fake_script(FAKE_START, (struct fake_act){.fail = ERR_LIBVIRT});
    domain_fake_script(FAKE_START, (struct fake_act){.delay_ms = 0});
}

static void find_points(struct back *b, const char *event)
{
    (void)b;
    spoil(event);
    count_calls(strncmp(event, "end ", 4) == 0, event);
}

/* ---- breaking -------------------------------------------------------------------------------- */

static void break_domain(enum domain_fn fn)
{
    static const struct fake_act acts[FAULTS] = {
        [FAILS] = {.fail = ERR_LIBVIRT}, [HANGS] = {.hang = true}, [MUTE] = {.mute = true}};

    domain_fake_script(fn, acts[c.fault]);
    if (!c.for_ever)
        domain_fake_script(fn, (struct fake_act){.delay_ms = 0});
}

static void break_array(enum memory_command command)
{
    static const enum memory_fault faults[FAULTS] = {
        [FAILS] = MEMORY_REFUSES, [HANGS] = MEMORY_HANGS, [MUTE] = MEMORY_MUTE};

    storage_memory_fault(w.array, command, NULL, faults[c.fault], c.for_ever ? -1 : 1);
}

static void break_point(struct back *b, const char *event)
{
    (void)b;
    spoil(event);
    if (c.hit || strcmp(event, c.point->event) != 0)
        return;
    c.hit = true;
    if (c.fault != FAILS)
        world_hurry(true);
    if (c.point->of_array)
        break_array((enum memory_command)c.point->kind);
    else
        break_domain((enum domain_fn)c.point->kind);
}

/* A guest that heard us after we gave up on it goes off when it likes. Where the run is over that
 * is for who has the VM to see; else for recover. */
static bool goes_off_later(void)
{
    return !c.point->of_array && c.point->kind == FAKE_SHUTDOWN && c.fault != FAILS;
}

static const char *try_point(struct wanted wanted)
{
    const char *problem;
    struct tale t;

    c.hit = false;
    world_open(true);
    world_hurry_array(c.point->of_array && c.fault != FAILS);
    w.hook = break_point;
    t = world_run(wanted);
    world_heal();
    if (goes_off_later() && !domain_fake_runs("db") && world_journals() == 0)
        domain_fake_power("db", true);
    problem = world_ended_wrong(&t);
    if (!problem && t.status == 5 && world_journals() > 0)
        problem = world_recovered_wrong(&t);
    if (!problem && !c.hit)
        problem = "the fault was never met";
    if (!problem && strstr(c.point->event, "undo") && c.spoiled && t.rc == 0)
        problem = "it was to fail";
    if (problem)
        print_error("exit status %d: %s\n", t.status, t.e.msg);
    world_close();
    return problem;
}

static size_t try_plan(struct wanted wanted, const char *spoiled)
{
    size_t bad = 0;

    memset(&c, 0, sizeof(c));
    c.spoiled = spoiled;
    world_open(true);
    w.hook = find_points;
    (void)world_run(wanted);
    world_close();
    for (size_t n = 0; n < c.count; n++) {
        c.point = &c.points[n];
        /* what comes before the spoiling is the other test's */
        if (spoiled && !strstr(c.point->event, "undo"))
            continue;
        for (int k = 0; k < 2 * FAULTS; k++) {
            const char *problem;

            c.fault = (enum fault)(k / 2);
            c.for_ever = k % 2;
            problem = try_point(wanted);
            if (!problem)
                continue;
            print_error("%s, %s %d, fault %d%s: %s\n", c.point->event,
                        c.point->of_array ? "request" : "call", c.point->kind, k / 2,
                        c.for_ever ? " for ever" : "", problem);
            bad++;
        }
    }
    print_message("%zu places\n", c.count);
    return bad;
}

static void switching(void **state)
{
    (void)state;
    assert_int_equal(try_plan((struct wanted){.method = BACK_SWITCH}, NULL), 0);
}

static void in_place(void **state)
{
    (void)state;
    assert_int_equal(try_plan((struct wanted){.method = BACK_IN_PLACE}, NULL), 0);
}

static void copying(void **state)
{
    (void)state;
    assert_int_equal(try_plan((struct wanted){.method = BACK_COPY}, NULL), 0);
}

static void verifying(void **state)
{
    (void)state;
    assert_int_equal(try_plan((struct wanted){.method = BACK_VERIFY}, NULL), 0);
}

static void switching_undone(void **state)
{
    (void)state;
    assert_int_equal(try_plan((struct wanted){.method = BACK_SWITCH}, "begin start"), 0);
}

static void in_place_undone(void **state)
{
    (void)state;
    assert_int_equal(try_plan((struct wanted){.method = BACK_IN_PLACE}, "begin roll back"), 0);
}

static void copying_undone(void **state)
{
    (void)state;
    assert_int_equal(try_plan((struct wanted){.method = BACK_COPY}, "begin start"), 0);
}

/* libvirt makes the new domain without an answer, and cannot be asked whether it did. */
static void define_unseen(struct back *b, const char *event)
{
    (void)b;
    if (strcmp(event, "begin define") != 0)
        return;
    world_hurry(true);
    domain_fake_script(FAKE_DEFINE, (struct fake_act){.mute = true});
    domain_fake_script(FAKE_OPEN, (struct fake_act){.fail = ERR_LIBVIRT});
    if (!c.for_ever)
        domain_fake_script(FAKE_OPEN, (struct fake_act){.delay_ms = 0});
}

static void a_copy_that_nobody_saw(void **state)
{
    (void)state;
    for (int n = 0; n < 2; n++) {
        const char *problem;
        struct tale t;

        c.for_ever = n;
        world_open(true);
        w.hook = define_unseen;
        t = world_run((struct wanted){.method = BACK_COPY});
        world_heal();
        problem = world_ended_wrong(&t);
        if (!problem && world_journals() > 0)
            problem = world_recovered_wrong(&t);
        if (problem)
            fail_msg("exit status %d: %s: %s", t.status, t.e.msg, problem);
        assert_int_equal(t.status, 5);
        world_close();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(switching),        cmocka_unit_test(in_place),
        cmocka_unit_test(copying),          cmocka_unit_test(verifying),
        cmocka_unit_test(switching_undone), cmocka_unit_test(in_place_undone),
        cmocka_unit_test(copying_undone),   cmocka_unit_test(a_copy_that_nobody_saw),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
