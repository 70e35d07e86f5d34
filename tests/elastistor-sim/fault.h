/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Latency and faults: how long a command takes and how it goes wrong, set from the configuration
 * or at run time through the control interface. Thread-safe.
 *
 * Default latencies are those measured on a near-idle real appliance (EC 1.4.0.620). The time that
 * a job runs goes by the name COMMAND.job.
 */
#ifndef SIM_FAULT_H
#define SIM_FAULT_H

#include "tests/elastistor-sim/options.h"
#include "tests/elastistor-sim/params.h"

#include <jansson.h>

enum fault_kind {
    FAULT_NONE,
    FAULT_STATUS,    /* answer with HTTP status `value`, do nothing */
    FAULT_JOB_STUCK, /* the job stays at status 0 */
    FAULT_JOB_FAIL,  /* the job ends at status 2, nothing done */
    FAULT_SLOW,      /* `value` ms on top of the latency */
    FAULT_RESET,     /* TCP reset: value 0 before the work is done, 1 after */
    FAULT_GARBAGE,   /* done, but the body is no JSON */
    FAULT_TRUNCATED, /* done, but the connection ends in the middle of the body */
    FAULT_ENDLESS    /* done, but the body does not end; value: MiB at which it does, 0 never */
};

struct fault {
    enum fault_kind kind;
    int64_t value;
};

struct faults;

/* Defaults, then the configuration's lines. */
struct faults *faults_new(const struct options *o, struct err *e);
void faults_free(struct faults *f);

/* 30 ms for a command that nobody measured. */
int64_t faults_latency_ms(struct faults *f, const char *command);
/* command, ms; ERR_USAGE for anything that is missing or no number */
int faults_set_latency(struct faults *f, const struct params *p, struct err *e);
/* command (or *), kind, value, count (0: until cleared), match=parameter:text */
int faults_add(struct faults *f, const struct params *p, struct err *e);
/* The first fault that fits the request, counted down; FAULT_NONE when there is none. */
struct fault faults_take(struct faults *f, const char *command, const struct params *p);
/* Back to the configuration's. */
void faults_clear(struct faults *f);
/* Latencies set and faults waiting, for people. */
json_t *faults_show(struct faults *f);

const char *fault_kind_name(enum fault_kind kind);

#endif
