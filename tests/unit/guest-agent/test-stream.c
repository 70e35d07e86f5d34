/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A subscriber at the other end of a socket pair: every number it gets has been named before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest-agent/stream.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#define PATIENCE_MS 20000 /* a backstop, not a measure */
#define GOT_MAX     200

struct got {
    bool often, rare, born, line;
    double often_value;
    int64_t mono_us;
    uint32_t missed;
};

struct world {
    uv_loop_t loop;
    struct sampler *sampler;
    struct peer *peer;
    struct stream stream;
    int other;
    struct wire_reader reader;
    /* what the other end has learnt */
    char *names[NAMES_MAX];
    size_t named;
    struct got got[GOT_MAX];
    size_t count;
};

static atomic_int often_reads, values, new_name, lines;

static void *fake_open(const struct source_config *c)
{
    (void)c;
    return &often_reads;
}

static void fake_close(void *self)
{
    (void)self;
}

static void often_read(void *self, struct sample *to)
{
    char name[32];

    (void)self;
    sample_emit(to, "often", atomic_fetch_add(&often_reads, 1));
    for (int n = 0; n < values; n++) {
        (void)snprintf(name, sizeof(name), "value.%d", n);
        sample_emit(to, name, n);
    }
    if (new_name)
        sample_emit(to, "born", 1);
    if (atomic_exchange(&lines, 0))
        sample_add_line(to, 0, LINE_ERROR, "broken");
}

static void rare_read(void *self, struct sample *to)
{
    (void)self;
    sample_emit(to, "rare", 1);
}

static const struct source often = {"often", LANE_KERNEL, 0, fake_open, often_read, fake_close};
static const struct source rare = {"rare", LANE_KERNEL, 500, fake_open, rare_read, fake_close};
static const struct source *const all[] = {&often, &rare};

static void on_fresh(void *arg)
{
    struct world *w = arg;

    stream_pump(&w->stream, w->sampler, w->peer);
}

static void on_message(void *arg, struct peer *p, const Cbsnap__Envelope *m)
{
    (void)arg, (void)p, (void)m;
}

static void on_ended(void *arg, struct peer *p, bool clean)
{
    (void)arg, (void)p, (void)clean;
    fail_msg("the stream ended");
}

static void on_drained(void *arg, struct peer *p)
{
    (void)p;
    on_fresh(arg);
}

static int setup(void **state)
{
    static const struct peer_callbacks callbacks = {
        .message = on_message, .ended = on_ended, .drained = on_drained};
    struct world *w = xcalloc(1, sizeof(*w));
    int fds[2], small = 4096;

    often_reads = values = new_name = lines = 0;
    uv_loop_init(&w->loop);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    w->other = fds[1];
    w->peer = peer_new(&w->loop, fds[0], true, &callbacks, w, NULL);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    peer_close(w->peer);
    assert_int_equal(sampler_free(w->sampler, PATIENCE_MS), 0);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    close(w->other);
    wire_reader_release(&w->reader);
    for (size_t n = 0; n < NAMES_MAX; n++)
        free(w->names[n]);
    free(w);
    return 0;
}

static void start(struct world *w, int interval_ms, int history_s)
{
    struct sampler_config c = {.interval_ms = interval_ms,
                               .history_s = history_s,
                               .sources = all,
                               .source_count = ARRAY_SIZE(all),
                               .source = {.root = ""}};

    w->sampler = sampler_new(&w->loop, &c, on_fresh, w);
}

static void subscribe(struct world *w, uint32_t interval_ms, uint32_t history_ms)
{
    Cbsnap__Subscribe m = CBSNAP__SUBSCRIBE__INIT;

    MSG_SET(&m, interval_ms, interval_ms);
    MSG_SET(&m, history_ms, history_ms);
    stream_set(&w->stream, w->sampler, &m);
    stream_pump(&w->stream, w->sampler, w->peer);
}

/* ---- the other end ---- */

static void take_names(struct world *w, const Cbsnap__Names *m)
{
    for (size_t n = 0; n < m->n_name; n++) {
        uint32_t id = m->name[n]->id;

        assert_true(id < NAMES_MAX);
        if (w->names[id])
            assert_string_equal(w->names[id], m->name[n]->name); /* an id never changes */
        else
            w->names[id] = xstrdup(m->name[n]->name);
        w->named++;
    }
}

