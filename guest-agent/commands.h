/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of cbsnap-agent as rows, and how they end. Each tells its own errors. */
#ifndef CBSNAP_AGENT_COMMANDS_H
#define CBSNAP_AGENT_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/usage.h"
#include "proto/message.h"

/* Exit statuses; agent_exits says what each means. */
enum {
    EXIT_OK = 0,
    EXIT_HOOK = 1,
    EXIT_USAGE = 2,
    EXIT_REFUSED = 3,
    EXIT_UNTOLD = 4,
};

struct command_line {
    const char *config; /* NULL: the default file */
    const char *action; /* of hook: "freeze" or "thaw" */
    bool json, markdown;
};

struct agent_command {
    const char *name;
    const char *synopsis; /* of its argument: "freeze|thaw"; "" when it takes none */
    const char *help;
    int (*run)(const struct command_line *c); /* returns the exit status */
};

extern const struct agent_command agent_commands[];
extern const size_t agent_command_count;
extern const struct usage_option agent_options[]; /* of all commands */
extern const struct usage_exit agent_exits[];
extern const size_t agent_exit_count;

/* Says what went wrong; with --json on stdout too, which carries one document even then. Returns
 * `status`. */
int command_failed(const struct command_line *c, const struct err *e, int status);

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
