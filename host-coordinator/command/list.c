/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cbsnap-coord list [DOMAIN]: all sets, newest first. */
#include "host-coordinator/command/catalogue.h"

#include "host-coordinator/rank/when.h"
#include "proto/base/clock.h"
#include "proto/base/plain.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int domain_width(const struct index_list *l)
{
    size_t width = strlen("DOMAIN");

    for (size_t n = 0; n < l->count; n++) {
        const char *domain = l->entries[n].facts.domain;

        if (domain && strlen(domain) > width)
            width = strlen(domain);
    }
    return width < 16 ? (int)width : 16;
}

static void print_row(const struct set_facts *f, int width)
{
    char age[24] = "-", stall[24] = "-", position[300] = "-";
    int64_t at_us;

    if (when_rfc3339(f->started, &at_us))
        (void)when_length((double)(wall_us() - at_us) / 1e6, age);
    if (!isnan(f->write_stall_ms))
        (void)snprintf(stall, sizeof(stall), "%.1f", f->write_stall_ms);
    if (f->binlog_file && !isnan(f->binlog_offset))
        (void)snprintf(position, sizeof(position), "%s:%.0f", f->binlog_file, f->binlog_offset);
    plain_line(stdout, "%-21s  %-*s  %-11s  %7s  %8s  %-8s  %s", f->set ?: "?", width,
               f->domain ?: "?", f->verdict ?: "?", age, stall, catalogue_verified(f), position);
}

static void print_rows(const struct index_list *l)
{
    int width = domain_width(l);

    printf("%-21s  %-*s  %-11s  %7s  %8s  %-8s  %s\n", "SET", width, "DOMAIN", "VERDICT", "AGE",
           "STALL ms", "VERIFIED", "POSITION");
    for (size_t n = 0; n < l->count; n++) {
        if (!l->entries[n].problem)
            print_row(&l->entries[n].facts, width);
    }
}

struct rows {
    const struct index_list *list;
    size_t at;
};

static bool next_row(void *arg, struct record *item)
{
    struct rows *rows = arg;

    while (rows->at < rows->list->count) {
        const struct index_entry *entry = &rows->list->entries[rows->at++];

        if (entry->problem)
            continue;
        facts_report(item, &entry->facts, fact_listed_count);
        return true;
    }
    return false;
}

static void answer_rows(const struct command_context *c, const struct index_list *l,
                        struct record *answer)
{
    struct rows rows = {.list = l};

    command_answer_list(c, answer, "sets", next_row, &rows);
}

int cmd_list(const struct command_context *c, struct err *e)
{
    const char *domain = c->arg_count > 0 ? c->args[0] : NULL;
    struct record *answer = c->json ? record_new() : NULL;
    struct index_list l = {.count = 0};
    int rc = catalogue_read(c, domain, &l, answer, e);

    /* of a VM whose first set is still to come that is no failure; of a slip of the pen it is told
     */
    if (rc == 0 && domain && l.count == 0)
        plain_line(stderr, "warning: there is no record of a VM '%s' in '%s/records'", domain,
                   c->conf->state_dir);
    if (rc == 0 && answer)
        answer_rows(c, &l, answer);
    else if (rc == 0)
        print_rows(&l);
    index_release(&l);
    record_free(answer);
    return rc == 0 ? EXIT_DONE : EXIT_USAGE;
}
