/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sources of this folder, one for each file; os_sources[] (source.h) is what others use. */
#ifndef CBSNAP_SAMPLE_SOURCES_H
#define CBSNAP_SAMPLE_SOURCES_H

#include "guest-agent/sample/source.h"

extern const struct source loadavg_source, cpu_source, meminfo_source, vmstat_source, net_source,
    disk_source, agent_source, process_source, fs_source, errlog_source, deleted_source;

#endif
