/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the chain's writer and its check: one line, and the files of the folder. */
#ifndef CBSNAP_CHAIN_INTERNAL_H
#define CBSNAP_CHAIN_INTERNAL_H

#include "host-coordinator/record/chain.h"

#include "host-coordinator/digest/digest.h"

enum chain_event { CHAIN_NONE, CHAIN_FOUND, CHAIN_WRITTEN, CHAIN_REMOVED };

struct chain_line {
    enum chain_event event; /* CHAIN_NONE: this is no line of a chain, and only `own` is known */
    int64_t n, earlier;     /* 0: absent */
    char *at, *set;
    char sha256[DIGEST_TEXT], replaced[DIGEST_TEXT], before[DIGEST_TEXT]; /* "": absent */
    char own[DIGEST_TEXT];                                                /* of the line itself */
};

/* `text` has no newline. Always fills `ret`; -1 only when no digest can be computed. */
int chain_line_parse(struct chain_line *ret, const char *text, size_t len, struct err *e);
void chain_line_release(struct chain_line *l);
/* With its newline, for the caller to free; NULL when the set's name is no UTF-8. */
char *chain_line_format(const struct chain_line *l);

char *chain_path(const char *folder);
char *chain_lock_path(const char *folder);
/* A record, and what it is written to first; the caller frees. */
char *chain_record_path(const char *folder, const char *set);
char *chain_temp_path(const char *folder, const char *set);

/* The line that the record says it has; 0: it says none, or cannot be read. */
int64_t chain_claim(const char *folder, const char *set);

/* Is the act that this line, the last of its chain, tells of still to be finished, and as its
 * writer left it? */
int chain_unfinished(bool *ret, const char *folder, const struct chain_line *last, struct err *e);

/* The sets that have a record in the folder, by name; the caller frees each and the array. A folder
 * that is not there has none. */
int chain_sets(char ***ret, size_t *ret_count, const char *folder, struct err *e);

/* Waits until nobody holds the lock `fd`, for as long as chain_open() would. It takes no lock: a
 * reader that is stopped half-way must not keep a set from its record. */
int chain_wait_calm(int fd, const char *folder, struct err *e);

#endif
