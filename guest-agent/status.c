/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `cbsnap-agent status`: what the daemon holds and knows, for people and, with --json, for scripts.
 */
#include "guest-agent/commands.h"

#include <inttypes.h>
#include <stdio.h>

#include "guest-agent/json.h"
#include "guest-agent/options.h"
#include "guest-agent/session/session.h"
#include "proto/base/clock.h"
#include "proto/base/output.h"

/* the daemon may first have to ask a slow server */
#define STATUS_WAIT_MS 15000
/* --json has all that are kept */
#define FREEZES_PRINTED 5

static const char *kind_name(Cbsnap__FreezeEvent__Kind kind)
{
    switch (kind) {
    case CBSNAP__FREEZE_EVENT__KIND__LOCK_FAILED:
        return "not locked";
    case CBSNAP__FREEZE_EVENT__KIND__RELEASED:
        return "released";
    case CBSNAP__FREEZE_EVENT__KIND__LOST:
        return "lost";
    default:
        return "unknown";
    }
}

static void print_end(const Cbsnap__FreezeEvent *end)
{
    char iso[32];

    printf("last freeze  epoch %" PRIu64 ", %s", end->epoch, kind_name(end->kind));
    if (end->cause)
        printf(" (%s)", end->cause);
    printf(" at %s", clock_iso(end->at_wall_us, iso));
    if (end->run_id)
        printf(", run %s", end->run_id);
    printf("\n");
    if (end->error && end->error->message)
        printf("             %s\n", end->error->message);
}

/* One that is over: when, where the server stood, for how long, how it ended. */
static void print_freeze(const Cbsnap__Freeze *f)
{
    const Cbsnap__Position *p = f->position;
    char iso[32];

    printf("freeze       %s",
           clock_iso(f->has_locked_wall_us ? f->locked_wall_us : f->ended_wall_us, iso));
    if (f->has_held_us)
        printf(", held %.1f ms, writers waited %.1f ms", (double)f->held_us / 1000,
               (double)f->stall_us / 1000);
    printf(", %s%s%s%s%s", kind_name(f->end), f->cause ? " (" : "", f->cause ? f->cause : "",
           f->cause ? ")" : "", f->run_id ? ", run " : "");
    printf("%s\n", f->run_id ? f->run_id : "");
    if (p && p->binlog_file)
        printf("             at %s:%" PRIu64 "\n", p->binlog_file, p->binlog_offset);
    if (p && p->gtid_set && *p->gtid_set)
        printf("             gtid set %s\n", p->gtid_set);
    if (f->error && f->error->message)
        printf("             %s\n", f->error->message);
}

static void print_freezes(const Cbsnap__State *s)
{
    size_t from = s->n_freeze > FREEZES_PRINTED ? s->n_freeze - FREEZES_PRINTED : 0;

    for (size_t n = s->n_freeze; n > from; n--)
        print_freeze(s->freeze[n - 1]);
}

static void print_server(const Cbsnap__State *s)
{
    if (s->problem)
        printf("server       cannot be locked: %s\n", s->problem);
    if (!s->server)
        return;
    printf("server       %s", s->server->version ? s->server->version : "unknown version");
    if (s->server->uuid)
        printf(", uuid %s", s->server->uuid);
    printf("\n");
    for (size_t n = 0; n < s->server->n_path; n++) {
        const Cbsnap__ServerPath *p = s->server->path[n];

        printf("             %-12s %s on %s\n", p->role, p->path,
               p->mount ? p->mount : "no block device");
    }
    for (size_t n = 0; n < s->server->n_missing_right; n++)
        printf("             right missing: %s\n", s->server->missing_right[n]);
}

static void print_held(const Cbsnap__State *s)
{
    const Cbsnap__Position *p = s->position;

    if (s->has_lease_left_ms)
        printf("lease        %u ms left\n", s->lease_left_ms);
    if (!p)
        return;
    if (p->binlog_file)
        printf("position     %s:%" PRIu64 "\n", p->binlog_file, p->binlog_offset);
    if (p->gtid_set)
        printf("gtid set     %s\n", *p->gtid_set ? p->gtid_set : "(empty)");
    if (p->has_innodb_lsn)
        printf("innodb lsn   %" PRIu64 "\n", p->innodb_lsn);
}

