/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A storage array that can snapshot volumes: a struct of functions per driver, one array of
 * drivers. Core code names no driver.
 *
 * Every operation is asynchronous on the loop: it is started with a caller-owned storage_op, ends
 * by setting op->done (success: op->err.code is ERR_NONE) or at its deadline with ERR_TIMEOUT, and
 * never before the loop runs again. An op must stay where it is until done; storage_cancel() makes
 * it done at once (ERR_CANCELLED; what the array does with the request is then unknown).
 * Several operations run at the same time.
 *
 * Errors: ERR_CONFIG (key, certificate: the admin must mend it), ERR_NOT_FOUND, ERR_TIMEOUT (the
 * outcome is unknown), ERR_STORAGE (the array is not reached, which may pass, or said no; its words
 * are in the message, with the API key blanked wherever it might appear).
 */
#ifndef CBSNAP_STORAGE_H
#define CBSNAP_STORAGE_H

#include "host-coordinator/loop/loop.h"

/* An hour at the pace at which an ElastiStor keeps them (monitor.qos.stats.interval, 30 s). */
#define STORAGE_HISTORY_MAX 120

struct volume {
    char *id; /* the driver's own id for the volume */
    char *name;
    char *iqn;          /* "" when not exported over iSCSI */
    char *serial;       /* SCSI unit serial number that the exported disk shows; "" if unknown */
    char *group;        /* what the array can snapshot together (ElastiStor: TSM) */
    int64_t size_bytes; /* 0 if unknown */
    int64_t free_bytes; /* what the array has left for it; -1 if unknown */
};

/* One snapshot as the array lists it. */
struct volume_snapshot {
    char *name;     /* the part after '@' */
    char *path;     /* the array's full name of it */
    char *time;     /* as the array tells it; "" if not told */
    int64_t clones; /* -1 if not told */
};

/*
 * What the array measured last about a volume. A value that it does not tell, or that cannot be
 * one, is not had: its flag is false, never a 0.
 */
struct volume_stats {
    bool has_iops, has_throughput, has_latency, has_throttle, has_used;
    double iops;            /* requests per second */
    double throughput_kb_s; /* KB/s as the array counts them */
    double latency;         /* unit not documented */
    double throttle;        /* unit not documented */
    double used_bytes;      /* snapshots too */
};

/* A reading that the array remembered. */
struct volume_past {
    char *time; /* as the array tells it, its time zone unknown; "" if not told */
    double iops;
};

/* What an operation gives back. Everything is freed by storage_op_release(). */
struct storage_op {
    bool done;
    struct err err;
    bool unsure; /* failed, and the array may have done (or may yet do) what it was asked for */
    /* Monotonic: (first) request about to be written, (last) answer read. */
    int64_t started_us, ended_us;
    struct volume *volumes; /* list_volumes; clone: one, the new volume */
    size_t volume_count;
    struct volume_snapshot *snapshots; /* list_snapshots: oldest first */
    size_t snapshot_count;
    char *access;                /* access */
    bool found;                  /* find_snapshot; prepare */
    char *snapshot_path;         /* find_snapshot: the array's full name of it */
    char *snapshot_time;         /* find_snapshot: as the array tells it, unparsed */
    char *snapshot_id;           /* snapshot; NULL if the array gives none */
    struct volume_stats stats;   /* stats */
    struct volume_past *history; /* history: oldest first */
    size_t history_count;
    void *priv; /* the driver's */
};

struct storage_conf {
    const char *name;   /* of the [appliance NAME] section, for messages */
    const char *driver; /* "elastistor" */
    const char *url;    /* "https://host/client/api" */
    const char *ca;     /* PEM file; "" = the system's */
    const char
        *fingerprint; /* "sha256//BASE64" of the public key; "" = none. Replaces the CA check */
    const char *api_key;
    /* Of one request when the caller has no nearer deadline; rollback(), clone() and
     * remove_volume() may take as long as their caller lets them, only looking around on the
     * way is bound by it. */
    int timeout_ms;
};

struct storage;

struct storage_ops {
    const char *name;
    /* Checks the configuration, opens no connection. Nothing is left behind on failure. */
    int (*open)(struct storage **ret, const struct storage_conf *conf, struct loop *loop,
                struct err *e);
    void (*close)(struct storage *s); /* accepts NULL; all operations must be done */

