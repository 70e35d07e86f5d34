/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The API's commands: one table of name, response key and handler, and what handlers share.
 *
 * A handler runs under model.lock, fills call->reply by one reply_...() call and sets
 * call->changed when the state has to be saved. `prepare`, where there is one, runs before it
 * without the lock: it may take time, but not change the model.
 * Facts: commands, parameters, keys and errors of the ElastiStor API as clients' sources and
 * captured bodies show them.
 */
#ifndef SIM_COMMAND_H
#define SIM_COMMAND_H

#include "tests/elastistor-sim/sim.h"

struct command {
    const char *name; /* matched without regard to case */
    const char *key;  /* top-level member of the answer, error answers included */
    void (*run)(struct call *c);
    void (*prepare)(struct call *c);
};

/* NULL when there is none of that name. */
const struct command *command_find(const char *name);

/* The parameter, or NULL after answering 431 in the appliance's words. */
const char *need(struct call *c, const char *command, const char *param);
/* The parameter, or `otherwise`; an empty one counts as absent. */
const char *want(const struct call *c, const char *param, const char *otherwise);
/* A whole number of at least 0, or 431; absent leaves *ret alone. */
int want_number(struct call *c, const char *param, int64_t *ret);
/* Copies a parameter into a field, or 431 when it is too long; absent leaves it alone. */
int want_field(struct call *c, const char *param, char *field, size_t size);
/* The volume that `id` names, or NULL after answering 431. */
struct volume *need_volume(struct call *c, const char *command, const char *param);
/* 0, or 431: names become file names, so they hold letters, digits, '_', '-', '.', ':' only. */
int check_name(struct call *c, const char *what, const char *name);
/* 0, or an error answer: a mount point is a name, and the tail of the IQN, so it must be unique. */
int check_mountpoint(struct call *c, const char *mountpoint);

void run_list_account(struct call *c);
void run_list_tsm(struct call *c);
void run_list_pool(struct call *c);
void run_list_capabilities(struct call *c);
void run_query_job(struct call *c);

void run_add_group(struct call *c);
void run_update_group(struct call *c);
void run_list_group(struct call *c);
void run_delete_group(struct call *c);

void run_create_volume(struct call *c);
void run_delete_volume(struct call *c);
void run_list_volume(struct call *c);
void run_update_volume(struct call *c);
void run_monitor_volume(struct call *c);

void run_list_service(struct call *c);
void run_update_service(struct call *c);
void run_list_igroup(struct call *c);
void run_add_igroup(struct call *c);
void run_delete_igroup(struct call *c);
void run_list_agroup(struct call *c);
void run_list_auser(struct call *c);
void run_add_agroup(struct call *c);

void prepare_snapshot(struct call *c);
void run_create_snapshot(struct call *c);
void run_list_snapshot(struct call *c);
void run_delete_snapshot(struct call *c);
void run_rollback(struct call *c);
void run_clone(struct call *c);

/* Work of the two jobs: job_work of jobs.h. */
int volume_create_work(struct sim *s, const json_t *args, json_t **ret_result, struct err *e);
int volume_delete_work(struct sim *s, const json_t *args, json_t **ret_result, struct err *e);

/* A volume's row with ids, names and defaults; its file exists already. Not exported yet. */
struct volume *volume_add(struct sim *s, const char *name, const char *mountpoint);
/* Export gone, row gone, file gone; its QoS group too when it was the last in it. */
int volume_drop(struct sim *s, struct volume *v, struct err *e);
int snapshot_drop(struct sim *s, struct snapshot *sn, struct err *e);

#endif
