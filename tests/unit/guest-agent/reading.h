/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading sources one at a time, at times that the test sets. */
#ifndef CBSNAP_TESTS_READING_H
#define CBSNAP_TESTS_READING_H

#include <math.h>

#include "guest-agent/sample/server_facts.h"
#include "guest-agent/sample/sources.h"
#include "tests/unit/guest-agent/tree.h"

static struct names *names;

static inline struct sample *read_at(const struct source *source, void *self, int64_t at_us)
{
    struct sample *s = sample_new(names);

    s->mono_us = at_us;
    source->read(self, s);
    return s;
}

static inline void check_value(const struct sample *s, const char *name, double want)
{
    const double *v = sample_get(s, name);

    if (!v || fabs(*v - want) > 1e-6)
        fail_msg("%s is %f, not %f", name, v ? *v : NAN, want);
}

#endif
