/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Waiting in the loop: deadlines, signals, the shield, and jobs that hang. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "host-coordinator/loop/loop.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/in_range.h"
#include "tests/slow.h"

#define MS INT64_C(1000)

static int setup(void **state)
{
    *state = loop_new();
    return 0;
}

static int teardown(void **state)
{
    loop_free(*state);
    return 0;
}

static void set_flag(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

static void close_timer(struct loop *l, uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, NULL);
    (void)uv_run(loop_uv(l), UV_RUN_NOWAIT);
}

static void test_done_ends_the_wait(void **state)
{
    struct loop *l = *state;
    struct err e = ERR_INIT;
    uv_timer_t timer;
    bool done = false;
    int64_t began = mono_us();

    uv_timer_init(loop_uv(l), &timer);
    timer.data = &done;
    uv_timer_start(&timer, set_flag, 20, 0);
    assert_int_equal(loop_wait(l, &done, began + 5000 * MS, &e), 0);
    assert_false(err_is_set(&e));
    assert_int_in_range(mono_us() - began, 15 * MS, 2000 * MS * slowness());
    close_timer(l, &timer);
}

static void test_deadline_ends_the_wait(void **state)
{
    struct err e = ERR_INIT;
    bool done = false;
    int64_t began = mono_us();

    assert_int_equal(loop_wait(*state, &done, began + 30 * MS, &e), -1);
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_non_null(strstr(e.msg, "no answer in"));
    assert_int_in_range(mono_us() - began, 30 * MS, 1000 * MS * slowness());
}

static void test_past_deadline_still_looks_once(void **state)
{
    struct loop *l = *state;
    struct err e = ERR_INIT;
    uv_timer_t timer;
    bool done = false, never = false;

    uv_timer_init(loop_uv(l), &timer);
    timer.data = &done;
    uv_timer_start(&timer, set_flag, 0, 0);
    assert_int_equal(loop_wait(l, &done, mono_us() - 1000 * MS, &e), 0);
    assert_int_equal(loop_wait(l, &never, mono_us() - 1000 * MS, &e), -1);
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_string_equal(e.msg, "no answer in 0 ms");
    close_timer(l, &timer);
}

static void stand_still(uv_timer_t *timer)
{
    usleep(20000);
    uv_update_time(timer->loop);
}

/* Asked just before the loop sleeps. */
static bool is_slow_to_begin(void *timer)
{
    (void)uv_timer_start(timer, stand_still, 0, 0);
    return false;
}

/* The process stood still, and the deadline passed before the sleep that it was to end. */
static void test_no_wait_outlives_its_deadline(void **state)
{
    struct loop *l = *state;
    uv_timer_t timer;

    (void)uv_timer_init(loop_uv(l), &timer);
    (void)alarm(20);
    assert_int_equal(loop_wait_until(l, is_slow_to_begin, &timer, mono_in_ms(5), NULL), -1);
    (void)alarm(0);
    close_timer(l, &timer);
}

static void raise_term(uv_timer_t *timer)
{
    (void)timer;
    raise(SIGTERM);
}

static void test_signal_cancels_every_wait(void **state)
{
    struct loop *l = *state;
    struct err e = ERR_INIT;
    uv_timer_t timer;
    bool done = false;
    int64_t began = mono_us();

    loop_catch_signals(l);
    assert_false(loop_cancelled(l));
    uv_timer_init(loop_uv(l), &timer);
    uv_timer_start(&timer, raise_term, 10, 0);
    assert_int_equal(loop_wait(l, &done, began + 5000 * MS, &e), -1);
    assert_int_equal(e.code, ERR_CANCELLED);
    assert_true(loop_cancelled(l));
    e = ERR_INIT;
    assert_int_equal(loop_wait(l, &done, mono_us() + 5000 * MS, &e), -1);
    assert_int_equal(e.code, ERR_CANCELLED);
    assert_int_in_range(mono_us() - began, 0, 2000 * MS * slowness());
    close_timer(l, &timer);
}

