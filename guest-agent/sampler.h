/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Samples at a steady pace: one thread for each lane of sources (lane.h), of which the kernel's
 * beats time; the loop keeps the last minutes and streams them to whoever subscribed.
 *
 * At each beat the other lanes are asked, /proc is read, the others are waited for, but not for
 * long, and what is there makes the sample. What comes later goes into the next sample if it was
 * read since this one, else nowhere: a metric is absent, never stale. A lane that is late is left
 * out and counted (agent.missed), and so is a beat that itself comes late.
 */
#ifndef CBSNAP_AGENT_SAMPLER_H
#define CBSNAP_AGENT_SAMPLER_H

#include <uv.h>

#include "guest-agent/sample/source.h"

struct sampler_config {
    int interval_ms, history_s;
    int patience_ms;  /* with the other lanes; 0: half the interval, at most 200 */
    int cost_percent; /* of the time, for each source that can cost; 0: no limit */
    const struct source *const *sources; /* of all lanes; outlive the sampler */
    size_t source_count;
    struct source_config source; /* what it points at outlives the sampler */
};

struct sampler;

/* `fresh` is called on the loop's thread after each new sample. */
struct sampler *sampler_new(uv_loop_t *loop, const struct sampler_config *config,
                            void (*fresh)(void *arg), void *arg);
/* -1 when one of its threads hangs: end the process, or try again. */
int sampler_free(struct sampler *s, int wait_ms);

/* While quiet (a freeze) only what cannot block is read; what was under way does not count. */
void sampler_quiet(struct sampler *s, bool on);
/* A subscriber wants them more often; 0: back to the configured interval. Takes effect at once. */
void sampler_hurry(struct sampler *s, int interval_ms);

/* Samples are numbered from 0; those numbered sampler_first() .. sampler_next()-1 are there. */
uint64_t sampler_first(const struct sampler *s);
uint64_t sampler_next(const struct sampler *s);
const struct sample *sampler_at(const struct sampler *s, uint64_t number);
/* What the ids in the samples stand for. */
const struct names *sampler_names(const struct sampler *s);

#endif
