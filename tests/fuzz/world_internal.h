/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What world.c and world_estate.c share. */
#ifndef CBSNAP_TESTS_FUZZ_WORLD_INTERNAL_H
#define CBSNAP_TESTS_FUZZ_WORLD_INTERNAL_H

#include "host-coordinator/storage/storage.h"

struct storage *world_array_new(void);
/* Answers what was asked; the snapshots only when `late`. True if there was something to answer. */
bool world_array_turn(bool late);

#endif
