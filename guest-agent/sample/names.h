/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What only this folder asks of the table of names. */
#ifndef CBSNAP_SAMPLE_NAMES_H
#define CBSNAP_SAMPLE_NAMES_H

#include "guest-agent/sample/sample.h"

/* The id of a name, added when it is new; -1 when the table is full. */
int names_id(struct names *t, const char *name);
/* The same for a name with an instance in it (a disk, an interface, a mount): it does not get the
 * last NAMES_FIXED places. A guest whose containers come and go makes names without end; they must
 * not keep out a row that shows for the first time, such as repl.lag after a failover. */
#define NAMES_FIXED 256
int names_instance_id(struct names *t, const char *name);

#endif
