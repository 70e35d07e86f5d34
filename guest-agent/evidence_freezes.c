/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last freezes, noted when they are over and told to whoever asks; see evidence.h. */
#include "guest-agent/evidence.h"

#include <stdlib.h>

#include "guest-agent/evidence/freezes.h"
#include "guest-agent/evidence_private.h"
#include "proto/base/log.h"

struct evidence_freezes {
    struct freezes list;
    const char *run_dir; /* the options' */
};

struct evidence_freezes *evidence_freezes_new(struct evidence *ev)
{
    struct evidence_freezes *f = xcalloc(1, sizeof(*f));
    struct err e = ERR_INIT;

    f->run_dir = ev->daemon->options.run_dir;
    if (freezes_load(&f->list, f->run_dir, &e) < 0)
        log_warn("%s", e.msg);
    return f;
}

void evidence_freezes_free(struct evidence_freezes *f)
{
    freezes_release(&f->list);
    free(f);
}

void evidence_event(struct evidence *ev, const Cbsnap__FreezeEvent *event)
{
    struct evidence_freezes *f = ev->freezes;
    struct err e = ERR_INIT;

    if (freezes_event(&f->list, event) && freezes_save(&f->list, f->run_dir, &e) < 0)
        log_warn("the last freeze is not noted: %s", e.msg);
}

void evidence_describe(struct evidence *ev, Cbsnap__State *to)
{
    to->n_freeze = ev->freezes->list.count;
    to->freeze = ev->freezes->list.kept;
}
