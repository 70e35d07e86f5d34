/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Telling systemd (Type=notify) by its one-datagram protocol, sd_notify(3). No-ops elsewhere. */
#ifndef CBSNAP_AGENT_NOTIFY_H
#define CBSNAP_AGENT_NOTIFY_H

void notify_ready(void);
void notify_stopping(void);

#endif
