/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asynchronous jobs: createVolume and deleteFileSystem answer with a job id at once; one thread
 * does the work when the job's time is over, so the object appears or vanishes then.
 *
 * Jobs are rows of the model: one that ran when the stand-in was killed goes on after a restart.
 */
#ifndef SIM_JOBS_H
#define SIM_JOBS_H

#include "tests/elastistor-sim/sim.h"

/* Does the work of a job under model.lock; on failure the text is the job's errortext. */
typedef int job_work(struct sim *s, const json_t *args, json_t **ret_result, struct err *e);

int jobs_start(struct sim *s, struct err *e);
/* Ends the thread; what is not due yet stays in the state. Accepts a sim without one. */
void jobs_stop(struct sim *s);
/* Starts a job for the call's command, takes `args` over and answers with its id. Lock held. */
void jobs_add(struct call *c, const char *command, json_t *args);

#endif
