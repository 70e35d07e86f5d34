/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lanes with made-up sources: one that hangs keeps no other waiting; what is late is absent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "guest-agent/sampler.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/in_range.h"
#include "tests/slow.h"

#define PATIENCE_MS 20000 /* a backstop, not a measure */

/* A gate that a source waits at. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t opened = PTHREAD_COND_INITIALIZER;
static bool shut;
static atomic_int waiting, kernel_reads, server_reads, slow_reads;

static void gate(bool is_shut)
{
    AUTO_LOCK(held, &lock);
    shut = is_shut;
    pthread_cond_broadcast(&opened);
}

static void pass_gate(void)
{
    AUTO_LOCK(held, &lock);
    atomic_fetch_add(&waiting, 1);
    while (shut)
        pthread_cond_wait(&opened, &lock);
    atomic_fetch_sub(&waiting, 1);
}

static void *fake_open(const struct source_config *c)
{
    (void)c;
    return &lock; /* nothing of its own */
}

static void fake_close(void *self)
{
    (void)self;
}

static void kernel_read(void *self, struct sample *to)
{
    (void)self;
    sample_emit(to, "kernel", atomic_fetch_add(&kernel_reads, 1));
}

static void files_read(void *self, struct sample *to)
{
    (void)self;
    sample_emit(to, "files", 1);
}

static void server_read(void *self, struct sample *to)
{
    (void)self;
    sample_emit(to, "server", atomic_fetch_add(&server_reads, 1));
    sample_add_line(to, 0, LINE_ERROR, "broken");
    pass_gate();
}

/* In the lane of files, behind the one above. */
static void slow_read(void *self, struct sample *to)
{
    (void)self;
    atomic_fetch_add(&slow_reads, 1);
    pass_gate();
    sample_emit(to, "slow", 1);
}

static const struct source kernel = {"kernel", LANE_KERNEL, 0, fake_open, kernel_read, fake_close};
static const struct source files = {"files", LANE_FILES, 0, fake_open, files_read, fake_close};
static const struct source server = {"server", LANE_SERVER, 0, fake_open, server_read, fake_close};
static const struct source slow = {"slow", LANE_FILES, 0, fake_open, slow_read, fake_close};
static const struct source *const all[] = {&kernel, &files, &server, &slow};

struct world {
    uv_loop_t loop;
    struct sampler *sampler;
    unsigned fresh;
    bool left; /* a thread hung: nothing can be freed */
};

static void on_fresh(void *arg)
{
    struct world *w = arg;

    w->fresh++;
}

/* So that a busy machine does not fail the test the lanes have more time than usual. */
static void start(struct world *w, size_t sources, int interval_ms, int patience_ms)
{
    struct sampler_config c = {.interval_ms = interval_ms,
                               .patience_ms = patience_ms,
                               .history_s = 60,
                               .sources = all,
                               .source_count = sources,
                               .source = {.root = "", .log_every_ms = 100}};

    w->sampler = sampler_new(&w->loop, &c, on_fresh, w);
}

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    uv_loop_init(&w->loop);
    gate(false);
    kernel_reads = server_reads = slow_reads = 0;
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    gate(false);
    if (w->sampler)
        assert_int_equal(sampler_free(w->sampler, PATIENCE_MS), 0);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    free(w);
    return 0;
}

