/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Samples what volumes really do, every qos-interval-ms: commands and bytes of the iSCSI sessions
 * from tgtd, or without tgtd the growth of the backing file; and the space that snapshots hold.
 *
 * One thread of its own; runs tgtadm and walks extents without model.lock.
 */
#ifndef SIM_QOS_H
#define SIM_QOS_H

#include "tests/elastistor-sim/sim.h"

#include <pthread.h>

int qos_start(struct sim *s, pthread_t *ret_thread, struct err *e);
/* pause_stop() must have been called. */
void qos_stop(pthread_t thread);

#endif
