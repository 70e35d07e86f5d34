/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an appliance answers (host-coordinator/storage/reply_*.c): first byte the reader, second the
 * HTTP status, then the body. Whatever it says, what is handed out is plain, and the API key is in
 * no name and in no message.
 */
#include <string.h>

#include "host-coordinator/storage/reply.h"
#include "proto/base/cleanup.h"
#include "tests/fuzz/fuzz.h"

#define KEY    "k3y-that-must-not-show-42"
#define VOLUME "c0ffee00-0000-4000-8000-000000000001"
#define SNAP   "20161104T101500Z-7f3a"

/* A name, an id, a path: no control characters, no key. */
static void check_text(const char *text)
{
    FUZZ_MUST(!strstr(text, KEY));
    for (; *text; text++)
        FUZZ_MUST((unsigned char)*text >= 0x20 && *text != 0x7f);
}

static void check_volume(struct volume *v)
{
    check_text(v->id);
    check_text(v->name);
    check_text(v->iqn);
    check_text(v->group);
    check_text(v->serial);
    FUZZ_MUST(v->size_bytes >= 0 && v->free_bytes >= -1);
    volume_release(v);
}

static const struct volume volume = {.id = (char *)VOLUME,
                                     .name = (char *)"data",
                                     .iqn = (char *)"iqn.2016-11.lab:data",
                                     .group = (char *)"pool1/lab",
                                     .serial = (char *)""};

static void read_volumes(json_t *answer, struct err *e)
{
    struct volume *list;
    size_t count;

    if (reply_volumes(&list, &count, answer, KEY, e) < 0)
        return;
    for (size_t n = 0; n < count; n++)
        check_volume(&list[n]);
    free(list);
}

static void read_stats(json_t *answer, struct err *e)
{
    struct volume_stats s = {.iops = 0};

    if (reply_stats(&s, answer, VOLUME, e) == 0)
        FUZZ_MUST(s.iops >= 0 && s.throughput_kb_s >= 0 && s.latency >= 0 && s.throttle >= 0 &&
                  s.used_bytes >= 0);
}

static void read_history(json_t *answer, struct err *e)
{
    struct volume_past *past;
    size_t count;

    if (reply_history(&past, &count, answer, KEY, e) < 0)
        return;
    FUZZ_MUST(count <= STORAGE_HISTORY_MAX);
    for (size_t n = 0; n < count; n++) {
        check_text(past[n].time);
        FUZZ_MUST(past[n].iops >= 0);
        free(past[n].time);
    }
    free(past);
}

static void read_taken(json_t *answer, struct err *e)
{
    AUTO_FREE char *id = NULL;

    if (reply_taken(&id, answer, &volume, SNAP, KEY, e) == 0 && id)
        check_text(id);
}

static void read_find(json_t *answer, struct err *e)
{
    struct reply_snapshot s = {NULL, NULL};

    if (reply_find(&s, answer, SNAP, KEY, e) < 0)
        return;
    if (s.path) {
        check_text(s.path);
        check_text(s.time);
    }
    free(s.path);
    free(s.time);
}

static void read_snapshots(json_t *answer, struct err *e)
{
    struct volume_snapshot *list;
    size_t count;

    if (reply_snapshots(&list, &count, answer, KEY, e) < 0)
        return;
    for (size_t n = 0; n < count; n++) {
        check_text(list[n].name);
        check_text(list[n].path);
        check_text(list[n].time);
        FUZZ_MUST(list[n].clones >= -1);
        volume_snapshot_release(&list[n]);
    }
    free(list);
}

static void read_deleted(json_t *answer, struct err *e)
{
    (void)reply_deleted(answer, e);
}

static void read_rolled_back(json_t *answer, struct err *e)
{
    (void)reply_rolled_back(answer, e);
}

static void read_cloned(json_t *answer, struct err *e)
{
    AUTO_FREE char *account = NULL;
    struct volume clone;

    if (reply_cloned(&clone, &account, answer, &volume, "data-clone", KEY, e) < 0)
        return;
    FUZZ_MUST(strcmp(clone.id, VOLUME) != 0 && strcmp(clone.name, "data-clone") == 0);
    check_volume(&clone);
    if (account)
        check_text(account);
}

static void read_account(json_t *answer, struct err *e)
{
    AUTO_FREE char *account = NULL;

    if (reply_account(&account, answer, &volume, KEY, e) == 0 && account)
        check_text(account);
}

static void read_groups(json_t *answer, struct err *e)
{
    AUTO_FREE char *nobody = NULL;
    bool listed;

    if (reply_groups(&nobody, &listed, answer, "group-1", KEY, e) == 0)
        check_text(nobody);
}

static void read_service(json_t *answer, struct err *e)
{
    struct reply_service s = {NULL, NULL};

    if (reply_service(&s, answer, VOLUME, KEY, e) < 0)
        return;
    check_text(s.id);
    check_text(s.group);
    free(s.id);
    free(s.group);
}

static void read_service_set(json_t *answer, struct err *e)
{
    (void)reply_service_set(answer, e);
}

static void read_job_begun(json_t *answer, struct err *e)
{
    AUTO_FREE char *job = NULL;

    if (reply_job_begun(&job, answer, KEY, e) == 0)
        check_text(job);
}

static void read_job(json_t *answer, struct err *e)
{
    struct reply_job job = {.state = REPLY_JOB_UNKNOWN};

    if (reply_job(&job, answer, "job-1", KEY, e) < 0)
        FUZZ_MUST(job.state != REPLY_JOB_DONE);
}

static const struct {
    const char *key;
    void (*read)(json_t *answer, struct err *e);
} readers[] = {
    {"listFilesystemResponse", read_volumes},
    {"listFilesystemResponse", read_stats},
    {"monitorFileSystemResponse", read_history},
    {"createStorageSnapshotResponse", read_taken},
    {"listDatasetSnapshotsResponse", read_find},
    {"listDatasetSnapshotsResponse", read_snapshots},
    {"deleteSnapshotResponse", read_deleted},
    {"rollbacktoshotresponse", read_rolled_back},
    {"cloneDatasetSnapshot", read_cloned},
    {"listFilesystemResponse", read_account},
    {"listInitiatorsResponse", read_groups},
    {"listVolumeiSCSIServiceResponse", read_service},
    {"updatingvolumeiscsidetails", read_service_set},
    {"deleteFileSystemResponse", read_job_begun},
    {"queryasyncjobresultresponse", read_job},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const long statuses[] = {200, 401, 404, 431, 500, 302, 0, 530};
    struct fuzz_input in = {data, size};
    size_t n = fuzz_byte(&in) % ARRAY_SIZE(readers);
    long status = statuses[fuzz_byte(&in) % ARRAY_SIZE(statuses)];
    AUTO_FREE char *body = fuzz_text(&in);
    const struct reply_source from = {.status = status,
                                      .body = body,
                                      .body_len = in.len,
                                      .content_type = "application/json",
                                      .api_key = KEY};
    struct err e = ERR_INIT;
    enum reply_refusal refusal;
    json_t *answer;

    fuzz_begin();
    if (reply_open(&answer, &from, readers[n].key, &refusal, &e) == 0) {
        FUZZ_MUST(!err_is_set(&e));
        readers[n].read(answer, &e);
        json_decref(answer);
    } else {
        FUZZ_MUST(err_is_set(&e));
    }
    check_text(e.msg);
    return 0;
}
