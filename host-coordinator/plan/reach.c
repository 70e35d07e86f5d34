/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way to the agent's port, wherever the domain runs; see run.h. */
#include "host-coordinator/guest/port.h"
#include "host-coordinator/plan/events.h"
#include "host-coordinator/plan/run.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

/* libvirtd turns the second away at once: ask again, the first may be about to leave. */
#define CHANNEL_AGAIN_MS 100
#define SERVED_MS        500

static int call_channel(struct domain_call *c, struct err *e)
{
    return c->ops->channel(c->domain, c->channel, &c->fd, e);
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

static int ask_channel(struct run *r, int64_t deadline_us, int *ret_fd, struct err *e)
{
    struct domain_call *c;
    struct domain_job job = domain_job_start(r, call_channel);

    if (domain_job_wait(r, &job, deadline_us, &c, "open the channel", e) < 0)
        return -1;
    *ret_fd = STEAL_FD(c->fd);
    domain_call_free(c);
    return 0;
}

static int through_libvirt(struct run *r, int64_t deadline_us, int *ret_fd, struct err *e)
{
    struct err why;

    r->relayed = true;
    for (;;) {
        why = ERR_INIT;
        if (ask_channel(r, deadline_us, ret_fd, &why) == 0)
            return 0;
        if (why.code != ERR_BUSY || mono_us() >= deadline_us ||
            (loop_wait_until(r->loop, never, NULL, mono_in_ms(CHANNEL_AGAIN_MS), e) < 0 &&
             loop_cancelled(r->loop)))
            break;
    }
    if (e)
        *e = why;
    return -1;
}

int run_reach_port(struct run *r, const struct domain_channel *ch, int64_t deadline_us, int *ret_fd,
                   struct err *e)
{
    struct err why = ERR_INIT;
    int64_t libvirt_us;

    if (!r->ops->local(r->domain))
        return through_libvirt(r, deadline_us, ret_fd, e);
    r->relayed = false;
    if (port_connect(r->loop, ch->path, deadline_us, ret_fd, &why) == 0)
        return 0;
    if (why.code == ERR_AUTH) {
        /* the socket is QEMU's user's and root's; libvirt opens it to its group, in its own time */
        libvirt_us = mono_in_ms(r->conf->libvirt_ms);
        why = ERR_INIT;
        if (through_libvirt(r, deadline_us > libvirt_us ? deadline_us : libvirt_us, ret_fd, &why) ==
            0)
            return 0;
        err_hint(&why, "root may use the socket '%s' itself", ch->path);
    }
    if (e)
        *e = why;
    return -1;
}

/* ---- and to who answers there ---- */

/* Accepted by QEMU, which takes it a moment; false: another program has the port. */
static bool is_served(struct run *r, int fd)
{
    int64_t end = mono_in_ms(SERVED_MS);

    while (port_state(fd) == PORT_QUEUED && mono_us() < end && !loop_cancelled(r->loop))
        (void)loop_wait_until(r->loop, never, NULL, mono_in_ms(SERVED_MS / 20), NULL);
    return port_state(fd) != PORT_QUEUED;
}

/*
 * Twice: of a host that left while the VM was paused the guest may not hear (QEMU 7.2 loses the
 * news in the port's control queue), and then QEMU passes on what we say and nothing that the agent
 * answers. When one has left a running VM all is well again, and that one can be us.
 */
int run_meet_agent(struct run *r, const struct domain_channel *ch, struct err *e)
{
    int64_t deadline_us = mono_in_ms(r->conf->answer_ms);
    bool again = false;
    struct err why;

    for (;; again = true) {
        int64_t until_us = deadline_us;
        int fd;

        why = ERR_INIT;
        if (run_reach_port(r, ch, deadline_us, &fd, &why) < 0)
            break;
        /* only then: libvirt may take its own time to open it */
        if (mono_us() >= deadline_us)
            deadline_us = until_us = mono_in_ms(r->conf->answer_ms);
        /* in QEMU's queue we would lose our place */
        if (!again && is_served(r, fd))
            until_us = mono_us() + (deadline_us - mono_us()) / 2;
        if (guest_open(&r->guest, r->loop, fd, ch->path, run_on_event, r, until_us, &why) == 0)
            return 0;
        if (again || why.code != ERR_TIMEOUT || mono_us() >= deadline_us)
            break;
    }
    *e = why;
    return -1;
}
