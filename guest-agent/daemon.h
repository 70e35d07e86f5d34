/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon: puts session, port, socket and samples on one loop, and answers requests
 * (requests.c). Threads: the loop; the worker and the watchdog (session/live.h), the sampler's
 * lanes (sampler.h), the writer of the log. All state of this header belongs to the loop's thread.
 */
#ifndef CBSNAP_AGENT_DAEMON_H
#define CBSNAP_AGENT_DAEMON_H

#include "guest-agent/channel/listener.h"
#include "guest-agent/channel/port.h"
#include "guest-agent/evidence.h"
#include "guest-agent/evidence/setid.h"
#include "guest-agent/facts.h"
#include "guest-agent/options.h"
#include "guest-agent/sample/server_facts.h"
#include "guest-agent/sampler.h"
#include "guest-agent/serversource.h"
#include "guest-agent/session/live.h"
#include "guest-agent/stream.h"

/* One connected peer: the host, or a client of the socket. */
struct client {
    struct daemon *daemon;
    struct peer *peer;
    bool host;          /* on the port */
    bool refused;       /* speaks another protocol */
    bool met;           /* said hello */
    uint64_t instance;  /* of its Hello */
    int64_t greeted_us; /* when we last said hello to it */
    struct stream stream;
    struct client *next;
};

/* A request that is not answered at once. */
struct call {
    struct daemon *daemon;
    struct client *client; /* NULL: gone, nobody to answer */
    uint32_t id;
    bool freeze; /* the hook's: stays until its client goes */
    struct call *next;
};

struct daemon {
    struct agent_options options;
    uv_loop_t loop;
    bool asking;          /* the server is asked for its state */
    unsigned unanswered;  /* inquiries in a row that it did not answer */
    int64_t ask_after_us; /* monotonic: no status asks it before */
    struct live *live;
    struct port *port;
    struct listener *listener;
    struct evidence *evidence;
    struct sampler *sampler;
    const struct source **sources;
    struct server_source_config server_source;
    struct server_facts *server_facts;
    struct client *clients;
    struct call *calls;
    struct facts facts; /* the latest */
    uint64_t instance;
    char boot_id[48];
    uv_async_t held_lines;
    uint64_t held_seq; /* of the log line to send to the host next */
    bool quiet;
    char verifying[SETID_SIZE]; /* the set that this guest was booted to verify; "": an ordinary
                                   boot */
    struct err confine_problem; /* why rights were kept that are not needed */
    uv_signal_t term, interrupt;
    uv_timer_t alive; /* for systemd */
    int lock_fd;
};

/* Runs until a signal; returns the exit code. `config` NULL: the default file. */
int daemon_run(const char *config);

/* requests.c */
struct client *client_new(struct daemon *d, struct peer *peer, bool host);
void client_free(struct client *c, bool clean);
void client_hello(struct client *c, uint32_t reply_to);
void requests_take(struct client *c, const Cbsnap__Envelope *m);
void requests_hurry(struct daemon *d);

/* answers.c: each frees the call, unless it is the hook's */
void call_send(struct call *call, Cbsnap__Envelope *m);
void call_error(struct call *call, const struct err *e);
void call_state(struct call *call);
void call_released(struct call *call, const struct session_end *end);
void call_hook(struct call *call, const struct err *e, const char *note);
void call_free(struct call *call);

/* prepare.c: answers later */
void prepare_begin(struct call *call, const Cbsnap__Prepare *m);
void state_begin(struct call *call);

#endif
