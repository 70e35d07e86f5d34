/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a command line offers, as rows. A program reads its options by them and prints its --help
 * from them; the manual pages and the shells' completions are filled in from the same rows
 * (docs/tables.h), so none of these can tell another story.
 *
 * Tables are constant. Those of options end with a row without a name; NULL is an empty one.
 */
#ifndef CBSNAP_BASE_USAGE_H
#define CBSNAP_BASE_USAGE_H

#include <stdio.h>

#include "proto/base/err.h"

struct usage_option {
    char letter;       /* 'c': -c as well; 0: none */
    const char *name;  /* "limit", given as --limit N or --limit=N */
    const char *value; /* what it takes, as one word: "N"; NULL: a flag. A completion goes by it */
    const char *help;  /* one sentence, without a capital and a period */
};

struct usage_exit {
    int status;
    const char *help;
};

/* One line for each option, its description in a column; `indent` blanks before. */
void usage_print_options(FILE *to, const struct usage_option *options, int indent);

/* What is wrong about the option at which getopt_long() gave `opt`, '?' or ':'. Returns -1; an
 * error that is set already stays, for the first is told. */
int usage_misuse(const char *program, char **argv, int opt, struct err *e);

/* One line for each status. */
void usage_print_exits(FILE *to, const struct usage_exit *exits, size_t count);

#endif
