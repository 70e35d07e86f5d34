/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What prune judges sets by, shared with its tests. Main thread. */
#ifndef CBSNAP_PRUNE_H
#define CBSNAP_PRUNE_H

#include "host-coordinator/back/inventory.h"
#include "host-coordinator/retain/retain.h"

/* The sets of that domain as retain_decide() wants them; what cannot be judged is pinned. Their
 * texts are the inventory's. The caller frees the array. */
size_t prune_describe(const struct inventory *inv, const char *domain, struct retain_set **ret);

#endif
