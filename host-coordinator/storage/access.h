/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may use a volume of an ElastiStor: the initiator group of its iSCSI service. The word for it
 * is the group's id; "" is the account's built-in group None, which lets nobody in. CHAP is left as
 * it is. Private to the driver.
 */
#ifndef CBSNAP_STORAGE_ACCESS_H
#define CBSNAP_STORAGE_ACCESS_H

#include "host-coordinator/storage/calls.h"

void elastistor_access(struct storage *s, const struct volume *v, int64_t deadline_us,
                       struct storage_op *op);
void elastistor_set_access(struct storage *s, const struct volume *v, const char *word,
                           int64_t deadline_us, struct storage_op *op);

/*
 * As a step of another operation: lets nobody use the exchange's volume, reads that back, and goes
 * on with `then`. A failure ends the call. call->back.account saves a request when it is known.
 */
void access_take(struct exchange *x, void (*then)(struct exchange *x));

#endif
