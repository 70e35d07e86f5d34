/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One reading: a list of named values; see sample.h. */
#include "guest-agent/sample/sample.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/clock.h"

struct sample *sample_new(void)
{
    struct sample *s = xcalloc(1, sizeof(*s));

    s->mono_us = mono_us();
    s->wall_us = wall_us();
    return s;
}

void sample_free(struct sample *s)
{
    if (!s)
        return;
    free(s->metrics);
    free(s);
}

void sample_emit(void *sample, const char *name, double value)
{
    struct sample *s = sample;
    struct metric *m;

    /* a cut name would be another metric, and no number is no value: absent is the honest form */
    if (strlen(name) >= sizeof(m->name) || !isfinite(value))
        return;
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 64;
        s->metrics = xrealloc(s->metrics, s->cap * sizeof(*s->metrics));
    }
    m = &s->metrics[s->count++];
    (void)snprintf(m->name, sizeof(m->name), "%s", name);
    m->value = value;
}

const double *sample_get(const struct sample *s, const char *name)
{
    for (size_t n = 0; n < s->count; n++) {
        if (strcmp(s->metrics[n].name, name) == 0)
            return &s->metrics[n].value;
    }
    return NULL;
}
