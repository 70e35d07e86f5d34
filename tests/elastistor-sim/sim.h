/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stand-in as a whole, and what its commands share.
 *
 * Threads: libmicrohttpd runs one thread per connection. A command sleeps its latency first,
 * without any lock, then does its work under model.lock in a few milliseconds: requests for
 * several volumes overlap in time, as on the appliance. `opt` and `reflink` are constant.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "tests/elastistor-sim/fault.h"
#include "tests/elastistor-sim/iscsi.h"
#include "tests/elastistor-sim/model.h"
#include "tests/elastistor-sim/options.h"
#include "tests/elastistor-sim/params.h"
#include "tests/elastistor-sim/reply.h"

struct sim {
    struct options opt;
    struct model model;
    struct faults *faults;
    struct reqlog *log;
    struct jobs *jobs;
    bool reflink;
};

/* One request for a command; owned by the thread that answers it. */
struct call {
    struct sim *sim;
    const struct params *params;
    struct fault fault; /* job-stuck and job-fail are left to the command */
    struct reply reply;
    bool changed; /* the model has to be saved */
};

/* Loads the state or makes that of a first start; exports what it holds. */
int sim_open(struct sim *s, struct err *e);
/* Exports every volume again: tgtd may have been restarted. Lock held. */
int sim_export_all(struct sim *s, struct err *e);
int sim_export(struct sim *s, const struct volume *v, struct err *e);
void sim_describe(const struct sim *s, const struct volume *v, struct iscsi_volume *ret,
                  char path[512], char serial[ID_SIZE]);

/* Backing files; the caller frees the string. Lock held. */
char *sim_dataset_dir(const struct sim *s);
char *sim_volume_file(const struct sim *s, const struct volume *v);
char *sim_snapshot_file(const struct sim *s, const struct volume *v, const char *snapshot);

#endif
