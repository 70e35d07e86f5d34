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
    {"check", NULL, "find records that somebody else changed; all, or of a SET or DOMAIN"},
    {"head", "DIGEST", "with --check DOMAIN: the chain must still hold this, noted earlier"},
    {NULL},
};

static const struct command_option restore_options[] = {
    {"to", "NAME", "make another VM of that name; this one is left alone"},
    {"in-place", NULL, "roll the VM's own volumes back; newer sets are lost, see --force"},
    {"no-safety", NULL, "keep no set of the present state"},
    {"no-start", NULL, "leave the VM off"},
    {"force", NULL, "end a guest that does not shut down; lose what preflight lists"},
    {NULL},
};

static const struct command_option verify_options[] = {
    {"tables", "LIST", "read these only: schema.table,schema.table"},
    {"certificate-only", NULL, "compare positions, read no data"},
    {"memory", "MIB", "of the throw-away VM"},
    {"force", NULL, "trust the definition of an imported set"},
    {NULL},
};

static const struct command_option delete_options[] = {
    {"force", NULL, "also the last set that can be gone back to"},
    {NULL},
};

static const struct command_option prune_options[] = {
    {"keep-last", "N", "the newest N"},
    {"keep-hourly", "N", "the newest of each of the last N hours that have one"},
    {"keep-daily", "N", "the same for days (UTC)"},
    {"keep-weekly", "N", "for weeks, Monday to Sunday"},
    {"keep-monthly", "N", "for months"},
    {"keep-yearly", "N", "for years"},
    {"keep-verified", "N", "the newest N that passed verification"},
    {"keep-within", "TIME", "all as young as that: 2h, 3d"},
    {"dry-run", NULL, "say it only"},
    {"orphans", NULL, "list what is there on one side only"},
    {"repair", NULL, "with --orphans: remove it, or make the record say so"},
    {NULL},
};

static const struct command_option import_options[] = {
    {"domain", "NAME", "only of this domain"},
    {NULL},
};

const struct command commands[] = {
    {"check", "DOMAIN", "say what snapshot would do and what would stop it; changes nothing", 1, 1,
     NEED_LOOP | NEED_APPLIANCES, NULL, cmd_check},
    {"snapshot", "DOMAIN", "take a set: all volumes at one exact position of the database", 1, 1,
     NEED_LOOP | NEED_APPLIANCES, NULL, cmd_snapshot},
    {"list", "[DOMAIN]", "sets, newest first", 0, 1, 0, NULL, cmd_list},
    {"best", "DOMAIN", "sets to go back to, best first", 1, 1, 0, best_options, cmd_best},
    {"show", "SET", "one record, with its run as a timeline", 0, 1, 0, show_options, cmd_show},
    {"restore", "SET", "go back to it", 1, 1, NEED_LOOP | NEED_APPLIANCES, restore_options,
     cmd_restore},
    {"verify", "SET", "prove it on clones, in a VM that nobody can reach", 1, 1,
     NEED_LOOP | NEED_APPLIANCES, verify_options, cmd_verify},
    {"recover", "", "finish or undo what a dead run left", 0, 0, NEED_LOOP | NEED_APPLIANCES, NULL,
     cmd_recover},
    {"delete", "SET", "its snapshots and its record", 1, 1, NEED_LOOP | NEED_APPLIANCES,
     delete_options, cmd_delete},
    {"prune", "DOMAIN", "delete the sets that no rule keeps", 1, 1, NEED_LOOP | NEED_APPLIANCES,
     prune_options, cmd_prune},
    {"import", "DIR", "records from the manifests on a root volume mounted at DIR", 1, 1,
     NEED_LOOP | NEED_APPLIANCES, import_options, cmd_import},
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

static void check_written(int rc)
{
    if (rc == EOF || fflush(stdout) == EOF)
        log_error("cannot write the JSON document to stdout: %s", strerror(errno));
}

void command_answer(const struct command_context *c, const struct record *r)
{
    AUTO_FREE char *text = record_format(r);

    *c->answered = true;
    check_written(fputs(text, stdout));
}

void command_answer_list(const struct command_context *c, const struct record *head,
                         const char *name, record_next *next, void *arg)
{
    *c->answered = true;
    check_written(record_write_list(stdout, head, name, next, arg) < 0 ? EOF : 0);
}
