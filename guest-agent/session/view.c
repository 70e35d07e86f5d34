/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the session tells: events as they happen, and its state when asked. */
#include "guest-agent/session/private.h"

#include <stdlib.h>
#include <string.h>

#include "guest-agent/session/describe.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

_Static_assert((int)SESSION_RELEASING == (int)CBSNAP__SESSION_STATE__STATE_RELEASING &&
                   (int)SESSION_LOCKED == (int)CBSNAP__SESSION_STATE__STATE_LOCKED,
               "session states have the wire's numbers");

const char *session_state_name(enum session_state s)
{
    static const char *const names[] = {"idle", "locking", "locked", "frozen", "releasing"};

    return (size_t)s < ARRAY_SIZE(names) ? names[s] : "unknown";
}

void session_tell(struct session *s, Cbsnap__FreezeEvent__Kind kind, const struct err *e)
{
    Cbsnap__FreezeEvent event = CBSNAP__FREEZE_EVENT__INIT;
    Cbsnap__Error error = CBSNAP__ERROR__INIT;
    Cbsnap__Position position;
    Cbsnap__LockTry tries[LOCK_MAX_TRIES], *try_ptrs[LOCK_MAX_TRIES];

    MSG_SET(&event, kind, kind);
    MSG_SET(&event, epoch, s->epoch);
    event.run_id = describe_text(s->run_id);
    MSG_SET(&event, at_us, s->ops->now_us(s->arg));
    MSG_SET(&event, at_wall_us, s->ops->wall_us(s->arg));
    if (kind == CBSNAP__FREEZE_EVENT__KIND__LOCKED) {
        describe_position(&position, &s->position);
        event.position = &position;
    }
    if (kind == CBSNAP__FREEZE_EVENT__KIND__LOCKED ||
        kind == CBSNAP__FREEZE_EVENT__KIND__LOCK_FAILED) {
        describe_tries(&s->report, tries, try_ptrs);
        event.n_try_ = s->report.tries;
        event.try_ = try_ptrs;
        if (s->report.requested_us)
            MSG_SET(&event, lock_requested_us, s->report.requested_us);
    }
    if (e && err_is_set(e)) {
        message_from_err(&error, e);
        event.error = &error;
    }
    event.cause = describe_text(s->cause);
    s->ops->event(s->arg, &event);
}

/* One block for the mounts and one for the pointers; both are the caller's to free. */
Cbsnap__Mount *session_mounts(struct session *s, const struct session_job *answers,
                              Cbsnap__Mount ***ret_ptrs, size_t *ret_count)
{
    size_t count = s->ops->mount_count(s->arg);
    Cbsnap__Mount *mounts = xcalloc(count + 1, sizeof(*mounts));
    Cbsnap__Mount **ptrs = xcalloc(count + 1, sizeof(Cbsnap__Mount *));

    for (size_t n = 0; n < count; n++) {
        describe_mount(&mounts[n], s->ops->mount_at(s->arg, n));
        if (answers && n < answers->count)
            describe_answer(&mounts[n], &answers->results[n]);
        ptrs[n] = &mounts[n];
    }
    *ret_ptrs = ptrs;
    *ret_count = count;
    return mounts;
}

static void describe_past(const struct session *s, struct session_view *v)
{
    const struct session_past *past = &s->past;
    Cbsnap__FreezeEvent *end = &v->last_end;

    cbsnap__freeze_event__init(end);
    MSG_SET(end, kind, past->kind);
    MSG_SET(end, epoch, past->epoch);
    end->run_id = describe_text(past->run_id);
    if (past->at_us)
        MSG_SET(end, at_us, past->at_us);
    MSG_SET(end, at_wall_us, past->at_wall_us);
    end->cause = describe_text(past->cause);
    if (err_is_set(&past->err)) {
        cbsnap__error__init(&v->last_error);
        message_from_err(&v->last_error, &past->err);
        end->error = &v->last_error;
    }
    v->state.last_end = end;
}

void session_describe(struct session *s, struct session_view *ret)
{
    bool locked = s->state == SESSION_LOCKED || s->state == SESSION_FROZEN;
    Cbsnap__State *state = &ret->state;
    int64_t left;

    *ret = (struct session_view){.mounts = NULL};
    cbsnap__state__init(state);
    MSG_SET(state, state, (Cbsnap__SessionState)s->state);
    MSG_SET(state, epoch, s->epoch);
    MSG_SET(state, lock_held, locked);
    state->run_id = describe_text(s->state == SESSION_IDLE ? s->prepared.run_id : s->run_id);
    if (locked) {
        left = s->lease_until_us - s->ops->now_us(s->arg);
        MSG_SET(state, lease_left_ms, left > 0 ? (uint32_t)(left / 1000) : 0);
        describe_position(&ret->position, &s->position);
        state->position = &ret->position;
        ret->mounts = session_mounts(s, s->probe_job.busy ? NULL : &s->probe_job, &ret->mount_ptrs,
                                     &state->n_mount);
        state->mount = ret->mount_ptrs;
    }
    if (s->past.known)
        describe_past(s, ret);
}

void session_view_release(struct session_view *v)
{
    free(v->mounts);
    free(v->mount_ptrs);
}
