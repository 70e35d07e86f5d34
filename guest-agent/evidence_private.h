/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files that answer for evidence.h share: their worker, and one request on its way through
 * it. */
#ifndef CBSNAP_AGENT_EVIDENCE_PRIVATE_H
#define CBSNAP_AGENT_EVIDENCE_PRIVATE_H

#include <stdatomic.h>

#include "guest-agent/daemon.h"
#include "guest-agent/evidence/answer.h"
#include "guest-agent/evidence/freezes.h"
#include "guest-agent/evidence/setid.h"
#include "guest-agent/evidence.h"
#include "guest-agent/session/worker.h"

struct evidence {
    struct daemon *daemon;
    struct worker *worker;
    struct freezes freezes;
    char verifying[SETID_SIZE]; /* "": an ordinary boot */
    struct answer_watch *watch; /* while verifying */
    unsigned pending;           /* loop's thread */
    atomic_bool quiet;          /* a freeze is under way */
    bool checking;              /* a data check is under way; loop's thread */
    atomic_bool stop_check;
};

/* Base of each request: first in its struct. `run` sets `err`, or its own results. */
struct evidence_job {
    struct worker_job job; /* first: the worker hands this back */
    struct evidence *ev;
    struct call *call;
    struct err err; /* set: it is the answer */
    void (*answer)(struct evidence_job *j);
    void (*release)(struct evidence_job *j);
};

/* evidence_freezes.c */
void evidence_freezes_load(struct evidence *ev);

/* Why no request can begin now. */
int evidence_can_begin(const struct evidence *ev, struct err *e);
void evidence_start(struct evidence_job *j);
/* Starts it, or answers with the error that is already set, or with why it cannot begin now. */
void evidence_submit(struct evidence_job *j);

/* The worker's thread. */
bool evidence_must_stop(void *evidence);
int evidence_check_quiet(struct evidence_job *j); /* sets its error */
struct mysql_login evidence_login(const struct evidence *ev);

#endif
