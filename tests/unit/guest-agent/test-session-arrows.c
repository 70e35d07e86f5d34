/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every arrow of the state diagram of the freeze session is broken by every cause, and each time
 * the guest must end let go, exactly once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "proto/base/cleanup.h"
#include "tests/unit/guest-agent/session_world.h"

enum point {
    AT_LOCKING, /* the job waits in the worker's queue */
    AT_GRANTED, /* the server granted, the loop does not know yet */
    AT_LOCKED,
    AT_FROZEN,
    AT_RELEASING, /* the release waits in the queue */
    AT_RELEASED,  /* it was done, the loop does not know yet */
    POINTS
};
static const char *const point_names[POINTS] = {"locking", "granted",   "locked",
                                                "frozen",  "releasing", "released"};

static void by_connection(struct world *w)
{
    if (w->out.watching) {
        w->out.locked = false;
        session_lock_lost(w->session);
    } else {
        w->out.unlock_fails = true;
    }
}

static void by_lease(struct world *w)
{
    if (w->out.armed)
        fire(w);
    else if (session_state(w->session) == SESSION_LOCKING)
        w->out.fires_in_take = true;
}

static void by_hook_gone(struct world *w)
{
    session_hook_gone(w->session, w, false);
}

/* A foreign request: must change nothing. */
static void by_stranger(struct world *w)
{
    session_release(w->session, "other", true, 5, on_ended, w);
}

static const struct {
    const char *name;
    void (*act)(struct world *w);
    const char *cause; /* told when it came at LOCKED or FROZEN */
    int ended, stopped;
    bool held_at_frozen; /* only an orderly end holds */
} causes[] = {
    {"host", by_host, "host", 1, 0, true},
    {"person", by_person, "person", 1, 0, true},
    {"hook", by_hook, "hook", 1, 0, true},
    {"lease", by_lease, "lease", 0, 0, false},
    {"connection", by_connection, "connection", 0, 0, false},
    {"signal", by_signal, "signal", 0, 1, false},
    {"hook-gone", by_hook_gone, "hook-gone", 0, 0, false},
};

/* Brings the session to the point, lets the cause strike, finishes. */
static void strike(struct world *w, enum point at, void (*act)(struct world *w))
{
    struct session_job *open = NULL;

    assert_int_equal(session_prepare(w->session, "run", 4000, NULL), 0);
    session_freeze(w->session, on_frozen, w);
    if (at == AT_GRANTED)
        open = run_job(w);
    if (at >= AT_LOCKED)
        work(w);
    if (at >= AT_FROZEN) {
        uint32_t left;

        outside_freeze(&w->out);
        assert_int_equal(session_renew(w->session, "run", 5, MOUNTS, &left, NULL), 0);
    }
    if (at >= AT_RELEASING)
        session_release(w->session, "run", true, 5, on_ended, w);
    if (at == AT_RELEASED)
        open = run_job(w);
    act(w);
    if (open)
        session_job_done(open);
    work(w);
}

static size_t count_of(const char *text, const char *word)
{
    size_t n = 0;

    for (const char *p = text; (p = strstr(p, word)); p += strlen(word))
        n++;
    return n;
}

/* The one release path: filesystems first, then MySQL, each once. The hook hears once, unless it is
 * gone. */
static void check_calls(const struct world *w, enum point at, const char *cause)
{
    const char *trace = w->out.trace;

    if (strstr(trace, "unlock"))
        assert_non_null(strstr(trace, "thaw unlock disarm leave"));
    assert_true(count_of(trace, "unlock") <= 1);
    assert_int_equal(count_of(trace, "enter"), count_of(trace, "leave"));
    if (strcmp(cause, "hook-gone") != 0 || at >= AT_LOCKED)
        assert_int_equal(w->frozen_calls, 1);
}

static void check_end(const struct world *w, enum point at, size_t c)
{
    if (at == AT_LOCKED || at == AT_FROZEN) {
        assert_string_equal(w->out.cause, causes[c].cause);
        assert_int_equal(w->ended_calls, causes[c].ended);
    }
    if (at == AT_FROZEN && causes[c].ended)
        assert_int_equal(w->held, causes[c].held_at_frozen);
    if (at == AT_LOCKED && causes[c].ended)
        assert_false(w->held); /* nothing was frozen */
    if (at == AT_RELEASING && strcmp(causes[c].name, "lease") == 0)
        assert_false(w->held);
}

static void check_a_new_freeze_works(struct world *w)
{
    w->out.trace[0] = '\0';
    w->out.unlock_fails = false;
    hold(w, NULL, true);
    session_release(w->session, NULL, false, 0, on_ended, w);
    work(w);
    assert_true(w->held);
    assert_let_go(w);
}

static void break_arrow(enum point at, size_t c)
{
    struct world *w;
    void *state;
    bool was_held, was_told;

    (void)world_setup(&state);
    w = state;
    strike(w, at, causes[c].act);
    was_held = strstr(w->out.events, "locked ") != NULL;
    was_told = w->frozen_calls == 1 && w->frozen_ok;
    if (at <= AT_GRANTED && strcmp(causes[c].name, "connection") == 0) {
        /* not watched yet, so it is found out at the release */
        by_host(w);
        work(w);
        assert_false(w->held);
    }
    assert_let_go(w);
    check_calls(w, at, causes[c].name);
    assert_int_equal(was_told, was_held);
    sweep_out(w);
    assert_int_equal(w->stopped_calls, causes[c].stopped);
    /* an end that was told of is an end: the epoch rises; a lock never told of is none held */
    if (was_held || strstr(w->out.trace, "unlock"))
        assert_int_equal(session_epoch(w->session), 6);
    else
        assert_int_equal(session_epoch(w->session), 5);
    check_end(w, at, c);
    if (!causes[c].stopped)
        check_a_new_freeze_works(w);
    (void)world_teardown(&state);
}

static void test_every_arrow(void **state)
{
    (void)state;
    for (int at = 0; at < POINTS; at++) {
        for (size_t c = 0; c < ARRAY_SIZE(causes); c++) {
            print_message("# %s at %s\n", causes[c].name, point_names[at]);
            break_arrow((enum point)at, c);
        }
    }
}

static void test_stranger_changes_nothing(void **state)
{
    struct world *w = *state;

    for (int at = AT_LOCKING; at <= AT_FROZEN; at++) {
        void *other;
        struct world *o;
        struct err e = ERR_INIT;
        uint32_t left;

        (void)world_setup(&other);
        o = other;
        strike(o, (enum point)at, by_stranger);
        assert_int_equal(o->ended_calls, 1);
        assert_false(o->held);
        assert_non_null(strstr(o->reason, "another freeze"));
        assert_true(o->out.locked && o->out.armed);
        assert_int_equal(session_renew(o->session, "other", 5, -1, &left, &e), -1);
        assert_int_equal(e.code, ERR_LOST);
        assert_int_equal(session_renew(o->session, "run", 4, -1, &left, &e), -1);
        by_host(o);
        work(o);
        assert_let_go(o);
        (void)world_teardown(&other);
    }
    assert_int_equal(session_state(w->session), SESSION_IDLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_every_arrow),
        WORLD_TEST(test_stranger_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
