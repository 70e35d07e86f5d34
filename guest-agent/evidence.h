/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What going back needs of the guest: manifest and mark before a set is taken; certificate and data
 * check after a guest has started from one. Answers the host's requests (proto/cbsnap.proto,
 * 50-56).
 *
 * A guest that verifies is a throw-away VM that the host made from a set's clones
 * (evidence/asset.h). It takes no freeze, keeps no manifest, and it alone has its data checked.
 *
 * All that blocks runs on a worker of its own, so that lock, freeze and thaw never queue behind it.
 * While a freeze is under way everything is ERR_BUSY, and what had begun before ends at its next
 * step. Loop's thread only.
 */
#ifndef CBSNAP_AGENT_EVIDENCE_H
#define CBSNAP_AGENT_EVIDENCE_H

#include <stdbool.h>

#include "proto/message.h"

struct call;
struct client;
struct daemon;
struct evidence;

struct evidence *evidence_new(struct daemon *d);
/* -1 when its thread hangs: end the process. */
int evidence_free(struct evidence *ev, int wait_ms);

/* A freeze begins, or is over. */
void evidence_quiet(struct evidence *ev, bool on);

/* What the session tells: the last freezes are noted, for the next agent too (evidence/freezes.h).
 */
void evidence_event(struct evidence *ev, const Cbsnap__FreezeEvent *event);
/* Adds them, newest last; `to` borrows. */
void evidence_describe(struct evidence *ev, Cbsnap__State *to);

/* The set that this guest was booted to verify; NULL: an ordinary boot. */
const char *evidence_verifying(const struct evidence *ev);

/* Each answers the call, at once or later. */
void evidence_manifest(struct evidence *ev, struct call *call, const Cbsnap__Manifest *m);
void evidence_certificate(struct evidence *ev, struct call *call,
                          const Cbsnap__CertificateQuery *m);
void evidence_check(struct evidence *ev, struct call *call, const Cbsnap__DataCheck *m);

#endif
