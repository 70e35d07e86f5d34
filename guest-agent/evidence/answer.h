/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When does the server first answer? In a guest that verifies, a thread of its own tries to log in
 * ten times a second from the agent's start on, until it is let in once: how long recovery took, at
 * most. Nobody else may do that: it is no way to treat a server in production.
 */
#ifndef CBSNAP_EVIDENCE_ANSWER_H
#define CBSNAP_EVIDENCE_ANSWER_H

#include "guest-agent/mysql/lock.h"

struct answer_watch;
/* The login's strings outlive the watch; its socket may be "". */
struct answer_watch *answer_watch_new(const struct mysql_login *login);
/* Ends its work, and every wait for it; any thread. Accepts NULL. */
void answer_watch_stop(struct answer_watch *w);
/* -1 when its thread hangs: end the process. Accepts NULL. */
int answer_watch_free(struct answer_watch *w, int wait_ms);

/* From the start of the server's process until it first answered; waits that long for the watch,
 * which may be a moment behind a caller whom the server has answered. False when it has had no
 * answer, or the process could not be seen. Any thread. Accepts NULL. */
bool answer_watch_took(struct answer_watch *w, int wait_ms, uint32_t *ret_ms);

#endif
