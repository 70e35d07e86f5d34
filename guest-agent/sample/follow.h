/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Following a log file: each line once, across rotation by rename (the old one to its end, then the
 * new one from its beginning), truncation (copytruncate), absence, and a file that may not be read
 * (told once in our log). What was written before the first reading is not given.
 *
 * Not seen: what a copytruncate cuts off between two readings, and a truncation after which the
 * file has already grown beyond where we were. One thread per object.
 */
#ifndef CBSNAP_SAMPLE_FOLLOW_H
#define CBSNAP_SAMPLE_FOLLOW_H

#include <stddef.h>

#define FOLLOW_LINE_MAX 500 /* bytes; what a line has beyond is dropped */

/* Of a log that has run further ahead the newest is read, and what lies between is never given: an
 * error told hours late, as one of now, would be worse than one that is not told. */
#define FOLLOW_BEHIND_MAX (4 << 20)

struct follow;
struct follow *follow_new(void);
void follow_free(struct follow *f);

/* Begins so many bytes before the end of the file, or at its first; the reading after it gives what
 * stands there. Half a line at that place is no line. -1: it cannot be opened. */
int follow_back(struct follow *f, const char *path, size_t bytes);

/*
 * Gives what was added since the reading before, at most `max` bytes of it: the rest comes next
 * time, and so does a line that has no end yet. `path` NULL: no file (any more); another path than
 * before is another log, whose past does not count either. -1: there was nothing to read from, or
 * it is the first reading, which only finds the end.
 */
int follow_read(struct follow *f, const char *path, size_t max,
                void (*line)(void *arg, const char *text, size_t len), void *arg);

#endif
