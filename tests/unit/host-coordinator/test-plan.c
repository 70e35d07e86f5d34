/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The step runner: break each step in turn; what was begun must be undone, newest first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host-coordinator/plan/plan.h"
#include "proto/base/log.h"

/* What happened, as text: "+a" ran, "-a" was undone. */
struct trace {
    char text[128];
    int fail_run; /* index of the step that fails, or -1 */
    int fail_undo;
    enum err_code undo_code;
};

static void add(struct trace *t, const char *sign, const char *name)
{
    size_t used = strlen(t->text);

    (void)snprintf(t->text + used, sizeof(t->text) - used, "%s%s", sign, name);
}

static int ran(struct trace *t, int index, struct err *e)
{
    return t->fail_run == index ? err_set(e, ERR_STORAGE, "step %d", index) : 0;
}

static int undone(struct trace *t, int index, struct err *e)
{
    return t->fail_undo == index ? err_set(e, t->undo_code, "undo %d", index) : 0;
}

#define STEP(index)                                                                                \
    static int run_##index(void *ctx, struct err *e)                                               \
    {                                                                                              \
        add(ctx, "+", #index);                                                                     \
        return ran(ctx, index, e);                                                                 \
    }                                                                                              \
    static int undo_##index(void *ctx, struct err *e)                                              \
    {                                                                                              \
        add(ctx, "-", #index);                                                                     \
        return undone(ctx, index, e);                                                              \
    }
STEP(0)
STEP(1)
STEP(2)

static const struct step steps[] = {
    {"0", run_0, undo_0, UNDO_ALWAYS, .critical = false},
    {"1", run_1, undo_1, UNDO_ON_FAILURE, .critical = false},
    {"2", run_2, undo_2, UNDO_ON_FAILURE, .critical = false},
};

/* What is undone after 1, though it is made after it. */
static const struct step marked[] = {
    {"2", NULL, undo_2, UNDO_ON_FAILURE, .critical = false},
    {"1", run_1, undo_1, UNDO_ON_FAILURE, .critical = false},
    {"2", run_2, NULL, UNDO_ON_FAILURE, .critical = false},
};

static void ignore_begin(void *ctx, const struct step *s, bool undo)
{
    (void)ctx;
    (void)s;
    (void)undo;
}

static void ignore_end(void *ctx, const struct step *s, bool undo, const struct err *why)
{
    (void)ctx;
    (void)s;
    (void)undo;
    (void)why;
}

static const struct plan_watch watch = {.begin = ignore_begin, .end = ignore_end};

static struct plan_result play(struct trace *t, struct err *e)
{
    return plan_run(steps, 3, t, &watch, e);
}

static void success_undoes_only_what_must_not_last(void **state)
{
    struct trace t = {.fail_run = -1, .fail_undo = -1};
    struct err e = ERR_INIT;
    struct plan_result r = play(&t, &e);

    (void)state;
    assert_int_equal(r.rc, 0);
    assert_null(r.step);
    assert_string_equal(t.text, "+0+1+2-0");
}

static void each_failure_unwinds_from_the_failed_step(void **state)
{
    static const char *const expected[] = {"+0-0", "+0+1-1-0", "+0+1+2-2-1-0"};

    (void)state;
    for (int n = 0; n < 3; n++) {
        struct trace t = {.fail_run = n, .fail_undo = -1};
        struct err e = ERR_INIT;
        struct plan_result r = play(&t, &e);

        assert_int_equal(r.rc, -1);
        assert_ptr_equal(r.step, &steps[n]);
        assert_false(r.undo_failed);
        assert_string_equal(t.text, expected[n]);
        assert_int_equal(e.code, ERR_STORAGE);
    }
}

static void a_failing_undo_neither_stops_the_others_nor_hides_the_cause(void **state)
{
    struct trace t = {.fail_run = 2, .fail_undo = 1, .undo_code = ERR_IO};
    struct err e = ERR_INIT;
    struct plan_result r;

    (void)state;
    log_set_level(LOG_LEVEL_ERROR);
    r = play(&t, &e);
    assert_string_equal(t.text, "+0+1+2-2-1-0");
    assert_true(r.undo_failed);
    assert_int_equal(e.code, ERR_STORAGE);
    assert_string_equal(e.msg, "step 2");
}

static void a_lost_thaw_spoils_success_but_leaves_nothing(void **state)
{
    struct trace t = {.fail_run = -1, .fail_undo = 0, .undo_code = ERR_LOST};
    struct err e = ERR_INIT;
    struct plan_result r = play(&t, &e);

    (void)state;
    assert_int_equal(r.rc, -1);
    assert_int_equal(e.code, ERR_LOST);
    assert_false(r.undo_failed);
}

static void tell_begin(void *ctx, const struct step *s, bool undo)
{
    add(ctx, undo ? "u" : "b", s->name);
}

static void a_mark_is_told_of_when_it_is_undone(void **state)
{
    const struct plan_watch telling = {.begin = tell_begin, .end = ignore_end};
    const char *const ends[] = {"b1+1b2+2", "b1+1u1-1", "b1+1b2+2u1-1u2-2"};

    (void)state;
    for (int fails = 0; fails < 3; fails++) {
        struct trace t = {.fail_run = fails ? fails : -1, .fail_undo = -1};
        struct err e = ERR_INIT;

        (void)plan_run(marked, 3, &t, &telling, &e);
        assert_string_equal(t.text, ends[fails]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(success_undoes_only_what_must_not_last),
        cmocka_unit_test(each_failure_unwinds_from_the_failed_step),
        cmocka_unit_test(a_failing_undo_neither_stops_the_others_nor_hides_the_cause),
        cmocka_unit_test(a_lost_thaw_spoils_success_but_leaves_nothing),
        cmocka_unit_test(a_mark_is_told_of_when_it_is_undone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
