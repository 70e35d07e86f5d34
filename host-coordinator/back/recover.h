/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of recover share; private to this folder. Main thread only. */
#ifndef CBSNAP_BACK_RECOVER_H
#define CBSNAP_BACK_RECOVER_H

#include "host-coordinator/back/back.h"

/* Replaces the outcome. */
void recovery_told(struct recovery *ret, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Had the dead run begun that step? Had it ended it well? */
bool recover_begun(const struct record *journal, const char *step);
bool recover_ended(const struct record *journal, const char *step);

/*
 * Which volumes the VM uses that was found (vm_look_at): *ret is true for the clones, and false
 * where it is seen that it uses none. ERR_LOOK where that cannot be told. b->defined is whether its
 * definition names them.
 */
int recover_uses_clones(struct back *b, const struct record *j, const char *definition,
                        enum domain_state state, bool *ret, struct err *e);
/* Of a VM that was not found: ERR_LOOK, unless it is a copy that was never made, or taken back. */
int recover_check_gone(const struct back *b, const struct record *j, struct err *e);

/* Of a run that took a set, whose volumes are looked up (step_back_storage). On failure it may be
 * tried again. */
int recover_snapshot(struct back *b, const struct record *j, struct recovery *ret, struct err *e);

#endif
