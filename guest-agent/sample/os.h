/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operating system's metrics. One object keeps the previous counters; one thread. */
#ifndef CBSNAP_SAMPLE_OS_H
#define CBSNAP_SAMPLE_OS_H

#include "guest-agent/sample/sample.h"

struct os_sampler;
struct os_sampler *os_sampler_new(const char *proc_root); /* "" for the live system */
void os_sampler_free(struct os_sampler *o);
/* Reads only /proc: cannot block on a frozen filesystem. */
void os_sampler_read(struct os_sampler *o, struct sample *into);

#endif
