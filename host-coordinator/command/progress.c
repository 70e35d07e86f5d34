/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a run is doing, for whoever watches stderr. */
#include "host-coordinator/command/command.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void live_begin(void *arg, const char *what)
{
    (void)arg;
    fprintf(stderr, "\r\033[K%s ...", what);
    fflush(stderr);
}

static void live_end(void *arg, const char *what, double ms, const struct err *why)
{
    (void)arg;
    fprintf(stderr, "\r\033[K%-16s %9.1f ms%s\n", what, ms, why ? "  failed" : "");
}

static void plain_begin(void *arg, const char *what)
{
    (void)arg;
    (void)what;
}

static void plain_end(void *arg, const char *what, double ms, const struct err *why)
{
    (void)arg;
    fprintf(stderr, "%-16s %9.1f ms%s\n", what, ms, why ? "  failed" : "");
}

static void live_note(void *arg, const char *text)
{
    (void)arg;
    fprintf(stderr, "\r\033[Knote: %s\n", text);
}

static void plain_note(void *arg, const char *text)
{
    (void)arg;
    fprintf(stderr, "note: %s\n", text);
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
    if (quiet)
        return (struct run_reporter){.begin = plain_begin, .end = quiet_end, .note = quiet_note};
    if (isatty(STDERR_FILENO))
        return (struct run_reporter){.begin = live_begin, .end = live_end, .note = live_note};
    return (struct run_reporter){.begin = plain_begin, .end = plain_end, .note = plain_note};
}
