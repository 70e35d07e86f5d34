/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The readings of a set, for people, for spreadsheets and for programs. */
#ifndef CBSNAP_SHOW_SERIES_H
#define CBSNAP_SHOW_SERIES_H

#include <stdio.h>

#include "host-coordinator/record/record.h"
#include "host-coordinator/series/series_file.h"

enum series_form { SERIES_TABLE, SERIES_CSV, SERIES_JSON };

/*
 * Prints the metrics of `s` whose names fit `pattern` (metric_matches()); a text metric's points
 * are its changes. ERR_NOT_FOUND, and nothing printed, when there is none: names near ones.
 */
int show_series(FILE *to, const struct series *s, const struct series_head *head,
                const char *pattern, enum series_form form, struct err *e);

/* The part "around the freeze" of a record for people; nothing if the record has no metrics. */
void show_around(FILE *to, const struct record *r);

#endif
