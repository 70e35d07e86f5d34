/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * coord.conf and the credentials file, read into one struct that everything below borrows.
 * The options with their defaults and ranges are the table in config.c.
 */
#ifndef CBSNAP_CONFIG_H
#define CBSNAP_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/err.h"

struct appliance_config {
    char *name; /* from [appliance NAME] */
    char *driver, *url, *ca, *fingerprint;
    int timeout_ms;
    char *api_key; /* from the credentials file; never printed */
};

#define CONFIG_DEFAULT CBSNAP_SYSCONFDIR "/cbsnap/coord.conf"

#define CONFIG_CLONE_MAX_MS 86400000 /* the most that clone_ms may be */

struct policy; /* policy/policy.h */

struct config {
    char *uri;         /* libvirt connection */
    char *state_dir;   /* records/ and journal/ live below */
    char *credentials; /* path of the credentials file */
    char *channel;     /* name of the agent's channel in the domain XML */
    char *exclude;     /* disks left out of every set: targets, comma-separated */
    int answer_ms;     /* how long the agent may take to answer */
    int flush_ms;      /* and how much longer when it flushes before the freeze */
    int libvirt_ms;    /* how long an ordinary libvirt call may take */
    int lease_ms;      /* the guest lets go when it has not heard from us for so long */
    int freeze_ms;     /* how long virDomainFSFreeze may take, tries for the lock included */
    int max_stall_ms;  /* frozen longer than this, the run gives up */
    int late_ms;       /* how long a given-up snapshot is waited for before it is removed */
    int before_ms;     /* how long before the freeze the guest is read fast */
    int after_ms;      /* how long after the thaw */
    int fast_ms;       /* interval asked of the agent meanwhile */
    int history_ms;    /* how much of the agent's past is taken */
    int clone_ms;      /* how long the appliance may take for a clone, a roll back, a removal */
    int stop_ms;       /* how long a guest may take to shut down, for each way of asking */
    int boot_ms;       /* how long a started VM may take until its agent answers */
    int recovery_ms;   /* and then its server, which recovers */
    int check_ms;      /* how long reading all data may take */
    int verify_mib;    /* memory of a throw-away VM; 0: as the set's */

    struct policy *policy; /* of [policy]; never NULL in a loaded one */
    int wait_ms;           /* how long to wait for a moment that it does not refuse; 0: not */
    bool absent_refuses;   /* a refusing rule that cannot be decided refuses; else it is noted */
    struct appliance_config *appliances;
    size_t appliance_count;
};

struct conf_spec; /* proto/conf/conf.h */
extern const struct conf_spec config_spec, credentials_spec;

/*
 * Reads coord.conf (`path`; NULL: CONFIG_DEFAULT) and, with `appliances`, the credentials file too;
 * then at least one appliance with a key is demanded. Without, a missing CONFIG_DEFAULT gives the
 * defaults: looking at records and letting a VM go need no configuration. A file that was asked
 * for must be there. ERR_CONFIG names file, line, and what to do. Nothing is left on failure.
 */
int config_load(struct config *ret, const char *path, bool appliances, struct err *e);
void config_release(struct config *c);

#endif
