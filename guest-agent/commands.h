/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of cbsnap-agent, and how they end. Each prints its own errors. */
#ifndef CBSNAP_AGENT_COMMANDS_H
#define CBSNAP_AGENT_COMMANDS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/message.h"

enum {
    EXIT_OK = 0,
    EXIT_HOOK = 1,  /* the hook failed: qemu-ga must not go on */
    EXIT_USAGE = 2, /* command line or configuration */
    EXIT_REFUSED =
        3, /* no daemon, another daemon, or `check` found something that stops a freeze */
};

struct command_line {
    const char *config; /* NULL: the default file */
    const char *action; /* of hook: "freeze" or "thaw" */
    bool json, markdown;
};

int command_hook(const struct command_line *c);
int command_status(const struct command_line *c);
int command_check(const struct command_line *c);

/*
 * Asks the daemon on its socket and waits for the answer with body `expected`. ERR_NOT_FOUND: no
 * daemon there; ERR_TIMEOUT; the daemon's own error. The caller frees *ret with message_free().
 */
int client_call(const char *socket, Cbsnap__Envelope *request, Cbsnap__Envelope__BodyCase expected,
                int64_t wait_ms, Cbsnap__Envelope **ret, struct err *e);

#endif
