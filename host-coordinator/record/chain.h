/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chain of a domain's records: what was written and removed, in which order, by whom it should
 * be. save.c is its only user that writes.
 *
 *     STATE/records/DOMAIN/chain.jsonl    one JSON object a line, only ever appended to
 *     STATE/records/DOMAIN/chain.lock     locked while a record is written or removed
 *
 *     {"n":7,"at":"2026-11-24T01:36:08.020Z","event":"written","set":"20261124T013604Z-6e86",
 *      "sha256":"...","replaced":"...","before":"..."}
 *
 * n         the line's number, from 1
 * event     `found`: the record was there when the chain began; `written`; `removed`
 * earlier   of one found: the line of an earlier chain, by now gone, that the record says it has
 * sha256    of the record's file: as found, as written, as it was when it was removed
 * replaced  of the file that was written over; absent where there was none. A record that somebody
 *           edited is thereby told also after we have amended it
 * before    of the line before, without its newline; absent in the first
 *
 * The order survives a crash between any two of its steps, since the chain is told first and the
 * new record lies ready by then:
 *
 *     write SET.json.tmp, sync   append the line, sync   rename to SET.json, sync
 *                                append the line, sync   unlink SET.json, sync
 *
 * A crash before the line is whole has changed nothing. After it, only the last step is missing:
 * chain_open() of the next writer makes up for it. A line cut short was never acted on, and goes.
 */
#ifndef CBSNAP_CHAIN_H
#define CBSNAP_CHAIN_H

#include "host-coordinator/record/record.h"

/* ---- writing --------------------------------------------------------------------------------- */

struct chain;

/*
 * Takes the chain of the folder for one act, waiting for another process's for at most 10 s
 * (ERR_BUSY); begins it if there is none; finishes what a crash left. `chain_close()` lets go.
 */
int chain_open(struct chain **ret, const char *folder, struct err *e);
void chain_close(struct chain *c); /* accepts NULL */

/* Of the line that comes next. */
int64_t chain_next(const struct chain *c);

/* One line, once. The digests are digest.h's; `replaced` is "" where no file was. */
int chain_written(const struct chain *c, const char *set, const char *sha256, const char *replaced,
                  struct err *e);
int chain_removed(const struct chain *c, const char *set, const char *sha256, struct err *e);
/* That line failed, or what it tells could not be done: takes it back. -1: it may stand, and then
 * the next chain_open() does what it tells. */
int chain_take_back(const struct chain *c);

/* ---- checking -------------------------------------------------------------------------------- */

struct chain_ask {
    const char *set;  /* only sets whose id begins so; NULL: all */
    const char *head; /* a line's digest that was noted earlier and must be there; NULL: none */
};

/*
 * Compares one domain's records with its chain, and sets in `to`:
 *
 *     domain, chain     its name; path of the file
 *     lines, since      how many lines, time of the first; absent: no chain yet
 *     head              digest of the last line
 *     records, before   how many there are, and how many of them are from before the chain
 *     findings[]        kind, path, set, line, message: what somebody else has done
 *     notes[]           what a crash left and the next write makes up for
 *
 * Returns how many sets were looked at, those that are gone included; -1 when something could not
 * be read. It changes nothing, takes no lock, and makes no writer wait.
 */
int chain_check(struct record *to, const char *state_dir, const char *domain,
                const struct chain_ask *ask, struct err *e);

#endif
