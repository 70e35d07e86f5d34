/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cbsnap-coord show SET: one record, with its run as a timeline. */
#include "host-coordinator/command/command.h"

#include "host-coordinator/record/timeline.h"

#include <stdio.h>

int cmd_show(const struct command_context *c, struct err *e)
{
    struct record *r = store_load(c->conf->state_dir, c->args[0], e);

    if (!r)
        return EXIT_USAGE;
    if (c->json)
        command_answer(c, r);
    else
        timeline_print(stdout, r);
    record_free(r);
    return EXIT_DONE;
}
