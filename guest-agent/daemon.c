/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starting, running and ending the daemon; see daemon.h. */
#include "guest-agent/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-agent/commands.h"
#include "guest-agent/confine/confine.h"
#include "guest-agent/evidence/asset.h"
#include "guest-agent/heldlog.h"
#include "guest-agent/notify.h"
#include "guest-agent/pin.h"
#include "guest-agent/session/marker.h"
#include "proto/base/cleanup.h"
#include "proto/base/compat.h"

#define THREAD_WAIT_MS 3000
/* How long one that cannot start stays, well below the time that systemd gives to a start (90 s).
 */
#define SLOW_DOWN_S 10

/* ---- what the session tells --------------------------------------------------------------------
 */

static void on_event(void *arg, const Cbsnap__FreezeEvent *event)
{
    struct daemon *d = arg;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    evidence_event(d->evidence, event);
    MSG_BODY(&m, freeze_event, FREEZE_EVENT, (Cbsnap__FreezeEvent *)event);
    if (d->port && port_peer(d->port))
        (void)peer_send(port_peer(d->port), &m, PEER_MUST);
}

/* Log lines held back by a freeze go to the host meanwhile. */
static void send_held(struct daemon *d)
{
    struct held_line line;

    while (port_peer(d->port) && heldlog_next(&d->held_seq, &line)) {
        Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
        Cbsnap__LogLine body = CBSNAP__LOG_LINE__INIT;

        MSG_SET(&body, level, (uint32_t)line.level);
        MSG_SET(&body, at_wall_us, line.wall_us);
        body.text = line.text;
        MSG_BODY(&m, log_line, LOG_LINE, &body);
        (void)peer_send(port_peer(d->port), &m, PEER_DROPPABLE);
    }
}

static void on_held_lines(uv_async_t *async)
{
    send_held(async->data);
}

static void wake_held(void *arg)
{
    struct daemon *d = arg;

    uv_async_send(&d->held_lines);
}

static void on_quiet(void *arg, bool on)
{
    struct daemon *d = arg;

    if (on)
        d->held_seq = heldlog_seq();
    else
        send_held(d);
    sampler_quiet(d->sampler, on);
    evidence_quiet(d->evidence, on);
    heldlog_quiet(on);
}

static void on_sample(void *arg)
{
    struct daemon *d = arg;

    for (struct client *c = d->clients; c; c = c->next)
        stream_pump(&c->stream, d->sampler, c->peer);
}

/* ---- peers -------------------------------------------------------------------------------------
 */

static void on_port_connected(void *arg, struct peer *p)
{
    struct daemon *d = arg;

    log_debug("a host has the port open");
    client_hello(client_new(d, p, true), 0);
}

static void on_port_ended(void *arg, struct peer *p)
{
    (void)arg;
    client_free(peer_data(p), true);
}

static void on_port_message(void *arg, struct peer *p, const Cbsnap__Envelope *m)
{
    (void)arg;
    requests_take(peer_data(p), m);
}

static void on_drained(void *arg, struct peer *p)
{
    struct daemon *d = arg;
    struct client *c = peer_data(p);

    if (c)
        stream_pump(&c->stream, d->sampler, p);
}

static void on_client_message(void *arg, struct peer *p, const Cbsnap__Envelope *m)
{
    struct client *c = peer_data(p);

    requests_take(c ? c : client_new(arg, p, false), m);
}

static void on_client_ended(void *arg, struct peer *p, bool clean)
{
    struct daemon *d = arg;

    if (peer_data(p))
        client_free(peer_data(p), clean);
    listener_drop(d->listener, p);
}

static const struct port_callbacks port_callbacks = {.connected = on_port_connected,
                                                     .message = on_port_message,
                                                     .drained = on_drained,
                                                     .ended = on_port_ended};
static const struct peer_callbacks client_callbacks = {
    .message = on_client_message, .ended = on_client_ended, .drained = on_drained};

/* ---- start -------------------------------------------------------------------------------------
 */

