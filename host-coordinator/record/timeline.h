/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A record for people: what the set is worth, where the database stood, and the run drawn as bars
 * on one time axis (phases, and each volume's snapshot). Reads only the record.
 */
#ifndef CBSNAP_TIMELINE_H
#define CBSNAP_TIMELINE_H

#include <stdio.h>

#include "host-coordinator/record/record.h"

void timeline_print(FILE *to, const struct record *r);

#endif
