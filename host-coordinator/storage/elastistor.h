/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver for CloudByte ElastiStor, through the HTTPS API of its management server
 * (ElastiCenter): one endpoint, GET only, the verb and the API key as query parameters.
 *
 * The facts come from what real clients (OpenStack's Cinder driver, the vendor's own test scripts)
 * send and from captured answers: listFileSystem, createStorageSnapshot, listStorageSnapshots,
 * deleteSnapshot; monitorFileSystemQoS from the vendor's test scripts alone. All of them are
 * synchronous: the request blocks until the array is done.
 */
#ifndef CBSNAP_ELASTISTOR_H
#define CBSNAP_ELASTISTOR_H

#include "host-coordinator/storage/storage.h"

extern const struct storage_ops elastistor_ops;

#endif