static void print_samples(const Cbsnap__State *s)
{
    char iso[32];

    if (!s->has_sampled_wall_us)
        printf("samples      none yet\n");
    else
        printf("samples      last at %s: %u metrics; %" PRIu64 " readings missed\n",
               clock_iso(s->sampled_wall_us, iso), s->sampled_metrics, s->samples_missed);
}

static void print_state(const Cbsnap__State *s)
{
    printf("state        %s, epoch %" PRIu64 "%s%s\n",
           session_state_name((enum session_state)s->state), s->epoch, s->run_id ? ", run " : "",
           s->run_id ? s->run_id : "");
    print_held(s);
    if (s->last_end)
        print_end(s->last_end);
    print_freezes(s);
    print_server(s);
    for (size_t n = 0; n < s->n_mount; n++) {
        const Cbsnap__Mount *m = s->mount[n];

        printf("mount        %s (%s, %s%s%s)%s%s\n", m->path, m->fstype, m->device,
               m->serial ? ", serial " : "", m->serial ? m->serial : "",
               m->has_frozen && m->frozen ? " frozen" : "", m->problem ? m->problem : "");
    }
    print_samples(s);
    if (s->confine_problem)
        printf("rights       more than it needs: %s\n", s->confine_problem);
    printf("port         %s\n", s->host_connected ? "a host has it open" : s->port_problem);
    if (s->hook)
        printf("hook         %s%s%s\n", s->hook->runner ? s->hook->runner : "none enabled",
               s->hook->problem ? ": " : "", s->hook->problem ? s->hook->problem : "");
}

static void json_position(struct buf *b, const Cbsnap__Position *p)
{
    json_open(b, "position", '{');
    json_text(b, "binlog_file", p->binlog_file);
    if (p->has_binlog_offset)
        json_number(b, "binlog_offset", (int64_t)p->binlog_offset);
    json_text(b, "gtid_set", p->gtid_set);
    if (p->has_innodb_lsn)
        json_number(b, "innodb_lsn", (int64_t)p->innodb_lsn);
    json_text(b, "server_uuid", p->server_uuid);
    json_text(b, "source", p->source);
    json_close(b, '}');
}

static void json_end(struct buf *b, const Cbsnap__FreezeEvent *end)
{
    char iso[32];

    json_open(b, "last_end", '{');
    json_text(b, "kind", kind_name(end->kind));
    json_number(b, "epoch", (int64_t)end->epoch);
    json_text(b, "run_id", end->run_id);
    json_text(b, "cause", end->cause);
    json_text(b, "at", clock_iso(end->at_wall_us, iso));
    if (end->error)
        json_text(b, "error", end->error->message);
    json_close(b, '}');
}

static void json_freezes(struct buf *b, const Cbsnap__State *s)
{
    char iso[32];

    json_open(b, "freezes", '[');
    for (size_t n = s->n_freeze; n > 0; n--) {
        const Cbsnap__Freeze *f = s->freeze[n - 1];

        json_open(b, NULL, '{');
        json_number(b, "epoch", (int64_t)f->epoch);
        json_text(b, "run_id", f->run_id);
        if (f->has_locked_wall_us)
            json_text(b, "locked_at", clock_iso(f->locked_wall_us, iso));
        if (f->position)
            json_position(b, f->position);
        if (f->has_held_us)
            json_number(b, "held_us", f->held_us);
        if (f->has_stall_us)
            json_number(b, "stall_us", f->stall_us);
        json_text(b, "end", kind_name(f->end));
        json_text(b, "ended_at", clock_iso(f->ended_wall_us, iso));
        json_text(b, "cause", f->cause);
        if (f->error)
            json_text(b, "error", f->error->message);
        json_close(b, '}');
    }
    json_close(b, ']');
}

