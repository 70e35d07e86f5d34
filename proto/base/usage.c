/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The help text of a table of options; see usage.h. */
#include "proto/base/usage.h"

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
