/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the stand-in appliance knows: account, TSM, pools, QoS groups, volumes, snapshots,
 * initiator and CHAP groups, jobs.
 *
 * A kind of object is a struct that begins with `struct row`, and a table of its fields; the
 * table is what store.c saves and loads, so a new field that has to survive a restart is one
 * line here and one in model.c. Rows are owned by their table.
 *
 * Threads: every function but the id makers needs model.lock held by the caller.
 * Facts: the object model of the ElastiStor API (ids are UUIDs of version 3 or 4 by kind, names are
 * joined without a separator, IOPS of QoS groups are charged against the TSM).
 */
#ifndef SIM_MODEL_H
#define SIM_MODEL_H

#include "proto/base/buf.h"
#include "proto/base/err.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ID_SIZE     37 /* a UUID in text and its NUL */
#define NAME_SIZE   128
#define IQN_SIZE    224 /* RFC 3720 allows 223 bytes */
#define LIST_SIZE   1024
#define WORD_SIZE   32
#define QOS_SAMPLES 240

struct row {
    char id[ID_SIZE];
    char name[NAME_SIZE];
    int64_t simpleid; /* the appliance's database row number; never used twice */
};

struct pool {
    struct row row;
    int64_t size_mib;
};

/* The one account with its one TSM, and the built-in objects around them. */
struct estate {
    struct row row; /* the account */
    char user_id[ID_SIZE], site_id[ID_SIZE], cluster_id[ID_SIZE], controller_id[ID_SIZE];
    char tsm_id[ID_SIZE], tsm[NAME_SIZE], dataset_id[ID_SIZE], pool_id[ID_SIZE];
    char iqn_month[8]; /* YYYY-MM in which the TSM was made: part of every IQN */
    int64_t tsm_simpleid, next_simpleid;
    char tsm_ip[64];  /* not kept: the configuration's */
    int64_t tsm_iops; /* not kept: the configuration's */
};

struct group { /* QoS group */
    struct row row;
    int64_t iops, latency_ms, throughput;
    bool grace, iops_control, tp_control;
    char block_size[WORD_SIZE];
};

struct qos_sample {
    int64_t at_s; /* epoch */
    int64_t iops, throughput_kbs;
};

/* Values that a test set through /sim/qos instead of what is measured; -1: measured. */
struct qos_set {
    bool any;
    int64_t iops, throughput_kbs, latency, throttle;
};

/* Measured, not kept over a restart. */
struct qos_state {
    struct qos_sample samples[QOS_SAMPLES];
    size_t n, next;  /* a ring */
    int64_t last_ms; /* 0: never sampled */
    int64_t last_ops, last_bytes;
    int64_t snapshot_bytes; /* that only the volume's snapshots hold */
    struct qos_set set;
};

struct volume {
    struct row row;
    char group_id[ID_SIZE], origin[ID_SIZE]; /* origin: snapshot of which this is a clone */
    char mountpoint[NAME_SIZE], quota[WORD_SIZE], protocol[WORD_SIZE];
    char compression[WORD_SIZE], deduplication[WORD_SIZE], sync[WORD_SIZE];
    char recordsize[WORD_SIZE], blocklength[WORD_SIZE], accesstime[WORD_SIZE];
    char iqn[IQN_SIZE];
    int64_t quota_bytes, copies, revision, created_s;
    bool readonly;
    /* its iSCSI service row */
    char service_id[ID_SIZE], igroup_id[ID_SIZE], agroup_id[ID_SIZE], authmethod[WORD_SIZE];
    char queuedepth[WORD_SIZE], physrecordlength[WORD_SIZE], initialdigest[WORD_SIZE];
    int64_t workerthreads;
    bool unmap;
    struct qos_state qos;
    bool busy; /* a snapshot is being made without the lock: see model_wait_idle(); not kept */
};

struct snapshot {
    struct row row;
    char owner[ID_SIZE]; /* a volume's id, or the TSM's dataset id for a recursive one */
    int64_t created_s, quota_bytes;
    char quota[WORD_SIZE];
};

struct igroup { /* initiator group: "ALL", "None", or lists joined by commas */
    struct row row;
    char initiators[LIST_SIZE], netmask[LIST_SIZE];
};

