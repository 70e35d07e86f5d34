/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeping in memory what letting go needs. */
#ifndef CBSNAP_AGENT_PIN_H
#define CBSNAP_AGENT_PIN_H

#include <stdbool.h>

/*
 * A page that must be read in from a disk, or made free by writing to one, could come late or never
 * while the guest is frozen. Locks all that is mapped now and will be, but for the libraries of
 * encryption and compression: they serve a login, which no release waits for, and are two thirds of
 * the program's memory. Warns when it may not.
 */
void pin_memory(void);

/* Lifts the limit on locked memory, which may take a right that is given up later; false: there is
 * a limit, and locking more takes CAP_IPC_LOCK. */
bool pin_raise_limit(void);

#endif
