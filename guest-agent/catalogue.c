/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Printing the catalogue; see catalogue.h. */
#include "guest-agent/catalogue.h"

#include <string.h>

#include "guest-agent/json.h"
#include "proto/metrics.h"

static const char intro[] =
    "# Metrics\n"
    "\n"
    "What `cbsnap-agent` reads in the guest and `cbsnap-coord` from the appliance. The names are "
    "the\n"
    "record's keys, the abort policy's words and what `watch` shows; they do not change. A `*` "
    "stands for\n"
    "the instance: a disk, a network interface, a mount point, a volume.\n"
    "\n"
    "This page is printed by `cbsnap-agent metrics --markdown` (`make docs`); `--json` gives the "
    "same to\n"
    "programs.\n"
    "\n"
    "- **Absent is absent.** What cannot be read is left out, never 0 and never an old value: a "
    "row that\n"
    "  the kernel or the server does not have, a rate at its first reading or after its counter "
    "went back,\n"
    "  a source that did not answer in time. `cbsnap-agent check` says which rows are missing "
    "here, and\n"
    "  why.\n"
    "- **Kinds.** A gauge is the value at the reading. A rate is the change since the source's own "
    "reading\n"
    "  before, per second or in percent. A counter counts since the server, or the agent, "
    "started.\n"
    "- **Pace.** Everything is read each `sample.interval_ms`, but: filesystems each 10 s; swap "
    "rates and\n"
    "  the memory of the server's process each second; the error log, deleted files, transactions "
    "and\n"
    "  replication each `sample.log_every_ms`. A source that is slow is read less often, so that "
    "it takes at\n"
    "  most `sample.cost_percent` of the time. A reading left out for that is not missed; one left "
    "out\n"
    "  because an earlier one has waited for its answer for a second or more is, and counts in\n"
    "  `agent.missed`.\n"
    "- **While frozen** only `/proc` is read: `mysql.*`, `innodb.*`, `repl.*` and `fs.*` are "
    "absent.\n"
    "- **Estimates.** `disk.*.wait` is one: the kernel counts a request from when it is queued "
    "until it\n"
    "  completes, so the time in the queue alone is not visible.\n"
    "- **Error log.** Errors and warnings come with their lines, the last 20 of a reading, each "
    "cut at 500\n"
    "  bytes. What was in the log before the agent started is not told, nor what was "
    "skipped of a\n"
    "  log that had grown by more than 4 MiB since it was read.\n"
    "- **Deleted but open files** come with their names, the 10 largest. Left out are the server's "
    "own\n"
    "  temporary files, which it deletes when it makes them: `ib`, `ML`, `MY`, `ST` or "
    "`mysql_temptable.`\n"
    "  and six random characters, `#` and digits (made without a name), and what is no file "
    "(memfd,\n"
    "  asynchronous I/O, shared memory).\n"
    "- **Transactions** come with the three oldest. How much of their statements is told is\n"
    "  `sample.statements`: `off`, `digest` (without the values in it) or `text`.\n";

/* '|' would end the cell, '*' and '<' mean something. */
static void cell(struct buf *to, const char *text)
{
    for (; *text; text++)
        buf_addf(to, strchr("|*<_", *text) ? "\\%c" : "%c", *text);
}

static void markdown_row(struct buf *to, const struct metric_row *row)
{
    buf_addf(to, "| `%s` | ", row->name);
    cell(to, metric_unit_name(row->unit));
    buf_addf(to, " | %s | ", metric_kind_name(row->kind));
    cell(to, row->source);
    buf_addf(to, " | ");
    cell(to, row->help);
    buf_addf(to, " |\n");
}

void catalogue_markdown(struct buf *to)
{
    buf_addf(to, "%s", intro);
    for (int f = 0; f < FAMILY_COUNT; f++) {
        const char *title = metric_family_name((enum metric_family)f);

        buf_addf(to, "\n## %c%s\n\n| name | unit | kind | source | |\n|---|---|---|---|---|\n",
                 *title >= 'a' && *title <= 'z' ? *title - 'a' + 'A' : *title, title + 1);
        for (size_t n = 0; n < metric_row_count; n++) {
            if (metric_rows[n].family == (enum metric_family)f)
                markdown_row(to, &metric_rows[n]);
        }
    }
}

void catalogue_json(struct buf *to)
{
    json_open(to, NULL, '[');
    for (size_t n = 0; n < metric_row_count; n++) {
        const struct metric_row *row = &metric_rows[n];

        json_open(to, NULL, '{');
        json_text(to, "name", row->name);
        json_text(to, "family", metric_family_name(row->family));
        json_text(to, "unit", metric_unit_name(row->unit));
        json_text(to, "kind", metric_kind_name(row->kind));
        json_text(to, "source", row->source);
        json_text(to, "help", row->help);
        json_close(to, '}');
    }
    json_close(to, ']');
    buf_addf(to, "\n");
}

void catalogue_text(struct buf *to)
{
    for (size_t n = 0; n < metric_row_count; n++) {
        const struct metric_row *row = &metric_rows[n];

        buf_addf(to, "%-26s %-11s %-7s %s\n", row->name, metric_unit_name(row->unit),
                 metric_kind_name(row->kind), row->help);
    }
}
