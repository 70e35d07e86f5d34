/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last freezes, noted when they are over and told to whoever asks; see evidence.h. */
#include "guest-agent/evidence.h"

#include <stdlib.h>

#include "guest-agent/evidence/freezes.h"
#include "guest-agent/evidence_private.h"
#include "proto/base/cleanup.h"
#include "proto/base/log.h"

struct evidence_freezes {
    struct worker_job job; /* first: the worker hands this back */
    struct evidence *ev;
    struct freezes list;
    char *path;
    bool unwritten; /* there is something newer than the file, or than what is being written */
    bool busy;      /* the worker has `bytes` */
    struct buf bytes;
    struct err err; /* the worker's */
};

static void run(struct worker_job *job)
{
    struct evidence_freezes *f = (struct evidence_freezes *)job;

    f->err = ERR_INIT;
    if (evidence_must_stop(f->ev))
        err_set(&f->err, ERR_BUSY, "a freeze has begun");
    else
        (void)freezes_write(f->path, &f->bytes, &f->err);
}

static void done(struct worker_job *job)
{
    struct evidence_freezes *f = (struct evidence_freezes *)job;

    f->busy = false;
    if (f->err.code == ERR_BUSY)
        f->unwritten = true; /* after that freeze */
    else if (err_is_set(&f->err))
        log_warn("the last freeze is not noted: %s", f->err.msg);
    evidence_freezes_flush(f);
}

void evidence_freezes_flush(struct evidence_freezes *f)
{
    if (!f->unwritten || f->busy || evidence_must_stop(f->ev))
        return;
    f->unwritten = false;
    f->busy = true;
    freezes_pack(&f->list, &f->bytes);
    f->job.run = run;
    f->job.done = done;
    worker_submit(f->ev->worker, &f->job);
}

struct evidence_freezes *evidence_freezes_new(struct evidence *ev)
{
    struct evidence_freezes *f = xcalloc(1, sizeof(*f));
    struct err e = ERR_INIT;

    f->ev = ev;
    f->path = xasprintf("%s/%s", ev->daemon->options.manifest_dir, FREEZES_FILE);
    if (freezes_load(&f->list, f->path, &e) < 0)
        log_warn("%s", e.msg);
    return f;
}

/* The worker drops what it has not begun. The agent that is stopped in a freeze is the case in
 * which nobody else tells of its end. */
void evidence_freezes_free(struct evidence_freezes *f)
{
    struct err e = ERR_INIT;

    if (f->unwritten || f->busy) {
        freezes_pack(&f->list, &f->bytes);
        if (freezes_write(f->path, &f->bytes, &e) < 0)
            log_warn("the last freeze is not noted: %s", e.msg);
    }
    freezes_release(&f->list);
    buf_release(&f->bytes);
    free(f->path);
    free(f);
}

void evidence_event(struct evidence *ev, const Cbsnap__FreezeEvent *event)
{
    struct evidence_freezes *f = ev->freezes;

    if (freezes_event(&f->list, event))
        f->unwritten = true; /* when the freeze is over: evidence_quiet() */
}

void evidence_describe(struct evidence *ev, Cbsnap__State *to)
{
    to->n_freeze = ev->freezes->list.count;
    to->freeze = ev->freezes->list.kept;
}
