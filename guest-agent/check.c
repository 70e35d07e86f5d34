/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `cbsnap-agent check`: would a freeze of this guest give a consistent set? Each finding is one
 * line with what to do about it; nothing is changed. Works with and without the daemon.
 */
#include "guest-agent/commands.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "guest-agent/facts.h"
#include "guest-agent/json.h"
#include "guest-agent/mysql/status.h"
#include "guest-agent/options.h"
#include "guest-agent/sample/absent.h"
#include "guest-agent/session/login.h"
#include "proto/base/cleanup.h"

#define ASK_WAIT_MS 15000

enum level { LEVEL_OK, LEVEL_WARN, LEVEL_FAIL };

struct report {
    bool json;
    bool failed;
    struct buf out;
};

static void say(struct report *r, enum level level, const char *subject, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static void say(struct report *r, enum level level, const char *subject, const char *fmt, ...)
{
    static const char *const words[] = {"ok", "warn", "FAIL"};
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    r->failed |= level == LEVEL_FAIL;
    if (!r->json) {
        printf("%-5s %-8s %s\n", words[level], subject, text);
        return;
    }
    json_open(&r->out, NULL, '{');
    json_text(&r->out, "level", words[level]);
    json_text(&r->out, "subject", subject);
    json_text(&r->out, "text", text);
    json_close(&r->out, '}');
}

/* ---- the findings ------------------------------------------------------------------------------
 */

/* The one that runs may be from before an upgrade. */
static void check_version(struct report *r, const Cbsnap__State *s)
{
    const char *running = s->agent_version;

    if (!running || strcmp(running, CBSNAP_VERSION) != 0)
        say(r, LEVEL_WARN, "agent",
            "the daemon that runs is of version %s, this program of %s: restart it (systemctl "
            "restart cbsnap-agent)",
            running ? running : "0.1.0 or older", CBSNAP_VERSION);
    else if (s->program_replaced)
        say(r, LEVEL_WARN, "agent",
            "the daemon runs a program file that has been replaced since: restart it (systemctl "
            "restart cbsnap-agent)");
}

static void check_daemon(struct report *r, const struct agent_options *o)
{
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    Cbsnap__StateQuery query = CBSNAP__STATE_QUERY__INIT;
    AUTO_MESSAGE Cbsnap__Envelope *answer = NULL;
    struct err e = ERR_INIT;

    MSG_BODY(&m, state_query, STATE_QUERY, &query);
    if (client_call(o->socket, &m, CBSNAP__ENVELOPE__BODY_STATE, ASK_WAIT_MS, &answer, &e) < 0) {
        say(r, LEVEL_FAIL, "agent", "%s", e.msg);
        return;
    }
    if (answer->state->state != CBSNAP__SESSION_STATE__STATE_IDLE)
        say(r, LEVEL_WARN, "agent", "a freeze is under way now: the findings below may be wrong");
    else
        say(r, LEVEL_OK, "agent", "cbsnap-agent runs, epoch %llu",
            (unsigned long long)answer->state->epoch);
    check_version(r, answer->state);
    if (answer->state->confine_problem)
        say(r, LEVEL_WARN, "agent", "it runs with more rights than it needs: %s",
            answer->state->confine_problem);
    else
        say(r, LEVEL_OK, "agent", "it has given up the rights that it does not need");
    /* what we are let in by, with all of root's rights, it may not be */
    if (answer->state->problem)
        say(r, LEVEL_FAIL, "agent", "it says: %s", answer->state->problem);
    if (answer->state->host_connected)
        say(r, LEVEL_OK, "port", "a host has '%s' open", o->port);
}

static void check_port(struct report *r, const struct agent_options *o)
{
    struct stat st;

    if (!*o->port)
        say(r, LEVEL_WARN, "port",
            "none is configured: only freezes by virsh domfsfreeze are guarded");
    else if (stat(o->port, &st) < 0)
        say(r, LEVEL_WARN, "port",
            "'%s': %s; cbsnap-coord needs it: add <channel type='unix'><target type='virtio' "
            "name='org.cbsnap.agent.0'/></channel> to the domain",
            o->port, strerror(errno));
    else
        say(r, LEVEL_OK, "port", "'%s' is there", o->port);
}

static void check_paths(struct report *r, const struct facts *f)
{
    for (size_t n = 0; n < f->server.path_count; n++) {
        const struct server_path *p = &f->server.paths[n];
        const struct mount *m = f->path_mounts[n];

        if (!m)
            say(r, LEVEL_FAIL, "files",
                "%s '%s' is on no filesystem of a block device: a snapshot of the disks would not "
                "hold it; move it",
                p->role, p->path);
        else if (!m->read_only) /* that is a problem, and told as such */
            say(r, LEVEL_OK, "files", "%s '%s' is on '%s' (%s, %s%s%s)", p->role, p->path, m->path,
                m->fstype, m->disk, *m->serial ? ", serial " : "", m->serial);
    }
}

/* Of one that is known to see others nothing but that is told: it is a problem. */
static void check_sight(struct report *r, const struct facts *f)
{
    if (f->server.doubt)
        say(r, LEVEL_WARN, "files",
            "whether the server sees the same files as this system, which one in a container may "
            "not, is not known: %s",
            f->server.doubt);
}

static void check_server(struct report *r, const struct facts *f, const struct mysql_login *login)
{
    if (err_is_set(&f->problem))
        say(r, LEVEL_FAIL, "server", "%s", f->problem.msg);
    if (!f->has_server)
        return;
    if (!err_is_set(&f->problem))
        say(r, LEVEL_OK, "server", "%s on '%s', logged in as '%s'", f->server.version,
            login->socket, login->user);
    for (size_t n = 0; n < f->server.missing_count; n++)
        say(r, strncmp(f->server.missing_rights[n], "RELOAD", 6) == 0 ? LEVEL_FAIL : LEVEL_WARN,
            "rights", "%s", f->server.missing_rights[n]);
    if (f->server.missing_count == 0)
        say(r, LEVEL_OK, "rights", "the account has all that is needed");
    for (size_t n = 0; n < f->server.excess_count; n++)
        say(r, LEVEL_WARN, "rights", "too much: %s", f->server.excess_rights[n]);
    check_paths(r, f);
    check_sight(r, f);
}

/* What the samples of this server will lack. */
static void check_metrics(struct report *r, const struct facts *f, const struct mysql_login *login)
{
    struct mysql_sampler_config config = {.login = login, .trx_long_s = 10};
    struct mysql_absence *list = NULL;
    struct mysql_sampler *sampler;
    struct names *names;
    struct sample *sample;
    struct err e = ERR_INIT;
    size_t count = 0;

    if (!f->has_server || err_is_set(&f->problem))
        return; /* said already */
    sampler = mysql_status_new(&config);
    names = names_new();
    sample = sample_new(names);
    if (mysql_status_read(sampler, sample, &e) < 0)
        say(r, LEVEL_WARN, "metrics", "%s", e.msg);
    else
        mysql_status_absent(sampler, &list, &count);
    for (size_t n = 0; n < count; n++)
        say(r, list[n].can_be_helped ? LEVEL_WARN : LEVEL_OK, "metrics", "absent: %s: %s",
            list[n].names, list[n].reason);
    if (count == 0 && !err_is_set(&e))
        say(r, LEVEL_OK, "metrics", "the server gives all that is sampled");
    mysql_absences_release(list, count);
    sample_free(sample);
    names_free(names);
    mysql_status_free(sampler);
}

static void on_absent(void *arg, const char *name, const char *reason)
{
    say(arg, LEVEL_OK, "metrics", "absent: %s: %s", name, reason);
}

static void check_hook(struct report *r, const struct hook_facts *h)
{
    if (h->problem[0])
        say(r, LEVEL_FAIL, "hook", "%s", h->problem);
    else
        say(r, LEVEL_OK, "hook", "qemu-ga calls '%s'%s%s", h->runner_path,
            h->runner == RUNNER_DIRECT ? "" : ", which runs ",
            h->runner == RUNNER_DIRECT ? "" : h->hook_path);
    if (h->update_aside)
        say(r, LEVEL_WARN, "hook",
            "an update has left '/etc/sysconfig/qemu-ga.rpmnew': as long as the older file is in "
            "force, the host may make calls that the newer one forbids; take it over "
            "(upgrading.md)");
    if (h->runner == RUNNER_STOCK)
        say(r, LEVEL_WARN, "runner",
            "'%s' is QEMU's own runner: it ignores a hook that fails, so virsh domfsfreeze "
            "succeeds "
            "without the lock; start qemu-ga with -F and the path of cbsnap's fsfreeze-hook",
            h->runner_path);
}

int command_check(const struct command_line *c)
{
    struct report r = {.json = c->json};
    struct agent_options options;
    struct mysql_login login;
    struct mysql_lock *mysql;
    struct facts facts;
    struct err e = ERR_INIT;

    if (options_read(&options, c->config, &e) < 0) {
        options_release(&options);
        return command_failed(c, &e, EXIT_USAGE);
    }
    login = options_login(&options);
    login.socket = NULL;
    (void)login_resolve(&login, options.mysql_socket);
    mysql = mysql_lock_new(&login);
    if (!mysql)
        abort(); /* out of descriptors in a program that has just started */
    facts_read(&facts, mysql, &login);
    if (c->json)
        json_open(&r.out, NULL, '[');
    check_daemon(&r, &options);
    check_port(&r, &options);
    check_server(&r, &facts, &login);
    os_rows_absent("", on_absent, &r);
    check_metrics(&r, &facts, &login);
    check_hook(&r, &facts.hook);
    if (c->json) {
        json_close(&r.out, ']');
        printf("%s\n", buf_text(&r.out));
    }
    buf_release(&r.out);
    facts_release(&facts);
    mysql_lock_free(mysql);
    options_release(&options);
    return r.failed ? EXIT_REFUSED : EXIT_OK;
}
