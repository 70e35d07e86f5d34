/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watching guest and appliance around the freeze: a faster rate of samples from some seconds before
 * it until some seconds after, and the abort policy's word on what was seen before.
 *
 * Readings are no link of the verdict: that some are missing never fails a run, unless the policy
 * asks for just that.
 */
#include "host-coordinator/plan/events.h"
#include "host-coordinator/plan/run.h"
#include "host-coordinator/plan/volumes_watch.h"
#include "host-coordinator/policy/policy.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#include <string.h>

#define LOOK_AGAIN_MS 1000                    /* while a calm moment is waited for */
#define STALE_US      (INT64_C(15) * 1000000) /* older readings say nothing of now */
#define GLANCE_MS     3000 /* for a fresh sample to come, when nothing else is waited for */
/* Findings kept of those that refuse, and of the others: it is the guest who names its disks. */
#define FINDINGS_MAX 100

static bool never(void *arg)
{
    (void)arg;
    return false;
}

/* Lets `ms` pass with the loop running; -1 with ERR_CANCELLED on a signal. */
static int let_pass(struct run *r, int ms, struct err *e)
{
    struct err why = ERR_INIT;

    if (loop_wait_until(r->loop, never, NULL, mono_in_ms(ms), &why) < 0 &&
        why.code != ERR_TIMEOUT) {
        *e = why;
        return -1;
    }
    return 0;
}

int step_observe(void *run, struct err *e)
{
    struct run *r = run;

    run_subscribe(r);
    r->watch = volumes_watch_start(r);
    return let_pass(r, r->conf->before_ms, e);
}

int step_observe_undo(void *run, struct err *e)
{
    struct run *r = run;

    (void)e;
    volumes_watch_stop(r->watch);
    r->watch = NULL;
    return 0;
}

/* ---- the policy ------------------------------------------------------------------------------ */

struct judgement {
    struct run *r;
    size_t refusals, others;
    char *first; /* what refuses, in words */
};

static void report_finding(struct run *r, const struct policy_finding *f, bool refuses,
                           const char *words)
{
    struct record *item = record_append(r->record, "policy.findings");
    char at[32];

    record_set_text(item, "rule", policy_rule_text(f->rule));
    record_set_text(item, "action", refuses ? "refuse" : f->absent ? "none" : "warn");
    record_set_text(item, "metric", f->metric);
    if (f->absent) {
        record_set_bool(item, "absent", true);
        record_set_text(item, "why", f->why);
    } else {
        record_set_told(item, "text", f->text, RUN_TOLD_MAX);
        if (!f->text)
            record_set_real(item, "value", f->value);
        if (f->held_s > 0)
            record_set_real(item, "held_s", f->held_s);
        record_set_text(item, "at", clock_iso(r->started_wall_us + (f->at_us - r->started_us), at));
    }
    record_set_text(item, "message", words);
}

static void on_finding(void *arg, const struct policy_finding *f)
{
    struct judgement *j = arg;
    bool refuses =
        policy_rule_action(f->rule) == POLICY_REFUSE && (!f->absent || j->r->conf->absent_refuses);
    size_t *count = refuses ? &j->refusals : &j->others;
    AUTO_FREE char *words = policy_describe(f, wall_us() - mono_us());

    if ((*count)++ < FINDINGS_MAX)
        report_finding(j->r, f, refuses, words);
    if (refuses && j->refusals == 1)
        j->first = STEAL_PTR(words);
}

static void report_left_out(const struct judgement *j)
{
    size_t left_out = j->refusals + j->others - record_count(j->r->record, "policy.findings");

    record_clear(j->r->record, "policy.findings_left_out");
    if (left_out > 0)
        record_set_int(j->r->record, "policy.findings_left_out", (int64_t)left_out);
}

/* The findings of now replace those of an earlier look. */
static struct judgement judge(struct run *r)
{
    struct judgement j = {.r = r};

    int64_t now = mono_us();
    int64_t from = now - STALE_US - policy_longest_us(r->conf->policy);

