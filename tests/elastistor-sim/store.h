/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state file: every table of the model as one JSON document, replaced whole by a rename, so
 * that a killed stand-in starts with the state after some complete command.
 *
 * Threads: the caller holds model.lock. Not synced to the disk: it survives a killed process, not
 * a power cut, and a test tool should not add an fsync to the time of a snapshot.
 */
#ifndef SIM_STORE_H
#define SIM_STORE_H

#include "tests/elastistor-sim/model.h"

/* Reads DIR/state.json into an empty model. *ret_found is false when there is no such file. */
int store_load(struct model *m, const char *dir, bool *ret_found, struct err *e);
int store_save(const struct model *m, const char *dir, struct err *e);

#endif
