/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTPS: takes requests, finds out who asks what, runs the command or the control interface, and
 * sends the answer as the appliance does (gzip and chunks from 1,024 bytes on when the client
 * offers gzip, X-Description on errors) or as a fault wants it.
 *
 * One thread per connection, by libmicrohttpd; connections are kept open for 60 s.
 */
#ifndef SIM_HTTP_H
#define SIM_HTTP_H

#include "tests/elastistor-sim/sim.h"

struct http;

/* Listens; *ret_port is the port (also where the configuration says 0). */
int http_start(struct sim *s, struct http **ret, int *ret_port, struct err *e);
/* Waits for requests that are being answered: call pause_stop() before. Accepts NULL. */
void http_stop(struct http *h);

#endif
