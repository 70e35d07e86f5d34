/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cbsnap-coord: options, the command's row, its preconditions, its exit status. */
#include "host-coordinator/command/command.h"

#include "proto/base/cleanup.h"
#include "proto/base/log.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_CONFIG CBSNAP_SYSCONFDIR "/cbsnap/coord.conf"

struct options {
    const char *uri, *config;
    bool json, verbose;
};

static const struct option long_options[] = {
    {"connect", required_argument, NULL, 'c'},
    {"config", required_argument, NULL, 'C'},
    {"json", no_argument, NULL, 'j'},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static void print_help(void)
{
    puts("cbsnap-coord: consistent, proven snapshots of a MySQL virtual machine\n\n"
         "usage: cbsnap-coord [OPTION]... COMMAND [ARGUMENT]...\n");
    for (size_t n = 0; n < command_count; n++)
        printf("  %-9s %-9s %s\n", commands[n].name, commands[n].synopsis, commands[n].help);
    puts(
        "\n  -c, --connect URI  libvirt connection, remote ones too\n"
        "  --config FILE      instead of " DEFAULT_CONFIG "\n"
        "  --json             one JSON document on stdout, nothing else there\n"
        "  -v, --verbose      more on stderr\n"
        "  --help, --version\n\n"
        "exit status: 0 done, 2 usage or configuration, 3 refused before anything was touched,\n"
        "4 failed (the VM is thawed and unlocked, what was half made is removed), 5 a person must\n"
        "look");
}

static const struct command *find_command(const char *name)
{
    for (size_t n = 0; n < command_count; n++) {
        if (strcmp(commands[n].name, name) == 0)
            return &commands[n];
    }
    return NULL;
}

/* stdout carries one JSON document even when there is nothing but an error to tell. */
static void tell(const struct options *o, const struct err *e, int status, bool documented)
{
    if (!err_is_set(e))
        return;
    fprintf(stderr, "cbsnap-coord: %s\n", e->msg);
    if (o->json && !documented) {
        struct record *r = record_new();
        AUTO_FREE char *text = NULL;

        record_set_text(r, "error.code", err_code_name(e->code));
        record_set_text(r, "error.message", e->msg);
        record_set_int(r, "exit", status);
        text = record_format(r);
        fputs(text, stdout);
        record_free(r);
    }
}

static int run_command(const struct command *cmd, const struct options *o, char **args, int count,
                       struct err *e)
{
    struct command_context c = {.json = o->json, .verbose = o->verbose};
    struct config conf;
    int status;

    if (config_load(&conf, o->config, cmd->needs & NEED_APPLIANCES, e) < 0)
        return EXIT_USAGE;
    c.conf = &conf;
    c.uri = o->uri ? o->uri : conf.uri;
    c.args = args;
    c.arg_count = count;
    if (cmd->needs & NEED_LOOP) {
        c.loop = loop_new();
        loop_catch_signals(c.loop);
    }
    status = cmd->run(&c, e);
    loop_free(c.loop);
    config_release(&conf);
    return status;
}

/* The index of the first word that is no option. Ends the program on --help, --version, misuse. */
static int parse(int argc, char **argv, struct options *o)
{
    int opt;

    while ((opt = getopt_long(argc, argv, "c:vh", long_options, NULL)) != -1) {
        switch (opt) {
        case 'c':
            o->uri = optarg;
            break;
        case 'C':
            o->config = optarg;
            break;
        case 'j':
            o->json = true;
            break;
        case 'v':
            o->verbose = true;
            log_set_level(LOG_LEVEL_DEBUG);
            break;
        case 'h':
            print_help();
            exit(EXIT_DONE);
        case 'V':
            puts("cbsnap-coord " CBSNAP_VERSION);
            exit(EXIT_DONE);
        default:
            exit(EXIT_USAGE); /* getopt has said what is wrong */
        }
    }
    return optind;
}

int main(int argc, char **argv)
{
    struct options o = {.config = DEFAULT_CONFIG};
    struct err e = ERR_INIT;
    int first = parse(argc, argv, &o), count = argc - first - 1, status = EXIT_USAGE;
    const struct command *cmd = first < argc ? find_command(argv[first]) : NULL;

    signal(SIGPIPE, SIG_IGN);
    if (first >= argc)
        err_set(&e, ERR_USAGE, "no command given; cbsnap-coord --help lists them");
    else if (!cmd)
        err_set(&e, ERR_USAGE, "there is no command '%s'; cbsnap-coord --help lists them",
                argv[first]);
    else if (count < cmd->min_args || count > cmd->max_args)
        err_set(&e, ERR_USAGE, "usage: cbsnap-coord %s %s", cmd->name, cmd->synopsis);
    else
        status = run_command(cmd, &o, argv + first + 1, count, &e);
    /* a run that touched something has printed its record, which tells the error */
    tell(&o, &e, status, status == EXIT_FAILED || status == EXIT_LOOK);
    return status;
}
