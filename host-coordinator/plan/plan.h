/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A run is a plan: named steps with their undo. Steps run in order; at the first failure, or at the
 * end, what was begun is undone newest first, the failed step included: after a timeout nobody
 * knows how far it came. So every undo accepts work half done or never done, acts only on what
 * this run recorded, and may be called twice.
 */
#ifndef CBSNAP_PLAN_H
#define CBSNAP_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/err.h"

typedef int step_fn(void *ctx, struct err *e);

enum undo_when {
    UNDO_ON_FAILURE, /* the step's effect is what the run is for */
    UNDO_ALWAYS,     /* the step's effect must not outlive the run */
};

struct step {
    const char *name;
    step_fn *run;  /* NULL: a mark. What a later step of that name does is undone in its turn */
    step_fn *undo; /* NULL: leaves nothing behind */
    enum undo_when when;
    bool critical; /* writers are waiting: no disk of ours is waited for */
};

/* Told before and after each act, from plan_run(). `why` is NULL when it went well. */
struct plan_watch {
    void (*begin)(void *ctx, const struct step *s, bool undo);
    void (*end)(void *ctx, const struct step *s, bool undo, const struct err *why);
};

struct plan_result {
    int rc;
    bool undo_failed;        /* something may have been left behind: a person must look */
    const struct step *step; /* the first that failed (its run or its undo); NULL if none */
};

/*
 * Runs `count` steps. On failure e holds the first error: that of a step, or, if all steps went
 * well, that of an undo (a thaw that was `lost` spoils a run whose steps all succeeded). An undo
 * that needs a person (ERR_LOOK) goes before both, with the first error behind it.
 */
struct plan_result plan_run(const struct step *steps, size_t count, void *ctx,
                            const struct plan_watch *watch, struct err *e);

#endif
