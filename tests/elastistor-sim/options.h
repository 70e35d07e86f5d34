/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration file (INI) of the stand-in; README.md explains each key.
 *
 * Read once at start, constant afterwards. A failure is ERR_CONFIG and one sentence that names
 * the file, the section and the key.
 */
#ifndef SIM_OPTIONS_H
#define SIM_OPTIONS_H

#include "proto/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_POOLS    8
#define MAX_SETTINGS 128

enum rollback_mode { ROLLBACK_REFUSE, ROLLBACK_DESTROY };

struct pool_option {
    char name[64];
    int64_t size_mib;
};

/* A line of [latency] or [faults], understood by fault.c. */
struct setting {
    char name[64], value[256];
};

struct options {
    char listen[64], port_file[512], pid_file[512], cert[512], key[512], api_key[256];
    char state_dir[512], log_file[512];
    char portal_address[64], account[64], tsm[64];
    int64_t port, portal_port, tgt_control_port, tsm_iops, qos_interval_ms;
    bool tgt; /* export volumes through tgtd */
    enum rollback_mode rollback;
    bool open_clones; /* a new clone's initiator group is ALL */
    struct pool_option pools[MAX_POOLS];
    size_t n_pools;
    struct setting latencies[MAX_SETTINGS], faults[MAX_SETTINGS];
    size_t n_latencies, n_faults;
};

int options_read(struct options *o, const char *path, struct err *e);

#endif
