/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the cases of the contract have in common: the array under test and operations that must
 * succeed. A failure fails the case (cmocka). Private to tests/contract.
 */
#ifndef CBSNAP_STORAGE_CONTRACT_UTIL_H
#define CBSNAP_STORAGE_CONTRACT_UTIL_H

#include "tests/contract/storage_contract.h"

#define SECOND INT64_C(1000000)
#define TRIO   3
#define FIRST  (&env.volumes[0])

struct contract_env {
    const struct storage_contract *c;
    struct loop *loop;
    struct storage *array;
    const struct storage_ops *ops;
    struct volume volumes[TRIO];
};

extern struct contract_env env;

int64_t soon(void); /* a deadline that no case meets */
void wait_done(struct storage_op *op);
/* ... and it must have succeeded. */
void wait_good(struct storage_op *op);
/* ... and it must have failed with one of these; releases the op. */
void wait_bad(struct storage_op *op, enum err_code code, enum err_code or_code);

void take(const struct volume *v, const char *name);
bool has(const struct volume *v, const char *name);
void drop(const struct volume *v, const char *name);

/* What a user of the volume would write and read. */
void put(const struct volume *v, int content);
int get(const struct volume *v);
void roll_back(const struct volume *v, const char *name);
/* The caller releases *ret. */
void make_clone(struct volume *ret, const struct volume *v, const char *name, const char *clone);
void remove_it(const struct volume *v);
/* Who may use it; the caller frees it. */
char *access_word(const struct volume *v);
void let_in(const struct volume *v, const char *word);

/* Results are the caller's to release. */
void list_volumes(struct storage_op *op);
void list_first(struct storage_op *op); /* snapshots of the first volume */
bool listed(const char *name);          /* a volume of that name */
/* SIZE_MAX: not in the list of snapshots. */
size_t place_of(const struct storage_op *op, const char *name);

/* Lists the three volumes, for the cases; and forgets them. */
int list_trio(void **state);
int release_trio(void **state);
/* Removes every volume and snapshot called "contract-...". */
int clean_up(void **state);

/* Whatever a case does, after it the same may use the first volume as before: word_before. */
#define CONTRACT_CASE(test) cmocka_unit_test_setup_teardown(test, remember, restore)
extern char *word_before;
int remember(void **state);
int restore(void **state);

/* The cases of the other files; each returns how many failed. */
int storage_contract_run_back(const char *title);
int storage_contract_run_clone(const char *title);

#endif
