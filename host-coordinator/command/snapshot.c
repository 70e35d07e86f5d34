/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cbsnap-coord snapshot DOMAIN: takes a set. */
#include "host-coordinator/command/command.h"

#include <stdio.h>

/* One line that says what was got: the set's id alone on stdout, for scripts. */
static void print_result(const struct run *r)
{
    double ms = 0;
    int64_t offset = 0;

    (void)record_real(r->record, "stall.write_ms", &ms);
    (void)record_int(r->record, "position.binlog_offset", &offset);
    fprintf(stderr, "%s: %s, %zu volumes, writes stalled %.1f ms, %s:%lld\n", r->domain_name,
            record_text(r->record, "verdict"), r->volume_count, ms,
            record_text(r->record, "position.binlog_file") ?: "no binlog", (long long)offset);
    printf("%s\n", r->set);
}

int cmd_snapshot(const struct command_context *c, struct err *e)
{
    struct run r;
    int status;

    run_init(&r, c->conf, &domain_libvirt, c->loop, c->uri, c->args[0]);
    r.report = progress_reporter(c->json);
    if (snapshot_run(&r, &status, e) == 0 && !c->json)
        print_result(&r);
    else if (r.recorded && !c->json)
        fprintf(stderr, "the record of this attempt: cbsnap-coord show %s\n", r.set);
    if (c->json && (r.touched || r.recorded))
        command_answer(c, r.record);
    run_release(&r);
    return status;
}
