/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See session_world.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/buf.h"
#include "proto/base/log.h"
#include "tests/unit/guest-agent/session_world.h"

static void drop(void *arg, enum log_level level, const char *line)
{
    (void)arg;
    (void)level;
    (void)line;
}

int world_setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    log_set_sink(drop, NULL);
    outside_init(&w->out);
    w->out.now_us = 1000 * S;
    w->session = session_new(&outside_ops, &w->out, &outside_limits, 5);
    *state = w;
    return 0;
}

int world_teardown(void **state)
{
    struct world *w = *state;

    session_free(w->session);
    free(w);
    log_set_sink(NULL, NULL);
    return 0;
}

void outside_broken(const char *what, const char *file, int line)
{
    fail_msg("%s:%d: does not hold: %s", file, line, what);
    abort();
}

/* ---- what the session tells --------------------------------------------------------------------
 */

void on_frozen(void *arg, const struct err *e, const char *text)
{
    struct world *w = arg;

    (void)text;
    w->frozen_calls++;
    w->frozen_ok = e == NULL;
    w->frozen_code = e ? e->code : ERR_NONE;
    if (!e) /* never told of a lock that is not there */
        assert_true(w->out.locked && w->out.armed);
}

void on_ended(void *arg, const struct session_end *end)
{
    struct world *w = arg;

    w->ended_calls++;
    w->held = end->held;
    w->lost_untold = end->lost_untold;
    w->ended_epoch = end->epoch;
    (void)snprintf(w->reason, sizeof(w->reason), "%s", end->reason);
    assert_false(w->out.locked && end->held);
    assert_true(!end->held || outside_held(&w->out));
}

void on_stopped(void *arg)
{
    ((struct world *)arg)->stopped_calls++;
}

void on_probed(void *arg)
{
    ((struct world *)arg)->probed_calls++;
}

/* ---- what a test does --------------------------------------------------------------------------
 */

struct session_job *run_job(struct world *w)
{
    assert_true(w->out.queued > 0);
    return outside_run(&w->out);
}

void work(struct world *w)
{
    while (w->out.queued)
        session_job_done(run_job(w));
}

void fire(struct world *w)
{
    outside_fire(&w->out, w->session);
}

void hold(struct world *w, const char *run, bool frozen)
{
    uint32_t left;

    if (run)
        assert_int_equal(session_prepare(w->session, run, 4000, NULL), 0);
    session_freeze(w->session, on_frozen, w);
    work(w);
    assert_int_equal(session_state(w->session), SESSION_LOCKED);
    if (!frozen)
        return;
    outside_freeze(&w->out);
    if (run) {
        assert_int_equal(
            session_renew(w->session, run, session_epoch(w->session), MOUNTS, &left, NULL), 0);
        assert_int_equal(session_state(w->session), SESSION_FROZEN);
    }
}

void sweep_out(struct world *w)
{
    w->out.now_us += 31 * S;
    if (w->out.tick_ms)
        session_tick(w->session);
    work(w);
}

void assert_let_go(struct world *w)
{
    assert_int_equal(session_state(w->session), SESSION_IDLE);
    assert_int_equal(w->out.queued, 0);
    assert_false(w->out.locked);
    assert_false(w->out.marker);
    assert_false(w->out.watching);
    assert_false(w->out.quiet);
    assert_false(w->out.armed);
    for (size_t n = 0; n < MOUNTS; n++)
        assert_int_not_equal(w->out.fs[n], FS_FROZEN);
}

void by_host(struct world *w)
{
    session_release(w->session, "run", true, 5, on_ended, w);
}

void by_person(struct world *w)
{
    session_release(w->session, NULL, false, 0, on_ended, w);
}

void by_hook(struct world *w)
{
    session_thaw(w->session, on_ended, w);
}

void by_signal(struct world *w)
{
    session_stop(w->session, on_stopped, w);
}
