/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A server that logs to no file logs to systemd's journal: MariaDB of Debian does by default. Read
 * by journalctl(1), for its files are only systemd's to know. Starts a program: not in production,
 * where a freeze may begin meanwhile. Blocks for at most 10 s. Any thread.
 */
#ifndef CBSNAP_EVIDENCE_JOURNAL_H
#define CBSNAP_EVIDENCE_JOURNAL_H

#include <sys/types.h>

#include "guest-agent/sample/startlog.h"

/* The newest lines of a unit. -1: there is no journal that could be read. */
int journal_of_unit(const char *unit, struct startlog *log);
/* Those of a process of this boot. */
int journal_of_process(pid_t pid, struct startlog *log);

#endif
