/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Holding on to a VM, and letting go of its port for others; see follow.h. */
#include "host-coordinator/watch/follow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host-coordinator/guest/port.h"
#include "host-coordinator/watch/follow_internal.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

/* ---- what others want ------------------------------------------------------------------------ */

void follow_set_state(struct follow *f, enum follow_state state, const char *words)
{
    f->state = state;
    (void)snprintf(f->words, sizeof(f->words), "%s", words);
}

static bool run_has_it(struct follow *f)
{
    long pid = 0;
    char words[64];

    if (f->lock_fd < 0 || !store_run_has(f->lock_fd, &pid))
        return false;
    (void)snprintf(words, sizeof(words), "a run has the VM: process %ld", pid);
    follow_set_state(f, FOLLOW_RUN, words);
    return true;
}

/*
 * Only who is served may be asked to leave: in the backlog we stand in nobody's way. And who has
 * just come stays for a moment: two that watch would else make way for each other for ever.
 */
static bool others_wait(struct follow *f)
{
    if (f->fd < 0 || port_state(f->fd) != PORT_ACCEPTED)
        return false;
    if (!f->stay_us)
        f->stay_us = mono_in_ms(f->o.once ? FOLLOW_HOLD_MS : FOLLOW_STAY_MS);
    return mono_us() >= f->stay_us && port_waiting(f->fd) > 0;
}

static void on_look(uv_timer_t *timer)
{
    struct follow *f = timer->data;
    int64_t now_us = mono_us();

    f->run_has = run_has_it(f);
    if (f->volumes) /* the appliance is the run's too */
        volumes_watch_suspend(f->volumes, f->run_has);
    f->leave = f->run_has || others_wait(f) || (f->leave_us && now_us >= f->leave_us);
    f->silent = f->heard_us && now_us - f->heard_us > follow_patience_us(f);
    follow_take_answer(f);
    series_forget(f->run.series, now_us - FOLLOW_KEPT_US);
    if (f->o.news)
        f->o.news(f->o.arg);
}

