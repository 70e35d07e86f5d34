/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cbsnap-coord: options, the command's row, its preconditions, its exit status. */
#include "host-coordinator/command/command.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/log.h"
#include "proto/base/nodump.h"
#include "proto/base/output.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct options {
    const char *uri, *config; /* NULL: not given */
    bool json, verbose, help, version;
    struct given_option *given; /* the command's own */
    size_t given_count;
};

enum { OPT_CONFIG = 0x100, OPT_JSON, OPT_VERSION, OPT_OF_COMMAND };

/* ---- options of the commands ----------------------------------------------------------------- */

/* getopt's number of a common option that has no letter. */
static int number_of(const struct usage_option *o)
{
    if (o->letter)
        return o->letter;
    return strcmp(o->name, "config") == 0 ? OPT_CONFIG
           : strcmp(o->name, "json") == 0 ? OPT_JSON
                                          : OPT_VERSION;
}

static void add_options(struct option **all, size_t *count, const struct usage_option *options,
                        bool common)
{
    for (const struct usage_option *o = options; o && o->name; o++) {
        *all = xrealloc(*all, (*count + 2) * sizeof(**all));
        (*all)[(*count)++] = (struct option){
            .name = o->name,
            .has_arg = o->value ? required_argument : no_argument,
            .val = common ? number_of(o) : OPT_OF_COMMAND,
        };
    }
}

/*
 * getopt_long() knows the options of all commands, as words come in any order; whether the command
 * that was given has them is asked afterwards. Two commands' options of one name take a value
 * both, or both none.
 */
static struct option *all_options(void)
{
    struct option *all = NULL;
    size_t count = 0;

    add_options(&all, &count, common_options, true);
    for (size_t c = 0; c < command_count; c++)
        add_options(&all, &count, commands[c].options, false);
    all[count] = (struct option){.name = NULL};
    return all;
}

static void keep_given(struct options *o, const char *name, const char *value)
{
    o->given = xrealloc(o->given, (o->given_count + 1) * sizeof(*o->given));
    o->given[o->given_count++] = (struct given_option){.name = name, .value = value ? value : ""};
}

static bool has_option(const struct command *cmd, const char *name)
{
    for (const struct usage_option *o = cmd->options; o && o->name; o++) {
        if (strcmp(o->name, name) == 0)
            return true;
    }
    return false;
}

static int check_given(const struct options *o, const struct command *cmd, struct err *e)
{
    for (size_t n = 0; n < o->given_count; n++) {
        if (!has_option(cmd, o->given[n].name))
            return err_set(e, ERR_USAGE, "'%s' has no option --%s; see cbsnap-coord %s --help",
                           cmd->name, o->given[n].name, cmd->name);
    }
    return 0;
}

static void print_help(void)
{
    puts("cbsnap-coord: consistent, proven snapshots of a MySQL virtual machine\n\n"
         "usage: cbsnap-coord [OPTION]... COMMAND [ARGUMENT]...\n");
    for (size_t n = 0; n < command_count; n++)
        printf("  %-9s %-9s %s\n", commands[n].name, commands[n].synopsis, commands[n].help);
    putchar('\n');
    usage_print_options(stdout, common_options, 2);
    putchar('\n');
    usage_print_exits(stdout, command_exits, command_exit_count);
    puts(
        "\ncbsnap-coord COMMAND --help tells the command's options; man cbsnap-coord-COMMAND, all");
}

