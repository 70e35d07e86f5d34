/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Standard output as a promise: a command that says "done" has told all that it was asked for, and
 * what it tells goes nowhere else. Main thread, at the begin and the end of a program.
 */
#ifndef CBSNAP_BASE_OUTPUT_H
#define CBSNAP_BASE_OUTPUT_H

#include "proto/base/err.h"

/* Of the descriptors 0 to 2 those that the caller has closed are opened so that using them fails:
 * else the first file that is opened, a record or a lock, would get what is meant for a person. And
 * SIGPIPE is ignored, so that a reader that leaves is told by the write. */
void output_begin(void);

/* What may be long: a stream does not keep the reason for which it could not write its beginning.
 */
void output_put(const char *text);

/* Writes what is left. -1, with the reason, when any of it was lost; 0 also when who read it had
 * enough and has left (`... | head`). */
int output_end(struct err *e);

#endif