int64_t follow_patience_us(const struct follow *f)
{
    return INT64_C(3000) * (f->pace_ms > f->o.interval_ms ? f->pace_ms : f->o.interval_ms);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static bool is_enough(struct follow *f)
{
    return f->o.enough && f->o.enough(f->o.arg);
}

static bool must_go(void *arg)
{
    struct follow *f = arg;

    return f->leave || is_enough(f) || (f->run.guest && guest_gone(f->run.guest, NULL));
}

static bool may_come(void *arg)
{
    struct follow *f = arg;

    return !f->run_has || is_enough(f);
}

static bool never(void *arg)
{
    return is_enough(arg);
}

/* 0 when the time is over or what was waited for has come; -1: cancelled. */
static int wait_for(struct follow *f, bool (*holds)(void *arg), int ms, struct err *e)
{
    struct err why = ERR_INIT;

    if (loop_wait_until(f->o.loop, holds, f, mono_in_ms(ms), &why) == 0 || why.code == ERR_TIMEOUT)
        return 0;
    *e = why;
    return -1;
}

/* ---- the port -------------------------------------------------------------------------------- */

static void leave_port(struct follow *f)
{
    follow_parting(f);
    f->fd = -1;
    f->leave_us = f->stay_us = 0;
}

/* Asks until answered. Never gives up a connection that nobody serves yet: it would stay in the
 * server's queue. 0 too when it has to leave before. */
static int greet(struct follow *f, struct err *e)
{
    int64_t began_us = mono_us();

    while (!must_go(f)) {
        struct err why = ERR_INIT;

        if (port_state(f->fd) != PORT_QUEUED) {
            if (guest_greet(f->run.guest, mono_in_ms(FOLLOW_LOOK_MS * 5), &why) == 0)
                return 0;
        } else if (wait_for(f, must_go, FOLLOW_LOOK_MS * 5, e) < 0) {
            return -1;
        } else {
            (void)port_silent(f->fd, f->port, mono_us() - began_us, &why);
        }
        if (why.code != ERR_TIMEOUT && why.code != ERR_BUSY) {
            *e = why;
            return -1;
        }
        if (mono_us() - began_us < FOLLOW_GREET_US)
            continue;
        if (f->o.once) {
            *e = why;
            return -1;
        }
        follow_set_state(f, why.code == ERR_BUSY ? FOLLOW_TURN : FOLLOW_NO_AGENT, why.msg);
    }
    return 0;
}

static int connect_port(struct follow *f, struct err *e)
{
    const struct domain_channel *ch = domain_xml_channel(&f->run.xml, f->o.conf->channel);
    bool local = f->o.ops->local(f->run.domain);
    int fd;

    if (!ch || !*ch->path)
        return err_set(e, ERR_REFUSED,
                       "domain '%s' has no channel '%s'; add <channel type='unix'><target "
                       "type='virtio' name='%s'/></channel> to its XML",
                       f->o.domain, f->o.conf->channel, f->o.conf->channel);
    (void)snprintf(f->port, sizeof(f->port), "%s", ch->path);
    if (run_reach_port(&f->run, ch, mono_in_ms(local ? FOLLOW_LOOK_MS : f->o.conf->libvirt_ms), &fd,
                       e) < 0 ||
        guest_begin(&f->run.guest, f->o.loop, fd, f->port, follow_on_event, f, e) < 0)
        return -1;
    f->fd = fd;
    f->leave = false;
    return 0;
}

static int no_readings(const struct follow *f, struct err *e)
{
    return err_set(e, ERR_TIMEOUT,
                   "the agent of domain '%s' sends no new readings; look at its log: journalctl -u "
                   "cbsnap-agent",
                   f->o.domain);
}

/* Listens until it has to go. While it is silent the agent is asked now and then whether it is
 * there: its answer brings the readings back. */
static int listen_port(struct follow *f, struct err *e)
{
    follow_greeted(f);
    if (f->run.relayed)
        f->leave_us = mono_in_ms(FOLLOW_HOLD_MS);
    while (!must_go(f)) {
        if (wait_for(f, must_go, FOLLOW_AGAIN_MS, e) < 0)
            return -1;
        if (f->o.once && mono_us() > f->until_us && !is_enough(f))
            return no_readings(f, e);
        if (!f->silent || must_go(f))
            continue;
        follow_set_state(f, FOLLOW_NO_AGENT,
                         "the agent has fallen silent: the guest reboots, or cbsnap-agent was "
                         "stopped");
        f->subscribed = false;
        (void)guest_greet(f->run.guest, mono_us(), NULL);
    }
    return 0;
}

/* Takes the port and keeps it for as long as it may. */
static int hold_port(struct follow *f, struct err *e)
{
    int rc = connect_port(f, e);

    if (rc == 0)
        rc = greet(f, e);
    if (rc == 0 && !must_go(f))
        rc = listen_port(f, e);
    if (rc == 0 && f->run.guest && guest_gone(f->run.guest, e))
        rc = -1;
    leave_port(f);
    return rc;
}

/* ---- the domain ------------------------------------------------------------------------------ */

static int call_look(struct domain_call *c, struct err *e)
{
    if (c->ops->running(c->domain, e) < 0)
        return -1;
    return c->ops->xml(c->domain, &c->xml, e);
}

static int open_domain(struct follow *f, struct err *e)
{
    struct run *r = &f->run;
    struct domain_job job;
    struct domain_call *c;
    int rc;

    if (run_open_domain(r, e) < 0)
        return -1;
    f->found = true;
    job = domain_job_start(r, call_look);
    if (domain_job_wait(r, &job, mono_in_ms(f->o.conf->libvirt_ms), &c, "look at the domain", e) <
        0)
        return -1;
    rc = domain_xml_parse(&r->xml, c->xml, e);
    domain_call_free(c);
    return rc < 0 ? err_prefix(e, "the XML of domain '%s'", f->o.domain) : 0;
}

/*
 * Where runs are seen, and a place of one's own in front of other watches. Without the state
 * directory no run has been here; somebody who only looks once needs no place.
 */
static int take_place(struct follow *f, struct err *e)
{
    struct err why = ERR_INIT;

    if (f->lock_fd < 0 &&
        store_look(f->o.conf->state_dir, f->o.ops->uuid(f->run.domain), &f->lock_fd, &why) < 0) {
        log_debug("runs are not seen coming: %s", why.msg);
        return 0;
    }
    if (f->placed || f->o.once)
        return 0;
    if (store_watch(f->lock_fd, &why) < 0) {
        *e = why;
        return -1;
    }
    f->placed = true;
    return 0;
}

/* Waits while a run has the VM. */
static int wait_for_run(struct follow *f, struct err *e)
{
    f->run_has = run_has_it(f);
    if (f->run_has && f->o.once)
        return err_set(e, ERR_BUSY, "domain '%s': %s; try again when it has ended", f->o.domain,
                       f->words);
    while (!may_come(f)) {
        if (wait_for(f, may_come, FOLLOW_AGAIN_MS, e) < 0)
            return -1;
    }
    return 0;
}

/* One domain, as long as it lives. */
static int attend(struct follow *f, struct err *e)
{
    if (open_domain(f, e) < 0 || take_place(f, e) < 0)
        return -1;
    follow_watch_volumes(f);
    f->until_us = mono_us() + FOLLOW_ONCE_US;
    while (!is_enough(f)) {
        if (f->o.once && mono_us() > f->until_us)
            return no_readings(f, e);
        if (wait_for_run(f, e) < 0 || take_place(f, e) < 0 || hold_port(f, e) < 0 ||
            wait_for(f, never, FOLLOW_GAP_MS, e) < 0)
            return -1;
    }
    return 0;
}

static void tell_failure(struct follow *f, const struct err *why)
{
    if (why->code == ERR_BUSY)
        follow_set_state(f, FOLLOW_TURN, why->msg);
    else if (why->code == ERR_TIMEOUT)
        follow_set_state(f, FOLLOW_NO_AGENT, why->msg);
    else
        follow_set_state(f, FOLLOW_AWAY, why->msg);
}

int follow_run(struct follow *f, struct err *e)
{
    for (;;) {
        struct err why = ERR_INIT;
        int rc = attend(f, &why);

        follow_leave_domain(f);
        if (rc == 0)
            return 0;
        if (loop_cancelled(f->o.loop) || f->o.once || !f->found) {
            *e = why;
            return -1;
        }
        tell_failure(f, &why);
        if (wait_for(f, never, FOLLOW_AGAIN_MS, e) < 0)
            return -1;
        if (is_enough(f))
            return 0;
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

struct follow *follow_new(const struct follow_options *options)
{
    struct follow *f = xcalloc(1, sizeof(*f));

    f->o = *options;
    f->fd = f->lock_fd = -1;
    f->pace_ms = 1000;
    f->look = xcalloc(1, sizeof(*f->look));
    (void)uv_timer_init(loop_uv(options->loop), f->look);
    f->look->data = f;
    run_init(&f->run, options->conf, options->ops, options->loop, options->uri, options->domain);
    follow_set_state(f, FOLLOW_CONNECTING, "connecting");
    (void)uv_timer_start(f->look, on_look, FOLLOW_LOOK_MS, FOLLOW_LOOK_MS);
    return f;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

void follow_free(struct follow *f)
{
    if (!f)
        return;
    leave_port(f);
    follow_leave_domain(f);
    run_release(&f->run);
    uv_close((uv_handle_t *)f->look, on_closed);
    if (f->lock_fd >= 0)
        close(f->lock_fd);
    message_free(f->hello);
    free(f);
}

void follow_facts(const struct follow *f, struct follow_facts *ret)
{
    const Cbsnap__Hello *h = f->hello ? f->hello->hello : NULL;
    int64_t guest_us, wall_us;

    *ret = (struct follow_facts){
        .state = f->state,
        .words = f->words,
        .domain = f->o.domain,
        .agent = h && h->agent_version ? h->agent_version : "",
        .server = f->server,
        .asked = *f->server || f->ask.done || f->ask_failed,
        .volumes_asked = !f->volumes || volumes_watch_answered(f->volumes),
        .frozen = f->frozen,
        .found = f->found,
        .rebooted_us = f->rebooted_us,
        .readings = f->readings,
        .pace_ms = f->pace_ms,
        .series = f->run.series,
    };
    if (series_newest(f->run.series, &guest_us, &wall_us))
        ret->newest_us = (int64_t)((uint64_t)guest_us - (uint64_t)f->offset_us);
}
