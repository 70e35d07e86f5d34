/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The catalogue of metrics (proto/metrics.h) for people and programs. docs/metrics.md is the
 * markdown: `make docs` writes it, `make check` fails when it differs. */
#ifndef CBSNAP_AGENT_CATALOGUE_H
#define CBSNAP_AGENT_CATALOGUE_H

#include "proto/base/buf.h"

void catalogue_text(struct buf *to);
void catalogue_markdown(struct buf *to);
void catalogue_json(struct buf *to); /* one array of objects */

#endif
