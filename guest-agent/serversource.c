/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the server's metrics; see serversource.h. */
#include "guest-agent/serversource.h"

#include <stdlib.h>

#include "guest-agent/session/login.h"
#include "proto/base/buf.h"
#include "proto/base/log.h"

struct server {
    const struct source_config *config;
    const struct server_source_config *own;
    struct mysql_login login; /* with the socket in use */
    struct mysql_sampler *mysql;
    bool failing; /* told once per outage */
};

static void *server_open(const struct source_config *c)
{
    struct server *self = xcalloc(1, sizeof(*self));

    self->config = c;
    self->own = c->extra;
    self->login = self->own->login;
    self->login.socket = NULL;
    return self;
}

static void server_close(void *arg)
{
    struct server *self = arg;

    mysql_status_free(self->mysql);
    free(self);
}

static void connect_anew(struct server *self)
{
    struct mysql_sampler_config c = {.login = &self->login,
                                     .trx_long_s = self->own->trx_long_s,
                                     .statements = self->own->statements,
                                     .slow_every_ms = self->config->log_every_ms,
                                     .facts = self->config->server};

    mysql_status_free(self->mysql);
    self->mysql = mysql_status_new(&c);
}

static void server_read(void *arg, struct sample *to)
{
    struct server *self = arg;
    struct err e = ERR_INIT;

    if (login_resolve(&self->login, self->own->login.socket))
        connect_anew(self);
    if (mysql_status_read(self->mysql, to, &e) < 0) {
        if (!self->failing)
            log_warn("no samples of the server: %s", e.msg);
        self->failing = true;
        return;
    }
    if (self->failing)
        log_info("samples of the server again");
    self->failing = false;
}

const struct source server_source = {.name = "server",
                                     .lane = LANE_SERVER,
                                     .open = server_open,
                                     .read = server_read,
                                     .close = server_close};
