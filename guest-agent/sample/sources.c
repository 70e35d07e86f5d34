/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of the operating system's sources, in the order in which a lane reads them. */
#include "guest-agent/sample/sources.h"

#include "proto/base/cleanup.h"

const struct source *const os_sources[] = {
    &loadavg_source, &cpu_source,     &meminfo_source, &vmstat_source,  &net_source, &disk_source,
    &agent_source,   &process_source, &errlog_source,  &deleted_source, &fs_source,
};
const size_t os_source_count = ARRAY_SIZE(os_sources);
