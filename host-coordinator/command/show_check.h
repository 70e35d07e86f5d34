/* SPDX-License-Identifier: GPL-2.0-or-later */
/* show --check [SET|DOMAIN]: are the records as cbsnap-coord left them? */
#ifndef CBSNAP_SHOW_CHECK_H
#define CBSNAP_SHOW_CHECK_H

#include "host-coordinator/command/command.h"

/* Returns the exit status, as a command does. */
int show_check(const struct command_context *c, struct err *e);

#endif
