/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which process the server is and where it keeps its error log, for those who read /proc and files.
 *
 * Source: unix(7) SO_PEERCRED, which tells who made the socket listen: the server itself, or
 * systemd where it hands sockets over (MariaDB 10.6 and later can do so).
 */
#include "guest-agent/mysql/identity.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "guest-agent/mysql/sight.h"
#include "guest-agent/mysql/status_internal.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

struct told { /* borrowed from the answer; NULL when empty */
    const char *datadir, *tmpdir, *log_error, *log_services, *pid_file;
};

static pid_t number_in(const char *path)
{
    AUTO_FCLOSE FILE *f = path ? fopen(path, "re") : NULL;
    int pid = 0;

    return f && fscanf(f, "%d", &pid) == 1 && pid > 0 ? (pid_t)pid : 0;
}

static bool is_service_manager(pid_t pid)
{
    AUTO_FREE char *path = xasprintf("/proc/%d/comm", (int)pid);
    AUTO_FCLOSE FILE *f = fopen(path, "re");
    char name[32] = "";

    return f && fgets(name, sizeof(name), f) && strcmp(name, "systemd\n") == 0;
}

static pid_t server_process(const struct conn *c, const char *pid_file)
{
    struct ucred peer = {.pid = 0};
    socklen_t len = sizeof(peer);

    if (getsockopt(conn_fd(c), SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return 0;
    return is_service_manager(peer.pid) ? number_in(pid_file) : peer.pid;
}

/* A name that is relative is so to the datadir. */
static char *in_datadir(const char *datadir, const char *path)
{
    size_t len = strlen(datadir);

    if (*path == '/')
        return xstrdup(path);
    while (strncmp(path, "./", 2) == 0)
        path += 2;
    return xasprintf("%s%s%s", datadir, len > 0 && datadir[len - 1] == '/' ? "" : "/", path);
}

/* MySQL says "stderr", MariaDB nothing. A server may log by other sinks alone (syslog, JSON), and
 * then leaves the file as it is. */
static char *log_file(const struct told *t)
{
    if (!t->log_error || !t->datadir || strcmp(t->log_error, "stderr") == 0)
        return NULL;
    if (t->log_services && !strstr(t->log_services, "log_sink_internal"))
        return NULL;
    return in_datadir(t->datadir, t->log_error);
}

/* One in a container may have the name of a file here that is not its own. */
static char *own_file(pid_t pid, char *path)
{
    if (!path || sight_of("", pid, path, NULL) != SIGHT_OTHER)
        return path;
    free(path);
    return NULL;
}

static void take(struct told *t, MYSQL_ROW row)
{
    const struct {
        const char *name, **value;
    } rows[] = {
        {"datadir", &t->datadir},     {"tmpdir", &t->tmpdir},
        {"log_error", &t->log_error}, {"log_error_services", &t->log_services},
        {"pid_file", &t->pid_file},
    };

    for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
        if (strcasecmp(rows[n].name, row[0]) == 0 && row[1] && *row[1])
            *rows[n].value = row[1];
    }
}

int identity_ask(struct conn *c, int timeout_ms, struct identity *ret, struct err *e)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    AUTO_FREE char *pid_file = NULL;
    struct told t = {.datadir = NULL};
    MYSQL_ROW row;
    pid_t pid;

    if (conn_query(c, timeout_ms, &res, e,
                   "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('datadir', 'tmpdir',"
                   " 'log_error', 'log_error_services', 'pid_file')") < 0)
        return -1;
    while (res && (row = mysql_fetch_row(res)))
        take(&t, row);
    if (t.pid_file && t.datadir)
        pid_file = in_datadir(t.datadir, t.pid_file);
    pid = server_process(c, pid_file);
    *ret = (struct identity){.error_log = own_file(pid, log_file(&t)),
                             .pid = pid,
                             .datadir = t.datadir ? xstrdup(t.datadir) : NULL,
                             .tmpdir = t.tmpdir ? xstrdup(t.tmpdir) : NULL};
    return 0;
}

void identity_release(struct identity *id)
{
    free(id->error_log);
    free(id->datadir);
    free(id->tmpdir);
    *id = (struct identity){.pid = 0};
}

int identity_read(struct mysql_sampler *s, struct err *e)
{
    int left_ms = sampler_left_ms(s);
    struct identity id;

    if (left_ms <= 0)
        return err_set(e, ERR_TIMEOUT, "the server took too long over the questions before");
    if (identity_ask(&s->conn, left_ms, &id, e) < 0)
        return -1;
    free(s->error_log);
    s->error_log = STEAL_PTR(id.error_log);
    s->pid = id.pid;
    if (s->config.facts)
        server_facts_set(s->config.facts, s->pid, s->error_log, id.datadir, id.tmpdir);
    identity_release(&id);
    return 0;
}

void identity_check(struct mysql_sampler *s)
{
    if (s->pid == 0 || kill(s->pid, 0) == 0 || errno != ESRCH)
        return;
    s->pid = 0;
    if (s->config.facts)
        server_facts_set(s->config.facts, 0, NULL, NULL, NULL);
}
