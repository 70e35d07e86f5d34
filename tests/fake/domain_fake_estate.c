/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several domains with a life of their own; see domain_fake.h. */
#include "tests/fake/domain_fake_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

struct fake_estate estate;

/* ---- domains --------------------------------------------------------------------------------- */

void estate_go_off(struct fake_vm *vm, bool by_guest)
{
    free(vm->live);
    vm->live = NULL;
    vm->off_at_us = 0;
    vm->away = false;
    vm->by_guest = by_guest;
}

void estate_forget_saved(struct fake_vm *vm)
{
    free(vm->saved);
    vm->saved = NULL;
}

void estate_go_on(struct fake_vm *vm, const char *xml)
{
    if (vm->live)
        return;
    vm->live = xstrdup(xml);
    vm->away = vm->by_guest = false;
    estate_forget_saved(vm);
}

bool estate_exists(struct fake_vm *vm)
{
    if (vm->off_at_us != 0 && mono_us() >= vm->off_at_us)
        estate_go_off(vm, true);
    return vm->definition || vm->live;
}

static struct fake_vm *by_name(const char *name)
{
    for (size_t n = 0; n < estate.count; n++) {
        if (strcmp(estate.vms[n].name, name) == 0)
            return &estate.vms[n];
    }
    return NULL;
}

static struct fake_vm *by_uuid(const char *uuid)
{
    for (size_t n = 0; n < estate.count; n++) {
        if (strcmp(estate.vms[n].uuid, uuid) == 0 && estate_exists(&estate.vms[n]))
            return &estate.vms[n];
    }
    return NULL;
}

/* The text of the first element of that name, without the space around it; "" if there is none. */
static void text_in(const char *xml, const char *element, char *ret, size_t size)
{
    AUTO_FREE char *open = xasprintf("<%s>", element);
    const char *from = strstr(xml, open);
    size_t len;

    *ret = '\0';
    if (!from)
        return;
    from += strlen(open);
    from += strspn(from, " \t\r\n");
    len = strcspn(from, " \t\r\n<");
    if (len < size)
        (void)snprintf(ret, size, "%.*s", (int)len, from);
}

static struct fake_vm *add(const char *name)
{
    struct fake_vm *vm = by_name(name);

    if (vm)
        return vm;
    if (estate.count == FAKE_VMS_MAX)
        abort();
    vm = &estate.vms[estate.count++];
    (void)snprintf(vm->name, sizeof(vm->name), "%s", name);
    return vm;
}

static void set_uuid(struct fake_vm *vm, const char *xml)
{
    char uuid[sizeof(vm->uuid)];

    text_in(xml, "uuid", uuid, sizeof(uuid));
    if (*uuid)
        memcpy(vm->uuid, uuid, sizeof(uuid));
    else if (!*vm->uuid)
        (void)snprintf(vm->uuid, sizeof(vm->uuid), "00000000-0000-4000-8000-%012u",
                       (unsigned)(vm - estate.vms) + 1);
}

void estate_replace(char **text, const char *with)
{
    char *copy = xstrdup(with); /* it may be the same */

    free(*text);
    *text = copy;
}

int estate_place(const char *xml, struct fake_vm **ret, struct err *e)
{
    char name[64], uuid[40];
    struct fake_vm *named, *same;

    text_in(xml, "name", name, sizeof(name));
    text_in(xml, "uuid", uuid, sizeof(uuid));
    if (!*name)
        return err_set(e, ERR_LIBVIRT, "the fake finds no <name> in the definition");
    named = by_name(name);
    same = by_uuid(uuid);
    if (named && estate_exists(named) && same != named)
        return err_set(e, ERR_REFUSED, "the fake has a domain '%s' with UUID %s already", name,
                       named->uuid);
    if (same && same != named)
        return err_set(e, ERR_REFUSED, "the fake has UUID %s already, as domain '%s'", uuid,
                       same->name);
    *ret = add(name);
    if (!estate_exists(*ret))
        *(*ret)->uuid = '\0';
    set_uuid(*ret, xml);
    return 0;
}

int estate_find(const char *name, struct fake_vm **ret, struct err *e)
{
    struct fake_vm *vm = by_name(name);

    if (!vm || !estate_exists(vm))
        vm = by_uuid(name);
    if (!vm && estate.strict)
        return err_set(e, ERR_NOT_FOUND, "the fake has no domain '%s'", name);
    *ret = vm;
    return 0;
}

