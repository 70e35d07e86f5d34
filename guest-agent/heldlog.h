/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's log: every line goes into a ring in memory, and a thread of its own writes it to
 * stderr. While quiet (a freeze) the thread writes nothing: journald may stand on a frozen disk.
 * And should stderr block for another reason, only that thread waits.
 *
 * The memory is static; a line is cut at HELDLOG_LINE characters; when the ring overruns, the
 * writer says how many lines were lost.
 */
#ifndef CBSNAP_AGENT_HELDLOG_H
#define CBSNAP_AGENT_HELDLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/log.h"

#define HELDLOG_LINE  360
#define HELDLOG_LINES 512

struct held_line {
    enum log_level level;
    int64_t wall_us;
    char text[HELDLOG_LINE];
};

/* Installs itself as the log's sink and starts the thread. */
void heldlog_start(void);
/* Writes what is left, for at most `wait_ms`, and gives the log back to stderr. */
void heldlog_stop(int wait_ms);
/* Any thread. */
void heldlog_quiet(bool on);
/* `wake` is called (any thread, must not log) when a line came while quiet. NULL ends it. */
void heldlog_on_held(void (*wake)(void *arg), void *arg);

/* The first line numbered *seq or later that is still there; moves *seq behind it. False: none. */
bool heldlog_next(uint64_t *seq, struct held_line *ret);
/* The number that the next line will get. */
uint64_t heldlog_seq(void);

#endif
