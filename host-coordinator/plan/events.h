/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guest tells unasked while a run listens: freeze events, samples, held-back log lines. */
#ifndef CBSNAP_EVENTS_H
#define CBSNAP_EVENTS_H

#include "host-coordinator/plan/run.h"

/* A guest_event for guest_open(); arg is the run. */
void run_on_event(void *arg, const Cbsnap__Envelope *m);

/* Asks for samples; failing to get them never fails a run. */
void run_subscribe(struct run *r);

#endif