static void test_shield_keeps_undo_going(void **state)
{
    struct loop *l = *state;
    struct err e = ERR_INIT;
    uv_timer_t signaller, answer;
    bool done = false, never = false;

    loop_catch_signals(l);
    loop_shield(l, true);
    uv_timer_init(loop_uv(l), &signaller);
    uv_timer_init(loop_uv(l), &answer);
    answer.data = &done;
    uv_timer_start(&signaller, raise_term, 5, 0);
    uv_timer_start(&answer, set_flag, 40, 0);
    assert_int_equal(loop_wait(l, &done, mono_us() + 5000 * MS, &e), 0);
    assert_int_equal(loop_check(l, NULL), 0); /* the signal, where both timers came at once */
    assert_true(loop_cancelled(l));
    /* a deadline still holds behind the shield */
    assert_int_equal(loop_wait(l, &never, mono_us() + 10 * MS, &e), -1);
    assert_int_equal(e.code, ERR_TIMEOUT);
    loop_shield(l, false);
    assert_int_equal(loop_wait(l, &never, mono_us() + 5000 * MS, &e), -1);
    assert_int_equal(e.code, ERR_CANCELLED);
    close_timer(l, &signaller);
    close_timer(l, &answer);
}

/* ---- jobs ---- */

struct task {
    int sleep_ms;
    int result;
    int gate; /* when >= 0, the job hangs until something is written to it */
    bool interrupted;
    atomic_int *released;
    atomic_int tid; /* of its thread, once it runs */
};

static int run_task(void *arg, struct err *e)
{
    struct task *t = arg;
    char byte;

    atomic_store(&t->tid, (int)gettid());
    if (t->gate >= 0 && read(t->gate, &byte, 1) < 0)
        t->interrupted = errno == EINTR;
    if (t->sleep_ms > 0 && poll(NULL, 0, t->sleep_ms) < 0)
        t->interrupted = errno == EINTR;
    return t->result < 0 ? err_set(e, ERR_LIBVIRT, "task said no") : 0;
}

static void release_task(void *arg)
{
    struct task *t = arg;

    atomic_fetch_add(t->released, 1);
}

static void wait_for(const atomic_int *value, int wanted)
{
    for (int i = 0; i < 2000 && atomic_load(value) != wanted; i++)
        (void)poll(NULL, 0, 1);
    assert_int_equal(atomic_load(value), wanted);
}

static bool has_begun(const struct task *t)
{
    return atomic_load(&t->tid) != 0;
}

static bool has_ended(const struct task *t)
{
    AUTO_FREE char *path = xasprintf("/proc/self/task/%d", atomic_load(&t->tid));

    return has_begun(t) && access(path, F_OK) < 0;
}

/* Without a turn of the loop, which would see that it has ended. */
static void wait_task(const struct task *t, bool (*has)(const struct task *t))
{
    for (int n = 0; n < 20000 && !has(t); n++)
        (void)poll(NULL, 0, 1);
    assert_true(has(t));
}

/* None could begin while another waits, were they not. */
static void test_jobs_run_side_by_side(void **state)
{
    struct task tasks[6];
    struct job *jobs[6];
    struct err e = ERR_INIT;
    atomic_int released = 0;
    int gate[2];

    assert_int_equal(pipe(gate), 0);
    for (size_t i = 0; i < 6; i++) {
        tasks[i] = (struct task){.gate = gate[0], .released = &released};
        tasks[i].result = i == 3 ? -1 : 0;
        jobs[i] = job_start(*state, run_task, &tasks[i], release_task);
    }
    for (size_t i = 0; i < 6; i++)
        wait_task(&tasks[i], has_begun);
    assert_int_equal(write(gate[1], "123456", 6), 6);
    for (size_t i = 0; i < 6; i++) {
        bool abandoned = true;

        e = ERR_INIT;
        assert_int_equal(job_wait(*state, jobs[i], mono_us() + 5000 * MS, &abandoned, &e),
                         tasks[i].result);
        assert_false(abandoned);
        assert_int_equal(e.code, i == 3 ? ERR_LIBVIRT : ERR_NONE);
    }
    assert_int_equal(released, 0); /* never abandoned: arg stayed ours */
    close(gate[0]);
    close(gate[1]);
}

