/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a run is doing, for whoever watches stderr.
 *
 * A terminal that was stopped (^S) or a pipe that nobody reads makes each write to it wait, and
 * with it the run: no renewal of the lease, no release. So while a run holds the guest's writers
 * nothing is written; what there is to say, lines of the log among it, is kept in memory and said
 * after the thaw, in its order.
 */
#include "host-coordinator/command/command.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HELD_MAX 65536 /* of a guest that talks without end the rest is only counted */

static struct {
    pthread_mutex_t lock; /* any thread may log */
    bool on;
    struct buf text;
    size_t left_out; /* lines */
} held = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *fmt, ...)
{
    char line[1200]; /* log.c cuts at less */
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);

    AUTO_LOCK(locked, &held.lock);
    if (!held.on)
        fputs(line, stderr);
    else if (held.text.len + strlen(line) <= HELD_MAX)
        buf_add(&held.text, line, strlen(line));
    else
        held.left_out++;
}

static void keep_log_line(void *arg, enum log_level level, const char *line)
{
    (void)arg;
    tell("%s: %s\n", log_level_name(level), line);
}

static void tell_held(void)
{
    AUTO_LOCK(locked, &held.lock);

    held.on = false;
    fputs(buf_text(&held.text), stderr);
    if (held.left_out > 0)
        fprintf(stderr, "warning: %zu more lines came while writers waited, and were not kept\n",
                held.left_out);
    buf_release(&held.text);
    held.left_out = 0;
}

static void hold(void *arg, bool on)
{
    (void)arg;
    if (!on) {
        log_set_sink(NULL, NULL);
        tell_held();
        return;
    }
    log_set_sink(keep_log_line, NULL);
    AUTO_LOCK(locked, &held.lock);
    held.on = true;
}

/* ---- the kinds of stderr --------------------------------------------------------------------- */

static void live_begin(void *arg, const char *what)
{
    (void)arg;
    if (!held.on) /* nobody would see it before its end */
        tell("\r\033[K%s ...", what);
}

static void live_end(void *arg, const char *what, double ms, const struct err *why)
{
    (void)arg;
    tell("\r\033[K%-16s %9.1f ms%s\n", what, ms, why ? "  failed" : "");
}

static void plain_begin(void *arg, const char *what)
{
    (void)arg;
    (void)what;
}

static void plain_end(void *arg, const char *what, double ms, const struct err *why)
{
    (void)arg;
    tell("%-16s %9.1f ms%s\n", what, ms, why ? "  failed" : "");
}

static void live_note(void *arg, const char *text)
{
    (void)arg;
    tell("\r\033[Knote: %s\n", text);
}

static void plain_note(void *arg, const char *text)
{
    (void)arg;
    tell("note: %s\n", text);
}

static void quiet_note(void *arg, const char *text)
{
    (void)arg;
    (void)text;
}

static void quiet_end(void *arg, const char *what, double ms, const struct err *why)
{
    (void)arg;
    (void)what;
    (void)ms;
    (void)why;
}

struct run_reporter progress_reporter(bool quiet)
{
    struct run_reporter reporter = {.begin = plain_begin, .end = plain_end, .note = plain_note};

    if (quiet)
        reporter =
            (struct run_reporter){.begin = plain_begin, .end = quiet_end, .note = quiet_note};
    else if (isatty(STDERR_FILENO))
        reporter = (struct run_reporter){.begin = live_begin, .end = live_end, .note = live_note};
    reporter.hold = hold;
    return reporter;
}
