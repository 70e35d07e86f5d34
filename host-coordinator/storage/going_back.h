/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ElastiStor driver's operations that go back to a snapshot, as storage.h has them: lists,
 * rollback, clones, removing volumes. Private to the driver.
 */
#ifndef CBSNAP_STORAGE_GOING_BACK_H
#define CBSNAP_STORAGE_GOING_BACK_H

#include "host-coordinator/storage/storage.h"

void elastistor_list_snapshots(struct storage *s, const struct volume *v, int64_t deadline_us,
                               struct storage_op *op);
void elastistor_rollback(struct storage *s, const struct volume *v, const char *name,
                         int64_t deadline_us, struct storage_op *op);
void elastistor_clone(struct storage *s, const struct volume *v, const char *name,
                      const char *clone, int64_t deadline_us, struct storage_op *op);
void elastistor_remove_volume(struct storage *s, const struct volume *v, int64_t deadline_us,
                              struct storage_op *op);

#endif
