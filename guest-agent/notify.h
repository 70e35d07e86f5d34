/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Telling systemd (Type=notify) by its one-datagram protocol, sd_notify(3). No-ops elsewhere. */
#ifndef CBSNAP_AGENT_NOTIFY_H
#define CBSNAP_AGENT_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* Whether it was systemd that started this program, as its unit says. */
bool notify_wanted(void);
void notify_ready(void);
void notify_stopping(void);

/* systemd kills a daemon that says nothing for too long, and starts it anew (WatchdogSec=): one
 * that is stopped, or hangs, could not let go of what it holds. How often to say it, a third of the
 * allowed silence; 0: nobody listens. Source: sd_watchdog_enabled(3). */
void notify_alive(void);
uint64_t notify_alive_ms(void);

#endif
