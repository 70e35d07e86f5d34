/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cbsnap-coord thaw DOMAIN: lets go, now, whoever froze. Both ways are gone, agent first, and one
 * that fails does not keep the other from being tried.
 */
#include "host-coordinator/command/command.h"

#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#include <stdio.h>

/* A state that cannot be read keeps nobody from thawing. */
static int call_look(struct domain_call *c, struct err *e)
{
    if (c->ops->state(c->domain, &c->state, NULL, NULL) < 0)
        c->state = DOMAIN_OTHER;
    return c->ops->xml(c->domain, &c->xml, e);
}

/* Nobody is there to answer. That all is well is not said: another host may have it, unknown to
 * this libvirt. */
static int check_up(enum domain_state state, const char *name, struct err *e)
{
    switch (state) {
    case DOMAIN_OFF:
        return err_set(e, ERR_REFUSED,
                       "domain '%s' is shut off: nothing is frozen; if another host runs it, thaw "
                       "it there",
                       name);
    case DOMAIN_AWAY:
        return err_set(e, ERR_REFUSED, "domain '%s' was migrated to another host: thaw it there",
                       name);
    case DOMAIN_SAVED:
        return err_set(e, ERR_REFUSED,
                       "domain '%s' is off and libvirt keeps its memory: nobody answers before "
                       "'virsh start %s'",
                       name, name);
    case DOMAIN_RUNS:
    case DOMAIN_OTHER:
        break;
    }
    return 0;
}

static int open_domain(struct run *r, struct err *e)
{
    struct domain_job job;
    struct domain_call *c;
    int rc;

    if (run_open_domain(r, e) < 0)
        return -1;
    job = domain_job_start(r, call_look);
    if (domain_job_wait(r, &job, mono_in_ms(r->conf->libvirt_ms), &c, "read the XML", e) < 0)
        return -1;
    rc = check_up(c->state, r->domain_name, e);
    if (rc == 0)
        rc = domain_xml_parse(&r->xml, c->xml, e);
    domain_call_free(c);
    return rc;
}

static int thaw_by_agent(struct run *r, struct record *result, struct err *e)
{
    Cbsnap__Release release = CBSNAP__RELEASE__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    struct guest_request req = {.done = false};
    const Cbsnap__Released *rel;

    if (step_link(r, e) < 0)
        return -1;
    MSG_BODY(&m, release, RELEASE, &release);
    if (guest_call(r->guest, &req, &m, CBSNAP__ENVELOPE__BODY_RELEASED,
                   mono_in_ms(r->conf->answer_ms), e) < 0) {
        guest_request_release(&req);
        return -1;
    }
    rel = req.answer->released;
    record_set_bool(result, "agent.was_held", rel->has_held && rel->held);
    record_set_text(result, "agent.reason", rel->reason);
    (void)run_check_released(rel, e);
    guest_request_release(&req);
    return err_is_set(e) ? -1 : 0;
}

static int thaw_by_libvirt(struct run *r, struct record *result, struct err *e)
{
    struct domain_job job = domain_job_start(r, domain_call_thaw);
    struct domain_call *c;

    if (domain_job_wait(r, &job, mono_in_ms(r->conf->libvirt_ms), &c, "thaw", e) < 0)
        return -1;
    record_set_int(result, "libvirt.thawed", c->filesystems);
    domain_call_free(c);
    return 0;
}

static void print_result(const struct run *r, const struct err *agent, const struct err *libvirt)
{
    printf("%s: agent: %s%s\n", r->domain_name, err_is_set(agent) ? "failed: " : "let go",
           err_is_set(agent) ? agent->msg : "");
    printf("%s: qemu-ga: %s%s\n", r->domain_name, err_is_set(libvirt) ? "failed: " : "thawed",
           err_is_set(libvirt) ? libvirt->msg : "");
}

int cmd_thaw(const struct command_context *c, struct err *e)
{
    struct err agent = ERR_INIT, libvirt = ERR_INIT;
    struct record *result;
    struct run r;
    int status = EXIT_DONE;

    run_init(&r, c->conf, &domain_libvirt, c->loop, c->uri, c->args[0]);
    r.report = progress_reporter(true);
    if (open_domain(&r, e) < 0) {
        run_release(&r);
        return EXIT_REFUSED;
    }
    result = record_new();
    (void)thaw_by_agent(&r, result, &agent);
    (void)thaw_by_libvirt(&r, result, &libvirt);
    if (err_is_set(&agent))
        record_set_text(result, "agent.error", agent.msg);
    if (err_is_set(&libvirt))
        record_set_text(result, "libvirt.error", libvirt.msg);
    if (c->json)
        command_answer(c, result);
    else
        print_result(&r, &agent, &libvirt);
    if (loop_cancelled(c->loop) && err_is_set(&libvirt)) {
        err_set(e, ERR_CANCELLED,
                "cancelled by a signal before qemu-ga of domain '%s' had answered; run it again",
                r.domain_name);
        status = EXIT_LOOK;
    } else if (err_is_set(&agent) && err_is_set(&libvirt)) {
        err_set(e, ERR_LOOK,
                "neither the agent nor qemu-ga of domain '%s' answers; look at its console, or "
                "restart it if writes stay blocked",
                r.domain_name);
        status = EXIT_LOOK;
    }
    record_free(result);
    run_release(&r);
    return status;
}
