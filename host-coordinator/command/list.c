/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cbsnap-coord list [DOMAIN]: all sets, newest first. */
#include "host-coordinator/command/command.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/log.h"

#include <stdio.h>

static void print_row(const struct record *r)
{
    const char *file = record_text(r, "position.binlog_file");
    int64_t offset = 0;
    double ms;
    char stall[24] = "-", position[300] = "-";

    if (record_real(r, "stall.write_ms", &ms))
        (void)snprintf(stall, sizeof(stall), "%.1f", ms);
    if (file && record_int(r, "position.binlog_offset", &offset))
        (void)snprintf(position, sizeof(position), "%s:%lld", file, (long long)offset);
    printf("%-22s  %-16s  %-11s  %8s  %s\n", record_text(r, "set") ?: "?",
           record_text(r, "domain.name") ?: "?", record_text(r, "verdict") ?: "?", stall, position);
}

static void on_record(void *arg, const struct record *r, const char *path, const struct err *why)
{
    struct record *all = arg;
    struct record *item;
    double ms;

    if (!r) {
        log_warn("%s", why->msg);
        if (all)
            record_set_text(record_append(all, "unreadable"), "path", path);
        return;
    }
    if (!all) {
        print_row(r);
        return;
    }
    item = record_append(all, "sets");
    record_set_text(item, "set", record_text(r, "set"));
    record_set_text(item, "domain", record_text(r, "domain.name"));
    record_set_text(item, "verdict", record_text(r, "verdict"));
    record_set_text(item, "started", record_text(r, "started"));
    if (record_real(r, "stall.write_ms", &ms))
        record_set_real(item, "write_stall_ms", ms);
    record_set_text(item, "binlog_file", record_text(r, "position.binlog_file"));
    record_set_text(item, "gtid_set", record_text(r, "position.gtid_set"));
}

int cmd_list(const struct command_context *c, struct err *e)
{
    struct record *all = c->json ? record_new() : NULL;
    struct store_names l = {.count = 0};
    int rc;

    if (all)
        record_set_empty(all, "sets");
    else
        printf("%-22s  %-16s  %-11s  %8s  %s\n", "SET", "DOMAIN", "VERDICT", "STALL ms",
               "POSITION");
    rc = store_names(&l, c->conf->state_dir, c->arg_count > 0 ? c->args[0] : NULL, e);
    for (size_t n = 0; rc == 0 && n < l.count; n++) {
        AUTO_FREE char *path = xasprintf("%s/records/%s", c->conf->state_dir, l.names[n]);
        struct err why = ERR_INIT;
        struct record *r = store_read(path, &why);

        on_record(all, r, path, r ? NULL : &why);
        record_free(r);
    }
    store_names_release(&l);
    if (all && rc == 0)
        command_answer(c, all);
    record_free(all);
    return rc == 0 ? EXIT_DONE : EXIT_USAGE;
}