/* One daemon per run_dir: two would thaw each other's freezes. */
static int take_run_dir(struct daemon *d, struct err *e)
{
    const char *dir = d->options.run_dir;
    AUTO_FREE char *path = xasprintf("%s/lock", dir);

    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return err_set_sys(e, ERR_IO, errno, "cannot make the directory '%s'", dir);
    if (chmod(dir, 0700) < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot make '%s' private", dir);
    d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (d->lock_fd < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot open '%s'", path);
    if (flock(d->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return err_set(e, ERR_BUSY, "another cbsnap-agent has '%s': stop it first", dir);
    return 0;
}

static void read_boot_id(struct daemon *d)
{
    AUTO_FCLOSE FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

    if (f && fgets(d->boot_id, sizeof(d->boot_id), f))
        d->boot_id[strcspn(d->boot_id, "\n")] = '\0';
}

static void on_stopped(void *arg)
{
    struct daemon *d = arg;

    uv_stop(&d->loop);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct daemon *d = handle->data;

    log_info("signal %d: letting go and stopping", number);
    session_stop(live_session(d->live), on_stopped, d);
}

static void start_signal(struct daemon *d, uv_signal_t *handle, int number)
{
    uv_signal_init(&d->loop, handle);
    handle->data = d;
    uv_signal_start(handle, on_signal, number);
}

static void on_alive(uv_timer_t *timer)
{
    (void)timer;
    notify_alive();
}

static void start_alive(struct daemon *d)
{
    const uint64_t every_ms = notify_alive_ms();

    uv_timer_init(&d->loop, &d->alive);
    if (every_ms > 0)
        uv_timer_start(&d->alive, on_alive, 0, every_ms);
}

static void start_sampler(struct daemon *d)
{
    const struct agent_options *o = &d->options;
    struct sampler_config c = {.interval_ms = o->interval_ms,
                               .history_s = o->history_s,
                               .cost_percent = o->cost_percent,
                               .source_count = os_source_count + 1};

    d->server_source = (struct server_source_config){
        .login = options_login(o), .trx_long_s = o->trx_long_s, .statements = o->statements};
    d->sources = xcalloc(c.source_count, sizeof(*d->sources));
    memcpy(d->sources, os_sources, os_source_count * sizeof(*d->sources));
    d->sources[os_source_count] = &server_source;
    d->server_facts = server_facts_new();
    c.sources = d->sources;
    c.source = (struct source_config){.root = "",
                                      .log_every_ms = o->log_every_ms,
                                      .server = d->server_facts,
                                      .extra = &d->server_source};
    d->sampler = sampler_new(&d->loop, &c, on_sample, d);
}

/* The freeze that a predecessor died in: nobody has noted its end. */
static void note_recovered(struct daemon *d)
{
    struct session_view view;

    session_describe(live_session(d->live), &view);
    if (view.state.last_end)
        evidence_event(d->evidence, view.state.last_end);
    session_view_release(&view);
}

static int start(struct daemon *d, struct err *e)
{
    const struct agent_options *o = &d->options;
    struct live_config live = {.login = options_login(o),
                               .lock = options_limits(o),
                               .run_dir = o->run_dir,
                               .rcu_expedited = o->rcu_expedited,
                               .run_lease_ms = o->lease_run_ms,
                               .hook_lease_ms = o->lease_hook_ms};
    static const struct live_callbacks callbacks = {.event = on_event, .quiet = on_quiet};

    /* first of all: what a predecessor left frozen is thawed in here */
    d->live = live_new(&d->loop, &live, &callbacks, d);
    if (random_fill(&d->instance, sizeof(d->instance)) < 0)
        d->instance = (uint64_t)uv_hrtime();
    read_boot_id(d);
    uv_async_init(&d->loop, &d->held_lines, on_held_lines);
    d->held_lines.data = d;
    heldlog_on_held(wake_held, d);
    start_sampler(d);
    d->evidence = evidence_new(d);
    note_recovered(d);
    d->listener = listener_new(&d->loop, o->socket, &client_callbacks, d, e);
    if (!d->listener)
        return -1;
    d->port = port_new(&d->loop, o->port, &port_callbacks, d);
    start_signal(d, &d->term, SIGTERM);
    start_signal(d, &d->interrupt, SIGINT);
    start_alive(d);
    return 0;
}

static void close_rest(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Everything is released by now; what hangs in a system call is left to the end of the process. */
static void finish(struct daemon *d)
{
    if (d->port)
        port_free(d->port);
    if (d->listener)
        listener_free(d->listener);
    while (d->clients)
        client_free(d->clients, true);
    heldlog_on_held(NULL, NULL);
    if (evidence_free(d->evidence, THREAD_WAIT_MS) < 0 ||
        sampler_free(d->sampler, THREAD_WAIT_MS) < 0 || live_free(d->live) < 0) {
        log_warn("a thread hangs in a system call: ending without it");
        heldlog_stop(THREAD_WAIT_MS);
        _exit(0);
    }
    while (d->calls)
        call_free(d->calls);
    uv_walk(&d->loop, close_rest, NULL);
    while (uv_run(&d->loop, UV_RUN_DEFAULT) != 0)
        ;
    uv_loop_close(&d->loop);
    facts_release(&d->facts);
    server_facts_free(d->server_facts);
    free(d->sources);
    options_release(&d->options);
    close(d->lock_fd);
}

/* systemd starts us anew 0.1 s after our end, however often, for a freeze relies on that. With a
 * mistake in agent.conf that would be a million lines of its log a day. But no wait where the next
 * start has something to thaw, or where an agent that is about to end still has run_dir. A signal
 * ends the wait and us. */
static void slow_down(const char *run_dir)
{
    if (notify_wanted() && !marker_waits(run_dir))
        sleep(SLOW_DOWN_S);
}

static int fail(const struct daemon *d, const struct err *e)
{
    heldlog_stop(THREAD_WAIT_MS);
    fprintf(stderr, "cbsnap-agent: %s\n", e->msg);
    if (e->code == ERR_BUSY)
        return EXIT_REFUSED;
    slow_down(d->options.run_dir);
    return EXIT_USAGE;
}

/* The last thing before the first thread: rights belong to threads. What takes more of them is
 * done: making run_dir, where that is another's directory, and lifting the limit on locked memory.
 */
static void give_up_rights(struct daemon *d)
{
    struct confine_needs needs = {.ipc_lock = !pin_raise_limit()};

    needs.programs = asset_verifying(d->options.asset_file, d->verifying);
    (void)confine(&needs, &d->confine_problem);
}

int daemon_run(const char *config)
{
    static struct daemon d;
    struct recovery past;
    struct err e = ERR_INIT;
    int read, taken;

    /* few arenas and no giving back: less to lock, no surprises while frozen */
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);
    read = options_read(&d.options, config, &e);
    taken = take_run_dir(&d, read < 0 ? NULL : &e);
    if (read == 0 && taken == 0)
        give_up_rights(&d);
    heldlog_start();
    /* a file broken since the last start must not keep a filesystem frozen */
    if (read < 0 && taken == 0)
        marker_recover(d.options.run_dir, &past);
    if (read < 0 || taken < 0)
        return fail(&d, &e);
    if (err_is_set(&d.confine_problem))
        log_warn("%s; it works, with more rights than it needs", d.confine_problem.msg);
    if (uv_loop_init(&d.loop) != 0)
        abort(); /* at start, out of descriptors */
    if (start(&d, &e) < 0)
        return fail(&d, &e);
    pin_memory();
    notify_ready();
    log_info("cbsnap-agent " CBSNAP_VERSION " runs, epoch %llu",
             (unsigned long long)session_epoch(live_session(d.live)));
    uv_run(&d.loop, UV_RUN_DEFAULT);
    notify_stopping();
    log_info("stopped");
    finish(&d);
    heldlog_stop(THREAD_WAIT_MS);
    return 0;
}
