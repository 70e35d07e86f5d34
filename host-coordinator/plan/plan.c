/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The generic step runner; see plan.h. */
#include "host-coordinator/plan/plan.h"

#include "proto/base/log.h"

#include <string.h>

static int act(const struct step *s, bool undo, void *ctx, const struct plan_watch *watch,
               struct err *e)
{
    step_fn *fn = undo ? s->undo : s->run;
    int rc;

    if (!fn) /* a mark */
        return 0;
    watch->begin(ctx, s, undo);
    rc = fn(ctx, e);
    watch->end(ctx, s, undo, rc < 0 ? e : NULL);
    return rc;
}

static void note_failure(struct plan_result *result, const struct step *s, struct err *e,
                         const struct err *why)
{
    if (result->rc == 0) {
        result->rc = -1;
        result->step = s;
        *e = *why;
    } else if (why->code == ERR_LOOK && e->code != ERR_LOOK) {
        /* what a person must do comes before why it came to that */
        struct err cause = *e;

        *e = *why;
        err_hint(e, "after: %s", cause.msg);
    } else {
        /* the first error is the one told; later ones are not lost */
        log_warn("%s: %s", s->name, why->msg);
    }
}

/* A mark, whose step was not come to: there is nothing to undo, and nothing to tell. */
static bool is_idle(const struct step *steps, size_t mark, size_t begun)
{
    for (size_t n = mark; n < begun; n++) {
        if (steps[n].run && strcmp(steps[n].name, steps[mark].name) == 0)
            return false;
    }
    return true;
}

struct plan_result plan_run(const struct step *steps, size_t count, void *ctx,
                            const struct plan_watch *watch, struct err *e)
{
    struct plan_result result = {.rc = 0};
    size_t n, begun;

    for (n = 0; n < count && result.rc == 0; n++) {
        struct err why = ERR_INIT;

        if (act(&steps[n], false, ctx, watch, &why) < 0)
            note_failure(&result, &steps[n], e, &why);
    }
    begun = n;
    while (n-- > 0) {
        struct err why = ERR_INIT;

        if (!steps[n].undo || (result.rc == 0 && steps[n].when != UNDO_ALWAYS) ||
            is_idle(steps, n, begun))
            continue;
        if (act(&steps[n], true, ctx, watch, &why) < 0) {
            /* a set that is lost was let go all the same; anything else may still be there */
            if (why.code != ERR_LOST)
                result.undo_failed = true;
            note_failure(&result, &steps[n], e, &why);
        }
    }
    return result;
}
