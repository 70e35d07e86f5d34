/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs one program and waits for it: no shell, nothing on its stdin, what it prints is kept up to a
 * limit. For guests that verify; in production the agent forks nothing.
 */
#ifndef CBSNAP_EVIDENCE_CHILD_H
#define CBSNAP_EVIDENCE_CHILD_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/buf.h"
#include "proto/base/err.h"

struct child_limits {
    int timeout_ms;          /* 0: none */
    size_t output_max;       /* the first so many bytes are kept, the rest is read and dropped */
    bool (*stop)(void *arg); /* asked ten times a second */
    void *arg;
};

/*
 * argv[0] is looked for in PATH. *ret_status is its exit status, or 128 and the signal's number.
 * `out` gets stdout and stderr, and is the caller's. ERR_NOT_FOUND: there is no such program;
 * ERR_TIMEOUT and ERR_CANCELLED: it was killed; ERR_IO.
 */
int child_run(const char *const argv[], const struct child_limits *limits, struct buf *out,
              int *ret_status, struct err *e);

#endif