static void print_command_help(const struct command *cmd)
{
    printf("usage: cbsnap-coord %s [OPTION]...%s%s\n\n%s\n\n", cmd->name, *cmd->synopsis ? " " : "",
           cmd->synopsis, cmd->help);
    usage_print_options(stdout, cmd->options, 2);
    if (cmd->options)
        putchar('\n');
    usage_print_options(stdout, common_options, 2);
    printf("\nman cbsnap-coord-%s says more\n", cmd->name);
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
static void tell(const struct options *o, const struct err *e, int status, bool answered)
{
    if (!err_is_set(e))
        return;
    fprintf(stderr, "cbsnap-coord: %s\n", e->msg);
    if (o->json && !answered) {
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

static int load_config(struct config *ret, const char *path, unsigned needs, struct err *e)
{
    struct err why = ERR_INIT;

    if ((needs & LIKE_APPLIANCES) && config_load(ret, path, true, &why) == 0)
        return 0;
    return config_load(ret, path, needs & NEED_APPLIANCES, e);
}

static int run_command(const struct command *cmd, const struct options *o, char **args, int count,
                       bool *answered, struct err *e)
{
    struct command_context c = {.json = o->json, .verbose = o->verbose, .answered = answered};
    AUTO_FREE char *domain = NULL;
    struct config conf;
    int status;

    if (load_config(&conf, o->config, cmd->needs, e) < 0)
        return EXIT_USAGE;
    c.conf = &conf;
    c.uri = o->uri ? o->uri : conf.uri;
    c.args = args;
    c.arg_count = count;
    if ((cmd->needs & RECORDS_DOMAIN) && count > 0) {
        if (store_domain_of(conf.state_dir, args[0], &domain, e) < 0) {
            config_release(&conf);
            return EXIT_USAGE;
        }
        c.args = &domain; /* there is no command with a second one */
    }
    c.given = o->given;
    c.given_count = o->given_count;
    if (cmd->needs & NEED_LOOP) {
        c.loop = loop_new();
        loop_catch_signals(c.loop);
    }
    status = cmd->run(&c, e);
    loop_free(c.loop);
    config_release(&conf);
    return status;
}

/* *ret_first is the index of the first word that is no option. All words are read, so that --json
 * counts wherever it stands; behind --version none. */
static int parse(int argc, char **argv, struct options *o, int *ret_first, struct err *e)
{
    AUTO_FREE struct option *all = all_options();
    int opt, which = 0;

    opterr = 0; /* our own words, and one document */
    while ((opt = getopt_long(argc, argv, ":c:vh", all, &which)) != -1) {
        switch (opt) {
        case 'c':
            o->uri = optarg;
            break;
        case OPT_CONFIG:
            o->config = optarg;
            break;
        case OPT_JSON:
            o->json = true;
            break;
        case 'v':
            o->verbose = true;
            log_set_level(LOG_LEVEL_DEBUG);
            break;
        case 'h':
            o->help = true;
            break;
        case OPT_VERSION:
            o->version = true;
            return 0;
        case OPT_OF_COMMAND:
            keep_given(o, all[which].name, optarg);
            break;
        default:
            (void)usage_misuse("cbsnap-coord", argv, opt, e);
        }
    }
    *ret_first = optind;
    return err_is_set(e) ? -1 : 0;
}

static int version(void)
{
    puts("cbsnap-coord " CBSNAP_VERSION);
    return EXIT_DONE;
}

/* --help alone, or behind a command. */
static int help(int argc, char **argv, int first, struct err *e)
{
    const struct command *cmd = first < argc ? find_command(argv[first]) : NULL;

    if (first < argc && !cmd) {
        err_set(e, ERR_USAGE, "there is no command '%s'; cbsnap-coord --help lists them",
                argv[first]);
        return EXIT_USAGE;
    }
    if (cmd)
        print_command_help(cmd);
    else
        print_help();
    return EXIT_DONE;
}

static const struct command *choose(const struct options *o, int argc, char **argv, int first,
                                    struct err *e)
{
    const struct command *cmd = first < argc ? find_command(argv[first]) : NULL;
    int count = argc - first - 1;

    if (first >= argc)
        err_set(e, ERR_USAGE, "no command given; cbsnap-coord --help lists them");
    else if (!cmd)
        err_set(e, ERR_USAGE, "there is no command '%s'; cbsnap-coord --help lists them",
                argv[first]);
    else if (count < cmd->min_args || count > cmd->max_args)
        err_set(e, ERR_USAGE, "usage: cbsnap-coord %s%s%s; see cbsnap-coord %s --help", cmd->name,
                *cmd->synopsis ? " " : "", cmd->synopsis, cmd->name);
    else
        (void)check_given(o, cmd, e);
    return err_is_set(e) ? NULL : cmd;
}

/* All that it is run for is what it says. */
static bool only_tells(const struct command *cmd, const struct options *o)
{
    for (size_t n = 0; n < o->given_count; n++) {
        if (strcmp(o->given[n].name, "dry-run") == 0)
            return true;
    }
    return !cmd || (cmd->needs & ONLY_TELLS);
}

/* What was done stays done, whether or not anybody could be told of it. */
static int end_output(const struct command *cmd, const struct options *o, int status)
{
    struct err e = ERR_INIT;

    if (output_end(&e) == 0)
        return status;
    fprintf(stderr, "cbsnap-coord: %s\n", e.msg);
    return status == EXIT_DONE && only_tells(cmd, o) ? EXIT_FAILED : status;
}

int main(int argc, char **argv)
{
    struct options o = {.config = NULL};
    const struct command *cmd = NULL;
    struct err e = ERR_INIT;
    int first, status = EXIT_USAGE;
    bool answered = false;

    output_begin();
    no_dumps();
    if (parse(argc, argv, &o, &first, &e) < 0)
        cmd = NULL;
    else if (o.version)
        status = version();
    else if (o.help)
        status = help(argc, argv, first, &e);
    else
        cmd = choose(&o, argc, argv, first, &e);
    if (cmd)
        status = run_command(cmd, &o, argv + first + 1, argc - first - 1, &answered, &e);
    tell(&o, &e, status, answered);
    status = end_output(cmd, &o, status);
    free(o.given);
    /* threads that hang in libvirt are still about: what exit() takes down is theirs as well */
    _exit(status);
}
