/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program's tables as lines of fields with tabs between, for docs/tables/read.awk. The pages and
 * completions are filled in from them, so that these cannot name what is not there.
 *
 *   command PROGRAM NAME SYNOPSIS HELP
 *   option  PROGRAM COMMAND LETTER NAME VALUE HELP      (COMMAND empty: of all)
 *   exit    PROGRAM STATUS HELP
 *   key     FILE SECTION KEY TYPE DEFAULT MIN MAX HELP
 *   metric  FAMILY NAME UNIT KIND SOURCE HELP
 */
#ifndef CBSNAP_DOCS_TABLES_PRINT_H
#define CBSNAP_DOCS_TABLES_PRINT_H

#include <stdio.h>

#include "proto/base/usage.h"
#include "proto/conf/conf.h"

static void print_options(const char *program, const char *command, const struct usage_option *rows)
{
    for (const struct usage_option *o = rows; o && o->name; o++)
        printf("option\t%s\t%s\t%.1s\t%s\t%s\t%s\n", program, command, &o->letter, o->name,
               o->value ? o->value : "", o->help);
}

static void print_exits(const char *program, const struct usage_exit *rows, size_t count)
{
    for (size_t n = 0; n < count; n++)
        printf("exit\t%s\t%d\t%s\n", program, rows[n].status, rows[n].help);
}

static void print_keys(const char *file, const struct conf_spec *spec)
{
    static const char *const types[] = {
        [CONF_STRING] = "text",       [CONF_INT] = "number", [CONF_BOOL] = "yes or no",
        [CONF_DURATION] = "duration", [CONF_TAKE] = "word",  [CONF_LIST] = "list",
        [CONF_PATH] = "path",
    };

    for (size_t n = 0; n < spec->count; n++) {
        const struct conf_option *o = &spec->options[n];

        printf("key\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", file, o->section, o->key, types[o->type],
               o->fallback ? o->fallback : "", o->min, o->max, o->help);
    }
}

#endif
