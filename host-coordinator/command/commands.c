/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of subcommands, and how they answer a program. */
#include "host-coordinator/command/command.h"

#include "proto/base/cleanup.h"
#include "proto/base/log.h"

#include <errno.h>
#include <string.h>

static const struct command_option best_options[] = {
    {"before", "TIME", "a time (UTC) or how long ago: 2h, 3d; later sets are left out"},
    {"limit", "N", "how many, default 5"},
    {"explain", NULL, "say what moved each set up or down"},
    {NULL},
};

static const struct command_option show_options[] = {
    {"series", "NAME", "readings of a metric instead; one '*': \"disk.*.writes\""},
    {"csv", NULL, "with --series: comma-separated, a column for each metric"},
    {NULL},
};

const struct command commands[] = {
    {"check", "DOMAIN", "say what snapshot would do and what would stop it; changes nothing", 1, 1,
     NEED_LOOP | NEED_APPLIANCES, NULL, cmd_check},
    {"snapshot", "DOMAIN", "take a set: all volumes at one exact position of the database", 1, 1,
     NEED_LOOP | NEED_APPLIANCES, NULL, cmd_snapshot},
    {"list", "[DOMAIN]", "sets, newest first", 0, 1, 0, NULL, cmd_list},
    {"best", "DOMAIN", "sets to go back to, best first", 1, 1, 0, best_options, cmd_best},
    {"show", "SET", "one record, with its run as a timeline", 1, 1, 0, show_options, cmd_show},
    {"thaw", "DOMAIN", "let go of whatever is frozen or locked, now", 1, 1, NEED_LOOP, NULL,
     cmd_thaw},
    {"watch", "DOMAIN", "live metrics; a run that starts meanwhile goes first", 1, 1,
     NEED_LOOP | LIKE_APPLIANCES, watch_options, cmd_watch},
};
const size_t command_count = ARRAY_SIZE(commands);

const char *command_option(const struct command_context *c, const char *name)
{
    for (size_t n = c->given_count; n-- > 0;) {
        if (strcmp(c->given[n].name, name) == 0)
            return c->given[n].value;
    }
    return NULL;
}

void command_answer(const struct command_context *c, const struct record *r)
{
    AUTO_FREE char *text = record_format(r);

    *c->answered = true;
    if (fputs(text, stdout) == EOF || fflush(stdout) == EOF)
        log_error("cannot write the JSON document to stdout: %s", strerror(errno));
}
