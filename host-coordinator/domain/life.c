/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a domain runs, its start and its end; see domain.h. */
#include "host-coordinator/domain/domain_internal.h"

#include "proto/base/cleanup.h"

/* What libvirt said last. */
static int last_code(void)
{
    const virError *why = virGetLastError();

    return why ? why->code : VIR_ERR_OK;
}

static const char *state_name(int state)
{
    static const char *const names[] = {
        [VIR_DOMAIN_NOSTATE] = "in no known state", [VIR_DOMAIN_RUNNING] = "running",
        [VIR_DOMAIN_BLOCKED] = "blocked",           [VIR_DOMAIN_PAUSED] = "paused",
        [VIR_DOMAIN_SHUTDOWN] = "shutting down",    [VIR_DOMAIN_SHUTOFF] = "shut off",
        [VIR_DOMAIN_CRASHED] = "crashed",           [VIR_DOMAIN_PMSUSPENDED] = "asleep",
    };

    if (state < 0 || (size_t)state >= ARRAY_SIZE(names))
        return "in a state we do not know";
    return names[state];
}

int domain_running(struct domain *d, struct err *e)
{
    HOLD(d);
    int state, reason;

    if (virDomainGetState(d->dom, &state, &reason, 0) < 0)
        return libvirt_error(e, "read the state of", d->name);
    /* Xen calls a running domain without work "blocked" */
    if (state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_BLOCKED)
        return 0;
    return err_set(e, ERR_REFUSED, "domain '%s' is %s, not running; %s it: virsh %s %s", d->name,
                   state_name(state), state == VIR_DOMAIN_PAUSED ? "resume" : "start",
                   state == VIR_DOMAIN_PAUSED ? "resume" : "start", d->name);
}

enum domain_state state_from(int state, int reason, bool active)
{
    switch (state) {
    case VIR_DOMAIN_RUNNING:
    case VIR_DOMAIN_BLOCKED:
        return DOMAIN_RUNS;
    case VIR_DOMAIN_SHUTOFF:
        /* the host that it left keeps its definition, unless told otherwise */
        return reason == VIR_DOMAIN_SHUTOFF_MIGRATED ? DOMAIN_AWAY : DOMAIN_OFF;
    case VIR_DOMAIN_CRASHED:
        /* with on_crash "preserve" QEMU stays, and with it what has the disks open */
        return active ? DOMAIN_OTHER : DOMAIN_OFF;
    default:
        return DOMAIN_OTHER;
    }
}

bool is_by_guest(int state, int reason)
{
    return state == VIR_DOMAIN_SHUTOFF && reason == VIR_DOMAIN_SHUTOFF_SHUTDOWN;
}

/* -1: it cannot be told. A driver without managed save has none. */
static int has_saved(struct domain *d)
{
    int rc = virDomainHasManagedSaveImage(d->dom, 0);

    return rc < 0 && last_code() == VIR_ERR_NO_SUPPORT ? 0 : rc;
}

int domain_state(struct domain *d, enum domain_state *ret, bool *ret_by_guest, struct err *e)
{
    HOLD(d);
    int state, reason, active = 0, saved = 0;
    enum domain_state found;

    if (virDomainGetState(d->dom, &state, &reason, 0) < 0 ||
        (state == VIR_DOMAIN_CRASHED && (active = virDomainIsActive(d->dom)) < 0))
        return libvirt_error(e, "read the state of", d->name);
    found = state_from(state, reason, active == 1);
    if (found == DOMAIN_OFF && (saved = has_saved(d)) < 0)
        return libvirt_error(e, "ask for a managed save of", d->name);
    *ret = saved ? DOMAIN_SAVED : found;
    if (ret_by_guest)
        *ret_by_guest = is_by_guest(state, reason);
    return 0;
}

/*
 * A managed save is the memory of a guest that had other disks than those it would wake up with: it
 * would write its old cache over them. The flag is only given when there may be one, since
 * libvirt's drivers without managed save do not know it.
 */
int domain_start(struct domain *d, struct err *e)
{
    HOLD(d);
    unsigned flags = 0;
    virError *why;
    int rc = virDomainIsActive(d->dom);

    if (rc == 1)
        return 0;
    if (rc < 0)
        return libvirt_error(e, "start", d->name);
    if (has_saved(d) != 0)
        flags |= VIR_DOMAIN_START_FORCE_BOOT;
    if (virDomainCreateWithFlags(d->dom, flags) == 0)
        return 0;
    why = virSaveLastError(); /* the next call forgets it */
    /* somebody else was faster */
    if (why && why->code == VIR_ERR_OPERATION_INVALID && virDomainIsActive(d->dom) == 1)
        rc = 0;
    else
        rc = libvirt_error_from(e, "start", d->name, why);
    virFreeError(why);
    return rc;
}

int domain_forget_saved(struct domain *d, struct err *e)
{
    HOLD(d);
    virError *why;
    int rc = 0;

    if (virDomainManagedSaveRemove(d->dom, 0) == 0)
        return 0;
    why = virSaveLastError();
    if (has_saved(d) != 0)
        rc = libvirt_error_from(e, "throw away the managed save of", d->name, why);
    virFreeError(why);
    return rc;
}

int domain_shutdown(struct domain *d, enum domain_shutdown how, struct err *e)
{
    HOLD(d);
    bool agent = how == DOMAIN_BY_AGENT;
    int rc = virDomainShutdownFlags(d->dom, agent ? VIR_DOMAIN_SHUTDOWN_GUEST_AGENT
                                                  : VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN);

    /* a driver with one way only knows no flags; without any, QEMU's would choose the agent */
    if (rc < 0 && !agent && last_code() == VIR_ERR_INVALID_ARG)
        rc = virDomainShutdown(d->dom);
    if (rc == 0)
        return 0;
    return libvirt_error(e, agent ? "have qemu-ga shut down" : "press the power button of",
                         d->name);
}

int domain_destroy(struct domain *d, struct err *e)
{
    HOLD(d);
    virError *why;
    int rc = 0;

    if (virDomainDestroy(d->dom) == 0)
        return 0;
    why = virSaveLastError();
    /* it was off; or a transient one was gone, or another one now has its name */
    if (!why || (why->code != VIR_ERR_NO_DOMAIN &&
                 (why->code != VIR_ERR_OPERATION_INVALID || virDomainIsActive(d->dom) != 0)))
        rc = libvirt_error_from(e, "end", d->name, why);
    virFreeError(why);
    return rc;
}
