/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last freezes, noted when they are over and told to whoever asks; see evidence.h. */
#include "guest-agent/evidence.h"

#include "guest-agent/evidence_private.h"
#include "proto/base/log.h"

void evidence_freezes_load(struct evidence *ev)
{
    struct err e = ERR_INIT;

    if (freezes_load(&ev->freezes, ev->daemon->options.run_dir, &e) < 0)
        log_warn("%s", e.msg);
}

void evidence_event(struct evidence *ev, const Cbsnap__FreezeEvent *event)
{
    struct err e = ERR_INIT;

    if (freezes_event(&ev->freezes, event) &&
        freezes_save(&ev->freezes, ev->daemon->options.run_dir, &e) < 0)
        log_warn("the last freeze is not noted: %s", e.msg);
}

void evidence_describe(struct evidence *ev, Cbsnap__State *to)
{
    to->n_freeze = ev->freezes.count;
    to->freeze = ev->freezes.kept;
}
