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

/* Of a request that got no good answer: what may have become of it? */
enum reply_refusal {
    REPLY_UNSURE,  /* an error page of something in between, an array that gave up waiting */
    REPLY_NOT_IN,  /* it was turned away before the API heard of it: not done */
    REPLY_REFUSED, /* the array says that it did not do it */
};

/*
 * Opens an answer that ought to have `key` on top (compared without regard to case). *ret is the
 * object below it, a reference that the caller drops with json_decref().
 *
 * ERR_CONFIG: the key is not accepted. ERR_NOT_FOUND: the snapshot named is gone. ERR_STORAGE:
 * every other refusal, no such API at this address (it may be about to start), and every answer
 * that is not what the API gives. *ret_refusal is set on failure only.
 */
int reply_open(json_t **ret, const struct reply_source *from, const char *key,
               enum reply_refusal *ret_refusal, struct err *e);

/* "Failed to create clone due to timeout": what it was waiting for may still be done. */
bool reply_tells_of_timeout(const char *text);

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

/* listStorageSnapshots, all of them in the order listed, which is that of their making. The caller
 * releases each and frees the array. */
int reply_snapshots(struct volume_snapshot **ret, size_t *ret_count, json_t *answer,
                    const char *api_key, struct err *e);

/* deleteSnapshot */
int reply_deleted(json_t *answer, struct err *e);

/* rollbackToSnapshot */
int reply_rolled_back(json_t *answer, struct err *e);

/*
 * cloneDatasetSnapshot: is it a volume of that name, and not the parent? Also the id of the account
 * that it belongs to, NULL if not told. The caller releases the one and frees the other.
 */
int reply_cloned(struct volume *ret, char **ret_account, json_t *answer,
                 const struct volume *parent, const char *name, const char *api_key, struct err *e);

/* listFileSystem: the id of the account that volume v belongs to. ERR_NOT_FOUND when v is not
 * listed; an error too when its id is that of a volume with another name. */
int reply_account(char **ret, json_t *answer, const struct volume *v, const char *api_key,
                  struct err *e);

/*
 * listiSCSIInitiator: the id of the group that lets nobody in, which every account has; and is
 * group `id` (may be NULL) listed? *ret_nobody is the caller's.
 */
int reply_groups(char **ret_nobody, bool *ret_listed, json_t *answer, const char *id,
                 const char *api_key, struct err *e);

struct reply_service {
    char *id;    /* of the volume's iSCSI service */
    char *group; /* the id of the initiator group that may log in */
};

/* listVolumeiSCSIService: the one of that volume. The strings are the caller's. */
int reply_service(struct reply_service *ret, json_t *answer, const char *volume_id,
                  const char *api_key, struct err *e);

/* updateVolumeiSCSIService. What it says of the group is not read: look at reply_service() after.
 */
int reply_service_set(json_t *answer, struct err *e);

/* deleteFileSystem: the job that does it. */
int reply_job_begun(char **ret, json_t *answer, const char *api_key, struct err *e);

struct reply_job {
    enum { REPLY_JOB_UNKNOWN, REPLY_JOB_RUNNING, REPLY_JOB_DONE, REPLY_JOB_FAILED } state;
    bool unsure; /* of a failure: may what it was to do be done all the same? */
};

/* queryAsyncJobResult about `job`. -1 also when the job has failed, which comes under HTTP 200:
 * then the state is REPLY_JOB_FAILED, and e has the array's reason. */
int reply_job(struct reply_job *ret, json_t *answer, const char *job, const char *api_key,
              struct err *e);

#endif
