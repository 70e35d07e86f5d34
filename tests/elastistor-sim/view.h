/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Objects as the API shows them: which fields, in which order, of which kind (text, integer, float,
 * boolean), as captured from a real appliance. Each returns a new JSON object of the caller's.
 * The caller holds model.lock.
 */
#ifndef SIM_VIEW_H
#define SIM_VIEW_H

#include "tests/elastistor-sim/sim.h"

json_t *view_account(const struct sim *s);
json_t *view_tsm(const struct sim *s);
json_t *view_pool(const struct sim *s, const struct pool *p);
json_t *view_group(const struct sim *s, const struct group *g, bool with_status);
json_t *view_volume(const struct sim *s, const struct volume *v);
/* the shorter form in the result of a create job */
json_t *view_storage(const struct sim *s, const struct volume *v);
json_t *view_service(const struct volume *v);
/* bytes used by the snapshot alone, and referred to */
json_t *view_snapshot(const struct sim *s, const struct snapshot *sn, int64_t used, int64_t refer);
json_t *view_igroup(const struct sim *s, const struct igroup *ig);
json_t *view_agroup(const struct agroup *ag);
json_t *view_auser(const struct sim *s, const struct agroup *ag);
json_t *view_job(const struct sim *s, const struct job *j, int64_t now_ms);
json_t *view_qos_sample(const struct volume *v, const struct qos_sample *q);

/* "2016-05-12 10:02:41" */
void time_text(char ret[32], int64_t at_s);
/* ZFS's human units: 0, 26K, 4.73M, 8.05G */
void zfs_units(char ret[32], int64_t bytes);

#endif
