/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers and guest text as they are shown: short, and harmless to a terminal. */
#ifndef CBSNAP_WATCH_WORDS_H
#define CBSNAP_WATCH_WORDS_H

#include "proto/base/buf.h"
#include "proto/metrics.h"

/* "1.2M", "340 ms", "12 %", "4.0 GiB", "3 d 4 h"; at most 11 columns. `text` is returned. */
#define NUMBER_SIZE 24
const char *number_text(char text[NUMBER_SIZE], double value, enum metric_unit unit);

/*
 * Appends what the guest sent, at most `columns` wide, as something that a terminal only prints:
 * control characters, what is no UTF-8, what has no width or a double one, and (without `utf8`) all
 * beyond ASCII become '?'. NULL is "-".
 */
void text_safe(struct buf *to, const char *text, size_t columns, bool utf8);
/* Columns of a text that was made here: one for each character. */
size_t text_columns(const char *text);
/* Cuts it in place. */
void text_cut(char *text, size_t columns);

/* One column for each value, from nothing to `max`; a value below 0 is absent and a blank. */
void spark(struct buf *to, const double *values, size_t count, double max, bool utf8);

#endif
