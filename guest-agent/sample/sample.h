/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Samples: one reading of many metrics, the ring that keeps the last minutes, and the readers of
 * the operating system's part (/proc). The database's part comes through mysql/status.h.
 *
 * A family of the system's metrics is one function in the table of os.c; the sampler keeps the
 * previous counters to turn them into rates. A metric that cannot be read is absent.
 */
#ifndef CBSNAP_SAMPLE_H
#define CBSNAP_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

struct metric {
    char name[56];
    double value;
};

struct sample_trx {
    char id[24];
    uint64_t thread;
    char user[96];
    uint32_t age_s;
    uint64_t rows_modified;
};

/* One reading; owns `metrics` and `trx`; freed with sample_free(). */
struct sample {
    int64_t mono_us, wall_us; /* when the reading began */
    struct metric *metrics;
    size_t count, cap;
    struct sample_trx trx[3];
    size_t trx_count;
    uint32_t missed; /* readings skipped since the previous one because it came late */
};

struct sample *sample_new(void); /* stamped with now */
void sample_free(struct sample *s);
/* Signature of metric_emit, with the sample as `arg`. */
void sample_emit(void *sample, const char *name, double value);
/* NULL when absent. */
const double *sample_get(const struct sample *s, const char *name);

/* The operating system's metrics. One object keeps the previous counters; one thread. */
struct os_sampler;
struct os_sampler *os_sampler_new(const char *proc_root); /* "" for the live system */
void os_sampler_free(struct os_sampler *o);
/* Reads only /proc: cannot block on a frozen filesystem. */
void os_sampler_read(struct os_sampler *o, struct sample *into);

/* The last `capacity` samples, oldest dropped first. Owns them. Not thread-safe. */
struct sample_ring;
struct sample_ring *sample_ring_new(size_t capacity);
void sample_ring_free(struct sample_ring *r);
void sample_ring_add(struct sample_ring *r, struct sample *s); /* takes ownership */
size_t sample_ring_count(const struct sample_ring *r);
const struct sample *sample_ring_at(const struct sample_ring *r, size_t n); /* 0 is the oldest */

#endif
