/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The observer: looks at the model of the guest, at what the array holds, and at the files, and
 * believes nothing that the run says of itself but its exit status, which it checks.
 */
#include "tests/unit/host-coordinator/snap_world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/fake/collect.h"

/* A busy machine may stand still for as long beside all that a run may take. */
#define SLACK_US INT64_C(2000000)

const char *const question_names[QUESTIONS] = {"writes", "released", "truth", "nothing_left"};
enum { WRITES_GO_ON, RELEASED, TRUTH, NOTHING_LEFT };

bool verdict_good(const struct verdict *v)
{
    for (int n = 0; n < QUESTIONS; n++) {
        if (!v->yes[n])
            return false;
    }
    return true;
}

static struct verdict all_is_well(void)
{
    struct verdict v = {.why = ""};

    for (int n = 0; n < QUESTIONS; n++)
        v.yes[n] = true;
    return v;
}

static void no(struct verdict *v, int question, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void no(struct verdict *v, int question, const char *fmt, ...)
{
    va_list ap;

    v->yes[question] = false;
    if (v->why[0])
        return;
    va_start(ap, fmt);
    (void)vsnprintf(v->why, sizeof(v->why), fmt, ap);
    va_end(ap);
}

/* ---- writes, and what is held ---------------------------------------------------------------- */

/* After the lease, which is not waited for. */
static void look_at_guest(struct verdict *v)
{
    int64_t lease_us = w.lease_ms * INT64_C(1000);
    struct model_facts later = model_look(mono_us() + lease_us + 1000);

    if (later.locked || later.frozen)
        no(v, RELEASED, "the guest is %s after the lease", later.locked ? "locked" : "frozen");
    if (later.longest_us > lease_us + SLACK_US)
        no(v, WRITES_GO_ON, "writers waited %lld ms", (long long)later.longest_us / 1000);
}

/* What the exit status promises of now. */
static void look_at_held(struct verdict *v, const struct tale *t)
{
    struct model_facts now = model_look(mono_us());

    if (t->status != 5 && (now.locked || now.frozen))
        no(v, RELEASED, "exit status %d, and the guest is %s", t->status,
           now.locked ? "locked" : "frozen");
    if (t->status < 4 && t->status != 0 && now.freezes > 0)
        no(v, TRUTH, "exit status %d, and the guest was frozen", t->status);
}

/* ---- the record ------------------------------------------------------------------------------ */

static struct record *load(const char *set)
{
    struct record *r = store_load(w.conf.state_dir, set, NULL);

    collect_record(r);
    return r;
}

bool world_promises(const char *set)
{
    struct record *r = store_load(w.conf.state_dir, set, NULL);
    const char *verdict = r ? record_text(r, "verdict") : NULL;
    bool is = verdict && strcmp(verdict, "void") != 0;

    record_free(r);
    return is;
}

static bool touched(void)
{
    return model_look(mono_us()).freezes > 0 ||
           storage_memory_requests(w.array, MEMORY_SNAPSHOT) > 0;
}

static const char *state_of(const struct record *r, const char *volume_id)
{
    const struct record *volume = record_find(r, "volumes", "id", volume_id);
    const char *state = volume ? record_text(volume, "snapshot.state") : NULL;

    return volume && !state ? "planned" : state;
}

static void check_promise(struct verdict *v, const struct record *r, const char *set)
{
    int64_t position = -1;
    const char *untrue;

    (void)record_int(r, "position.binlog_offset", &position);
    untrue = model_untrue(position);
    v->false_promise = untrue != NULL;
    if (untrue)
        no(v, TRUTH, "the set is called application, and %s", untrue);
    for (int n = 0; n < WORLD_VOLUMES; n++) {
        if (storage_memory_has(w.array, world_volumes[n], set))
            continue;
        v->false_promise = true;
        no(v, TRUTH, "the set is called application, and '%s' has no snapshot of it",
           world_volumes[n]);
    }
}

/* A state that the record tells is so. */
static void check_states(struct verdict *v, const struct record *r, const char *set)
{
    for (int n = 0; n < WORLD_VOLUMES; n++) {
        const char *state = r ? state_of(r, world_volumes[n]) : NULL;
        bool there = storage_memory_has(w.array, world_volumes[n], set);

        if (there && !state)
            no(v, NOTHING_LEFT, "'%s' has a snapshot that no record names", world_volumes[n]);
        else if (there && (strcmp(state, "removed") == 0 || strcmp(state, "not taken") == 0))
            no(v, NOTHING_LEFT, "'%s' has a snapshot that the record calls %s", world_volumes[n],
               state);
        else if (!there && state && strcmp(state, "kept") == 0)
            no(v, TRUTH, "the record calls the snapshot of '%s' kept, and it is not there",
               world_volumes[n]);
    }
}

static void check_record(struct verdict *v, const struct record *r, const char *set)
{
    const char *verdict = r ? record_text(r, "verdict") : NULL;

    if (!r && touched())
        no(v, TRUTH, "the guest or the array was touched, and there is no record");
    if (r && !verdict)
        no(v, TRUTH, "the record has no verdict");
    if (verdict && strcmp(verdict, "application") == 0)
        check_promise(v, r, set);
    else if (verdict && strcmp(verdict, "void") != 0)
        no(v, TRUTH, "the verdict is '%s'", verdict);
}

static void check_status(struct verdict *v, const struct tale *t, bool promised)
{
    if (promised != (t->status == 0))
        no(v, TRUTH, "exit status %d, and the record says %s", t->status,
           promised ? "application" : "otherwise");
    if ((t->rc == 0) != (t->status == 0))
        no(v, TRUTH, "exit status %d of a run that %s", t->status, t->rc == 0 ? "ended" : "failed");
    if (t->status == 0 || (t->status >= 2 && t->status <= 5))
        return;
    no(v, TRUTH, "exit status %d", t->status);
}

/*
 * "what is half made is removed", says status 4; the journal of a 5 sees to it. Nobody can remove
 * what an appliance makes without an answer and hides from its lists: then "unknown" is the truth.
 */
static void check_removed(struct verdict *v, const struct tale *t, const struct record *r)
{
    for (int n = 0; n < WORLD_VOLUMES && t->status != 0 && t->status != 5; n++) {
        const char *state = r ? state_of(r, world_volumes[n]) : NULL;

        if (!storage_memory_has(w.array, world_volumes[n], t->set))
            continue;
        if (world_hit(ARRAY_LISTS_LIES) && state && strcmp(state, "unknown") == 0)
            continue;
        no(v, NOTHING_LEFT, "exit status %d, and '%s' has a snapshot", t->status, world_volumes[n]);
    }
    if (t->status == 5 && world_journals() == 0)
        no(v, NOTHING_LEFT, "exit status 5 without a journal");
}

/* ---- what is left ---------------------------------------------------------------------------- */

static void recover(struct verdict *v)
{
    const char *failed = world_journals() > 0 ? world_recover() : NULL;

    if (failed)
        no(v, NOTHING_LEFT, "recover: %s", failed);
    if (world_journals() > 0)
        no(v, NOTHING_LEFT, "recover leaves a journal");
}

static void look_at_rest(struct verdict *v, const char *set, bool recovered)
{
    struct record *r = load(set);

    check_states(v, r, set);
    for (int n = 0; recovered && n < WORLD_VOLUMES; n++) {
        if (!world_promises(set) && storage_memory_has(w.array, world_volumes[n], set))
            no(v, NOTHING_LEFT, "recover leaves a snapshot of '%s'", world_volumes[n]);
    }
    record_free(r);
}

void world_run_again(struct verdict *v)
{
    struct tale t = {.status = -1};

    if (loop_check(w.loop, NULL) < 0)
        return; /* the signal is remembered, as it is to be */
    world_forget_faults();
    for (int n = 0; n < 3 && t.status != 0; n++) {
        t = world_run();
        (void)model_look(mono_us() + (w.lease_ms + 1) * INT64_C(1000));
    }
    if (t.status != 0)
        no(v, RELEASED, "the next run fails: %.200s", t.e.msg);
}

/* What it was asked for and nobody waits for any more has its time. */
static void let_array_end(void)
{
    bool never = false;

    loop_shield(w.loop, true);
    for (int n = 0; n < 500 && storage_memory_open(w.array, MEMORY_SNAPSHOT) > 0; n++)
        (void)loop_wait(w.loop, &never, mono_in_ms(1), NULL);
    loop_shield(w.loop, false);
}

struct verdict world_judge(const struct tale *t)
{
    struct verdict v = all_is_well();
    struct record *r = load(t->set);
    bool left;

    look_at_held(&v, t);
    check_record(&v, r, t->set);
    check_status(&v, t, world_promises(t->set));
    let_array_end();
    check_removed(&v, t, r);
    record_free(r);
    world_heal();
    look_at_guest(&v);
    left = world_journals() > 0;
    if (left && t->status != 5 && t->status != 4)
        no(&v, TRUTH, "exit status %d leaves a journal", t->status);
    recover(&v);
    look_at_rest(&v, t->set, left);
    return v;
}

struct verdict world_judge_dead(const char *set)
{
    struct verdict v = all_is_well();
    struct record *r = load(set);

    check_record(&v, r, set);
    record_free(r);
    look_at_guest(&v);
    recover(&v);
    let_array_end();
    look_at_rest(&v, set, true);
    return v;
}

/* ---- the matrix ------------------------------------------------------------------------------ */

void world_matrix(const char *step, const char *fault, const struct verdict *v, double seconds)
{
    const char *path = getenv("CBSNAP_FAULTS_MATRIX");
    FILE *f = path && *path ? fopen(path, "ae") : NULL;

    if (!f)
        return;
    fprintf(f, "fake\t%s\t%s", step, fault);
    for (int n = 0; n < QUESTIONS; n++)
        fprintf(f, "\t%s", v->yes[n] ? "yes" : "no");
    fprintf(f, "\t%.3f\n", seconds);
    fclose(f);
}
