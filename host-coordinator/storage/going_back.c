/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of snapshots, rollback, clones, removing volumes; see going_back.h. */
#include "host-coordinator/storage/going_back.h"

#include <stdlib.h>

#include "host-coordinator/storage/access.h"
#include "host-coordinator/storage/calls.h"
#include "host-coordinator/storage/reply.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

static struct exchange *new_exchange(struct storage *s, const struct volume *v, const char *name,
                                     bool slow, int64_t deadline_us, struct storage_op *op)
{
    struct call *c = call_new(s, op, 1, slow, deadline_us, name);

    volume_copy(&c->exchanges[0].volume, v);
    return &c->exchanges[0];
}

/* ---- lists -------------------------------------------------------------------------------- */

static void list_answered(struct exchange *x, json_t *answer)
{
    struct storage_op *op = x->call->op;

    conclude(x, reply_snapshots(&op->snapshots, &op->snapshot_count, answer,
                                x->call->array->api_key, &op->err));
}

void elastistor_list_snapshots(struct storage *s, const struct volume *v, int64_t deadline_us,
                               struct storage_op *op)
{
    ask_by_id(new_exchange(s, v, NULL, false, deadline_us, op), LIST_SNAPSHOTS, list_answered);
}

/* The path of the call's snapshot, which only the array's list tells. The caller frees *ret. */
static int path_in_list(struct exchange *x, json_t *answer, char **ret)
{
    struct call *c = x->call;
    struct reply_snapshot found = {.path = NULL};

    if (reply_find(&found, answer, c->name, c->array->api_key, &c->op->err) < 0)
        return -1;
    free(found.time);
    if (!found.path)
        return err_set(&c->op->err, ERR_NOT_FOUND, "there is no snapshot '%.100s'", c->name);
    *ret = found.path;
    return 0;
}

/* ---- rollback ----------------------------------------------------------------------------- */

static void rolled_back(struct exchange *x, json_t *answer)
{
    conclude(x, reply_rolled_back(answer, &x->call->op->err));
}

static void found_to_roll_back(struct exchange *x, json_t *answer)
{
    AUTO_FREE char *path = NULL;

    if (path_in_list(x, answer, &path) < 0)
        conclude(x, -1);
    else
        ask(x, ROLL_BACK,
            (const struct query_param[]){{"id", x->volume.id}, {"path", path}, {NULL, NULL}},
            rolled_back);
}

void elastistor_rollback(struct storage *s, const struct volume *v, const char *name,
                         int64_t deadline_us, struct storage_op *op)
{
    ask_by_id(new_exchange(s, v, name, true, deadline_us, op), LIST_SNAPSHOTS, found_to_roll_back);
}

/* ---- clones ------------------------------------------------------------------------------- */

static void clone_is_closed(struct exchange *x)
{
    struct storage_op *op = x->call->op;

    op->volumes = xcalloc(1, sizeof(*op->volumes));
    op->volume_count = 1;
    volume_copy(op->volumes, &x->volume);
    conclude(x, 0);
}

/* From here on the exchange is about the clone. Which group a new one has is documented nowhere, so
 * access is taken away. */
static void cloned(struct exchange *x, json_t *answer)
{
    struct call *c = x->call;
    struct volume clone;

    if (reply_cloned(&clone, &c->back.account, answer, &x->volume, c->back.clone, c->array->api_key,
                     &c->op->err) < 0) {
        conclude(x, -1);
        return;
    }
    c->begun = true;
    volume_release(&x->volume);
    x->volume = clone;
    access_take(x, clone_is_closed);
}

static void found_to_clone(struct exchange *x, json_t *answer)
{
    AUTO_FREE char *path = NULL;

    if (path_in_list(x, answer, &path) < 0)
        conclude(x, -1);
    else
        ask(x, MAKE_CLONE,
            (const struct query_param[]){{"id", x->volume.id},
                                         {"path", path},
                                         {"clonename", x->call->back.clone},
                                         {NULL, NULL}},
            cloned);
}

void elastistor_clone(struct storage *s, const struct volume *v, const char *name,
                      const char *clone, int64_t deadline_us, struct storage_op *op)
{
    struct exchange *x = new_exchange(s, v, name, true, deadline_us, op);

    x->call->back.clone = xstrdup(clone);
    ask_by_id(x, LIST_SNAPSHOTS, found_to_clone);
}

/* ---- removing volumes --------------------------------------------------------------------- */

static const struct query_param all_volumes[] = {{NULL, NULL}};

