/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See certificate.h. */
#include "guest-agent/evidence/certificate.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "guest-agent/evidence/journal.h"
#include "guest-agent/evidence/manifest.h"
#include "guest-agent/mysql/holding.h"
#include "guest-agent/sample/procinfo.h"
#include "guest-agent/sample/startlog.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#define WATCH_MS 5000 /* a watch that tries ten times a second is soon there too */

static Cbsnap__Certificate *empty(const struct certificate_query *q)
{
    Cbsnap__Certificate *c = xcalloc(1, sizeof(*c));

    cbsnap__certificate__init(c);
    MSG_SET(c, ready, 0);
    c->verifying = q->verifying ? xstrdup(q->verifying) : NULL;
    return c;
}

/* ---- a server that does not answer ---- */

/* Where packages of MySQL and MariaDB log: for when there is no process to tell. */
static const char *newest_log(void)
{
    static const char *const usual[] = {
        "/var/log/mysql/error.log",   "/var/log/mysqld.log",
        "/var/log/mysql/mysqld.log",  "/var/log/mariadb/mariadb.log",
        "/var/log/mysql/mariadb.log", "/var/log/mariadb/mariadbd.log"};
    const char *newest = NULL;
    time_t at = 0;

    for (size_t n = 0; n < ARRAY_SIZE(usual); n++) {
        struct stat st;

        if (stat(usual[n], &st) < 0 || !S_ISREG(st.st_mode) || st.st_mtime < at)
            continue;
        newest = usual[n];
        at = st.st_mtime;
    }
    return newest;
}

/* Of its process; when there is none, of this boot. */
static void put_log(Cbsnap__Certificate *c, pid_t pid)
{
    int64_t since = pid ? procinfo_started_wall("", pid) : wall_us() - procinfo_boot_now();
    AUTO_FREE char *own = pid ? procinfo_log("", pid) : NULL;
    const char *path = own ? own : newest_log();
    struct startlog log;

    if (!path)
        return;
    startlog_init(&log, pid, since);
    if (startlog_read(&log, path) == 0)
        holding_put_log(&log, c);
    startlog_release(&log);
}

static Cbsnap__Certificate *not_ready(const struct certificate_query *q, const struct err *why)
{
    Cbsnap__Certificate *c = empty(q);
    pid_t pid = procinfo_server("");

    c->problem =
        pid ? xasprintf("the server runs as process %d and does not answer: %s", (int)pid, why->msg)
            : xasprintf("no server runs: %s", why->msg);
    put_log(c, pid);
    return c;
}

/* ---- one that does ---- */

/* Its log is in no file, nor in a table. */
static void put_journal(Cbsnap__Certificate *c)
{
    pid_t pid = procinfo_server("");
    struct startlog log;

    startlog_init(&log, pid, 0);
    /* from its first words on, or it has said the rest elsewhere */
    if (pid && journal_of_process(pid, &log) == 0 && log.counting)
        holding_put_log(&log, c);
    startlog_release(&log);
}

Cbsnap__Certificate *certificate_make(const struct mysql_login *login,
                                      const struct certificate_query *q)
{
    const struct holding_query h = {
        .binlog_file = q->binlog_file, .mark_table = q->mark_table, .stop = q->stop, .arg = q->arg};
    Cbsnap__Certificate *c = empty(q);
    char newest[SETID_SIZE];
    struct err e = ERR_INIT;
    uint32_t ms;

    if (holding_read(login, &h, c, &e) < 0) {
        cbsnap__certificate__free_unpacked(c, NULL);
        return not_ready(q, &e);
    }
    MSG_SET(c, ready, 1);
    if (q->verifying && !c->has_errors)
        put_journal(c);
    if (answer_watch_took(q->watch, WATCH_MS, &ms))
        MSG_SET(c, recovery_ms, ms);
    if (manifest_newest(q->manifest_dir, newest))
        c->manifest = xstrdup(newest);
    return c;
}
