/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See journal.h. */
#include "guest-agent/evidence/journal.h"

#include <string.h>

#include "guest-agent/evidence/child.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#define TIMEOUT_MS  10000
#define UNIT_LINES  "100"
#define START_LINES "2000" /* a recovery that has to tell of many transactions */

static int read_lines(const char *const argv[], size_t bytes, struct startlog *log)
{
    const struct child_limits limits = {.timeout_ms = TIMEOUT_MS, .output_max = bytes};
    struct buf out = BUF_INIT;
    int status = 0, rc = child_run(argv, &limits, &out, &status, NULL);
    char *save = NULL;

    if (rc == 0 && status != 0)
        rc = -1;
    for (char *line = rc == 0 && out.len ? strtok_r((char *)out.data, "\n", &save) : NULL; line;
         line = strtok_r(NULL, "\n", &save))
        startlog_add(log, line, strlen(line));
    buf_release(&out);
    return rc;
}

int journal_of_unit(const char *unit, struct startlog *log)
{
    const char *const argv[] = {"journalctl", "--no-pager", "-q", "-o", "cat",
                                "-n",         UNIT_LINES,   "-u", unit, NULL};

    return read_lines(argv, (size_t)128 * 1024, log);
}

int journal_of_process(pid_t pid, struct startlog *log)
{
    AUTO_FREE char *match = xasprintf("_PID=%d", (int)pid);
    const char *const argv[] = {"journalctl", "--no-pager", "-q",        "-b",  "-o",
                                "cat",        "-n",         START_LINES, match, NULL};

    return read_lines(argv, (size_t)1024 * 1024, log);
}