static void take_sample(struct world *w, const Cbsnap__Sample *m)
{
    struct got *g = &w->got[w->count++];

    assert_true(w->count < GOT_MAX);
    assert_int_equal(m->n_id, m->n_value);
    g->line = m->n_line > 0;
    g->mono_us = m->mono_us;
    g->missed = m->missed;
    for (size_t n = 0; n < m->n_id; n++) {
        const char *name = w->names[m->id[n]];

        if (!name)
            fail_msg("id %u has no name", m->id[n]);
        if (strcmp(name, "often") == 0) {
            assert_false(g->often); /* each value once */
            g->often = true;
            g->often_value = m->value[n];
        }
        g->rare |= strcmp(name, "rare") == 0;
        g->born |= strcmp(name, "born") == 0;
    }
}

static void read_other(struct world *w)
{
    char portion[65536];
    unsigned bad = 0;
    Cbsnap__Envelope *m;
    ssize_t got;

    while ((got = read(w->other, portion, sizeof(portion))) > 0)
        wire_reader_feed(&w->reader, portion, (size_t)got);
    while ((m = message_next(&w->reader, &bad))) {
        if (m->body_case == CBSNAP__ENVELOPE__BODY_NAMES)
            take_names(w, m->names);
        else if (m->body_case == CBSNAP__ENVELOPE__BODY_SAMPLE)
            take_sample(w, m->sample);
        message_free(m);
    }
    assert_int_equal(bad, 0);
}

/* Until so many samples are there. The other end reads only when `reading`. */
static void run_until(struct world *w, bool reading, size_t got, uint64_t made)
{
    int64_t until = mono_in_ms(PATIENCE_MS);

    while (w->count < got || sampler_next(w->sampler) < made) {
        if (mono_us() > until)
            fail_msg("only %zu samples", w->count);
        uv_run(&w->loop, UV_RUN_NOWAIT);
        if (reading)
            read_other(w);
        usleep(1000);
    }
}

/* ---- tests ---- */

static void names_come_first_and_again(void **state)
{
    struct world *w = *state;
    size_t named, seen;

    start(w, 100, 60);
    subscribe(w, 100, 0);
    run_until(w, true, 2, 0);
    assert_true(w->got[0].often && !w->got[0].born);
    named = w->named;
    new_name = 1; /* a disk appears */
    seen = w->count;
    run_until(w, true, seen + 3, 0);
    assert_true(w->got[seen + 2].born);
    assert_int_equal(w->named, named + 1);
    /* who subscribes again may have forgotten them: with all of the past, too */
    for (size_t n = 0; n < NAMES_MAX; n++) {
        free(w->names[n]);
        w->names[n] = NULL;
    }
    w->named = 0;
    seen = w->count;
    subscribe(w, 100, 60000);
    run_until(w, true, seen + 5, 0);
    assert_int_equal(w->named, named + 1);
    assert_true(w->got[seen].often_value == 0);
}

static void many_names_fit_into_messages(void **state)
{
    struct world *w = *state;

    values = NAMES_MAX * 2; /* the table is full before the last */
    start(w, 1000, 60);
    subscribe(w, 1000, 0);
    run_until(w, true, 1, 0);
    assert_int_equal(w->named, NAMES_MAX);
}

static void what_is_not_sent_in_time_is_counted(void **state)
{
    struct world *w = *state;
    uint64_t lost = 0;

    values = 2000; /* some 20 KB a sample */
    start(w, 100, 1);
    subscribe(w, 100, 0);
    run_until(w, false, 0, 30);
    run_until(w, true, 12, 0);
    for (size_t n = 0; n < w->count; n++) {
        assert_true(w->got[n].often);
        lost += w->got[n].missed;
        if (n > 0) { /* what is not there is told as missing at the next that is */
            const struct got *now = &w->got[n], *before = now - 1;
            /* but for one that was made right behind a late one: too early to be sent */
            int early = now->mono_us - before->mono_us < 250000;

            assert_true(now->often_value <= before->often_value + 1 + now->missed + early);
        }
    }
    assert_true(lost > 0 && lost < 200);
}

static void a_slower_subscriber_misses_no_rare_value(void **state)
{
    struct world *w = *state;

    start(w, 100, 60);
    subscribe(w, 700, 0);
    run_until(w, true, 4, 0);
    for (size_t n = 1; n < w->count; n++) {
        assert_true(w->got[n].rare);
        assert_true(w->got[n].mono_us - w->got[n - 1].mono_us >= 400000);
    }
}

static void an_error_is_never_skipped(void **state)
{
    struct world *w = *state;

    start(w, 100, 60);
    subscribe(w, 60000, 0);
    run_until(w, true, 1, 0);
    assert_false(w->got[0].line);
    lines = 1;
    run_until(w, true, 2, 0);
    assert_true(w->got[1].line);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(names_come_first_and_again),          T(many_names_fit_into_messages),
        T(what_is_not_sent_in_time_is_counted), T(a_slower_subscriber_misses_no_rare_value),
        T(an_error_is_never_skipped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
