/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of subcommands, options and exit statuses, and how commands answer a program. */
#include "host-coordinator/command/command.h"

#include "proto/base/cleanup.h"
#include "proto/base/output.h"

#include <string.h>

const struct usage_option common_options[] = {
    {'c', "connect", "URI", "libvirt connection, remote ones too"},
    {0, "config", "FILE", "instead of " CONFIG_DEFAULT},
    {0, "json", NULL, "one JSON document on stdout, nothing else there"},
    {'v', "verbose", NULL, "more on stderr"},
    {'h', "help", NULL, "say what there is; behind a COMMAND, what that one takes"},
    {0, "version", NULL, "print the version"},
    {0},
};

const struct usage_exit command_exits[] = {
    {EXIT_DONE, "done"},
    {EXIT_USAGE, "usage or configuration"},
    {EXIT_REFUSED, "refused before anything was touched"},
    {EXIT_FAILED, "failed; the VM is thawed and unlocked, what was half made is removed"},
    {EXIT_LOOK, "failed and a person must look: says what, and which command repairs it"},
    {EXIT_DIFFERENT, "verification, or show --check, found a difference"},
};
const size_t command_exit_count = ARRAY_SIZE(command_exits);

static const struct usage_option best_options[] = {
    {0, "before", "TIME", "a time (UTC) or how long ago: 2h, 3d; later sets are left out"},
    {0, "limit", "N", "how many, default 5"},
    {0, "explain", NULL, "say what moved each set up or down"},
    {0},
};

static const struct usage_option show_options[] = {
    {0, "series", "METRIC", "readings of a metric instead; one '*': \"disk.*.writes\""},
    {0, "csv", NULL, "with --series: comma-separated, a column for each metric"},
    {0, "check", NULL, "find records that somebody else changed; all, or of a SET or DOMAIN"},
    {0, "head", "DIGEST", "with --check DOMAIN: the chain must still hold this, noted earlier"},
    {0},
};

static const struct usage_option restore_options[] = {
    {0, "to", "NAME", "make another VM of that name; this one is left alone"},
    {0, "in-place", NULL, "roll the VM's own volumes back; newer sets are lost, see --force"},
    {0, "no-safety", NULL, "keep no set of the present state"},
    {0, "no-start", NULL, "leave the VM off"},
    {0, "force", NULL,
     "end a guest that does not shut down or is saved; lose what preflight lists"},
    {0},
};

static const struct usage_option verify_options[] = {
    {0, "tables", "LIST", "read these only: schema.table,schema.table"},
    {0, "certificate-only", NULL, "compare positions, read no data"},
    {0, "memory", "MIB", "memory of the throw-away VM"},
    {0, "force", NULL, "trust the definition of an imported set"},
    {0},
};

static const struct usage_option delete_options[] = {
    {0, "force", NULL, "also the last set that can be gone back to"},
    {0},
};

static const struct usage_option prune_options[] = {
    {0, "keep-last", "N", "the newest N"},
    {0, "keep-hourly", "N", "the newest of each of the last N hours that have one"},
    {0, "keep-daily", "N", "the newest of each of the last N days (UTC) that have one"},
    {0, "keep-weekly", "N", "the same for weeks, Monday to Sunday"},
    {0, "keep-monthly", "N", "the same for months"},
    {0, "keep-yearly", "N", "the same for years"},
    {0, "keep-verified", "N", "the newest N that verification called same"},
    {0, "keep-within", "TIME", "all within TIME before the newest good one: 2h, 3d"},
    {0, "dry-run", NULL, "only say what would be removed"},
    {0, "orphans", NULL, "list what is there on one side only"},
    {0, "repair", NULL, "with --orphans: remove it, or make the record say so"},
    {0},
};

static const struct usage_option import_options[] = {
    {0, "domain", "DOMAIN", "only of this domain"},
    {0},
};

const struct command commands[] = {
    {"check", "DOMAIN", "say what snapshot would do and what would stop it; changes nothing", 1, 1,
     NEED_LOOP | NEED_APPLIANCES | ONLY_TELLS, NULL, cmd_check},
    {"snapshot", "DOMAIN", "take a set: all volumes at one exact position of the database", 1, 1,
     NEED_LOOP | NEED_APPLIANCES, NULL, cmd_snapshot},
    {"list", "[DOMAIN]", "list sets, newest first", 0, 1, ONLY_TELLS | RECORDS_DOMAIN, NULL,
     cmd_list},
    {"best", "DOMAIN", "rank the sets to go back to, best first", 1, 1, ONLY_TELLS | RECORDS_DOMAIN,
     best_options, cmd_best},
    {"show", "SET", "show one record, with its run as a timeline", 0, 1, ONLY_TELLS, show_options,
     cmd_show},
    {"restore", "SET", "go back to a set", 1, 1, NEED_LOOP | NEED_APPLIANCES, restore_options,
     cmd_restore},
    {"verify", "SET", "prove a set on clones, in a VM that nobody can reach", 1, 1,
     NEED_LOOP | NEED_APPLIANCES, verify_options, cmd_verify},
    {"recover", "", "finish or undo what a dead run left", 0, 0, NEED_LOOP | NEED_APPLIANCES, NULL,
     cmd_recover},
    {"delete", "SET", "delete a set: its snapshots and its record", 1, 1,
     NEED_LOOP | NEED_APPLIANCES, delete_options, cmd_delete},
    {"prune", "DOMAIN", "delete the sets that no rule keeps", 1, 1,
     NEED_LOOP | NEED_APPLIANCES | RECORDS_DOMAIN, prune_options, cmd_prune},
    {"import", "DIR", "make records from the manifests on a root volume mounted at DIR", 1, 1,
     NEED_LOOP | NEED_APPLIANCES, import_options, cmd_import},
    {"thaw", "DOMAIN", "let go of whatever is frozen or locked, now", 1, 1, NEED_LOOP, NULL,
     cmd_thaw},
    {"watch", "DOMAIN", "show live metrics; a run that starts meanwhile goes first", 1, 1,
     NEED_LOOP | LIKE_APPLIANCES | ONLY_TELLS, watch_options, cmd_watch},
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
    output_put(text);
}

void command_answer_list(const struct command_context *c, const struct record *head,
                         const char *name, record_next *next, void *arg)
{
    *c->answered = true;
    (void)record_write_list(stdout, head, name, next, arg);
}
