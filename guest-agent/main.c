/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of cbsnap-agent. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "guest-agent/catalogue.h"
#include "guest-agent/commands.h"
#include "guest-agent/confine/confine.h"
#include "guest-agent/daemon.h"
#include "proto/base/log.h"
#include "proto/base/nodump.h"

static const char usage[] =
    "Usage: cbsnap-agent [--config FILE] [--json] [-v] [COMMAND]\n"
    "\n"
    "  daemon                run in the foreground (default)\n"
    "  hook freeze|thaw      what qemu-ga's hook runs: take the lock, let it go\n"
    "  status                what is held now, and how the last freeze ended\n"
    "  check                 would a freeze of this guest be consistent? changes nothing\n"
    "  metrics               every metric there is, with unit, kind and source\n"
    "\n"
    "  -c, --config FILE     instead of " AGENT_CONF_DEFAULT "\n"
    "      --json            status, check, metrics: one JSON document on stdout\n"
    "      --markdown        metrics: the reference page\n"
    "  -v, --verbose         more in the log\n"
    "      --version, --help\n"
    "\n"
    "Exit: 0 done, 1 the hook failed, 2 usage or configuration, 3 no daemon, or check found "
    "faults\n";

enum { OPT_JSON = 256, OPT_MARKDOWN, OPT_VERSION, OPT_HELP };

static int wrong(const char *what, const char *word)
{
    fprintf(stderr, "cbsnap-agent: %s%s%s%s; see cbsnap-agent --help\n", what, word ? " '" : "",
            word ? word : "", word ? "'" : "");
    return EXIT_USAGE;
}

/* Options may stand anywhere. -1: go on; else the exit code. */
static int read_options(int argc, char **argv, struct command_line *c)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"json", no_argument, NULL, OPT_JSON},
                                            {"markdown", no_argument, NULL, OPT_MARKDOWN},
                                            {"version", no_argument, NULL, OPT_VERSION},
                                            {"help", no_argument, NULL, OPT_HELP},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {0}};
    int option;

    while ((option = getopt_long(argc, argv, "c:hv", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            c->config = optarg;
            break;
        case OPT_JSON:
            c->json = true;
            break;
        case OPT_MARKDOWN:
            c->markdown = true;
            break;
        case OPT_VERSION:
            printf("cbsnap-agent " CBSNAP_VERSION "%s\n",
                   confine_filters() ? "" : ", without a filter of system calls");
            return EXIT_OK;
        case 'v':
            log_set_level(LOG_LEVEL_DEBUG);
            break;
        case OPT_HELP:
        case 'h':
            fputs(usage, stdout);
            return EXIT_OK;
        default:
            return EXIT_USAGE; /* getopt has said why */
        }
    }
    return -1;
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
    fputs(buf_text(&text), stdout);
    buf_release(&text);
    return EXIT_OK;
}

int main(int argc, char **argv)
{
    struct command_line c = {.config = NULL};
    const char *command;
    int rc, words;
    bool is_hook;

    no_dumps();
    rc = read_options(argc, argv, &c);
    if (rc >= 0)
        return rc;
    words = argc - optind;
    command = words > 0 ? argv[optind] : "daemon";
    is_hook = strcmp(command, "hook") == 0;
    if (words > (is_hook ? 2 : 1))
        return wrong("one word too many:", argv[optind + (is_hook ? 2 : 1)]);
    if (is_hook) {
        c.action = words > 1 ? argv[optind + 1] : "";
        if (strcmp(c.action, "freeze") != 0 && strcmp(c.action, "thaw") != 0)
            return wrong("hook is followed by freeze or thaw, not", c.action);
        return command_hook(&c);
    }
    if (strcmp(command, "daemon") == 0)
        return daemon_run(c.config);
    if (strcmp(command, "status") == 0)
        return command_status(&c);
    if (strcmp(command, "check") == 0)
        return command_check(&c);
    if (strcmp(command, "metrics") == 0)
        return command_metrics(&c);
    return wrong("there is no command", command);
}
