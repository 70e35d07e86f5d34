/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `cbsnap-agent hook freeze|thaw`: what qemu-ga's hook runs. It only asks the daemon and waits: a
 * lock taken by this process would end with it.
 *
 * It lies within the write stall, so it does nothing once it has its answer. A freeze without the
 * lock must not pass for a consistent one: any doubt is exit 1. A thaw has nothing to stop.
 */
#include "guest-agent/commands.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guest-agent/options.h"
#include "guest-agent/session/live.h"

/* beyond the lock's own budget: the worker may be busy with a prepare */
#define SPARE_MS     10000
#define THAW_WAIT_MS 30000

int command_hook(const struct command_line *c)
{
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT, *answer = NULL;
    Cbsnap__HookRequest request = CBSNAP__HOOK_REQUEST__INIT;
    bool freeze = strcmp(c->action, "freeze") == 0;
    struct agent_options options;
    struct lock_limits limits;
    struct err e = ERR_INIT;
    int rc;

    /* a thaw goes on with what could be read: a file broken meanwhile must not keep the lock */
    if (options_read(&options, c->config, &e) < 0) {
        fprintf(stderr, "cbsnap-agent: %s\n", e.msg);
        if (freeze)
            return EXIT_HOOK;
        e = ERR_INIT;
    }
    limits = options_limits(&options);
    MSG_SET(&request, action,
            freeze ? CBSNAP__HOOK_REQUEST__ACTION__FREEZE : CBSNAP__HOOK_REQUEST__ACTION__THAW);
    MSG_BODY(&m, hook_request, HOOK_REQUEST, &request);
    rc = client_call(options.socket, &m, CBSNAP__ENVELOPE__BODY_HOOK_ANSWER,
                     freeze ? live_lock_budget_ms(&limits) + SPARE_MS : THAW_WAIT_MS, &answer, &e);
    if (rc == 0 && answer->hook_answer->error)
        rc = message_to_err(answer->hook_answer->error, &e);
    if (rc == 0 && answer->hook_answer->note && *answer->hook_answer->note)
        fprintf(stderr, "cbsnap-agent: %s\n", answer->hook_answer->note);
    if (rc < 0)
        fprintf(stderr, "cbsnap-agent: %s\n", e.msg);
    /* no agent at thaw: nothing is held by it, and there is nothing to tell qemu-ga */
    if (rc < 0 && !freeze && (e.code == ERR_NOT_FOUND || e.code == ERR_AUTH))
        rc = 0;
    _exit(rc < 0 ? EXIT_HOOK : EXIT_OK); /* no destructors, no freeing: writers are waiting */
}
