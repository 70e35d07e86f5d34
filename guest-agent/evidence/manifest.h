/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The instance manifests on the guest's root filesystem: one document for each of the newest sets,
 * by which a root volume alone tells what it belongs to. One file DIR/SET.json each, mode 0600; the
 * host writes the document, nothing here reads it. DIR/order tells in which order they were stored:
 * ids are as good as the host's clock.
 *
 * A document is whole and on disk when manifest_store() returns 0: written under another name,
 * synced, renamed, the directory synced. Other files in the directory are never touched.
 * Blocks on the disk. Errors: ERR_PROTOCOL (what is asked makes no sense), ERR_IO. Stateless; one
 * thread per directory.
 */
#ifndef CBSNAP_EVIDENCE_MANIFEST_H
#define CBSNAP_EVIDENCE_MANIFEST_H

#include <stddef.h>

#include "guest-agent/evidence/setid.h"
#include "proto/base/err.h"

#define MANIFEST_DIR_DEFAULT "/var/lib/cbsnap/instance"
#define MANIFEST_BYTES_MAX   (512 * 1024)
#define MANIFEST_KEEP        32 /* when the host names no number */

/* Makes it and what is missing above it. */
int manifest_make_dir(const char *path, struct err *e);
/* A file of it, whole or not at all, mode 0600; not when the filesystem is all but full. */
int manifest_write(const char *dir, const char *path, const void *data, size_t len, struct err *e);

/* Keeps `json` as this set's, then removes those stored first until `keep` are left, this one in
 * any case: 0 is 1. *ret_path is the caller's. */
int manifest_store(const char *dir, const char *set, const char *json, unsigned keep,
                   char **ret_path, unsigned *ret_pruned, struct err *e);

/* Removes this set's; that there is none is no error. */
int manifest_forget(const char *dir, const char *set, struct err *e);

/* The set whose manifest was stored last; false when there is none, or the directory cannot be
 * read. */
bool manifest_newest(const char *dir, char ret_set[SETID_SIZE]);

#endif
