/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints the tables of cbsnap-agent; see print.h. Not installed. */
#include "docs/tables/print.h"
#include "guest-agent/commands.h"
#include "guest-agent/options.h"

int main(void)
{
    for (size_t n = 0; n < agent_command_count; n++)
        printf("command\tcbsnap-agent\t%s\t%s\t%s\n", agent_commands[n].name,
               agent_commands[n].synopsis, agent_commands[n].help);
    print_options("cbsnap-agent", "", agent_options);
    print_exits("cbsnap-agent", agent_exits, agent_exit_count);
    print_keys("agent.conf", &agent_conf_spec);
    return 0;
}
