/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What listing and ranking need to know of one set: few facts, read from its record once and kept
 * in the index. The table in facts.c is the index's columns and the members that --json shows.
 *
 * Absent is absent: a text is NULL, a number is NAN. Texts may hold what a guest or an appliance
 * sent: make them plain before they go to a terminal. Not tied to a thread.
 */
#ifndef CBSNAP_INDEX_FACTS_H
#define CBSNAP_INDEX_FACTS_H

#include "host-coordinator/record/record.h"

struct set_facts {
    char *set, *domain, *uuid, *started, *ended, *verdict;
    char *binlog_file, *gtid_set, *server_version;
    char *verified; /* "same", "different"; NULL: never verified */
    char *verified_at;
    char *imported; /* from which manifest; NULL: the coordinator's own record */
    double write_stall_ms, binlog_offset;
    double volumes, snapshots_kept; /* how many the set has, how many the appliance still keeps */
    double recovery_ms;             /* as measured when it was verified */
    /* just before the freeze */
    double checkpoint_age_bytes; /* log that a recovery reads */
    double dirty_bytes;          /* changed pages not yet written */
    double history_length;
    double trx_long, trx_oldest_s, trx_rows; /* long transactions; rows that they had changed */
    double load1, threads_running;
    double write_ms; /* per write, of the slowest disk */
    /* from the first sample of the run to the last */
    double errors; /* lines in the server's error log */
    double deadlocks;
};

enum fact_kind { FACT_TEXT, FACT_NUMBER };

struct fact_row {
    const char *name; /* column and JSON member */
    enum fact_kind kind;
    size_t at; /* of the member in struct set_facts */
    /* where it is in a record: at a path, or wherever the function looks */
    const char *path;
    double (*number)(const struct record *r);
};

extern const struct fact_row fact_rows[];
extern const size_t fact_row_count;
/* The first rows say which set it is and what it is worth: a list of thousands shows no more. */
extern const size_t fact_listed_count;

/* The place of one fact. */
char **fact_text(struct set_facts *f, const struct fact_row *row);
double *fact_number(struct set_facts *f, const struct fact_row *row);

/* No fact is known. */
void facts_init(struct set_facts *f);
void facts_read(struct set_facts *ret, const struct record *r);
void facts_release(struct set_facts *f);
/* Sets each known fact of the first `count` rows as a member of `to`. */
void facts_report(struct record *to, const struct set_facts *f, size_t count);

#endif
