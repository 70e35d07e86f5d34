/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VM that only verifies: made of clones, reached by nobody, and gone at the end. See back.h. */
#include "host-coordinator/back/vm.h"

#include "host-coordinator/xml/domain_rewrite.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

static int call_create(struct domain_call *c, struct err *e)
{
    return c->ops->create(&c->opened, c->uri, c->text, e);
}

int vm_end_by_name(struct back *b, const char *name, struct err *e)
{
    AUTO_FREE char *definition = NULL;
    enum domain_state state;
    int there = vm_look_at(b, name, &definition, &state, e);

    if (there <= 0)
        return there;
    return vm_call(b, vm_call_destroy, NULL, 0, VM_LIFE_MS(b), "end the throw-away VM", e);
}

static int make_definition(struct back *b, struct err *e)
{
    AUTO_FREE char *name = xasprintf("%s%s", BACK_VERIFY_PREFIX, b->run.set);
    AUTO_FREE char *asset = xasprintf("cbsnap-verify:%s", b->id);
    struct domain_rewrite how = {.kind = REWRITE_THROWAWAY, .name = name, .asset = asset};
    char uuid[37];

    vm_make_uuid(uuid);
    how.uuid = uuid;
    how.memory_mib = b->memory_mib ? b->memory_mib : b->run.conf->verify_mib;
    return vm_make_over(b, &how, e);
}

int step_throwaway_fits(void *back, struct err *e)
{
    struct back *b = back;

    return vm_rehearsed(b, make_definition(b, e), e) < 0 ? -1 : back_clone_access(b, e);
}

int step_throwaway(void *back, struct err *e)
{
    struct back *b = back;

    if (make_definition(b, e) < 0 || loop_check(b->run.loop, e) < 0)
        return -1;
    b->started_vm = true;
    if (vm_call(b, call_create, b->new_definition, 0, VM_LIFE_MS(b) * 2, "start the throw-away VM",
                e) < 0)
        return -1;
    return vm_read_live(b, e);
}

/* libvirt ends it with our connection in any case. By its name, too: a call that was given up on
 * has told us of no domain, and may have started one. */
int step_throwaway_undo(void *back, struct err *e)
{
    struct back *b = back;
    AUTO_FREE char *name = xasprintf("%s%s", BACK_VERIFY_PREFIX, b->run.set);
    struct err why = ERR_INIT;
    int rc = 0;

    if (!b->started_vm)
        return 0;
    if (b->run.domain)
        (void)vm_call(b, vm_call_destroy, NULL, 0, VM_LIFE_MS(b), "end the throw-away VM", &why);
    b->run.ops->close(b->run.domain);
    b->run.domain = NULL;
    rc = vm_end_by_name(b, name, e);
    b->run.ops->close(b->run.domain);
    b->run.domain = NULL;
    b->started_vm = rc < 0;
    if (rc < 0)
        return err_set(e, ERR_LOOK,
                       "throw-away VM '%s' may be left: cbsnap-coord recover ends it (%.200s)",
                       name, e->msg);
    return 0;
}
