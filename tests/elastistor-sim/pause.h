/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sleeping that the end of the program interrupts. Every wait of the stand-in is one of these, so
 * SIGTERM ends it at once however long a latency or fault was asked for. Thread-safe.
 */
#ifndef SIM_PAUSE_H
#define SIM_PAUSE_H

#include <stdbool.h>
#include <stdint.h>

/* Sleeps; false when the program is ending. */
bool pause_ms(int64_t ms);
/* Wakes all sleepers, for good. */
void pause_stop(void);
bool pause_stopped(void);

/* Milliseconds since the epoch, as request log and job times are told. */
int64_t epoch_ms(void);

#endif
