/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Samples at a steady pace: a thread reads /proc and the server, the loop keeps the last minutes
 * and streams them to whoever subscribed.
 *
 * A reading that comes late is not made up for: it is skipped and counted in the next one. While
 * quiet (a freeze) only /proc is read.
 */
#ifndef CBSNAP_AGENT_SAMPLER_H
#define CBSNAP_AGENT_SAMPLER_H

#include <uv.h>

#include "guest-agent/mysql/lock.h"
#include "guest-agent/sample/sample.h"

struct sampler_config {
    struct mysql_login login; /* its strings outlive the sampler */
    int interval_ms, history_s, trx_long_s;
};

struct sampler;

/* `fresh` is called on the loop's thread after each new sample. */
struct sampler *sampler_new(uv_loop_t *loop, const struct sampler_config *config,
                            void (*fresh)(void *arg), void *arg);
/* -1 when its thread hangs: end the process. */
int sampler_free(struct sampler *s, int wait_ms);

void sampler_quiet(struct sampler *s, bool on);
/* A subscriber wants them more often; 0: back to the configured interval. While faster, the ring
 * reaches less far back. */
void sampler_hurry(struct sampler *s, int interval_ms);

/* Samples are numbered from 0; those numbered sampler_first() .. sampler_next()-1 are there. */
uint64_t sampler_first(const struct sampler *s);
uint64_t sampler_next(const struct sampler *s);
const struct sample *sampler_at(const struct sampler *s, uint64_t number);
/* What the ids in the samples stand for. */
const struct names *sampler_names(const struct sampler *s);

#endif
