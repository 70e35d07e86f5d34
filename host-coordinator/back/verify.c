/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verify: proves a set on clones, in a VM that nobody can reach and that is gone afterwards, with
 * the clones, whatever happens. The running VM and its volumes are not touched. See back.h.
 */
#include "host-coordinator/back/back.h"

#include "proto/base/cleanup.h"

static const struct step steps[] = {
    {"set", step_set, NULL, UNDO_ALWAYS, .critical = false},
    {"storage", step_whole, NULL, UNDO_ALWAYS, .critical = false},
    {"preflight", step_throwaway_fits, NULL, UNDO_ALWAYS, .critical = false},
    {"journal", step_journal, NULL, UNDO_ALWAYS, .critical = false},
    {"clone", step_clone, step_clone_undo, UNDO_ALWAYS, .critical = false},
    {"boot", step_throwaway, step_throwaway_undo, UNDO_ALWAYS, .critical = false},
    {"agent", step_agent, step_link_undo, UNDO_ALWAYS, .critical = false},
    {"certify", step_certify, NULL, UNDO_ALWAYS, .critical = false},
    {"check", step_check_data, NULL, UNDO_ALWAYS, .critical = false},
    {"publish", step_report, NULL, UNDO_ALWAYS, .critical = false},
};

int verify_run(struct back *b, int *ret_exit, struct err *e)
{
    struct plan_result result;

    b->method = BACK_VERIFY;
    result = plan_run(steps, ARRAY_SIZE(steps), b, &run_watch, e);
    *ret_exit = back_exit(b, &result, e);
    journal_close(b->run.journal, *ret_exit != 5);
    b->run.journal = NULL;
    return result.rc;
}
