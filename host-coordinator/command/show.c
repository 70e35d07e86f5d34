/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cbsnap-coord show SET: one record, with its run as a timeline; or readings from its series; or
 * whether the records are as they were left. */
#include "host-coordinator/command/command.h"

#include "host-coordinator/command/show_check.h"
#include "host-coordinator/command/show_series.h"
#include "host-coordinator/record/timeline.h"

#include "proto/base/cleanup.h"
#include "proto/base/log.h"

#include <stdio.h>

static void tell_damage(const char *path, const struct series_head *head,
                        const struct series_damage *damage)
{
    if (damage->frames > 0)
        log_warn("'%s' is damaged: %llu of its messages are missing, %llu bytes were passed over",
                 path, (unsigned long long)damage->frames, (unsigned long long)damage->bytes);
    if (head->dropped > 0)
        log_warn("'%s' lacks the %llu oldest readings: there was no room for them", path,
                 (unsigned long long)head->dropped);
}

static int print_series(const struct command_context *c, const struct record *r,
                        const char *pattern, struct err *e)
{
    const char *set = record_text(r, "set"), *domain = record_text(r, "domain.name");
    AUTO_FREE char *path = series_file_path(c->conf->state_dir, domain ?: "", set ?: "");
    struct series *s = series_new();
    struct series_head head;
    struct series_damage damage;
    int rc = series_file_read(path, s, &head, &damage, e);

    if (rc == 0) {
        tell_damage(path, &head, &damage);
        rc = show_series(stdout, s, &head, pattern,
                         c->json                    ? SERIES_JSON
                         : command_option(c, "csv") ? SERIES_CSV
                                                    : SERIES_TABLE,
                         e);
        *c->answered = rc == 0;
    } else if (e->code == ERR_NOT_FOUND) {
        (void)err_hint(e, "the readings of set '%s' were not kept, or were removed", set ?: "?");
    }
    series_free(s);
    return rc;
}

static int check_options(const struct command_context *c, struct err *e)
{
    const char *series = command_option(c, "series");

    if (!command_option(c, "check") && command_option(c, "head"))
        return err_set(e, ERR_USAGE, "--head needs --check");
    if (command_option(c, "check"))
        return series || command_option(c, "csv")
                   ? err_set(e, ERR_USAGE, "--check and --series exclude each other")
                   : 0;
    if (c->arg_count == 0)
        return err_set(e, ERR_USAGE, "usage: cbsnap-coord show SET, or show --check [SET|DOMAIN]");
    if (series && !*series)
        return err_set(e, ERR_USAGE, "--series needs the name of a metric");
    if (!command_option(c, "csv"))
        return 0;
    if (!series)
        return err_set(e, ERR_USAGE, "--csv needs --series NAME");
    if (c->json)
        return err_set(e, ERR_USAGE, "--csv and --json exclude each other");
    return 0;
}

int cmd_show(const struct command_context *c, struct err *e)
{
    const char *series = command_option(c, "series");
    struct record *r;
    int rc = 0;

    if (check_options(c, e) < 0)
        return EXIT_USAGE;
    if (command_option(c, "check"))
        return show_check(c, e);
    r = store_load(c->conf->state_dir, c->args[0], e);
    if (!r)
        return EXIT_USAGE;
    if (series) {
        rc = print_series(c, r, series, e);
    } else if (c->json) {
        command_answer(c, r);
    } else {
        timeline_print(stdout, r);
        show_around(stdout, r);
    }
    record_free(r);
    return rc == 0 ? EXIT_DONE : EXIT_USAGE;
}
