/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The last requests, for tests that ask who did what and when. Thread-safe. The API key is never
 * kept: the parameters are stored without it.
 */
#ifndef SIM_REQLOG_H
#define SIM_REQLOG_H

#include "tests/elastistor-sim/params.h"

#include <jansson.h>
#include <stdint.h>

struct reqlog;

struct reqlog *reqlog_new(void);
void reqlog_free(struct reqlog *l);

/* Times in ms since the epoch; out is when the answer was ready to be sent. status 0: no answer,
 * the connection was reset. */
void reqlog_add(struct reqlog *l, int64_t in_ms, int64_t out_ms, const char *command,
                const struct params *p, int status, const char *fault);
/* Requests that came at `since_ms` or later, oldest first. */
json_t *reqlog_show(struct reqlog *l, int64_t since_ms);

#endif