/* After a refusal or a job that failed: 0 if the volume is gone all the same. */
static void looked_after_refusal(struct exchange *x, json_t *answer)
{
    struct call *c = x->call;
    struct going_back *b = &c->back;
    AUTO_FREE char *account = NULL;
    int rc = reply_account(&account, answer, &x->volume, c->array->api_key, &c->op->err);

    if (rc < 0 && c->op->err.code == ERR_NOT_FOUND) {
        c->op->err = ERR_INIT;
        conclude(x, 0);
        return;
    }
    c->op->err = b->why;
    c->op->unsure = b->unsure;
    call_end(c);
}

/*
 * The array would not delete the volume, or could not. Somebody else, or an earlier request whose
 * answer was lost, may have: then what was wanted is so.
 */
static void look_after_refusal(struct exchange *x, bool unsure)
{
    struct call *c = x->call;

    call_place(x);
    c->back.why = c->op->err;
    c->back.unsure = unsure;
    c->op->err = ERR_INIT;
    c->begun = true; /* when the look fails, nothing is known */
    ask(x, LIST_VOLUMES, all_volumes, looked_after_refusal);
}

static bool deletion_refused(struct exchange *x)
{
    if (x->command != DELETE_VOLUME && x->command != QUERY_JOB)
        return false;
    look_after_refusal(x, x->call->begun);
    return true;
}

static void query_job(struct exchange *x);

static void wait_for_job(struct exchange *x)
{
    /* soon after the start, then as the vendor's own clients do */
    static const int pauses_ms[] = {200, 1000, 2000};
    unsigned last = ARRAY_SIZE(pauses_ms) - 1, n = x->call->back.polls++;

    call_pause(x, pauses_ms[n < last ? n : last], query_job);
}

static void job_answered(struct exchange *x, json_t *answer)
{
    struct call *c = x->call;
    struct reply_job job;
    int rc = reply_job(&job, answer, c->back.job, c->array->api_key, &c->op->err);

    if (rc < 0 && job.state == REPLY_JOB_FAILED)
        look_after_refusal(x, job.unsure);
    else if (rc == 0 && job.state == REPLY_JOB_RUNNING)
        wait_for_job(x);
    else
        conclude(x, rc);
}

static void query_job(struct exchange *x)
{
    struct call *c = x->call;
    const struct query_param params[] = {{"jobId", c->back.job}, {NULL, NULL}};

    if (mono_us() < c->deadline_us) {
        ask(x, QUERY_JOB, params, job_answered);
        return;
    }
    (void)err_set(&c->op->err, ERR_TIMEOUT,
                  "job %.64s has not ended; whether the volume will be deleted is unknown",
                  c->back.job);
    fail_call(x, true);
}

static void deletion_begun(struct exchange *x, json_t *answer)
{
    struct call *c = x->call;

    if (reply_job_begun(&c->back.job, answer, c->array->api_key, &c->op->err) < 0) {
        conclude(x, -1);
        return;
    }
    c->begun = true;
    wait_for_job(x);
}

static void delete_it(struct exchange *x)
{
    ask_by_id(x, DELETE_VOLUME, deletion_begun);
}

/* What an array does with the snapshots of a volume that is deleted is documented nowhere. */
static void snapshots_listed(struct exchange *x, json_t *answer)
{
    struct call *c = x->call;
    struct volume_snapshot *list = NULL;
    size_t count = 0;
    int rc = reply_snapshots(&list, &count, answer, c->array->api_key, &c->op->err);

    if (rc == 0 && count > 0)
        rc = err_set(&c->op->err, ERR_STORAGE,
                     "the volume has snapshots, %zu of them, the first '%.100s': remove them first",
                     count, list[0].name);
    for (size_t n = 0; n < count; n++)
        volume_snapshot_release(&list[n]);
    free(list);
    if (rc < 0)
        conclude(x, rc);
    else
        access_take(x, delete_it);
}

static void looked_for_it(struct exchange *x, json_t *answer)
{
    struct call *c = x->call;
    int rc = reply_account(&c->back.account, answer, &x->volume, c->array->api_key, &c->op->err);

    if (rc < 0 && c->op->err.code == ERR_NOT_FOUND) {
        c->op->err = ERR_INIT;
        conclude(x, 0);
    } else if (rc < 0) {
        conclude(x, rc);
    } else {
        ask_by_id(x, LIST_SNAPSHOTS, snapshots_listed);
    }
}

void elastistor_remove_volume(struct storage *s, const struct volume *v, int64_t deadline_us,
                              struct storage_op *op)
{
    struct exchange *x = new_exchange(s, v, NULL, true, deadline_us, op);

    x->call->refused = deletion_refused;
    /* all of them: what an array says when asked for one that is gone is documented nowhere */
    ask(x, LIST_VOLUMES, all_volumes, looked_for_it);
}
