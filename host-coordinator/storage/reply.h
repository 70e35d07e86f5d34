/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading the appliance's answers. Nothing in them is trusted: not sizes, kinds or nesting, not
 * that a member is there, not that the status agrees with the body.
 *
 * An answer is one object with one member, whose name tells the command; its value is an object.
 * An empty list is `{}`: no count, no array. A failed command has `errorcode` and `errortext`
 * there, under HTTP 200 at times. Facts: the real answers captured in the vendor's test logs.
 *
 * Pure functions. Messages name no appliance: the driver puts it before them. They are clean of
 * the API key; names, paths and ids that hold it make the answer an error.
 */
#ifndef CBSNAP_STORAGE_REPLY_H
#define CBSNAP_STORAGE_REPLY_H

#include <jansson.h>
#include <stdbool.h>

#include "host-coordinator/storage/storage.h"

struct reply_source {
    long status; /* HTTP */
    const char *body;
    size_t body_len;
    const char *content_type;
    const char *api_key;
};

/*
 * Opens an answer that ought to have `key` on top (compared without regard to case). *ret is the
 * object below it, a reference that the caller drops with json_decref().
 *
 * ERR_AUTH: the key is not accepted. ERR_CONFIG: there is no such API at this address.
 * ERR_NOT_FOUND: the snapshot named is gone. ERR_STORAGE: every other refusal, and every answer
 * that is not what the API gives.
 *
 * *ret_refused (set on failure only): the array says that it did not do it. Not so for an error
 * page of something in between, nor for an array that gave up waiting for itself.
 */
int reply_open(json_t **ret, const struct reply_source *from, const char *key, bool *ret_refused,
               struct err *e);

/* listFileSystem. The caller releases each volume and frees the array. */
int reply_volumes(struct volume **ret, size_t *ret_count, json_t *answer, const char *api_key,
                  struct err *e);

/*
 * listFileSystem, asked for one volume or for all: what was measured of volume `id`. A member that
 * is absent, of a wrong kind or negative is not had; a volume that is not listed is an error.
 */
int reply_stats(struct volume_stats *ret, json_t *answer, const char *id, struct err *e);

/*
 * monitorFileSystemQoS: the newest STORAGE_HISTORY_MAX readings, oldest first. Only `iops` and
 * `timestamp` are attested: an item without usable iops is left out, a time that is no plain text
 * is "". The caller frees each time and the array.
 */
int reply_history(struct volume_past **ret, size_t *ret_count, json_t *answer, const char *api_key,
                  struct err *e);

/* createStorageSnapshot: was it this volume and this name? *ret_id is NULL if none is given. */
int reply_taken(char **ret_id, json_t *answer, const struct volume *v, const char *name,
                const char *api_key, struct err *e);

struct reply_snapshot {
    char *path; /* NULL: not in the list */
    char *time; /* "" if not told */
};

/* listStorageSnapshots: looks up one name. The strings are the caller's. */
int reply_find(struct reply_snapshot *ret, json_t *answer, const char *name, const char *api_key,
               struct err *e);

/* deleteSnapshot */
int reply_deleted(json_t *answer, struct err *e);

#endif