static void json_server(struct buf *b, const Cbsnap__Server *s)
{
    json_open(b, "server", '{');
    json_text(b, "version", s->version);
    json_text(b, "uuid", s->uuid);
    if (s->has_server_id)
        json_number(b, "server_id", s->server_id);
    json_open(b, "paths", '[');
    for (size_t n = 0; n < s->n_path; n++) {
        json_open(b, NULL, '{');
        json_text(b, "role", s->path[n]->role);
        json_text(b, "path", s->path[n]->path);
        json_text(b, "mount", s->path[n]->mount);
        json_close(b, '}');
    }
    json_close(b, ']');
    json_open(b, "missing_rights", '[');
    for (size_t n = 0; n < s->n_missing_right; n++)
        json_text(b, NULL, s->missing_right[n]);
    json_close(b, ']');
    json_close(b, '}');
}

static void json_mounts(struct buf *b, const Cbsnap__State *s)
{
    json_open(b, "mounts", '[');
    for (size_t n = 0; n < s->n_mount; n++) {
        const Cbsnap__Mount *m = s->mount[n];

        json_open(b, NULL, '{');
        json_text(b, "path", m->path);
        json_text(b, "device", m->device);
        json_text(b, "disk", m->disk);
        json_text(b, "serial", m->serial);
        json_text(b, "fstype", m->fstype);
        if (m->has_frozen)
            json_bool(b, "frozen", m->frozen);
        json_text(b, "problem", m->problem);
        json_close(b, '}');
    }
    json_close(b, ']');
}

static void json_samples(struct buf *b, const Cbsnap__State *s)
{
    char iso[32];

    if (!s->has_sampled_wall_us)
        return;
    json_open(b, "samples", '{');
    json_text(b, "last", clock_iso(s->sampled_wall_us, iso));
    json_number(b, "metrics", s->sampled_metrics);
    json_number(b, "missed", (int64_t)s->samples_missed);
    json_close(b, '}');
}

static void json_state(struct buf *b, const Cbsnap__State *s)
{
    json_open(b, NULL, '{');
    json_text(b, "state", session_state_name((enum session_state)s->state));
    json_number(b, "epoch", (int64_t)s->epoch);
    json_text(b, "run_id", s->run_id);
    json_bool(b, "lock_held", s->lock_held);
    if (s->has_lease_left_ms)
        json_number(b, "lease_left_ms", s->lease_left_ms);
    if (s->position)
        json_position(b, s->position);
    if (s->last_end)
        json_end(b, s->last_end);
    json_freezes(b, s);
    if (s->server)
        json_server(b, s->server);
    json_text(b, "problem", s->problem);
    json_mounts(b, s);
    if (s->hook) {
        json_open(b, "hook", '{');
        json_text(b, "runner", s->hook->runner);
        json_text(b, "problem", s->hook->problem);
        json_close(b, '}');
    }
    json_samples(b, s);
    json_bool(b, "host_connected", s->host_connected);
    json_text(b, "port_problem", s->port_problem);
    json_text(b, "agent_version", s->agent_version);
    json_bool(b, "program_replaced", s->program_replaced);
    json_text(b, "confine_problem", s->confine_problem);
    json_close(b, '}');
}

int command_status(const struct command_line *c)
{
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    Cbsnap__StateQuery query = CBSNAP__STATE_QUERY__INIT;
    AUTO_MESSAGE Cbsnap__Envelope *answer = NULL;
    struct agent_options options;
    struct buf b = BUF_INIT;
    struct err e = ERR_INIT;
    int rc = options_read(&options, c->config, &e);
    bool unread = rc < 0;

    if (rc == 0) {
        MSG_BODY(&m, state_query, STATE_QUERY, &query);
        rc = client_call(options.socket, &m, CBSNAP__ENVELOPE__BODY_STATE, STATUS_WAIT_MS, &answer,
                         &e);
    }
    options_release(&options);
    if (rc < 0)
        return command_failed(c, &e, unread || e.code == ERR_CONFIG ? EXIT_USAGE : EXIT_REFUSED);
    if (c->json) {
        json_state(&b, answer->state);
        buf_addf(&b, "\n");
        output_put(buf_text(&b));
        buf_release(&b);
    } else {
        print_state(answer->state);
    }
    return EXIT_OK;
}
