/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The record: the JSON document about one set, also about a failed attempt.
 *
 * A `struct record` is one JSON object: the document or any object inside it. Values are named by
 * dotted paths ("position.binlog_file"); setting makes the objects on the way. What was never set
 * is absent, and reading what is absent says so. A document that was read may have anything
 * anywhere: what is of another kind reads as absent, and is replaced when it is written to. Only
 * this folder knows the JSON library.
 *
 * Ownership: record_new/record_read give a document, freed with record_free(); record_append() and
 * record_at() lend objects that live as long as their document. Text read lives likewise.
 * Not thread-safe.
 */
#ifndef CBSNAP_RECORD_H
#define CBSNAP_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "proto/base/err.h"

#define RECORD_SCHEMA 1

struct record;

struct record *record_new(void);
void record_free(struct record *r); /* accepts NULL */

void record_set_text(struct record *r, const char *path, const char *value); /* NULL: not set */
/*
 * What a peer tells, which may be anything, as it is fit for a record: at most `max` bytes of it,
 * in whole characters, and '?' for control characters but newline and tab, of which each would take
 * six bytes. The caller frees; NULL for NULL.
 */
char *record_told(const char *text, size_t max);
void record_set_told(struct record *r, const char *path, const char *value, size_t max);
void record_set_int(struct record *r, const char *path, int64_t value);
void record_set_real(struct record *r, const char *path, double value);
void record_set_bool(struct record *r, const char *path, bool value);
/* As the shortest number that tells its first six digits; whole ones, and all above 100,000, as an
 * integer. */
void record_set_number(struct record *r, const char *path, double value);
/* The object that is the member `name`, which may hold dots, of the object at `path`; both are made
 * when missing. */
struct record *record_make_member(struct record *r, const char *path, const char *name);
/* The object at `path`, so that a reader finds one, also without members. */
struct record *record_make_object(struct record *r, const char *path);
void record_set_member_text(struct record *r, const char *path, const char *name,
                            const char *value);
void record_set_member_number(struct record *r, const char *path, const char *name, double value);
/* Adds an object at the end of the array at `path`. */
struct record *record_append(struct record *r, const char *path);
void record_append_text(struct record *r, const char *path, const char *value);
/* Whole numbers as integers; what is no finite number as null, so that places stay. */
void record_append_real(struct record *r, const char *path, double value);
/* Removes items from the array's beginning until `max` are left; how many. */
size_t record_keep_last(struct record *r, const char *path, size_t max);
/* An array without items, so that a reader finds one. */
void record_set_empty(struct record *r, const char *path);
/* What is at `path` of `from`, whatever it is, to the same path of `to`; nothing when it is not
 * there. A copy: later changes of one are not the other's. */
void record_copy(struct record *to, const struct record *from, const char *path);
/* A copy of the whole document as the object at `path` of `to`; as one more item of the array. */
void record_put(struct record *to, const char *path, const struct record *from);
void record_append_copy(struct record *to, const char *path, const struct record *from);
/* Removes what is at `path`, if anything. */
void record_clear(struct record *r, const char *path);
/* Of the array at `path` only the first `most` items stay; with 0 the array goes too. */
void record_cut(struct record *r, const char *path, size_t most);

const char *record_text(const struct record *r, const char *path); /* NULL when absent */
bool record_int(const struct record *r, const char *path, int64_t *ret);
bool record_real(const struct record *r, const char *path, double *ret); /* integers too */
bool record_bool(const struct record *r, const char *path);              /* absent is false */
/* Arrays: objects by index; texts by index. */
size_t record_count(const struct record *r, const char *path);
struct record *record_at(const struct record *r, const char *path, size_t n);
/* The first object of the array at `path` whose `member` is that text; NULL if none. */
struct record *record_find(const struct record *r, const char *path, const char *member,
                           const char *text);
const char *record_text_at(const struct record *r, const char *path, size_t n);
bool record_has_text(const struct record *r, const char *path, const char *text);
/* The object at `path`; NULL if none. */
struct record *record_object(const struct record *r, const char *path);
/* An object among the members of the object at `path`, whose names may hold dots; NULL if none. */
struct record *record_member(const struct record *r, const char *path, const char *name);
/* All such objects. */
typedef void record_each(void *arg, const char *name, const struct record *member);
void record_members(const struct record *r, const char *path, record_each *each, void *arg);

/* The document as text fit for a terminal, with a newline at its end; the caller frees. Indented,
 * with objects and lists that hold no others on one line where they fit. */
char *record_format(const struct record *r);
/*
 * The same to a stream, for a document whose last member `name` is a list of very many: `next`
 * fills one item at a time and returns false when there are no more, so that they need not all be
 * in memory. -1 as fputs() fails.
 */
typedef bool record_next(void *arg, struct record *item);
int record_write_list(FILE *to, const struct record *head, const char *name, record_next *next,
                      void *arg);
/* The same as one line. */
char *record_format_line(const struct record *r);
/* Names the offending line on malformed input. */
struct record *record_parse(const char *text, const char *where, struct err *e);

#endif