    run_relate_clocks(r);
    record_clear(r->record, "policy.findings");
    record_set_empty(r->record, "policy.findings");
    policy_evaluate(r->conf->policy, r->series, from, now, on_finding, &j);
    report_left_out(&j);
    return j;
}

static void tell_waiting(struct run *r, char **told, const char *why)
{
    AUTO_FREE char *text = xasprintf("waiting for a calm moment: %s", why);

    if (*told && strcmp(*told, why) == 0)
        return; /* on the screen already */
    r->report.note(r->report.arg, text);
    free(*told);
    *told = xstrdup(why);
}

static void note_warnings(struct run *r)
{
    for (size_t n = 0; n < record_count(r->record, "policy.findings"); n++) {
        const struct record *item = record_at(r->record, "policy.findings", n);

        run_note_once(r, "policy: %s", record_text(item, "message"));
    }
}

/* A long wait must not fill the series: what comes then is dropped, and the policy decides nothing
 * any more. As much is kept as a run that does not wait begins with. */
static void forget_old(struct run *r)
{
    int64_t window_us = ((int64_t)r->conf->history_ms + r->conf->before_ms) * 1000;
    int64_t needed_us = STALE_US + policy_longest_us(r->conf->policy);
    int64_t from_us = mono_us() - (window_us > needed_us ? window_us : needed_us);

    if (from_us <= r->started_us - (int64_t)r->conf->history_ms * 1000)
        return;
    r->readings_from_us = from_us;
    series_forget(r->series, from_us);
}

int step_policy(void *run, struct err *e)
{
    struct run *r = run;
    int64_t began = mono_us(), end = mono_in_ms(r->conf->wait_ms);
    AUTO_FREE char *told = NULL;
    struct judgement j;

    if (!r->conf->policy || policy_count(r->conf->policy) == 0)
        return 0;
    for (;;) {
        j = judge(r);
        if (j.refusals == 0 || mono_us() >= end)
            break;
        tell_waiting(r, &told, j.first);
        free(j.first);
        if (let_pass(r, LOOK_AGAIN_MS, e) < 0)
            return -1;
        forget_old(r);
    }
    if (r->conf->wait_ms > 0)
        record_set_real(r->record, "policy.waited_s", (double)(mono_us() - began) / 1e6);
    if (j.refusals == 0) {
        note_warnings(r);
        return 0;
    }
    r->refused = true;
    err_set(e, ERR_REFUSED, "the policy refuses a snapshot of domain '%s' now: %.400s%s",
            r->domain_name, j.first, j.refusals > 1 ? " (and more: see the record)" : "");
    free(j.first);
    return -1;
}

struct glance {
    struct run *run;
    int64_t since_us;
};

/* The ring's past comes first, its oldest at the front: what counts is read after we came. */
static bool fresh_sample_came(void *arg)
{
    const struct glance *g = arg;
    int64_t newest, wall, at_us;

    if (!series_newest(g->run->series, &newest, &wall))
        return false;
    run_relate_clocks(g->run);
    return run_from_guest(g->run, newest, &at_us) && at_us >= g->since_us;
}

int step_glance(void *run, struct err *e)
{
    struct run *r = run;
    struct glance g = {.run = r, .since_us = mono_us()};
    struct judgement j;

    if (!r->conf->policy || policy_count(r->conf->policy) == 0)
        return 0;
    run_subscribe(r);
    (void)loop_wait_until(r->loop, fresh_sample_came, &g, mono_in_ms(GLANCE_MS), NULL);
    j = judge(r);
    note_warnings(r);
    if (j.refusals > 0)
        err_set(e, ERR_REFUSED, "%.450s", j.first);
    free(j.first);
    return err_is_set(e) ? -1 : 0;
}

/* ---- afterwards ------------------------------------------------------------------------------ */

int step_after(void *run, struct err *e)
{
    struct run *r = run;
    struct err why = ERR_INIT;

    (void)e;
    /* the set is published: a signal ends the watching and spoils nothing */
    (void)let_pass(r, r->conf->after_ms, &why);
    return 0;
}
