/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loop and waiting in it; see loop.h. */
#include "host-coordinator/loop/loop_internal.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

static const int caught_signals[] = {SIGINT, SIGTERM, SIGHUP};

struct loop {
    uv_loop_t uv;
    uv_timer_t deadline; /* only wakes a wait; the monotonic clock decides */
    uv_async_t wake;
    uv_signal_t signals[ARRAY_SIZE(caught_signals)];
    bool catching;
    bool cancelled;
    bool shielded;
    struct mailbox *mailbox;
};

static void on_deadline(uv_timer_t *timer)
{
    (void)timer;
}

static void on_wake(uv_async_t *wake)
{
    struct loop *l = wake->data;

    mailbox_collect(l->mailbox);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct loop *l = handle->data;

    if (!l->cancelled)
        log_debug("caught signal %d%s", signum, l->shielded ? ", remembered for later" : "");
    l->cancelled = true;
}

/* libuv's initialisers fail only without memory or descriptors; nothing works then. */
static void must(int rc, const char *what)
{
    if (rc < 0) {
        log_error("cannot set up the event loop: %s: %s", what, uv_strerror(rc));
        abort();
    }
}

struct loop *loop_new(void)
{
    struct loop *l = xcalloc(1, sizeof(*l));

    must(uv_loop_init(&l->uv), "loop");
    must(uv_timer_init(&l->uv, &l->deadline), "timer");
    must(uv_async_init(&l->uv, &l->wake, on_wake), "wake-up");
    l->wake.data = l;
    l->mailbox = mailbox_new(&l->wake);
    return l;
}

void loop_free(struct loop *l)
{
    int rc;

    if (!l)
        return;
    mailbox_close(l->mailbox);
    uv_close((uv_handle_t *)&l->wake, NULL);
    uv_close((uv_handle_t *)&l->deadline, NULL);
    for (size_t i = 0; l->catching && i < ARRAY_SIZE(l->signals); i++)
        uv_close((uv_handle_t *)&l->signals[i], NULL);
    /* closing takes a turn of the loop, what others closed before us included */
    for (int turn = 0; turn < 4; turn++)
        (void)uv_run(&l->uv, UV_RUN_NOWAIT);
    rc = uv_loop_close(&l->uv);
    if (rc < 0) {
        log_error("event loop closed while in use: %s", uv_strerror(rc));
        return; /* the memory is still linked from live handles */
    }
    free(l);
}

uv_loop_t *loop_uv(struct loop *l)
{
    return &l->uv;
}

struct mailbox *loop_mailbox(struct loop *l)
{
    return l->mailbox;
}

void loop_catch_signals(struct loop *l)
{
    if (l->catching)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(l->signals); i++) {
        must(uv_signal_init(&l->uv, &l->signals[i]), "signal");
        l->signals[i].data = l;
        must(uv_signal_start(&l->signals[i], on_signal, caught_signals[i]), "signal");
    }
    l->catching = true;
}

void loop_shield(struct loop *l, bool on)
{
    l->shielded = on;
}

bool loop_cancelled(const struct loop *l)
{
    return l->cancelled;
}

void loop_cancel(struct loop *l)
{
    l->cancelled = true;
}

static int cancelled(struct err *e)
{
    return err_set(e, ERR_CANCELLED, "cancelled by a signal");
}

int loop_check(struct loop *l, struct err *e)
{
    (void)uv_run(&l->uv, UV_RUN_NOWAIT);
    return l->cancelled && !l->shielded ? cancelled(e) : 0;
}

/* uv_run() looks at its timers before it sleeps: one that is due by then, as after the process
 * stood still, is over, and nothing would end the sleep. So it comes again. */
static void arm(struct loop *l, int64_t left_us)
{
    uint64_t ms = left_us > 0 ? (uint64_t)((left_us + 999) / 1000) : 0;

    uv_update_time(&l->uv);
    must(uv_timer_start(&l->deadline, on_deadline, ms, 1), "timer");
}

static bool flag_set(void *flag)
{
    return *(const bool *)flag;
}

int loop_wait(struct loop *l, const bool *done, int64_t deadline_us, struct err *e)
{
    return loop_wait_until(l, flag_set, (void *)(uintptr_t)done, deadline_us, e);
}

int loop_wait_until(struct loop *l, bool (*holds)(void *arg), void *arg, int64_t deadline_us,
                    struct err *e)
{
    int64_t began_us = mono_us();
    int64_t left_us = deadline_us - began_us;
    int rc = 0;

    (void)uv_run(&l->uv, UV_RUN_NOWAIT);
    while (!holds(arg)) {
        if (l->cancelled && !l->shielded) {
            rc = cancelled(e);
            break;
        }
        if (mono_us() >= deadline_us) {
            rc = err_set(e, ERR_TIMEOUT, "no answer in %" PRId64 " ms",
                         left_us > 0 ? left_us / 1000 : 0);
            break;
        }
        arm(l, deadline_us - mono_us());
        (void)uv_run(&l->uv, UV_RUN_ONCE);
    }
    (void)uv_timer_stop(&l->deadline);
    return rc;
}
