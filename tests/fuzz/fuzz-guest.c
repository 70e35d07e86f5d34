/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole run of `snapshot` against a guest that may say anything at any time: hello, answers and
 * events go through the dispatch of guest/, the steps of plan/, series/, policy/ and record/. First
 * byte: what else is broken (world.h); then the guest's messages.
 *
 * The promises are asked for after each run: the set is `application` only if this guest said, for
 * this run, that it had the lock, that it was frozen, and that it held until the release; else no
 * snapshot is left, or a person is told to look; who was frozen was thawed; the record is whole,
 * and fit for a terminal.
 */
#include <string.h>

#include "host-coordinator/command/show_series.h"
#include "host-coordinator/record/timeline.h"
#include "proto/base/cleanup.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/world.h"

const size_t fuzz_head_bytes = 1;
const size_t fuzz_message_at = 0;

static struct run *the_run;

/* What the guest has claimed, seen from outside of the code that judges it. */
static struct {
    bool locked, frozen, held, lost;
} claims;

static bool mine(const char *run_id, bool has_epoch, uint64_t epoch)
{
    return run_id && strcmp(run_id, the_run->set) == 0 && has_epoch && epoch == the_run->epoch;
}

static bool some_frozen(const Cbsnap__State *s)
{
    for (size_t n = 0; n < s->n_mount; n++) {
        if (s->mount[n]->has_frozen && s->mount[n]->frozen)
            return true;
    }
    return false;
}

static void heard(const Cbsnap__Envelope *m)
{
    switch (m->body_case) {
    case CBSNAP__ENVELOPE__BODY_FREEZE_EVENT:
        if (!mine(m->freeze_event->run_id, m->freeze_event->has_epoch, m->freeze_event->epoch) ||
            !m->freeze_event->has_kind)
            break;
        claims.locked |= m->freeze_event->kind == CBSNAP__FREEZE_EVENT__KIND__LOCKED &&
                         m->freeze_event->position;
        claims.lost |= !claims.held && m->freeze_event->kind == CBSNAP__FREEZE_EVENT__KIND__LOST;
        break;
    case CBSNAP__ENVELOPE__BODY_STATE:
        claims.frozen |= mine(m->state->run_id, m->state->has_epoch, m->state->epoch) &&
                         m->state->has_lock_held && m->state->lock_held && some_frozen(m->state);
        break;
    case CBSNAP__ENVELOPE__BODY_RELEASED:
        claims.held |= m->released->has_held && m->released->held && m->released->has_epoch &&
                       m->released->epoch == the_run->epoch;
        break;
    default:
        break;
    }
}

static void check_text(const struct record *r)
{
    AUTO_FREE char *text = record_format(r), *again_text = NULL;
    struct record *again = record_parse(text, "it", NULL);
    struct fuzz_sink sink;

    FUZZ_MUST(again);
    again_text = record_format(again);
    FUZZ_MUST(strcmp(text, again_text) == 0);
    record_free(again);
    fuzz_sink_begin(&sink);
    timeline_print(sink.to, r);
    show_around(sink.to, r);
    fuzz_sink_end(&sink, true);
}

static void check_verdict(const struct run *r, int status)
{
    const char *verdict = record_text(r->record, "verdict");

    if (status == 0) {
        FUZZ_MUST(verdict && strcmp(verdict, "application") == 0);
        FUZZ_MUST(claims.locked && claims.frozen && claims.held && !claims.lost);
        FUZZ_MUST(world_snapshots() == WORLD_VOLUMES);
        FUZZ_MUST(!(world.flags & (WORLD_FREEZE_FAILS | WORLD_DISKS_WRITE | WORLD_SNAPSHOT_FAILS |
                                   WORLD_SNAPSHOT_MUTE | WORLD_FREEZES_NONE)));
    } else {
        FUZZ_MUST(!verdict || strcmp(verdict, "void") == 0);
        FUZZ_MUST(world_snapshots() == 0 || status == 5);
    }
}

static void check_left(const struct run *r, int status)
{
    struct record *stored = r->touched ? store_load(world.state_dir, r->set, NULL) : NULL;

    FUZZ_MUST(world.freezes <= 1);
    FUZZ_MUST(world.freezes == 0 || world.thawed_last);
    FUZZ_MUST(world.freezes == 0 || r->touched);
    FUZZ_MUST(status == 3 || status == 2 || r->touched);
    if (!r->touched)
        return;
    FUZZ_MUST(stored);
    FUZZ_MUST(strcmp(record_text(stored, "verdict"), record_text(r->record, "verdict")) == 0);
    record_free(stored);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    unsigned flags = fuzz_byte(&in);
    struct err e = ERR_INIT;
    struct run r;
    int status = 0;

    memset(&claims, 0, sizeof(claims));
    world_begin(in, flags);
    world.heard = heard;
    run_init(&r, &world.conf, &world_domain, world.loop, "", "db");
    the_run = &r;
    r.report = world_reporter();
    r.storages = world_storages();
    (void)snapshot_run(&r, &status, &e);
    FUZZ_MUST((status == 0) == !err_is_set(&e));
    check_verdict(&r, status);
    check_left(&r, status);
    check_text(r.record);
    run_release(&r);
    world_end();
    return 0;
}
