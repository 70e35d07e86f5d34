/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files of "KEY VALUE" lines (/proc/meminfo, vmstat, PID/status), read by the rows of the catalogue
 * (proto/metrics.h): a metric more is a row more and nothing else. A row's source is a key, or
 * "KEY-KEY" for a difference. Values "in kB" are told in bytes; a rate in bytes per second of a
 * value without unit is one of pages.
 */
#ifndef CBSNAP_SAMPLE_KEYED_H
#define CBSNAP_SAMPLE_KEYED_H

#include "guest-agent/sample/sample.h"
#include "proto/metrics.h"

struct keyed;
struct keyed *keyed_new(enum metric_family family);
void keyed_free(struct keyed *k);
/* Takes the text apart (and writes into it) and adds what the rows ask for. Rates are over the time
 * since the text before. */
void keyed_read(struct keyed *k, char *text, struct sample *to);
/* The next text is about something else: no rate spans the two. */
void keyed_forget(struct keyed *k);

#endif
