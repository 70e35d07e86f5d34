/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of cbsnap-agent. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "guest-agent/commands.h"
#include "guest-agent/confine/confine.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/log.h"
#include "proto/base/nodump.h"
#include "proto/base/output.h"

static void print_help(void)
{
    puts("cbsnap-agent: keeps a freeze of this guest consistent for its MySQL server\n\n"
         "usage: cbsnap-agent [OPTION]... [COMMAND]\n");
    for (size_t n = 0; n < agent_command_count; n++)
        printf("  %-8s %-12s %s\n", agent_commands[n].name, agent_commands[n].synopsis,
               agent_commands[n].help);
    putchar('\n');
    usage_print_options(stdout, agent_options, 2);
    putchar('\n');
    usage_print_exits(stdout, agent_exits, agent_exit_count);
    puts("\nman cbsnap-agent says more");
}

static const struct agent_command *find_command(const char *name)
{
    for (size_t n = 0; n < agent_command_count; n++) {
        if (strcmp(agent_commands[n].name, name) == 0)
            return &agent_commands[n];
    }
    return NULL;
}

enum { OPT_JSON = 256, OPT_MARKDOWN, OPT_VERSION };

/* agent_options as getopt wants them; the caller frees. */
static struct option *getopt_options(void)
{
    static const struct {
        const char *name;
        int number;
    } long_only[] = {{"json", OPT_JSON}, {"markdown", OPT_MARKDOWN}, {"version", OPT_VERSION}};
    struct option *options = NULL;
    size_t count = 0;

    for (const struct usage_option *o = agent_options; o->name; o++) {
        options = xrealloc(options, (count + 2) * sizeof(*options));
        options[count] = (struct option){.name = o->name,
                                         .has_arg = o->value ? required_argument : no_argument,
                                         .val = o->letter};
        for (size_t n = 0; n < ARRAY_SIZE(long_only); n++) {
            if (strcmp(o->name, long_only[n].name) == 0)
                options[count].val = long_only[n].number;
        }
        count++;
    }
    options[count] = (struct option){.name = NULL};
    return options;
}

static int version(void)
{
    printf("cbsnap-agent " CBSNAP_VERSION "%s\n",
           confine_filters() ? "" : ", without a filter of system calls");
    return EXIT_OK;
}

/* All words are read, so that --json counts wherever it stands. *ret_ask is 'h' or OPT_VERSION when
 * one of these was given, else 0. */
static int read_options(int argc, char **argv, struct command_line *c, int *ret_ask, struct err *e)
{
    AUTO_FREE struct option *options = getopt_options();
    int option;

    *ret_ask = 0;
    opterr = 0; /* our own words */
    while ((option = getopt_long(argc, argv, ":c:hv", options, NULL)) != -1) {
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
        case 'v':
            log_set_level(LOG_LEVEL_DEBUG);
            break;
        case 'h':
        case OPT_VERSION:
            *ret_ask = *ret_ask ? *ret_ask : option;
            break;
        default:
            (void)usage_misuse("cbsnap-agent", argv, option, e);
        }
    }
    return err_is_set(e) ? -1 : 0;
}

/* freeze or thaw follows hook, and nothing anything else. */
static int read_words(int count, char **words, struct command_line *c, struct err *e)
{
    bool is_hook = strcmp(words[0], "hook") == 0;

    if (count > (is_hook ? 2 : 1))
        return err_set(e, ERR_USAGE, "one word too many: '%s'; see cbsnap-agent --help",
                       words[is_hook ? 2 : 1]);
    if (!is_hook)
        return 0;
    c->action = count > 1 ? words[1] : "";
    if (strcmp(c->action, "freeze") == 0 || strcmp(c->action, "thaw") == 0)
        return 0;
    return err_set(e, ERR_USAGE,
                   "hook is followed by freeze or thaw, not '%s'; see cbsnap-agent --help",
                   c->action);
}

static int run(int argc, char **argv)
{
    static char daemon_word[] = "daemon";
    char *nothing[] = {daemon_word, NULL}, **words;
    struct command_line c = {.config = NULL};
    const struct agent_command *command;
    struct err e = ERR_INIT;
    int ask;

    if (read_options(argc, argv, &c, &ask, &e) < 0)
        return command_failed(&c, &e, EXIT_USAGE);
    if (ask == OPT_VERSION)
        return version();
    if (ask) {
        print_help();
        return EXIT_OK;
    }
    words = optind < argc ? argv + optind : nothing;
    command = find_command(words[0]);
    if (!command)
        err_set(&e, ERR_USAGE, "there is no command '%s'; see cbsnap-agent --help", words[0]);
    else
        (void)read_words(argc - optind, words, &c, &e);
    return err_is_set(&e) ? command_failed(&c, &e, EXIT_USAGE) : command->run(&c);
}

int main(int argc, char **argv)
{
    struct err e = ERR_INIT;
    int rc;

    output_begin();
    no_dumps();
    rc = run(argc, argv);
    if (output_end(&e) == 0)
        return rc;
    fprintf(stderr, "cbsnap-agent: %s\n", e.msg);
    return rc == EXIT_OK ? EXIT_UNTOLD : rc;
}
