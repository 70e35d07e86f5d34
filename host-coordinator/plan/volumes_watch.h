/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the appliances say of a set's volumes while a run lasts: every volume is asked once a
 * second, and its readings go into the run's series as `volume.NAME.iops`, `.throughput`,
 * `.latency`,
 * `.throttle` and `.used`, at the host's time when the answer came. What the appliance does not
 * tell is absent.
 *
 * It must not disturb: one request per volume at most is under way, a late one is waited for and
 * not asked again, and what goes wrong is noted once and fails nothing. While suspended nothing is
 * asked, so that no snapshot queues behind it: the appliance's readings are absent in the freeze.
 *
 *     start (r->series, r->volumes and their storages stand) -> suspend(true) before the
 *     connections of the freeze are opened (storage_ops.prepare) -> suspend(false) after the thaw
 *     -> stop, always, before the run's storages are closed
 *
 * Suspending takes back what is under way, and with it its connection: after prepare() that could
 * be one of those that the snapshots need. Main thread only; works while the loop is waited on.
 */
#ifndef CBSNAP_VOLUMES_WATCH_H
#define CBSNAP_VOLUMES_WATCH_H

#include "host-coordinator/plan/run.h"

#define VOLUMES_WATCH_MS 1000

struct volumes_watch;

/* `r`, its volumes and its series must outlive the watch. Asks for the first readings and for the
 * history at once. */
struct volumes_watch *volumes_watch_start(struct run *r);
void volumes_watch_suspend(struct volumes_watch *w, bool suspended);
/* Readings that have come are kept; what is under way is taken back. Accepts NULL. */
void volumes_watch_stop(struct volumes_watch *w);

/* Every volume has been asked, and has answered or failed, at least once. */
bool volumes_watch_answered(const struct volumes_watch *w);

/*
 * What the appliance remembered of volume `volume` (index in r->volumes) when the watch began,
 * oldest first: rows for the record, not for the series, since the appliance does not tell the time
 * zone of their times. 0 as long as it has not come, or where there is none. Lent until stop.
 */
size_t volumes_watch_history(const struct volumes_watch *w, size_t volume,
                             const struct volume_past **ret);

#endif
