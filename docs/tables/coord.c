/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints the tables of cbsnap-coord, and the metrics; see print.h. Not installed. */
#include "docs/tables/print.h"
#include "host-coordinator/command/command.h"
#include "proto/metrics.h"

static void print_metrics(void)
{
    for (size_t n = 0; n < metric_row_count; n++) {
        const struct metric_row *row = &metric_rows[n];

        printf("metric\t%s\t%s\t%s\t%s\t%s\t%s\n", metric_family_name(row->family), row->name,
               metric_unit_name(row->unit), metric_kind_name(row->kind), row->source, row->help);
    }
}

int main(void)
{
    for (size_t n = 0; n < command_count; n++) {
        printf("command\tcbsnap-coord\t%s\t%s\t%s\n", commands[n].name, commands[n].synopsis,
               commands[n].help);
        print_options("cbsnap-coord", commands[n].name, commands[n].options);
    }
    print_options("cbsnap-coord", "", common_options);
    print_exits("cbsnap-coord", command_exits, command_exit_count);
    print_keys("coord.conf", &config_spec);
    print_keys("credentials", &credentials_spec);
    print_metrics();
    return 0;
}
