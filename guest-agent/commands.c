/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of the agent's commands, options and exit statuses; see commands.h. */
#include "guest-agent/commands.h"

#include <stdio.h>

#include "guest-agent/catalogue.h"
#include "guest-agent/daemon.h"
#include "guest-agent/json.h"
#include "guest-agent/options.h"
#include "proto/base/cleanup.h"
#include "proto/base/output.h"

const struct usage_option agent_options[] = {
    {'c', "config", "FILE", "instead of " AGENT_CONF_DEFAULT},
    {0, "json", NULL, "status, check, metrics: one JSON document on stdout"},
    {0, "markdown", NULL, "metrics: the reference page"},
    {'v', "verbose", NULL, "more in the log"},
    {'h', "help", NULL, "say what there is"},
    {0, "version", NULL, "print the version"},
    {0},
};

const struct usage_exit agent_exits[] = {
    {EXIT_OK, "done"},
    {EXIT_HOOK, "the hook failed: qemu-ga must not go on"},
    {EXIT_USAGE, "usage or configuration"},
    {EXIT_REFUSED, "no daemon, or another one; or check found what stops a freeze"},
    {EXIT_UNTOLD, "what was asked for could not be written to standard output"},
};
const size_t agent_exit_count = ARRAY_SIZE(agent_exits);

int command_failed(const struct command_line *c, const struct err *e, int status)
{
    struct buf b = BUF_INIT;

    fprintf(stderr, "cbsnap-agent: %s\n", e->msg);
    if (!c->json)
        return status;
    json_open(&b, NULL, '{');
    json_open(&b, "error", '{');
    json_text(&b, "code", err_code_name(e->code));
    json_text(&b, "message", e->msg);
    json_close(&b, '}');
    json_number(&b, "exit", status);
    json_close(&b, '}');
    printf("%s\n", buf_text(&b));
    buf_release(&b);
    return status;
}

static int command_daemon(const struct command_line *c)
{
    return daemon_run(c->config);
}

static int command_metrics(const struct command_line *c)
{
    struct buf text = BUF_INIT;

    if (c->json)
        catalogue_json(&text);
    else if (c->markdown)
        catalogue_markdown(&text);
    else
        catalogue_text(&text);
    output_put(buf_text(&text));
    buf_release(&text);
    return EXIT_OK;
}

const struct agent_command agent_commands[] = {
    {"daemon", "", "run in the foreground (default)", command_daemon},
    {"hook", "freeze|thaw", "what qemu-ga's hook runs: take the lock, or let it go", command_hook},
    {"status", "", "say what is held now, and how the last freeze ended", command_status},
    {"check", "", "say whether a freeze of this guest would be consistent; changes nothing",
     command_check},
    {"metrics", "", "list every metric there is, with unit, kind and source", command_metrics},
};
const size_t agent_command_count = ARRAY_SIZE(agent_commands);
