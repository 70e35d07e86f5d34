/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The help text of a table of options, and what is said of one that is none; see usage.h. */
#include "proto/base/usage.h"

#include <getopt.h>
#include <stdbool.h>
#include <string.h>

#define COLUMN 24 /* where descriptions begin */

static void print_option(FILE *to, const struct usage_option *o, int indent)
{
    int width = fprintf(to, "%*s", indent, "");

    if (o->letter)
        width += fprintf(to, "-%c, ", o->letter);
    width += fprintf(to, "--%s", o->name);
    if (o->value)
        width += fprintf(to, " %s", o->value);
    (void)fprintf(to, "%*s%s\n", width < COLUMN ? COLUMN - width : 1, "", o->help);
}

void usage_print_options(FILE *to, const struct usage_option *options, int indent)
{
    for (const struct usage_option *o = options; o && o->name; o++)
        print_option(to, o, indent);
}

void usage_print_exits(FILE *to, const struct usage_exit *exits, size_t count)
{
    (void)fputs("exit status:\n", to);
    for (size_t n = 0; n < count; n++)
        (void)fprintf(to, "  %d  %s\n", exits[n].status, exits[n].help);
}

/* optopt holds a short one, the word before optind is a long one; where a value is missing that is
 * the last word, and optopt the letter of either. */
int usage_misuse(const char *program, char **argv, int opt, struct err *e)
{
    bool is_long = opt == ':' && strncmp(argv[optind - 1], "--", 2) == 0;

    if (err_is_set(e))
        return -1;
    if (optopt && optopt < 0x80 && !is_long)
        return err_set(e, ERR_USAGE,
                       opt == ':' ? "option '-%c' needs a value; see %s --help"
                                  : "there is no option '-%c'; see %s --help",
                       optopt, program);
    return err_set(e, ERR_USAGE,
                   opt == ':' ? "option '%s' needs a value; see %s --help"
                              : "option '%s' is unknown, or takes no value; see %s --help",
                   argv[optind - 1], program);
}
