/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Export of volumes through a running tgtd: one target per volume, the volume as LUN 1 (tgt keeps
 * LUN 0 for its own controller device; the appliance's LUN is 0).
 *
 * Every call runs tgtadm once or more, some 5 ms each; tgtd orders concurrent ones. Each act
 * is idempotent: it looks at what tgtd has and changes what differs, because tgtd may have outlived
 * us or been restarted. The caller holds model.lock where it changes targets, since target numbers
 * are chosen here. With iscsi = none every call succeeds and does nothing.
 * Facts: tgtadm(8) and its output as of tgt 1.0.85.
 */
#ifndef SIM_ISCSI_H
#define SIM_ISCSI_H

#include "proto/base/err.h"
#include "tests/elastistor-sim/options.h"

#define ISCSI_LUN 1

struct iscsi_volume {
    const char *iqn, *path, *serial;
    /* who may log in, joined by commas; "ALL" is everybody, "None" nobody */
    const char *initiators, *addresses;
};

/* ERR_IO when tgtd does not answer. */
int iscsi_probe(const struct options *o, struct err *e);
/* Makes target, LUN and access list what they should be. */
int iscsi_export(const struct options *o, const struct iscsi_volume *v, struct err *e);
/* Takes the LUN out and in again, so that tgtd sees a new size. */
int iscsi_resize(const struct options *o, const struct iscsi_volume *v, struct err *e);
/* Ends sessions that are still there. Absent is success. */
int iscsi_remove(const struct options *o, const char *iqn, struct err *e);
/* Commands and bytes, both directions, of the sessions that are logged in now. */
int iscsi_counters(const struct options *o, const char *iqn, int64_t *ret_ops, int64_t *ret_bytes,
                   struct err *e);

#endif
