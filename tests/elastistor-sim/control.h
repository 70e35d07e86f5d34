/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control interface of the stand-in, /sim/...: latency, faults, request log, where a volume
 * lies. No part of the appliance; README.md has examples. The caller checked the API key.
 */
#ifndef SIM_CONTROL_H
#define SIM_CONTROL_H

#include "tests/elastistor-sim/sim.h"

/* `what` is the path after /sim/. Returns the HTTP status and a JSON object of the caller's. */
int control_run(struct sim *s, const char *what, const struct params *p, json_t **ret_answer);

#endif