static void test_hanging_job_is_abandoned(void **state)
{
    struct task hung, quick;
    struct err e = ERR_INIT;
    atomic_int released = 0;
    bool abandoned = false;
    struct job *a, *b;
    int gate[2];

    assert_int_equal(pipe(gate), 0);
    hung = (struct task){.gate = gate[0], .released = &released};
    quick = (struct task){.gate = -1, .released = &released};
    a = job_start(*state, run_task, &hung, release_task);
    assert_int_equal(job_wait(*state, a, mono_us() + 20 * MS, &abandoned, &e), -1);
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_true(abandoned);
    assert_int_equal(released, 0); /* still running */
    /* nothing queues behind it */
    e = ERR_INIT;
    b = job_start(*state, run_task, &quick, release_task);
    assert_int_equal(job_wait(*state, b, mono_us() + 2000 * MS, &abandoned, &e), 0);
    assert_false(abandoned);
    assert_int_equal(write(gate[1], "x", 1), 1);
    wait_for(&released, 1);
    close(gate[0]);
    close(gate[1]);
}

static void test_finished_job_beats_a_past_deadline(void **state)
{
    struct err e = ERR_INIT;
    atomic_int released = 0;
    struct task t = {.gate = -1, .released = &released};
    struct job *j = job_start(*state, run_task, &t, release_task);
    bool abandoned = true;

    wait_task(&t, has_ended);
    assert_int_equal(job_wait(*state, j, mono_us() - MS, &abandoned, &e), 0);
    assert_false(abandoned);
    assert_false(err_is_set(&e));
}

static void test_signal_does_not_interrupt_a_job(void **state)
{
    struct err e = ERR_INIT;
    atomic_int released = 0;
    struct task t = {.sleep_ms = 80, .gate = -1, .released = &released};
    struct job *j;

    loop_catch_signals(*state);
    loop_shield(*state, true);
    j = job_start(*state, run_task, &t, NULL);
    (void)poll(NULL, 0, 10);
    kill(getpid(), SIGTERM);
    assert_int_equal(job_wait(*state, j, mono_us() + 5000 * MS, NULL, &e), 0);
    assert_false(t.interrupted);
    assert_true(loop_cancelled(*state));
}

static void test_loop_may_go_before_its_jobs(void **state)
{
    struct loop *l = loop_new();
    atomic_int released = 0;
    struct task hung, ended;
    int gate[2];

    (void)state;
    assert_int_equal(pipe(gate), 0);
    hung = (struct task){.gate = gate[0], .released = &released};
    ended = (struct task){.gate = -1, .released = &released};
    (void)job_start(l, run_task, &hung, release_task);
    (void)job_start(l, run_task, &ended, release_task);
    (void)poll(NULL, 0, 30);
    loop_free(l);
    wait_for(&released, 1);
    assert_int_equal(write(gate[1], "x", 1), 1);
    wait_for(&released, 2);
    close(gate[0]);
    close(gate[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_done_ends_the_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deadline_ends_the_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(test_past_deadline_still_looks_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_wait_outlives_its_deadline, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signal_cancels_every_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shield_keeps_undo_going, setup, teardown),
        cmocka_unit_test_setup_teardown(test_jobs_run_side_by_side, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hanging_job_is_abandoned, setup, teardown),
        cmocka_unit_test_setup_teardown(test_finished_job_beats_a_past_deadline, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signal_does_not_interrupt_a_job, setup, teardown),
        cmocka_unit_test(test_loop_may_go_before_its_jobs),
    };

    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
