/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server as a service of a guest that verifies: seen to die, started, stopped. By systemctl,
 * for only systemd knows with which options and as whom it runs. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "guest-agent/evidence/datacheck_private.h"
#include "guest-agent/evidence/journal.h"
#include "guest-agent/sample/procinfo.h"
#include "guest-agent/sample/startlog.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#define STARTS_MAX 3
#define DEATH_MS   10000 /* a crash writes a trace of its stack first */
#define ANSWER_MS  60000 /* once systemd says that it runs */
#define SYSTEMCTL_MS                                                                               \
    (30 * 60 * 1000) /* recovery is part of a start, writing all pages of a stop                   \
                      */
#define STEP_MS 100

static void pause_ms(int ms)
{
    struct timespec t = {.tv_nsec = ms * 1000000L};

    (void)nanosleep(&t, NULL);
}

void service_learn(struct run *r)
{
    const char *configured = r->config->unit, *log = table_checker_log(r->checker);

    r->pid = table_checker_pid(r->checker);
    r->since_wall_us = procinfo_started_wall("", r->pid);
    if (!r->unit)
        r->unit = *configured ? xstrdup(configured) : procinfo_unit("", r->pid);
    free(r->log);
    r->log = log ? xstrdup(log) : NULL;
}

bool service_died(const struct run *r)
{
    int64_t until = mono_in_ms(DEATH_MS);

    while (procinfo_lives("", r->pid)) {
        if (mono_us() >= until || run_stops(r))
            return false;
        pause_ms(STEP_MS);
    }
    return true;
}

/* ---- last words ---- */

char *service_last_words(const struct run *r)
{
    const char *words = NULL;
    struct startlog log;
    char *copy;

    /* By time: InnoDB prints a bad page each time that it tries to read it, a hundred times, and
     * where this server began is then far back. */
    startlog_init(&log, 0, r->since_wall_us);
    if (r->log)
        (void)startlog_read(&log, r->log);
    else if (r->unit)
        (void)journal_of_unit(r->unit, &log);
    words = startlog_last_error(&log);
    copy = xstrdup(words ? words : "it left no error in its log");
    startlog_release(&log);
    return copy;
}

/* ---- start and stop ---- */

static int systemctl(struct run *r, const char *verb, struct err *e)
{
    const char *const argv[] = {"systemctl", verb, r->unit, NULL};
    const struct child_limits limits = {.timeout_ms = SYSTEMCTL_MS,
                                        .output_max = 200,
                                        .stop = r->config->stop,
                                        .arg = r->config->arg};
    struct buf out = BUF_INIT;
    int status = 0, rc;

    log_info("systemctl %s %s", verb, r->unit);
    rc = child_run(argv, &limits, &out, &status, e);
    if (rc == 0 && status != 0)
        rc = err_set(e, ERR_IO, "systemctl %s %s ended with status %d: %s", verb, r->unit, status,
                     buf_text(&out));
    buf_release(&out);
    return rc;
}

static int need_unit(const struct run *r, struct err *e)
{
    if (r->unit)
        return 0;
    return err_set(e, ERR_NOT_FOUND,
                   "the server's process belongs to no unit of systemd; verify.unit names one");
}

static int log_in(struct run *r, struct err *e)
{
    int64_t until = mono_in_ms(ANSWER_MS);

    for (;;) {
        struct err own = ERR_INIT;

        if (table_checker_open(r->checker, &own) == 0) {
            service_learn(r);
            return 0;
        }
        if (run_stops(r) || mono_us() >= until)
            return err_set(e, own.code, "%s", own.msg);
        pause_ms(STEP_MS);
    }
}

int service_revive(struct run *r, struct err *e)
{
    struct err why = ERR_INIT;

    if (need_unit(r, e) < 0)
        return -1;
    while (r->starts < STARTS_MAX && !run_stops(r)) {
        r->starts++;
        if (systemctl(r, "start", &why) == 0 && log_in(r, &why) == 0)
            return 0;
    }
    if (!err_is_set(&why))
        err_set(&why, ERR_MYSQL, "it was started %u times already", r->starts);
    return err_set(e, why.code, "the server that died is not started again: %s", why.msg);
}

int service_stop(struct run *r, struct err *e)
{
    if (need_unit(r, e) < 0 || systemctl(r, "stop", e) < 0)
        return -1;
    if (!service_died(r))
        return err_set(e, ERR_IO, "process %d of the server is there after systemctl stop %s",
                       (int)r->pid, r->unit);
    return 0;
}
