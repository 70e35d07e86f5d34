/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The job thread; see jobs.h. */
#include "tests/elastistor-sim/jobs.h"
#include "tests/elastistor-sim/command.h"
#include "tests/elastistor-sim/pause.h"
#include "tests/elastistor-sim/store.h"
#include "proto/base/cleanup.h"
#include "proto/base/log.h"

#include <string.h>
#include <time.h>

/* Finished ones beyond this are forgotten. */
#define JOBS_KEPT 500

struct jobs {
    pthread_t thread;
    pthread_cond_t changed;
    bool stop;
};

static job_work *work_of(const char *command)
{
    return strcmp(command, "createVolume") == 0 ? volume_create_work : volume_delete_work;
}

static struct job *next_due(struct sim *s)
{
    struct job *j, *best = NULL;
    size_t i;

    MODEL_EACH(&s->model, KIND_JOB, i, j)
    if (j->status == JOB_RUNNING && j->due_ms != JOB_NEVER && (!best || j->due_ms < best->due_ms))
        best = j;
    return best;
}

static void finish(struct job *j, json_t *result)
{
    j->status = j->errortext[0] ? JOB_FAILED : JOB_DONE;
    if (!result)
        result = json_object();
    json_object_set_new(result, "success", json_boolean(j->status == JOB_DONE));
    if (j->status == JOB_FAILED) {
        put_int(result, "errorcode", 530);
        put_text(result, "errortext", "%s", j->errortext);
        put_text(result, "licensetype", "trial");
    }
    free(j->result);
    j->result = json_dumps(result, 0);
    json_decref(result);
}

static void run_job(struct sim *s, struct job *j)
{
    json_t *args = j->args ? json_loads(j->args, 0, NULL) : NULL;
    struct err e = ERR_INIT;
    json_t *result = NULL;

    /* an error text that was there before the work is an injected failure */
    if (!j->errortext[0] && work_of(j->command)(s, args, &result, &e) < 0)
        snprintf(j->errortext, sizeof(j->errortext), "%.250s", e.msg);
    finish(j, result);
    log_info("job %s %s: %s", j->row.id, j->command, j->status == JOB_DONE ? "done" : j->errortext);
    json_decref(args);
    if (store_save(&s->model, s->opt.state_dir, &e) < 0)
        log_error("%s", e.msg);
}

static void *jobs_main(void *arg)
{
    struct sim *s = arg;

    AUTO_LOCK(held, &s->model.lock);
    while (!s->jobs->stop) {
        struct job *j = next_due(s);
        struct timespec until;

        if (j && j->due_ms <= epoch_ms()) {
            run_job(s, j);
        } else if (j) {
            until = (struct timespec){.tv_sec = j->due_ms / 1000,
                                      .tv_nsec = j->due_ms % 1000 * 1000000};
            pthread_cond_timedwait(&s->jobs->changed, &s->model.lock, &until);
        } else {
            pthread_cond_wait(&s->jobs->changed, &s->model.lock);
        }
    }
    return NULL;
}

int jobs_start(struct sim *s, struct err *e)
{
    int rc;

    s->jobs = xcalloc(1, sizeof(*s->jobs));
    pthread_cond_init(&s->jobs->changed, NULL);
    rc = pthread_create(&s->jobs->thread, NULL, jobs_main, s);
    if (rc == 0)
        return 0;
    free(s->jobs);
    s->jobs = NULL;
    return err_set_sys(e, ERR_IO, rc, "cannot start the job thread");
}

void jobs_stop(struct sim *s)
{
    if (!s->jobs)
        return;
    pthread_mutex_lock(&s->model.lock);
    s->jobs->stop = true;
    pthread_cond_signal(&s->jobs->changed);
    pthread_mutex_unlock(&s->model.lock);
    pthread_join(s->jobs->thread, NULL);
    pthread_cond_destroy(&s->jobs->changed);
    free(s->jobs);
    s->jobs = NULL;
}

static void forget_old(struct model *m)
{
    struct job *oldest;

    if (m->tables[KIND_JOB].n <= JOBS_KEPT)
        return;
    oldest = m->tables[KIND_JOB].rows[0];
    if (oldest->status != JOB_RUNNING)
        model_remove(m, KIND_JOB, oldest);
}

void jobs_add(struct call *c, const char *command, json_t *args)
{
    struct sim *s = c->sim;
    struct job *j = model_add(&s->model, KIND_JOB);
    AUTO_FREE char *latency = xasprintf("%s.job", command);
    json_t *answer = json_object();

    id_v4(j->row.id);
    j->row.simpleid = model_next_simpleid(&s->model);
    STR_SET(j->command, command);
    j->started_ms = epoch_ms();
    j->created_s = j->started_ms / 1000;
    j->due_ms = j->started_ms + faults_latency_ms(s->faults, latency);
    if (c->fault.kind == FAULT_JOB_STUCK)
        j->due_ms = JOB_NEVER;
    if (c->fault.kind == FAULT_JOB_FAIL)
        STR_SET(j->errortext, "failure injected by the stand-in");
    j->args = json_dumps(args, 0);
    json_decref(args);
    put_text(answer, "jobid", "%s", j->row.id);
    reply_plain(&c->reply, answer);
    c->changed = true;
    forget_old(&s->model);
    pthread_cond_signal(&s->jobs->changed);
}
