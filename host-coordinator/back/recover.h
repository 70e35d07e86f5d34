/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of recover share; private to this folder. Main thread only. */
#ifndef CBSNAP_BACK_RECOVER_H
#define CBSNAP_BACK_RECOVER_H

#include "host-coordinator/back/back.h"

/* Replaces the outcome. */
void recovery_told(struct recovery *ret, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Had the dead run begun that step? */
bool recover_begun(const struct record *journal, const char *step);

/* Of a run that took a set, whose volumes are looked up (step_back_storage). On failure it may be
 * tried again. */
int recover_snapshot(struct back *b, const struct record *j, struct recovery *ret, struct err *e);

#endif