/* The sample of that number, waited for. */
static const struct sample *wait_for(struct world *w, uint64_t number)
{
    int64_t until = mono_in_ms(PATIENCE_MS);

    while (sampler_next(w->sampler) <= number) {
        if (mono_us() > until)
            fail_msg("no sample %d", (int)number);
        uv_run(&w->loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
    return sampler_at(w->sampler, number);
}

static void wait_count(const atomic_int *count, int least)
{
    int64_t until = mono_in_ms(PATIENCE_MS);

    while (atomic_load(count) < least) {
        if (mono_us() > until)
            fail_msg("still %d", atomic_load(count));
        usleep(1000);
    }
}

static double value(const struct sample *s, const char *name)
{
    const double *v = sample_get(s, name);

    return v ? *v : -1;
}

static void all_lanes_make_one_sample(void **state)
{
    struct world *w = *state;
    const struct sample *s;

    start(w, 3, 200, PATIENCE_MS);
    s = wait_for(w, 0);
    assert_true(value(s, "kernel") == 0);
    assert_true(value(s, "files") == 1);
    assert_true(value(s, "server") == 0);
    assert_int_equal(s->line_count, 1);
    assert_true(value(s, "agent.missed") == 0);
    s = wait_for(w, 1);
    assert_true(value(s, "server") == 1);
    assert_true(value(s, "agent.sample_time") >= 0);
    assert_true(s->mono_us - wait_for(w, 0)->mono_us >= 150000);
}

static void one_that_hangs_keeps_nobody_waiting(void **state)
{
    struct world *w = *state;
    const struct sample *s;

    gate(true);
    start(w, 3, 100, 1000);
    for (uint64_t n = 0; n < 5; n++) {
        s = wait_for(w, n);
        assert_true(value(s, "kernel") == (double)n);
        assert_true(value(s, "files") == 1);
        assert_null(sample_get(s, "server"));
        assert_int_equal(s->line_count, 0);
        if (n > 1) /* only the first one is waited for */
            assert_true(value(s, "agent.sample_time") < 1000);
    }
    /* after a second of it, each beat is one at which a reading is missed */
    s = wait_for(w, 20);
    assert_true(value(s, "agent.missed") >= 4);
    assert_null(sample_get(s, "server"));
    assert_int_equal(server_reads, 1);
    gate(false);
    wait_count(&server_reads, 2);
    s = wait_for(w, sampler_next(w->sampler) + 2);
    assert_true(value(s, "server") >= 1); /* what it read when it hung counts nowhere */
    for (uint64_t n = sampler_first(w->sampler); n < sampler_next(w->sampler); n++)
        assert_true(value(sampler_at(w->sampler, n), "server") != 0);
}

/* Later than it is waited for, but read since the last sample: counts for the next one. */
static void late_but_fresh_counts_for_the_next(void **state)
{
    struct world *w = *state;
    const struct sample *s;

    gate(true);
    start(w, 3, 1000, 100);
    s = wait_for(w, 0);
    assert_null(sample_get(s, "server"));
    gate(false);
    s = wait_for(w, 1);
    assert_true(value(s, "server") == 0);
    assert_int_equal(s->line_count, 1);
    assert_true(value(s, "agent.missed") == 0);
    assert_int_equal(server_reads, 1);
    s = wait_for(w, 2);
    assert_true(value(s, "server") == 1);
}

static void while_quiet_only_the_kernel(void **state)
{
    struct world *w = *state;
    const struct sample *s;
    uint64_t from;

    gate(true);
    start(w, 3, 100, 1000);
    wait_count(&waiting, 1);
    sampler_quiet(w->sampler, true);
    gate(false); /* what it read before the freeze comes now */
    from = sampler_next(w->sampler) + 1;
    for (uint64_t n = from; n < from + 4; n++) {
        s = wait_for(w, n);
        assert_non_null(sample_get(s, "kernel"));
        assert_null(sample_get(s, "files"));
        assert_null(sample_get(s, "server"));
    }
    assert_int_equal(server_reads, 1);
    sampler_quiet(w->sampler, false);
    wait_count(&server_reads, 2);
    s = wait_for(w, sampler_next(w->sampler) + 2);
    assert_true(value(s, "server") >= 1);
    assert_true(value(s, "files") == 1);
    for (uint64_t n = 0; n < sampler_next(w->sampler); n++)
        assert_true(value(sampler_at(w->sampler, n), "server") != 0);
}

/* A source of a lane that hangs later in the same round is heard at once. */
static void the_quick_one_of_a_lane_is_not_held_up(void **state)
{
    struct world *w = *state;
    const struct sample *s;

    gate(true);
    start(w, 4, 100, 1000);
    s = wait_for(w, 0);
    assert_true(value(s, "files") == 1);
    assert_null(sample_get(s, "slow"));
    assert_int_equal(slow_reads, 1);
    s = wait_for(w, 1);
    assert_null(sample_get(s, "files"));
}

static void hurrying_takes_effect_at_once(void **state)
{
    struct world *w = *state;
    int64_t began;

    start(w, 1, 60000, PATIENCE_MS);
    (void)wait_for(w, 0);
    began = mono_us();
    usleep(300000); /* several of the new intervals are over when it is asked for */
    sampler_hurry(w->sampler, 100);
    (void)wait_for(w, 3);
    assert_true(mono_us() - began < 30 * 1000000LL * slowness());
    assert_int_equal(wait_for(w, 1)->missed, 0);
    sampler_hurry(w->sampler, 0);
    usleep(400000);
    uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_int_in_range(sampler_next(w->sampler), 4, 6);
}

static void the_end_does_not_wait_for_what_hangs(void **state)
{
    struct world *w = *state;
    int64_t began;

    gate(true);
    start(w, 3, 100, 1000);
    wait_count(&waiting, 1);
    began = mono_us();
    assert_int_equal(sampler_free(w->sampler, 1000), -1);
    assert_true(mono_us() - began < 5 * 1000000LL * slowness());
    gate(false); /* the process would end here; the test tries once more */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(all_lanes_make_one_sample),
        T(one_that_hangs_keeps_nobody_waiting),
        T(late_but_fresh_counts_for_the_next),
        T(while_quiet_only_the_kernel),
        T(the_quick_one_of_a_lane_is_not_held_up),
        T(hurrying_takes_effect_at_once),
        T(the_end_does_not_wait_for_what_hangs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
