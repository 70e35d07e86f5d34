/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Turns a body into an HTTP response: whole, compressed in chunks, cut short, or without end.
 * No state; the response is the caller's to queue and destroy.
 */
#ifndef SIM_ANSWER_H
#define SIM_ANSWER_H

#include "tests/elastistor-sim/fault.h"
#include "proto/base/buf.h"

#include <microhttpd.h>

/* Takes the buffer over. NULL when out of memory. */
struct MHD_Response *answer_make(struct buf *body, bool gzip_offered, struct fault fault);

#endif
