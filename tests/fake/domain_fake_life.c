/* SPDX-License-Identifier: GPL-2.0-or-later */
/* domain_ops that make, start and end domains; see domain_fake.h. */
#include "tests/fake/domain_fake_internal.h"

#include <stdlib.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

static enum domain_state state_of(const struct fake_vm *vm)
{
    if (!vm || vm->live)
        return DOMAIN_RUNS;
    return vm->away ? DOMAIN_AWAY : vm->saved ? DOMAIN_SAVED : DOMAIN_OFF;
}

int fake_state(struct domain *d, enum domain_state *ret, bool *ret_by_guest, struct err *e)
{
    CALL;
    struct fake_vm *vm;

    if (fake_begin(FAKE_STATE, e) < 0)
        return -1;
    AUTO_LOCK(lock, fake_mutex());
    vm = fake_vm_locked(d);
    if (estate_still_there(vm, e) < 0)
        return -1;
    if (ret_by_guest)
        *ret_by_guest = vm && vm->by_guest;
    *ret = state_of(vm);
    return 0;
}

int fake_definition(struct domain *d, char **ret, struct err *e)
{
    CALL;
    struct fake_vm *vm;

    if (fake_begin(FAKE_DEFINITION, e) < 0)
        return -1;
    AUTO_LOCK(lock, fake_mutex());
    vm = fake_vm_locked(d);
    if (estate_still_there(vm, e) < 0)
        return -1;
    if (vm && !vm->definition)
        return err_set(e, ERR_NOT_FOUND, "domain '%s' is transient", vm->name);
    if (fake_garbage())
        *ret = xstrdup("");
    else
        *ret = vm ? xstrdup(vm->definition) : fake_definition_locked(d);
    return 0;
}

int fake_host(struct domain *d, struct domain_host *ret, struct err *e)
{
    CALL;
    (void)d;
    if (fake_begin(FAKE_HOST, e) < 0)
        return -1;
    if (fake_garbage())
        return 0; /* nothing is told */
    AUTO_LOCK(lock, fake_mutex());
    ret->host = xstrdup(estate.host.host ? estate.host.host : "hv1");
    ret->hypervisor = xstrdup(estate.host.hypervisor ? estate.host.hypervisor : "QEMU 7.2.22");
    ret->libvirt = xstrdup(estate.host.libvirt ? estate.host.libvirt : "9.0.0");
    return 0;
}

int fake_define(struct domain **ret, const char *uri, const char *xml, struct err *e)
{
    CALL;
    struct fake_vm *vm;

    (void)uri;
    if (fake_begin(FAKE_DEFINE, e) < 0)
        return -1;
    AUTO_LOCK(lock, fake_mutex());
    if (estate_place(xml, &vm, e) < 0)
        return -1;
    estate_replace(&vm->definition, xml);
    vm->did[FAKE_DEFINE]++;
    *ret = fake_handle_locked(vm->name, vm);
    return 0;
}

int fake_create(struct domain **ret, const char *uri, const char *xml, struct err *e)
{
    CALL;
    struct fake_vm *vm;

    (void)uri;
    if (fake_begin(FAKE_CREATE, e) < 0)
        return -1;
    AUTO_LOCK(lock, fake_mutex());
    if (estate_place(xml, &vm, e) < 0)
        return -1;
    if (vm->live)
        return err_set(e, ERR_REFUSED, "domain '%s' runs already", vm->name);
    estate_go_on(vm, xml);
    vm->did[FAKE_CREATE]++;
    *ret = fake_handle_locked(vm->name, vm);
    (*ret)->creator = true;
    return 0;
}

int fake_start(struct domain *d, struct err *e)
{
    CALL;
    struct fake_vm *vm;

    if (fake_begin(FAKE_START, e) < 0)
        return -1;
    AUTO_LOCK(lock, fake_mutex());
    vm = fake_vm_locked(d);
    if (estate_still_there(vm, e) < 0)
        return -1;
    if (!vm || vm->live)
        return 0;
    estate_go_on(vm, vm->definition);
    vm->did[FAKE_START]++;
    return 0;
}

int fake_forget_saved(struct domain *d, struct err *e)
{
    CALL;
    struct fake_vm *vm;

    if (fake_begin(FAKE_FORGET_SAVED, e) < 0)
        return -1;
    AUTO_LOCK(lock, fake_mutex());
    vm = fake_vm_locked(d);
    if (estate_still_there(vm, e) < 0)
        return -1;
    if (vm)
        estate_forget_saved(vm);
    return 0;
}

int fake_shutdown(struct domain *d, enum domain_shutdown how, struct err *e)
{
    CALL;
    struct fake_vm *vm;
    int ms;

    if (fake_begin(FAKE_SHUTDOWN, e) < 0)
        return -1;
    AUTO_LOCK(lock, fake_mutex());
    vm = fake_vm_locked(d);
    ms = estate.shutdown_ms[how];
    if (estate_running(vm, e) < 0)
        return -1;
    if (ms == FAKE_ABSENT)
        return err_set(e, ERR_LIBVIRT, "domain '%s' has nobody to be asked", d->name);
    if (!vm)
        return 0;
    vm->did[FAKE_SHUTDOWN]++;
    if (ms >= 0 && vm->off_at_us == 0)
        vm->off_at_us = mono_us() + (int64_t)ms * 1000;
    return 0;
}

int fake_destroy(struct domain *d, struct err *e)
{
    CALL;
    struct fake_vm *vm;

    if (fake_begin(FAKE_DESTROY, e) < 0)
        return -1;
    AUTO_LOCK(lock, fake_mutex());
    vm = fake_vm_locked(d);
    /* as the real one: of a transient domain nothing is left, and that is what was asked for */
    if (!vm || !estate_exists(vm) || !vm->live)
        return 0;
    estate_go_off(vm, false);
    vm->did[FAKE_DESTROY]++;
    return 0;
}

int fake_undefine(struct domain *d, struct err *e)
{
    CALL;
    struct fake_vm *vm;

    if (fake_begin(FAKE_UNDEFINE, e) < 0)
        return -1;
    AUTO_LOCK(lock, fake_mutex());
    vm = fake_vm_locked(d);
    if (estate_still_there(vm, e) < 0)
        return -1;
    if (!vm)
        return 0;
    if (vm->live)
        return err_set(e, ERR_REFUSED, "domain '%s' is running, not shut off", vm->name);
    free(vm->definition);
    vm->definition = NULL;
    estate_forget_saved(vm);
    vm->did[FAKE_UNDEFINE]++;
    return 0;
}
