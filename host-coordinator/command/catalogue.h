/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the commands that show many sets have in common. */
#ifndef CBSNAP_CATALOGUE_H
#define CBSNAP_CATALOGUE_H

#include "host-coordinator/command/command.h"
#include "host-coordinator/index/index.h"

/* The records of a domain or (NULL) of all. Those that cannot be read are warned of, and named in
 * `answer`, when there is one. */
int catalogue_read(const struct command_context *c, const char *domain, struct index_list *ret,
                   struct record *answer, struct err *e);

/* "yes", "FAILED", "-" */
const char *catalogue_verified(const struct set_facts *f);

#endif
