/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files that hold InnoDB's pages, and the checksums of their pages by the server's own tool,
 * innochecksum. The server must not run meanwhile.
 *
 * Known by name: *.ibd, *.ibu (undo tablespaces made by CREATE UNDO TABLESPACE), ibdata*, undo001
 * or undo_001, and what innodb_data_file_path names. Temporary tablespaces hold nothing to keep.
 * Source: MySQL manual "innochecksum", "InnoDB Startup Configuration"; MariaDB "innochecksum".
 */
#ifndef CBSNAP_EVIDENCE_DATAFILES_H
#define CBSNAP_EVIDENCE_DATAFILES_H

#include "guest-agent/evidence/child.h"
#include "guest-agent/mysql/server.h"

enum data_file {
    DATA_FILE_NONE,
    DATA_FILE_WHOLE,
    DATA_FILE_SYSTEM,      /* the first of the system tablespace */
    DATA_FILE_SYSTEM_MORE, /* the others begin without a header, which the tool takes for damage */
};

struct data_files {
    char **paths;
    enum data_file *kinds; /* at the same place */
    size_t count;
};

/* Below the directories that the server has told. `data_file_path` is the server's variable of that
 * name; NULL: not known. A directory that cannot be read is ERR_IO; the caller releases. */
int data_files_find(const struct server_info *info, const char *data_file_path,
                    struct data_files *ret, struct err *e);
void data_files_release(struct data_files *f);

/* What a file of that name (without directories) is. */
enum data_file data_files_kind(const char *name, const char *data_file_path);

/*
 * Pages of the system tablespace's first file that are no data: the doublewrite buffer, where
 * MariaDB and MySQL until 8.0.19 have it. It may hold half a page of before a crash for ever, and
 * not every innochecksum knows. An extent of that many pages, from its own number on, twice as
 * long: 64 to 191 at 16 KiB. 0: there is none.
 */
uint32_t data_files_doublewrite(const char *version, unsigned long page_size);

/* Which pages of a file to check; all zero: every one. */
struct data_file_pages {
    uint32_t doublewrite;    /* pages of an extent, as above */
    unsigned long page_size; /* with it */
};

/* One file, but for what `pages` leaves out: 0 when all its checksums are right; 1 with what the
 * tool says, which the caller frees; -1 when it could not be asked: ERR_NOT_FOUND (no such tool),
 * ERR_CANCELLED, ERR_IO. */
int data_files_check(const char *path, const struct data_file_pages *pages, bool (*stop)(void *arg),
                     void *arg, char **ret_words, struct err *e);

/* What of the tool's output is worth telling, on one line; the caller frees. */
char *data_files_words(const char *output, int status);

#endif