const char *estate_name(const struct fake_vm *vm)
{
    return vm->name;
}

const char *estate_uuid(const struct fake_vm *vm)
{
    return vm->uuid;
}

const char *estate_xml(struct fake_vm *vm)
{
    if (!vm || !estate_exists(vm))
        return NULL;
    return vm->live ? vm->live : vm->definition;
}

int estate_still_there(struct fake_vm *vm, struct err *e)
{
    if (vm && !estate_exists(vm))
        return err_set(e, ERR_NOT_FOUND, "the fake has no domain '%s' any more", vm->name);
    return 0;
}

int estate_running(struct fake_vm *vm, struct err *e)
{
    if (estate_still_there(vm, e) < 0)
        return -1;
    if (vm && !vm->live)
        return err_set(e, ERR_REFUSED, "domain '%s' is shut off, not running", vm->name);
    return 0;
}

/* Without a definition nothing is left of it. */
void estate_owner_gone(struct fake_vm *vm)
{
    estate_go_off(vm, false);
}

void estate_reset(void)
{
    for (size_t n = 0; n < estate.count; n++) {
        free(estate.vms[n].definition);
        free(estate.vms[n].live);
        free(estate.vms[n].saved);
    }
    memset(&estate, 0, sizeof(estate));
}

/* ---- the test's side ------------------------------------------------------------------------- */

void domain_fake_define(const char *name, const char *xml, bool running)
{
    AUTO_LOCK(lock, fake_mutex());
    struct fake_vm *vm = add(name);

    estate.strict = true;
    set_uuid(vm, xml);
    estate_replace(&vm->definition, xml);
    estate_go_off(vm, false);
    estate_forget_saved(vm);
    if (running)
        estate_go_on(vm, xml);
}

void domain_fake_redefine(const char *name, const char *xml)
{
    AUTO_LOCK(lock, fake_mutex());
    struct fake_vm *vm = by_name(name);

    if (!vm || !estate_exists(vm))
        abort();
    estate_replace(&vm->definition, xml);
}

void domain_fake_power(const char *name, bool on)
{
    AUTO_LOCK(lock, fake_mutex());
    struct fake_vm *vm = by_name(name);

    if (!vm || !estate_exists(vm))
        abort();
    if (!on)
        estate_go_off(vm, false);
    else
        estate_go_on(vm, vm->saved ? vm->saved : vm->definition);
}

void domain_fake_save(const char *name)
{
    AUTO_LOCK(lock, fake_mutex());
    struct fake_vm *vm = by_name(name);

    if (!vm || !estate_exists(vm) || !vm->live)
        abort();
    estate_replace(&vm->saved, vm->live);
    estate_go_off(vm, false);
}

void domain_fake_migrate(const char *name)
{
    domain_fake_power(name, false);
    AUTO_LOCK(lock, fake_mutex());
    by_name(name)->away = true;
}

void domain_fake_set_shutdown(enum domain_shutdown how, int ms)
{
    AUTO_LOCK(lock, fake_mutex());
    estate.shutdown_ms[how] = ms;
}

void domain_fake_set_host(const char *host, const char *hypervisor, const char *libvirt)
{
    AUTO_LOCK(lock, fake_mutex());
    estate.host = (struct domain_host){(char *)host, (char *)hypervisor, (char *)libvirt};
}

const char *domain_fake_definition(const char *name)
{
    AUTO_LOCK(lock, fake_mutex());
    struct fake_vm *vm = by_name(name);

    return vm && estate_exists(vm) ? vm->definition : NULL;
}

const char *domain_fake_live(const char *name)
{
    AUTO_LOCK(lock, fake_mutex());
    struct fake_vm *vm = by_name(name);

    return vm && estate_exists(vm) ? vm->live : NULL;
}

bool domain_fake_runs(const char *name)
{
    return domain_fake_live(name) != NULL;
}

unsigned domain_fake_did(const char *name, enum domain_fn fn)
{
    AUTO_LOCK(lock, fake_mutex());
    const struct fake_vm *vm = by_name(name);

    return vm ? vm->did[fn] : 0;
}
