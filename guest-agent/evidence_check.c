/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The data check, asked for by the host: progress while it runs, and its end when the host goes
 * away; see evidence.h. */
#include <stdlib.h>

#include "guest-agent/evidence/datacheck.h"
#include "guest-agent/evidence_private.h"
#include "proto/base/cleanup.h"

#define PROGRESS_MS 500

struct check_job {
    struct evidence_job base; /* first */
    char **tables;
    size_t table_count;
    bool skip_checksums;
    uv_timer_t *timer;
    struct datacheck_progress progress;
    Cbsnap__DataChecked *result;
};

static bool must_stop(void *arg)
{
    const struct evidence *ev = arg;

    return atomic_load(&ev->stop_check);
}

static void check_run(struct worker_job *job)
{
    struct check_job *j = (struct check_job *)job;
    struct evidence *ev = j->base.ev;
    struct mysql_login login = evidence_login(ev);
    const struct datacheck c = {.login = &login,
                                .tables = j->tables,
                                .table_count = j->table_count,
                                .skip_checksums = j->skip_checksums,
                                .unit = ev->daemon->options.verify_unit,
                                .stop = must_stop,
                                .arg = ev,
                                .progress = &j->progress};

    j->result = datacheck_run(&c, &j->base.err);
}

/* ---- loop's thread ---- */

static void on_timer(uv_timer_t *timer)
{
    struct check_job *j = timer->data;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    Cbsnap__DataCheckProgress progress = CBSNAP__DATA_CHECK_PROGRESS__INIT;
    struct client *client = j->base.call->client;

    if (!client) {
        atomic_store(&j->base.ev->stop_check, true);
        return;
    }
    AUTO_LOCK(held, &j->progress.lock);
    MSG_SET(&progress, done, j->progress.done);
    MSG_SET(&progress, total, j->progress.total);
    progress.what = j->progress.what;
    MSG_BODY(&m, data_check_progress, DATA_CHECK_PROGRESS, &progress);
    (void)peer_send(client->peer, &m, PEER_DROPPABLE);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle);
}

static void check_answer(struct evidence_job *base)
{
    struct check_job *j = (struct check_job *)base;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    MSG_BODY(&m, data_checked, DATA_CHECKED, j->result);
    call_send(base->call, &m);
}

static void check_release(struct evidence_job *base)
{
    struct check_job *j = (struct check_job *)base;

    if (j->timer) {
        base->ev->checking = false;
        uv_close((uv_handle_t *)j->timer, on_timer_closed);
    }
    if (j->result)
        cbsnap__data_checked__free_unpacked(j->result, NULL);
    for (size_t n = 0; n < j->table_count; n++)
        free(j->tables[n]);
    free(j->tables);
    pthread_mutex_destroy(&j->progress.lock);
    free(j);
}

static void start_timer(struct check_job *j)
{
    j->timer = xcalloc(1, sizeof(*j->timer));
    uv_timer_init(&j->base.ev->daemon->loop, j->timer);
    j->timer->data = j;
    uv_timer_start(j->timer, on_timer, PROGRESS_MS, PROGRESS_MS);
}

void evidence_check(struct evidence *ev, struct call *call, const Cbsnap__DataCheck *m)
{
    struct check_job *j = xcalloc(1, sizeof(*j));

    j->base = (struct evidence_job){.ev = ev,
                                    .call = call,
                                    .job.run = check_run,
                                    .answer = check_answer,
                                    .release = check_release};
    pthread_mutex_init(&j->progress.lock, NULL);
    j->table_count = m->n_table;
    j->tables = xcalloc(m->n_table + 1, sizeof(*j->tables));
    for (size_t n = 0; n < m->n_table; n++)
        j->tables[n] = xstrdup(m->table[n]);
    j->skip_checksums = m->has_skip_checksums && m->skip_checksums;
    if (!evidence_verifying(ev)) {
        err_set(&j->base.err, ERR_REFUSED,
                "this guest was not booted to verify a set: its data is not checked, for the "
                "server would be stopped");
    } else if (evidence_can_begin(ev, &j->base.err) == 0) {
        ev->checking = true;
        atomic_store(&ev->stop_check, false);
        start_timer(j);
        evidence_start(&j->base);
        return;
    }
    evidence_submit(&j->base); /* answers with the error */
}
