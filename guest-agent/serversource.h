/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The database server as a source of LANE_SERVER: finds its socket, tells an outage once. */
#ifndef CBSNAP_AGENT_SERVERSOURCE_H
#define CBSNAP_AGENT_SERVERSOURCE_H

#include "guest-agent/mysql/status.h"
#include "guest-agent/sample/source.h"

/* What source_config.extra points at; outlives the source. */
struct server_source_config {
    struct mysql_login login; /* its socket may be "": the usual places */
    int trx_long_s;
    enum mysql_statements statements;
};

extern const struct source server_source;

#endif
