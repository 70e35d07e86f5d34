/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of agent-host that asks for manifests, certificates and data checks. */
#ifndef CBSNAP_TESTS_AGENT_HOST_EVIDENCE_H
#define CBSNAP_TESTS_AGENT_HOST_EVIDENCE_H

#include <stdbool.h>

#include "proto/message.h"

#define HOST_WORDS 8

/* Makes the request that the words say; false when they are about something else. The message's
 * parts live until the next call. */
bool evidence_request(char *word[HOST_WORDS], Cbsnap__Envelope *m);
/* Prints an answer or event of these; false when it is something else. */
bool evidence_print(const Cbsnap__Envelope *m);

#endif
