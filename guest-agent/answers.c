/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers to requests, also to those whose asker has gone meanwhile; see daemon.h. */
#include "guest-agent/daemon.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest-agent/session/describe.h"

void call_free(struct call *call)
{
    struct call **at = &call->daemon->calls;

    while (*at && *at != call)
        at = &(*at)->next;
    if (*at)
        *at = call->next;
    free(call);
}

void call_send(struct call *call, Cbsnap__Envelope *m)
{
    if (call->client) {
        MSG_SET(m, reply_to, call->id);
        (void)peer_send(call->client->peer, m, PEER_MUST);
    }
    if (!call->freeze)
        call_free(call);
}

void call_error(struct call *call, const struct err *e)
{
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    Cbsnap__Error error = CBSNAP__ERROR__INIT;

    message_from_err(&error, e);
    MSG_BODY(&m, error, ERROR, &error);
    call_send(call, &m);
}

void call_hook(struct call *call, const struct err *e, const char *note)
{
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    Cbsnap__HookAnswer answer = CBSNAP__HOOK_ANSWER__INIT;
    Cbsnap__Error error = CBSNAP__ERROR__INIT;

    if (e) {
        message_from_err(&error, e);
        answer.error = &error;
    }
    answer.note = describe_text(note);
    MSG_BODY(&m, hook_answer, HOOK_ANSWER, &answer);
    call_send(call, &m);
}

void call_released(struct call *call, const struct session_end *end)
{
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    Cbsnap__Released released = CBSNAP__RELEASED__INIT;

    MSG_SET(&released, held, end->held);
    MSG_SET(&released, epoch, end->epoch);
    released.reason = end->held ? NULL : (char *)end->reason;
    released.mount = end->mounts;
    released.n_mount = end->mount_count;
    if (end->has_times) {
        MSG_SET(&released, lock_requested_us, end->lock_requested_us);
        MSG_SET(&released, locked_us, end->locked_us);
        MSG_SET(&released, thawed_us, end->thawed_us);
        MSG_SET(&released, unlocked_us, end->unlocked_us);
    }
    MSG_BODY(&m, released, RELEASED, &released);
    call_send(call, &m);
}

static void describe_sample(const struct sampler *sampler, Cbsnap__State *to)
{
    uint64_t next = sampler_next(sampler);
    const struct sample *last = next > 0 ? sampler_at(sampler, next - 1) : NULL;
    const double *missed = last ? sample_get(last, "agent.missed") : NULL;

    if (!last)
        return;
    MSG_SET(to, sampled_wall_us, last->wall_us);
    MSG_SET(to, sampled_metrics, (uint32_t)last->count);
    if (missed)
        MSG_SET(to, samples_missed, (uint64_t)*missed);
}

/* The kernel says so behind the name (proc_pid_exe(5)): an upgrade has put another file there,
 * maybe of the same version. */
static bool program_replaced(void)
{
    static const char gone[] = " (deleted)";
    char name[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", name, sizeof(name));
    size_t tail = sizeof(gone) - 1;

    return len > (ssize_t)tail && memcmp(name + len - tail, gone, tail) == 0;
}

/* The session's part, and what the guest is; while held the mounts are the session's. */
void call_state(struct call *call)
{
    struct daemon *d = call->daemon;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    struct session_view view;
    struct facts_view facts;

    session_describe(live_session(d->live), &view);
    facts_describe(&d->facts, &facts);
    if (!view.state.n_mount) {
        view.state.mount = facts.mount_ptrs;
        view.state.n_mount = facts.mount_count;
    }
    view.state.server = facts.server_ptr;
    view.state.hook = &facts.hook;
    if (err_is_set(&d->facts.problem))
        view.state.problem = d->facts.problem.msg;
    MSG_SET(&view.state, host_connected, port_peer(d->port) != NULL);
    view.state.port_problem = describe_text(port_problem(d->port));
    describe_sample(d->sampler, &view.state);
    if (call->client &&
        !call->client->host) { /* a person in the guest asks, not a run that waits */
        evidence_describe(d->evidence, &view.state);
        MSG_SET(&view.state, program_replaced, program_replaced());
    }
    view.state.agent_version = (char *)CBSNAP_VERSION;
    view.state.confine_problem = describe_text(d->confine_problem.msg);
    MSG_BODY(&m, state, STATE, &view.state);
    call_send(call, &m);
    facts_view_release(&facts);
    session_view_release(&view);
}
