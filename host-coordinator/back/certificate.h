/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The certificate: what a server that was started from a set's volumes says of itself, compared
 * with what its record says. Pure; the message is borrowed and not trusted.
 *
 * What is compared, and why each is needed:
 *
 *   - server UUID: the right server at all
 *   - binary log file, size: the log volume; recovery opens a new file, so the record's has its
 * size
 *   - GTID set: every transaction, no other (MySQL reads it from log and data volume)
 *   - recovered LSN: the data volume; not older than the position by more than redo that no commit
 *     had flushed, not newer than background work explains
 *   - mark row: the data volume, exactly; the one written last is this set's
 *   - manifest: the root volume; the one stored last is this set's. Both by the guest's own order,
 * for ids are as good as the host's clock
 *   - log, pages: InnoDB found nothing wrong, neither recovering nor reading it all
 *
 * In a guest booted to verify the server must also have been held still: read only, no events, no
 * replication. After a restore it serves clients already; then the GTID set is the one at the head
 * of the log file that its start opened.
 */
#ifndef CBSNAP_CERTIFICATE_H
#define CBSNAP_CERTIFICATE_H

#include "host-coordinator/record/record.h"
#include "proto/message.h"

/* Redo that no commit has flushed may be lost: InnoDB flushes it once a second. And between reading
 * the position and the freeze background threads go on. */
#define CERTIFICATE_LSN_BEHIND ((int64_t)1024 * 1024)
#define CERTIFICATE_LSN_AHEAD  ((int64_t)16 * 1024 * 1024)

struct certificate_result {
    struct certificate_difference {
        char *what, *expected, *found;
    } * differences;
    size_t count;
    char **compared; /* what was, and was equal */
    size_t compared_count;
    char **notes; /* what could not be compared, and why */
    size_t note_count;
    bool position; /* the record has one */
    bool data;     /* how old the data volume is was compared: by its log sequence number or mark */
    bool unread;   /* a table that a person named is not there, and nothing was read */
    bool unproven; /* in a guest that verifies it was not: its log alone does not prove the set */
};

void certificate_release(struct certificate_result *r);
/* Adds what the certificate tells. `verifying`: the guest was booted for that. */
void certificate_compare(struct certificate_result *r, const struct record *set,
                         const Cbsnap__Certificate *c, bool verifying);
/* Adds what reading all data has found. */
void certificate_data(struct certificate_result *r, const Cbsnap__DataChecked *d);
void certificate_differs(struct certificate_result *r, const char *what, const char *expected,
                         const char *found);
/* Nothing differs, and all that makes a set was compared. */
bool certificate_same(const struct certificate_result *r);
/*
 * Into the members result, differences[], compared[] and notes[] of `to`. The result is "same",
 * "different", or "sound": nothing differs, but the record has no position to compare with, or
 * nothing told how old the data volume is.
 */
void certificate_report(struct record *to, const struct certificate_result *r);

#endif
