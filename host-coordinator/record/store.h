/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files of the coordinator: records, and what a run has begun.
 *
 *     STATE/records/DOMAIN/SET.json     one record
 *     STATE/records/DOMAIN/chain.jsonl  what was written and removed there, see chain.h
 *     STATE/journal/UUID.lock           locked while a run has the VM, see store_lock()
 *     STATE/journal/SET.jsonl           a run's steps, a JSON object a line, until it is published
 *
 * A record is written to a temporary name, synced, and renamed: a reader sees the old or the new
 * one, never half. Whoever writes one tells the chain of it, and waits while another process does.
 * Domain names that are no plain file names are refused, see store_check_name().
 */
#ifndef CBSNAP_STORE_H
#define CBSNAP_STORE_H

#include "host-coordinator/record/record.h"

/* Above this a file is no record of ours, and is not read: series files hold what is long. */
#define STORE_RECORD_MAX (16 * 1024 * 1024)

/* ERR_USAGE: no domain of that name could have records. Nor would libvirt take one with '/' or a
 * newline. */
int store_check_name(const char *name, struct err *e);

/* Makes the directories that are missing, 0750, and begins the domain's chain if there is none:
 * that reads all records. */
int store_prepare(const char *state_dir, const char *domain, struct err *e);

/* With that much room a record, what it replaces, its readings and its journal fit as a rule. */
#define STORE_ROOM_BYTES (4 * 1024 * 1024)

/* Would store_prepare(), store_lock() and a record be let, by rights and room? Makes nothing.
 * ERR_IO names what cannot be written. Without a domain (both NULL) only of what all have. */
int store_usable(const char *state_dir, const char *domain, const char *uuid, struct err *e);

/* It takes up no more than half of that: the rest is for what is written into it later, a
 * verification, a removal. For who makes a record of what others say. */
bool store_has_room(const struct record *r);

/* Sets the member chain.line in it. ERR_REFUSED: it is longer than readers take; what was there
 * stays. */
int store_save(const char *state_dir, const char *domain, const char *set, struct record *r,
               struct err *e);

/* Removes a record with what lies beside it; one that is gone already is a success. */
int store_remove(const char *state_dir, const char *domain, const char *set, struct err *e);

/* By set id, in whichever domain's folder; ERR_NOT_FOUND otherwise. A unique prefix will do. */
struct record *store_load(const char *state_dir, const char *set, struct err *e);

/* The files of records, newest first, of one domain or (NULL) of all. Nothing is opened. */
struct store_names {
    char **names; /* "DOMAIN/SET.json", below STATE/records */
    size_t count;
};
int store_names(struct store_names *ret, const char *state_dir, const char *domain, struct err *e);
void store_names_release(struct store_names *l);
/* The domains that have a folder, by name. */
int store_domains(struct store_names *ret, const char *state_dir, struct err *e);
/* That order, of two such names: negative when x is the newer one. Never 0 for different names. */
int store_newest_first(const char *x, const char *y);

/* The UUID of the VM whose sets these are, as the newest record that tells; NULL when none does.
 * The caller frees. ERR_NOT_FOUND: there are no records. */
int store_uuid(const char *state_dir, const char *domain, char **ret, struct err *e);
/*
 * The folder that a person's DOMAIN means, which the caller frees. A UUID is that of the VM's sets;
 * of a VM that was renamed, of its newest. What is no UUID of a VM that has records is left as it
 * is.
 */
int store_domain_of(const char *state_dir, const char *given, char **ret, struct err *e);
/* Both are UUIDs, and the same, however they are written. */
bool store_same_uuid(const char *a, const char *b);

/* One of these files, by its path. ERR_CONFIG: what is in it is no record that we understand. */
struct record *store_read(const char *path, struct err *e);

/*
 * Takes the VM for this run; ERR_BUSY says which process has it. *ret_fd holds it until closed.
 *
 * Open-file-description locks (fcntl(2), Linux 3.15): they end with the descriptor, as flock's do,
 * and can be asked about without being taken, so that who only looks never stands in a run's way.
 * The file's first byte is the run's, its second that of who watches the VM.
 */
int store_lock(const char *state_dir, const char *uuid, int *ret_fd, struct err *e);
/* For who only looks: *ret_fd is the lock file, nothing is taken. ERR_IO where no run could have
 * been yet, or this user may not see it. */
int store_look(const char *state_dir, const char *uuid, int *ret_fd, struct err *e);
/* Takes the place of the one that watches the VM, until fd is closed; ERR_BUSY says who has it. */
int store_watch(int fd, struct err *e);
/* Has a run the VM now? *ret_pid is 0 when it is not known. */
bool store_run_has(int fd, long *ret_pid);

/* The journal of one run. `sync` waits for the disk: not between freeze and thaw. */
struct journal;
/* The file is locked while the run lives: one that is not locked is a dead run's. On success it is
 * there, whatever a recover has made of it before it was locked. */
int journal_open(struct journal **ret, const char *state_dir, const char *set, struct err *e);
/* What cannot be written is only logged: a full disk must not keep a VM frozen. */
void journal_step(struct journal *j, const char *step, const char *event, bool sync);
/* A whole object as one line, such as the volumes and names that are about to be used: for who
 * must not go on without it. */
int journal_write(struct journal *j, const struct record *r, bool sync, struct err *e);
/* `done`: the record tells all now, so the file is removed. Accepts NULL. */
void journal_close(struct journal *j, bool done);

/* The ids of all runs that have a journal, oldest first. */
int journal_names(struct store_names *ret, const char *state_dir, struct err *e);
/* What a journal says, of a live run or a dead one; as below. NULL: see e. */
struct record *journal_read(const char *state_dir, const char *set, struct err *e);
/*
 * Takes over a dead run's journal, to finish or undo it: its lines as one record with the members
 * that they had, a later line's before an earlier's, and the names of the steps that were begun in
 * `begun[]`, of those that went well in `done[]`, of those whose undo was begun in `undoing[]`,
 * and went well in `undone[]`.
 * ERR_BUSY: the run lives; ERR_NOT_FOUND: it has ended, or was recovered. A last line cut short by
 * a power cut is left out. What is written to *ret_journal goes on behind the old lines. Free both.
 */
int journal_take_over(struct journal **ret_journal, struct record **ret, const char *state_dir,
                      const char *set, struct err *e);

#endif