struct agroup { /* CHAP group with its one user */
    struct row row;
    char comment[NAME_SIZE], user_id[ID_SIZE];
    char chapuser[NAME_SIZE], chappassword[NAME_SIZE];
    char mutualuser[NAME_SIZE], mutualpassword[NAME_SIZE];
};

enum job_status { JOB_RUNNING = 0, JOB_DONE = 1, JOB_FAILED = 2 };

#define JOB_NEVER INT64_MAX

struct job {
    struct row row;
    char command[WORD_SIZE];
    int64_t status, created_s, started_ms, due_ms; /* epoch; due JOB_NEVER: stuck */
    char errortext[256]; /* set while running: the job is meant to fail with this */
    char *args, *result; /* JSON objects in text, or NULL */
};

enum kind_id {
    KIND_ESTATE,
    KIND_POOL,
    KIND_GROUP,
    KIND_VOLUME,
    KIND_SNAPSHOT,
    KIND_IGROUP,
    KIND_AGROUP,
    KIND_JOB,
    KIND_COUNT
};

enum field_type { FIELD_STR, FIELD_INT, FIELD_BOOL, FIELD_TEXT };

struct field {
    const char *name;
    enum field_type type;
    size_t offset, size;
};

struct kind {
    const char *name; /* the key in the state file */
    size_t size;
    const struct field *fields;
    size_t n_fields;
};

struct table {
    const struct kind *kind;
    void **rows; /* in order of creation */
    size_t n;
};

struct model {
    pthread_mutex_t lock;
    pthread_cond_t idle; /* some volume is no longer busy */
    struct table tables[KIND_COUNT];
};

void model_init(struct model *m);
void model_release(struct model *m);

/* A new empty row at the end of its table; owned by the table. */
void *model_add(struct model *m, enum kind_id kind);
void model_remove(struct model *m, enum kind_id kind, void *row);
/* NULL when there is none. */
void *model_by_id(const struct model *m, enum kind_id kind, const char *id);
void *model_by_name(const struct model *m, enum kind_id kind, const char *name);
int64_t model_next_simpleid(struct model *m);

/* Waits, without the lock meanwhile, until the volume of that id, or every volume when id is NULL,
 * is not busy. Whoever changes or removes a volume's file calls it first, and looks up rows again
 * after it. */
void model_wait_idle(struct model *m, const char *id);

static inline struct estate *model_estate(const struct model *m)
{
    return m->tables[KIND_ESTATE].rows[0];
}

/* Walks a table in order of creation; the body may end the loop, but not remove rows. */
#define MODEL_EACH(m, kind, i, var)                                                                \
    for ((i) = 0; (i) < (m)->tables[kind].n && ((var) = (m)->tables[kind].rows[i], true); (i)++)

/* Ids: version 3 is made of the name (MD5), version 4 at random. */
void id_v3(char ret_id[ID_SIZE], const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void id_v4(char ret_id[ID_SIZE]);
/* The id without hyphens: what the API calls usn. */
void id_bare(char ret_usn[ID_SIZE], const char *id);

/* Names; each returns a string of the caller's, to be freed. */
char *model_dataset_path(const struct model *m);                             /* POOL/ACCOUNTTSM */
char *model_volume_path(const struct model *m, const struct volume *v);      /* .../VOLUME */
char *model_snapshot_path(const struct model *m, const struct snapshot *sn); /* ...@SNAP */
/* iqn.YYYY-MM.ACCOUNT.TSM, the account without underscores */
void model_iqn_base(const struct model *m, char *ret, size_t size);

/* IOPS that QoS groups have taken from the TSM. */
int64_t model_used_iops(const struct model *m);
struct pool *model_tsm_pool(const struct model *m);
size_t model_count_clones(const struct model *m, const struct snapshot *sn);
size_t model_count_in_group(const struct model *m, const char *group_id);
struct snapshot *model_snapshot_of(const struct model *m, const char *owner, const char *name);

/* "10G", "1T", "93697M" to bytes; -1 when it is none of these. */
int64_t quota_parse(const char *text);

/* Sets a fixed string field; -1 when it does not fit, with the field untouched. */
int str_set(char *to, size_t size, const char *from);
#define STR_SET(field, from) str_set(field, sizeof(field), from)

#endif
