/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver for CloudByte ElastiStor, through the HTTPS API of its management server
 * (ElastiCenter): one endpoint, GET only, the verb and the API key as query parameters.
 *
 * The facts come from what real clients (OpenStack's Cinder driver, the vendor's own test scripts)
 * send and from captured answers. monitorFileSystemQoS, rollbackToSnapshot: the vendor's test
 * scripts, and a captured answer of the latter. All commands are synchronous, the request blocks
 * until the array is done, but for deleteFileSystem: it gives a job, and the job is asked about
 * until it has ended.
 *
 * Documented nowhere, and so not relied on: what is done with a rollback past newer snapshots (the
 * array's words are passed on), with the snapshots of a volume that is deleted (such a deletion is
 * not asked for), and which initiator group a new clone has (it is looked at, and set to None).
 */
#ifndef CBSNAP_ELASTISTOR_H
#define CBSNAP_ELASTISTOR_H

#include "host-coordinator/storage/storage.h"

extern const struct storage_ops elastistor_ops;

#endif
