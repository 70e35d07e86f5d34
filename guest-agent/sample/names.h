/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What only this folder asks of the table of names. */
#ifndef CBSNAP_SAMPLE_NAMES_H
#define CBSNAP_SAMPLE_NAMES_H

#include "guest-agent/sample/sample.h"

/* The id of a name, added when it is new; -1 when the table is full. */
int names_id(struct names *t, const char *name);

#endif
