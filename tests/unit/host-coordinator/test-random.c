/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs of a snapshot with up to three faults at moments and times that are drawn: no set that is
 * called `application` may be false against the model of the guest. Sets that are lost though
 * nothing was wrong are counted, and told with their reasons.
 *
 * SEED=N, as it is printed, draws the same again; RUNS=N makes so many runs; RUN=N makes that one
 * alone, and tells what was drawn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "tests/unit/host-coordinator/snap_world.h"

#define RUNS         200
#define REASONS_MAX  40
#define REASON_WIDTH 70 /* what follows tells of times and numbers */

struct drawn {
    size_t count;
    struct {
        struct moment at;
        enum fault fault;
        int later_ms;
    } faults[ARMED_MAX];
    bool hurry, spoil;
    int lease_ms, latency_ms;
};

struct reason {
    char text[REASON_WIDTH];
    size_t times;
};

static struct {
    uint64_t seed;
    long runs, only; /* only: < 0: all */
    struct moment *moments;
    size_t moment_count;
    size_t by_status[6], promised, false_promises, unlucky, doubts;
    struct reason lost[REASONS_MAX], doubtful[REASONS_MAX];
} r;

/* ---- drawing --------------------------------------------------------------------------------- */

/* splitmix64: what a run draws hangs on seed and number alone. */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static int draw_below(uint64_t *state, size_t end)
{
    return (int)(draw(state) % end);
}

static void draw_fault(uint64_t *state, struct drawn *d)
{
    const struct moment *at = &r.moments[draw_below(state, r.moment_count)];
    enum fault f = (enum fault)(1 + draw_below(state, FAULTS - 1));
    bool later = draw_below(state, 3) == 0;
    int ms = 1 + draw_below(state, 40);
    bool on_main = at->kind != AT_CALL && at->kind != AT_PORT;

    if (later && on_main && f >= ARRAY_FAILS)
        d->faults[d->count].later_ms = ms;
    else if (!fault_fits(f, at->kind))
        return;
    d->faults[d->count].at = *at;
    d->faults[d->count++].fault = f;
    d->hurry = d->hurry || fault_hangs(f);
}

static struct drawn draw_run(uint64_t number)
{
    static const int leases_ms[] = {LEASE_MS, LEASE_MS, LEASE_MS / 8, 40};
    uint64_t state = r.seed * UINT64_C(1000003) + number;
    size_t wanted = (size_t)draw_below(&state, ARMED_MAX + 1);
    struct drawn d = {.count = 0};

    d.spoil = draw_below(&state, 5) == 0;
    d.lease_ms = leases_ms[draw_below(&state, 4)];
    d.latency_ms = draw_below(&state, 3) == 0 ? draw_below(&state, 60) : 0;
    /* many are drawn that do not fit their moment */
    for (int n = 0; n < 200 && d.count < wanted; n++)
        draw_fault(&state, &d);
    return d;
}

static void tell(uint64_t number, const struct drawn *d)
{
    print_message("SEED=%llu RUN=%llu: lease %d ms, the array takes %d ms%s\n",
                  (unsigned long long)r.seed, (unsigned long long)number, d->lease_ms,
                  d->latency_ms, d->spoil ? ", and somebody writes before the witness" : "");
    for (size_t n = 0; n < d->count; n++)
        print_message("  %s at '%s' (%u), %d ms later\n", fault_name(d->faults[n].fault),
                      d->faults[n].at.label, d->faults[n].at.nth, d->faults[n].later_ms);
}

/* ---- a run ----------------------------------------------------------------------------------- */

static void count_reason(struct reason *list, const char *text)
{
    size_t n = 0;

    while (n < REASONS_MAX - 1 && list[n].times > 0 &&
           strncmp(list[n].text, text, REASON_WIDTH - 1) != 0)
        n++;
    (void)snprintf(list[n].text, REASON_WIDTH, "%s", text);
    list[n].times++;
}

static void arrange(const struct drawn *d)
{
    world_open(d->hurry);
    w.conf.lease_ms = d->hurry && d->lease_ms > w.conf.lease_ms ? w.conf.lease_ms : d->lease_ms;
    w.spoil = d->spoil;
    if (d->hurry) { /* whenever it comes; 5 s would be the whole test's */
        w.conf.libvirt_ms = w.conf.answer_ms = 150;
        w.conf.freeze_ms = w.conf.max_stall_ms = 200;
    }
    for (int n = 0; n < MEMORY_COMMANDS; n++)
        storage_memory_latency(w.array, (enum memory_command)n,
                               n == MEMORY_SNAPSHOT ? d->latency_ms : d->latency_ms / 10);
    for (size_t n = 0; n < d->count; n++)
        world_arm_later(&d->faults[n].at, d->faults[n].fault, d->faults[n].later_ms);
}

static void make_run(uint64_t number)
{
    struct drawn d = draw_run(number);
    struct verdict v;
    struct tale t;
    bool excused;

    if (r.only >= 0)
        tell(number, &d);
    arrange(&d);
    t = world_run();
    excused = world_excused() || d.spoil;
    v = world_judge(&t);
    world_close();
    r.by_status[t.status < 6 && t.status > 0 ? t.status : 0]++;
    r.promised += t.status == 0;
    if (t.status != 0 && !excused) {
        r.unlucky++;
        count_reason(r.lost, t.e.msg);
    }
    if (!verdict_good(&v)) {
        r.doubts++;
        count_reason(r.doubtful, v.why);
    }
    r.false_promises += v.false_promise;
    if (!verdict_good(&v) || r.only >= 0) {
        tell(number, &d);
        print_message("  exit status %d: %s\n  %s\n", t.status, t.e.msg, v.why);
    }
}

static void tell_reasons(const char *what, const struct reason *list)
{
    for (size_t n = 0; n < REASONS_MAX && list[n].times > 0; n++)
        print_message("  %s: %zu times: %s\n", what, list[n].times, list[n].text);
}

static void no_promise_is_false(void **state)
{
    size_t undo_count;
    struct moment *undo;

    (void)state;
    r.moments = world_moments(false, &r.moment_count);
    undo = world_moments(true, &undo_count);
    r.moments = realloc(r.moments, (r.moment_count + undo_count) * sizeof(*r.moments));
    assert_non_null(r.moments);
    memcpy(r.moments + r.moment_count, undo, undo_count * sizeof(*undo));
    r.moment_count += undo_count;
    for (long n = 0; n < r.runs; n++) {
        if (r.only < 0 || r.only == n)
            make_run((uint64_t)n);
    }
    free(undo);
    free(r.moments);
    print_message(
        "SEED=%llu RUNS=%ld: %zu sets kept, %zu refused, %zu failed, %zu left to people\n",
        (unsigned long long)r.seed, r.runs, r.promised, r.by_status[2] + r.by_status[3],
        r.by_status[4], r.by_status[5]);
    print_message("%zu sets were lost though nothing was wrong\n", r.unlucky);
    tell_reasons("lost", r.lost);
    print_message("%zu runs with a no\n", r.doubts);
    tell_reasons("no", r.doubtful);
    assert_int_equal(r.false_promises, 0);
    if (r.only < 0)
        assert_true(r.promised > (size_t)r.runs / 20);
}

static long number_of(const char *name, long fallback)
{
    const char *text = getenv(name);

    return text && *text ? strtol(text, NULL, 10) : fallback;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_promise_is_false),
    };

    r.seed = (uint64_t)number_of("SEED", (long)(wall_us() % 1000000000));
    r.runs = number_of("RUNS", RUNS);
    r.only = number_of("RUN", -1);
    print_message("runs of SEED=%llu\n", (unsigned long long)r.seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
