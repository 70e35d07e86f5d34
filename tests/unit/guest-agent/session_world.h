/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world of the tests of the freeze session: a session of epoch 5 with everything outside it
 * scripted (tests/fake/session_outside.h), and what those who called it were told.
 */
#ifndef CBSNAP_TESTS_SESSION_WORLD_H
#define CBSNAP_TESTS_SESSION_WORLD_H

#include "tests/fake/session_outside.h"

#define S INT64_C(1000000)

struct world {
    struct outside out;
    struct session *session;

    /* what was told */
    int frozen_calls, ended_calls, stopped_calls, probed_calls;
    bool frozen_ok, held, lost_untold;
    uint64_t ended_epoch;
    enum err_code frozen_code;
    char reason[700];
};

int world_setup(void **state);
int world_teardown(void **state);
#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

/* Called by the session; `arg` is a struct world. */
void on_frozen(void *arg, const struct err *e, const char *text);
void on_ended(void *arg, const struct session_end *end);
void on_stopped(void *arg);
void on_probed(void *arg);

/* The worker does the oldest job, which must be there; its result is not yet known to the loop. */
struct session_job *run_job(struct world *w);
/* All that waits in the worker's queue is done, and the loop knows. */
void work(struct world *w);
/* The watchdog. */
void fire(struct world *w);
/* Through prepare (when `run`), hook and (when `frozen`) qemu-ga's freeze and the host's word of
 * it.
 */
void hold(struct world *w, const char *run, bool frozen);
/* The sweep that may have followed finds nothing more. */
void sweep_out(struct world *w);
/* Nothing is held, nothing is left, and the loop is idle. */
void assert_let_go(struct world *w);

/* Who wants the end. */
void by_host(struct world *w);
void by_person(struct world *w);
void by_hook(struct world *w);
void by_signal(struct world *w);

#endif
