/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The facts of all records without reading all records: STATE/index.db remembers what each file
 * said and what stat(2) said of the file then. Whoever asks looks at the folders, reads what is new
 * or changed, and writes the index again if anything was. Records are the only truth: an index
 * that is lost, damaged, of another version or cannot be written costs time, nothing else.
 *
 * The file is an SQLite database (`sqlite3 STATE/index.db 'SELECT * FROM sets'` works) followed by
 * a checksum of it. It is read whole, never changed in place, and replaced by rename: there is no
 * journal to roll back and no lock to wait for; readers need no right to write; of two who would
 * replace it at once, one does. The only owner of libsqlite3.
 */
#ifndef CBSNAP_INDEX_H
#define CBSNAP_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "host-coordinator/index/facts.h"

struct index_entry {
    char *name;    /* "DOMAIN/SET.json", below STATE/records */
    char *problem; /* why it cannot be read, and then no fact is known; NULL otherwise */
    struct set_facts facts;
    int64_t mtime_ns, size, inode; /* of the file when it was read */
};

struct index_list {
    struct index_entry *entries; /* newest first */
    size_t count, cap;
};

/* Every record of one domain or (NULL) of all, also those that cannot be read; index_release()
 * frees. ERR_USAGE: no name of a domain; ERR_IO: a folder that cannot be listed. */
int index_read(struct index_list *ret, const char *state_dir, const char *domain, struct err *e);
void index_release(struct index_list *l);

#endif
