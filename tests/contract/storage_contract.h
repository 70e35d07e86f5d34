/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What storage.h promises, as test cases that run the same against every driver: the array in
 * memory in the unit tests, ElastiStor against its stand-in in the integration tests.
 */
#ifndef CBSNAP_STORAGE_CONTRACT_H
#define CBSNAP_STORAGE_CONTRACT_H

#include "host-coordinator/storage/storage.h"

struct storage_contract {
    const char *title;
    struct loop *loop;
    struct storage *array;
    /* Data, past the array: what a user of the volume would write (1 to 100) and read. */
    void (*write)(void *arg, const struct volume *v, int content);
    int (*read)(void *arg, const struct volume *v);
    void *arg;
};

/*
 * Runs all cases on an open array that has at least three volumes, of which somebody may use the
 * first, no volume or snapshot called "contract-...", and takes at least 50 ms for a snapshot or a
 * clone. Overwrites the first volume's data; leaves no snapshot or volume behind.
 * Returns the number of cases that failed.
 */
int storage_contract_run(const struct storage_contract *c);

#endif
