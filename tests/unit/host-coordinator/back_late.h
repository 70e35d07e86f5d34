/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A run of going back that dies late: all that it had begun has come true, and its journal tells
 * how far it came. What the world becomes before recover is the test's. */
#ifndef CBSNAP_TESTS_BACK_LATE_H
#define CBSNAP_TESTS_BACK_LATE_H

#include "tests/unit/host-coordinator/back_world.h"

struct late {
    const char *at; /* the event at which the journal is kept as it is then */
    char kept[64], journal[96];
};
extern struct late late;

/* For cmocka, in place of world_setup() and world_teardown(): a VM that runs. */
int late_setup(void **state);
int late_teardown(void **state);
/* As if the run had died at that event and what it had begun had come true all the same. */
struct tale die_late(struct wanted wanted, const char *event);
/* Of a file; at least one line must have it. */
void take_line_out(const char *path, const char *with);
/* The words of the recover of the one journal there is. */
void expect_recovered(const char *words);
/* An admin has libvirt forget it, whether it runs or not. */
void forget(const char *name);

#endif
