/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The last freezes of this guest, whoever asked for them: when, at which position, for how long,
 * how they ended. What `virsh domfsfreeze` or `snapshot-create-as --quiesce` leaves behind, so that
 * somebody who has only such a snapshot knows where it stands.
 *
 * Built from the session's events; at most FREEZES_KEEP, newest last. Of attempts in a row that got
 * no lock the last one stays, so that a tool that tries every minute does not push out what was
 * held. One thread.
 *
 * Kept in one file of the agent's run directory, a Freezes message (proto/cbsnap.proto), mode 0600.
 * That is tmpfs: an event may come while other filesystems are frozen or about to be, and a write
 * to one of those would hang, with it the agent, and with that the lock. The notes outlive the
 * agent and not the guest's boot; what it logs of each freeze is in the journal.
 */
#ifndef CBSNAP_EVIDENCE_FREEZES_H
#define CBSNAP_EVIDENCE_FREEZES_H

#include "proto/message.h"

#define FREEZES_KEEP 16
/* In all: a GTID set may be long, and a message has 1 MiB. */
#define FREEZES_BYTES_MAX (256 * 1024)
#define FREEZES_FILE      "freezes"

struct freezes {
    Cbsnap__Freeze *kept[FREEZES_KEEP]; /* owned */
    size_t count;
    Cbsnap__Freeze *open;            /* locked, not ended yet; owned; NULL: none */
    int64_t requested_us, locked_us; /* guest clock, of `open` */
};

/* A file that is missing, or is none, leaves it empty: ERR_IO, ERR_PROTOCOL; to be told, no more.
 */
int freezes_load(struct freezes *f, const char *run_dir, struct err *e);
void freezes_release(struct freezes *f);

/* True when the event ended a freeze, or an attempt at one: there is something new to write. */
bool freezes_event(struct freezes *f, const Cbsnap__FreezeEvent *event);

int freezes_save(const struct freezes *f, const char *run_dir, struct err *e);

#endif
