/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the index's files: the list that grows, and the file it is kept in. */
#ifndef CBSNAP_INDEX_INTERNAL_H
#define CBSNAP_INDEX_INTERNAL_H

#include "host-coordinator/index/index.h"

/* A new entry at the end, all absent. */
struct index_entry *index_add(struct index_list *l);
void index_entry_release(struct index_entry *entry);

/* What STATE/index.db holds, in the order of its rows; -1 with the reason if it is of no use. */
int index_load(struct index_list *ret, const char *state_dir, struct err *e);
/* Puts these in its place. */
int index_save(const struct index_list *l, const char *state_dir, struct err *e);

#endif
