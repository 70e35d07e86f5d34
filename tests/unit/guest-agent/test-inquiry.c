/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How often a guest's facts are asked for: guest-agent/prepare.c, with all around it played. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest-agent/daemon.h"
#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "tests/in_range.h"

static struct {
    struct daemon daemon;
    struct client client;
    int64_t passed_us; /* beyond the real time */
    int64_t takes_us;  /* an inquiry */
    enum err_code problem;
    unsigned inquiries, answers;
    enum err_code answered;
    char said[ERR_TEXT];
} w;

int clock_gettime(clockid_t id, struct timespec *ret)
{
    int64_t ns;

    (void)syscall(SYS_clock_gettime, id, ret);
    ns = ret->tv_nsec + w.passed_us % 1000000 * 1000;
    ret->tv_sec += w.passed_us / 1000000 + ns / 1000000000;
    ret->tv_nsec = ns % 1000000000;
    return 0;
}

/* ---- in place of facts.c ---- */

void facts_read(struct facts *ret, struct mysql_lock *mysql, const struct mysql_login *login)
{
    (void)mysql, (void)login;
    *ret = (struct facts){.read_us = mono_us()};
    w.inquiries++;
    w.passed_us += w.takes_us;
    if (w.problem)
        err_set(&ret->problem, w.problem, "the server hangs");
}

void facts_release(struct facts *f)
{
    *f = (struct facts){.read_us = 0};
}

void facts_describe(const struct facts *f, struct facts_view *ret)
{
    (void)f;
    *ret = (struct facts_view){.mount_count = 0};
}

void facts_view_release(struct facts_view *v)
{
    (void)v;
}

/* ---- in place of session/, mysql/lock.c, evidence.c, answers.c ---- */

struct session *live_session(struct live *l)
{
    (void)l;
    return NULL;
}

struct worker *live_worker(struct live *l)
{
    (void)l;
    return NULL;
}

struct mysql_lock *live_mysql(struct live *l)
{
    (void)l;
    return NULL;
}

const struct mysql_login *live_login(const struct live *l)
{
    (void)l;
    return NULL;
}

/* At once, and none of it waits. */
void worker_submit(struct worker *to, struct worker_job *job)
{
    (void)to;
    job->run(job);
    job->done(job);
}

enum session_state session_state(const struct session *s)
{
    (void)s;
    return SESSION_IDLE;
}

const char *session_state_name(enum session_state s)
{
    (void)s;
    return "";
}

uint64_t session_epoch(const struct session *s)
{
    (void)s;
    return 1;
}

int session_prepare(struct session *s, const char *run_id, uint32_t lease_ms, struct err *e)
{
    (void)s, (void)run_id, (void)lease_ms, (void)e;
    return 0;
}

const char *evidence_verifying(const struct evidence *ev)
{
    (void)ev;
    return NULL;
}

int mysql_longest_statement(struct mysql_lock *l, uint32_t *ret_s, struct err *e)
{
    (void)l, (void)e;
    *ret_s = 0;
    return 0;
}

int mysql_flush_logs(struct mysql_lock *l, struct err *e)
{
    (void)l, (void)e;
    return 0;
}

static void answer(struct call *call, const struct err *e)
{
    w.answers++;
    w.answered = e->code;
    (void)snprintf(w.said, sizeof(w.said), "%s", e->msg);
    free(call);
}

void call_send(struct call *call, Cbsnap__Envelope *m)
{
    const struct err none = ERR_INIT;

    (void)m;
    answer(call, &none);
}

void call_error(struct call *call, const struct err *e)
{
    answer(call, e);
}

void call_state(struct call *call)
{
    answer(call, &call->daemon->facts.problem);
}

/* ---- asking ---- */

static struct call *new_call(void)
{
    struct call *call = xcalloc(1, sizeof(*call));

    call->daemon = &w.daemon;
    call->client = &w.client;
    return call;
}

static void ask_state(void)
{
    state_begin(new_call());
    (void)uv_run(&w.daemon.loop, UV_RUN_NOWAIT);
}

static void ask_prepare(void)
{
    const Cbsnap__Prepare m = CBSNAP__PREPARE__INIT;

    prepare_begin(new_call(), &m);
}

static void let_pass(int ms)
{
    w.passed_us += INT64_C(1000) * ms;
}

static int setup(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    return uv_loop_init(&w.daemon.loop);
}

static int teardown(void **state)
{
    (void)state;
    (void)uv_run(&w.daemon.loop, UV_RUN_NOWAIT);
    return uv_loop_close(&w.daemon.loop);
}

/* A watch looks every two seconds; each question may leave a session in the server. */
static void ask_for_an_hour(void)
{
    int64_t until = w.passed_us + INT64_C(3600) * 1000000;

    while (w.passed_us < until) {
        unsigned before = w.answers;

        ask_state();
        assert_int_equal(w.answers, before + 1);
        assert_int_equal(w.answered, w.problem);
        let_pass(2000);
    }
}

static void a_server_that_does_not_answer_is_asked_ever_more_rarely(void **state)
{
    (void)state;
    w.problem = ERR_TIMEOUT;
    w.takes_us = 2000000;
    ask_for_an_hour();
    assert_int_in_range(w.inquiries, 50, 75);
    assert_non_null(strstr(w.said, "the server hangs (it is asked again after 60 s)"));
}

/* It has no code of its own. */
static void a_login_without_an_end_counts_too(void **state)
{
    (void)state;
    w.problem = ERR_MYSQL;
    w.takes_us = 2000000;
    ask_for_an_hour();
    assert_int_in_range(w.inquiries, 50, 75);
}

static void a_server_that_is_down_is_asked_each_time(void **state)
{
    (void)state;
    w.problem = ERR_MYSQL;
    ask_for_an_hour();
    assert_int_in_range(w.inquiries, 1700, 1800);
}

static void one_that_answers_again_is_asked_each_time(void **state)
{
    unsigned before;

    (void)state;
    w.problem = ERR_TIMEOUT;
    ask_for_an_hour();
    w.problem = ERR_NONE;
    let_pass(60000);
    before = w.inquiries;
    ask_for_an_hour();
    assert_int_in_range(w.inquiries - before, 1700, 1800);
}

/* A run must know, and there are few. What it learns, the next status knows. */
static void a_run_asks_all_the_same(void **state)
{
    (void)state;
    w.problem = ERR_TIMEOUT;
    ask_state();
    ask_state();
    assert_int_equal(w.inquiries, 1);
    ask_prepare();
    assert_int_equal(w.inquiries, 2);
    assert_int_equal(w.answered, ERR_TIMEOUT);
    w.problem = ERR_NONE;
    ask_prepare();
    assert_int_equal(w.inquiries, 3);
    assert_int_equal(w.answered, ERR_NONE);
    let_pass(1000);
    ask_state();
    assert_int_equal(w.inquiries, 4);
    assert_int_equal(w.answered, ERR_NONE);
}

#define INQUIRY_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        INQUIRY_TEST(a_server_that_does_not_answer_is_asked_ever_more_rarely),
        INQUIRY_TEST(a_login_without_an_end_counts_too),
        INQUIRY_TEST(a_server_that_is_down_is_asked_each_time),
        INQUIRY_TEST(one_that_answers_again_is_asked_each_time),
        INQUIRY_TEST(a_run_asks_all_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
