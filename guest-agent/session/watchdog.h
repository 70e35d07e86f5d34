/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The watchdog: when the lease ends it lets go by itself, on its own thread, with no help of the
 * loop or the worker, for either may be what hangs. `fire` therefore must not take a lock that
 * another thread holds while it blocks, allocate, or log.
 *
 * All functions: any thread, never block behind `fire`.
 */
#ifndef CBSNAP_SESSION_WATCHDOG_H
#define CBSNAP_SESSION_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

struct watchdog;

/* `fire` thaws and severs; `fired` tells the loop afterwards (uv_async_send). Both on the
 * watchdog's thread. NULL when no thread can be had. */
struct watchdog *watchdog_new(void (*fire)(void *arg), void (*fired)(void *arg), void *arg);

/* (Re)starts it to end at `at_us` (monotonic). False when it has fired since it was first armed, or
 * is still firing for an earlier freeze. */
bool watchdog_arm(struct watchdog *w, int64_t at_us);

/* Takes it back. False when it had fired or is firing; it can be armed anew once fire returned. */
bool watchdog_disarm(struct watchdog *w);

/* Is fire running at this moment? Then what it uses must not be freed: `later(what)` is called when
 * it has returned, and true is returned. */
bool watchdog_defer(struct watchdog *w, void (*later)(void *what), void *what);

bool watchdog_is_firing(struct watchdog *w);

/* It has fired and was not yet disarmed. */
bool watchdog_has_fired(struct watchdog *w);

/* Joins; -1 when it hangs in fire (then everything is left behind, for the process is to end). */
int watchdog_free(struct watchdog *w, int wait_ms);

#endif
