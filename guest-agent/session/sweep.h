/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * After an end that qemu-ga may not know of (it can still be freezing, filesystem by filesystem)
 * the mounts are thawed again for a while, so that none stays frozen without anybody on guard. The
 * thaw hook or the next freeze ends it; an agent that is to stop stays for a while. A mark on tmpfs
 * tells a successor to go on.
 *
 * It has a thread of its own: what else is idle work (asking the server, reading /proc/PID/cmdline)
 * can wait for a filesystem that was frozen late, and would keep it frozen.
 *
 * session_sweep() and session_tick() are in session.h. Only sweep.c writes `sweep_until_us`.
 */
#ifndef CBSNAP_SESSION_SWEEP_H
#define CBSNAP_SESSION_SWEEP_H

#include "guest-agent/session/session.h"

/* A freeze is being ended without qemu-ga's word: once it is over session_sweep() has to follow. */
void session_sweep_due(struct session *s);
/* The next freeze begins: the mounts are its own. */
void session_sweep_drop(struct session *s);
/* The thaw hook came when idle: qemu-ga has done. */
void session_sweep_end(struct session *s);
/* WORK_SWEEP was done. A freeze that began meanwhile is locked for now: not before, for its mounts
 * take the place of those that were swept. */
void session_swept(struct session *s, const struct session_job *job);
/* Idle again: whoever waits for the stop, if anybody, is answered now or when the sweep is over. */
void session_stop_when_swept(struct session *s);

#endif
