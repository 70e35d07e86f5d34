/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FAMILY_AGENT, as far as the process knows itself; agent.sample_time and agent.missed are the
 * sampler's. Source: getrusage(2), proc_pid_statm(5).
 */
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "guest-agent/sample/procfile.h"
#include "guest-agent/sample/rate.h"
#include "guest-agent/sample/sources.h"

struct agent {
    struct procfile statm;
    int64_t previous_us, used_us;
    double page;
};

static void *agent_open(const struct source_config *c)
{
    struct agent *self = xcalloc(1, sizeof(*self));

    procfile_init(&self->statm, c->root, "self/statm");
    self->page = (double)sysconf(_SC_PAGESIZE);
    return self;
}

static void agent_close(void *arg)
{
    struct agent *self = arg;

    procfile_release(&self->statm);
    free(self);
}

static int64_t us_of(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

static void agent_read(void *arg, struct sample *to)
{
    struct agent *self = arg;
    double seconds = seconds_between(self->previous_us, to->mono_us);
    char *at = procfile_read(&self->statm, 256);
    struct rusage usage;
    uint64_t size, resident;
    int64_t now;

    if (at && text_number(&at, &size) && text_number(&at, &resident))
        sample_emit(to, "agent.rss", (double)resident * self->page);
    if (getrusage(RUSAGE_SELF, &usage) < 0)
        return;
    now = us_of(usage.ru_utime) + us_of(usage.ru_stime);
    if (seconds > 0)
        sample_emit(to, "agent.cpu", (double)(now - self->used_us) / (seconds * 1e4));
    self->used_us = now;
    self->previous_us = to->mono_us;
}

const struct source agent_source = {.name = "agent",
                                    .lane = LANE_KERNEL,
                                    .open = agent_open,
                                    .read = agent_read,
                                    .close = agent_close};