    /* Every volume of the array that the key can see. No volumes is an empty success. */
    void (*list_volumes)(struct storage *s, int64_t deadline_us, struct storage_op *op);
    /*
     * Opens a connection for each volume beforehand, all at once, by asking for what snapshot()
     * will need: no TLS handshake then falls into the freeze window, and an array that does not
     * answer is known before anything is frozen. Call it late, for an array drops idle connections
     * (seconds to a minute). op->found: one of the volumes has a snapshot called `name` already,
     * which a removal of ours would take for our own; with NULL nobody wants to know.
     */
    void (*prepare)(struct storage *s, const struct volume *volumes, size_t count, const char *name,
                    int64_t deadline_us, struct storage_op *op);
    /*
     * Takes one snapshot called `name`. Never sent twice. After ERR_TIMEOUT, and when the
     * connection broke, it is unknown whether it exists: look, and look again before relying on
     * its absence.
     */
    void (*snapshot)(struct storage *s, const struct volume *v, const char *name,
                     int64_t deadline_us, struct storage_op *op);
    /* Looks it up in the array's own list; absent is success with found == false. */
    void (*find_snapshot)(struct storage *s, const struct volume *v, const char *name,
                          int64_t deadline_us, struct storage_op *op);
    /* Removing what is absent succeeds. */
    void (*remove_snapshot)(struct storage *s, const struct volume *v, const char *name,
                            int64_t deadline_us, struct storage_op *op);
    /* Every snapshot of the volume, whoever made it, oldest first. None is an empty success. */
    void (*list_snapshots)(struct storage *s, const struct volume *v, int64_t deadline_us,
                           struct storage_op *op);
    /*
     * Puts the volume's content back to its snapshot `name`; ERR_NOT_FOUND when it has none of that
     * name. What is newer than it is lost: an array may refuse while newer snapshots are there, or
     * destroy them, so the caller removes them first. Nobody may be using the volume: see
     * set_access(). Doing it twice is as good as once: after an unknown outcome, ask again.
     */
    void (*rollback)(struct storage *s, const struct volume *v, const char *name,
                     int64_t deadline_us, struct storage_op *op);
    /*
     * Makes a new volume called `clone` with the content of snapshot `name`, as op->volumes[0] with
     * its IQN. Nobody may use it until set_access(), which this sees to. ERR_NOT_FOUND when there
     * is no snapshot of that name. Never sent twice; after an unknown outcome list_volumes() tells
     * by its name whether it came to be. ElastiStor: the clone spends the parent's IOPS, and takes
     * seconds to minutes.
     */
    void (*clone)(struct storage *s, const struct volume *v, const char *name, const char *clone,
                  int64_t deadline_us, struct storage_op *op);
    /*
     * Deletes a volume for good, with nobody using it any more: access is taken away first, and
     * stays so when the array will not. Ends when the array has done it. Deleting what is absent
     * succeeds, so after an unknown outcome ask again. ERR_STORAGE when it has snapshots, whatever
     * the array would do with them: remove those before; or when the array will not.
     */
    void (*remove_volume)(struct storage *s, const struct volume *v, int64_t deadline_us,
                          struct storage_op *op);
    /* Who may use the volume: a word of the array's own in op->access, for set_access() of this
     * volume or of a clone of it, now or after months. "" when nobody may. */
    void (*access)(struct storage *s, const struct volume *v, int64_t deadline_us,
                   struct storage_op *op);
    /* Lets those use it that `access` names; "": nobody. Read back before it succeeds; repeatable.
     * ERR_STORAGE when the array does not know that word. */
    void (*set_access)(struct storage *s, const struct volume *v, const char *access,
                       int64_t deadline_us, struct storage_op *op);
    /* The volume's readings as of now. */
    void (*stats)(struct storage *s, const struct volume *v, int64_t deadline_us,
                  struct storage_op *op);
    /* What the array remembers of the volume's readings: the newest STORAGE_HISTORY_MAX of it. */
    void (*history)(struct storage *s, const struct volume *v, int64_t deadline_us,
                    struct storage_op *op);
    /* What the caller wants is storage_cancel(). */
    void (*cancel)(struct storage *s, struct storage_op *op);
};

/* The head of every driver's own struct. */
struct storage {
    const struct storage_ops *ops;
};

/* Opens with the driver that conf->driver names; ERR_CONFIG lists the known ones otherwise. */
int storage_open(struct storage **ret, const struct storage_conf *conf, struct loop *loop,
                 struct err *e);

/* Accepts NULL; all operations must be done. */
void storage_close(struct storage *s);
/* Makes an operation done at once with ERR_CANCELLED; one that is done already stays as it is. */
void storage_cancel(struct storage *s, struct storage_op *op);

/* Runs the loop until op is done, a second past its deadline at most, for it ends by itself at
 * that. -1 with the operation's error; with the wait's (a signal), when it was cancelled. */
int storage_wait(struct loop *loop, struct storage *s, struct storage_op *op, int64_t deadline_us,
                 struct err *e);
/* Whether the array lists a snapshot of that name. */
int storage_has_snapshot(struct loop *loop, struct storage *s, const struct volume *v,
                         const char *name, int timeout_ms, bool *ret, struct err *e);
/* Removes the snapshot, if it is there, and looks whether the array lists it still: its word alone
 * is not believed. ERR_LOOK when it does. */
int storage_remove_seen(struct loop *loop, struct storage *s, const struct volume *v,
                        const char *name, int remove_ms, int find_ms, struct err *e);

void volume_release(struct volume *v);
void volume_copy(struct volume *to, const struct volume *from);
void volume_snapshot_release(struct volume_snapshot *s);
/* Frees results, ready to be started again. The op must be done (or never started). */
void storage_op_release(struct storage_op *op);

#endif
