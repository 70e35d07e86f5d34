/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What storage.h promises, as test cases that run the same against every driver: the array in
 * memory in the unit tests, ElastiStor against its stand-in in the integration tests.
 */
#ifndef CBSNAP_STORAGE_CONTRACT_H
#define CBSNAP_STORAGE_CONTRACT_H

#include "host-coordinator/storage/storage.h"

/*
 * Runs all cases on an open array that has at least three volumes, no snapshot called
 * "contract-...", and takes at least 20 ms for a snapshot. Leaves no snapshot behind.
 * Returns the number of cases that failed.
 */
int storage_contract_run(const char *title, struct loop *loop, struct storage *array);

#endif
