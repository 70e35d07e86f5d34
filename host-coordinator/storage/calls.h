/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ElastiStor driver's operations as calls: each one or more exchanges with the appliance, every
 * exchange a chain of requests one after the other. Private to the driver; loop thread only.
 *
 * A call hangs on storage_op.priv from call_new() until call_end(). An exchange asks with ask(),
 * which hands a good answer to a function of the operation's: that asks for more, or ends the
 * exchange with conclude(). What is no good answer ends the call by itself.
 *
 * Deadlines: a request gets the appliance's timeout_ms, or what the caller has left if that is
 * less. A call that is `slow` may take as long as its caller lets it, and so may each request in it
 * whose command is slow: making a clone, rolling back.
 */
#ifndef CBSNAP_STORAGE_CALLS_H
#define CBSNAP_STORAGE_CALLS_H

#include <jansson.h>

#include "host-coordinator/storage/http.h"
#include "host-coordinator/storage/query.h"
#include "host-coordinator/storage/storage.h"

enum command {
    LIST_VOLUMES,
    TAKE_SNAPSHOT,
    LIST_SNAPSHOTS,
    DELETE_SNAPSHOT,
    READ_STATS,
    READ_HISTORY,
    ROLL_BACK,
    MAKE_CLONE,
    DELETE_VOLUME,
    QUERY_JOB,
    LIST_GROUPS,
    READ_SERVICE,
    SET_GROUP,
};

struct elastistor {
    struct storage base;
    char *name, *url, *host, *api_key;
    int64_t timeout_us;
    uv_loop_t *uv;
    struct http *http;
};

#define EXCHANGE_PARAMS 3

struct call;
struct exchange;
typedef void answered_fn(struct exchange *x, json_t *answer);

struct exchange {
    struct call *call;
    struct http_request *http; /* NULL when none is under way */
    enum command command;
    struct volume volume; /* that the messages name; empty: none */
    const char *names[EXCHANGE_PARAMS];
    char *values[EXCHANGE_PARAMS];
    answered_fn *answered;
    bool repeated; /* a request is, once at most */
};

/* What the operations of going back want and find on their way; all of it empty for others. */
struct going_back {
    char *clone;        /* the name that it is to have */
    char *word;         /* the access wanted */
    bool access_is_all; /* that is wanted: not only a step to it */
    char *account;      /* the volume's */
    char *nobody;       /* the account's initiator group None */
    char *wanted;       /* the initiator group to set */
    char *job;          /* that deletes the volume */
    unsigned polls;
    /* Why the deletion failed, and is it unsure, while it is looked whether the volume is there. */
    struct err why;
    bool unsure;
    void (*then)(struct exchange *x); /* when the initiator group is as wanted */
};

struct call {
    struct elastistor *array;
    struct storage_op *op;
    int64_t deadline_us;
    /* The array has begun what the caller wants: a failure from here on leaves that unknown. */
    bool begun;
    /* The array said no: op->err. True: dealt with, the call has ended or goes on. May be NULL. */
    bool (*refused)(struct exchange *x);
    char *name; /* of the snapshot, or NULL */
    struct going_back back;
    uv_timer_t *timer; /* of call_pause(); on the heap: it outlives us until libuv has closed it */
    void (*paused)(struct exchange *x);
    size_t pending;
    size_t count;
    struct exchange exchanges[];
};

/* With `count` exchanges, none of them begun. `name` may be NULL. */
struct call *call_new(struct storage *s, struct storage_op *op, size_t count, bool slow,
                      int64_t deadline_us, const char *name);
/* Ends the operation as op->err says; what is still under way is dropped. */
void call_end(struct call *c);
/* `then` runs after that time, or at the call's deadline if that is nearer. For calls of one
 * exchange. */
void call_pause(struct exchange *x, int64_t ms, void (*then)(struct exchange *x));

/* Sends a request; `params` ends with a NULL name, and is copied but for the names. */
void ask(struct exchange *x, enum command command, const struct query_param *params,
         answered_fn *answered);
/* The same with the id of the exchange's volume as the only parameter. */
void ask_by_id(struct exchange *x, enum command command, answered_fn *answered);

/* Every good answer ends here, with rc as its reader returned: the exchange is done, and after the
 * last one, or a failure, the call. */
void conclude(struct exchange *x, int rc);
/* Puts before op->err's message where it happened: appliance, command, volume. */
void call_place(struct exchange *x);
/* The same, and the call ends with that failure. */
void fail_call(struct exchange *x, bool unsure);

#endif
