/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of a VM now as one JSON object, for programs:
 * {"domain", "time", "state", "agent", "server", "metrics": {NAME: value}, "texts": {NAME: text},
 *  "transactions": [...], "errors": [...], "deleted": [...]}
 * A metric that is not fresh is absent; see view.h.
 */
#ifndef CBSNAP_WATCH_DOCUMENT_H
#define CBSNAP_WATCH_DOCUMENT_H

#include "host-coordinator/record/record.h"
#include "host-coordinator/watch/view.h"

/* The caller's, for record_free(). */
struct record *document_make(const struct view_input *in);

#endif
