/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See startlog.h. */
#include "guest-agent/sample/startlog.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "guest-agent/sample/follow.h"
#include "guest-agent/sample/procfile.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

/* Lines of old servers tell whole seconds, and the two clocks are not read at once. */
#define SLACK_US 1500000

void startlog_init(struct startlog *s, pid_t pid, int64_t since_wall_us)
{
    *s = (struct startlog){.pid = pid, .since_wall_us = since_wall_us};
    s->counting = pid == 0 && since_wall_us == 0;
    s->lines = xcalloc(STARTLOG_LINES, sizeof(*s->lines));
}

void startlog_release(struct startlog *s)
{
    free(s->lines);
    *s = (struct startlog){.pid = 0};
}

/* ---- what a line says ---- */

/* "13739520", or in two halves as InnoDB of MySQL 5.1 wrote it: "0 13739520" */
static bool take_lsn(const char *s, uint64_t *ret)
{
    uint64_t first, second;
    char *end;

    if (!isdigit((unsigned char)*s))
        return false;
    first = strtoull(s, &end, 10);
    *ret = first;
    if (*end == ' ' && isdigit((unsigned char)end[1])) {
        second = strtoull(end + 1, NULL, 10);
        *ret = first << 32 | second;
    }
    return true;
}

bool startlog_recovered(const char *text, uint64_t *ret_lsn)
{
    static const char *const heads[] = {"scanned up to log sequence number ",
                                        "InnoDB: End of log at LSN="};

    for (size_t n = 0; n < ARRAY_SIZE(heads); n++) {
        const char *at = strstr(text, heads[n]);

        if (at && take_lsn(at + strlen(heads[n]), ret_lsn))
            return true;
    }
    return false;
}

/* The process that says it starts; 0 when the line says nothing like that. */
static pid_t starting(const char *text)
{
    const char *at = strstr(text, " as process ");

    if (!at || !strcasestr(text, "starting "))
        return 0;
    return (pid_t)strtol(at + strlen(" as process "), NULL, 10);
}

/* ---- which lines count ---- */

static void forget(struct startlog *s)
{
    s->errors = s->kept = 0;
    s->has_recovered = false;
}

/* What comes within the slack before our own beginning stays: the server warns of its options
 * before it says that it starts. */
static bool counts(struct startlog *s, const char *text, int64_t at_wall_us)
{
    pid_t pid = starting(text);

    if (pid && s->pid) {
        s->counting = pid == s->pid;
        if (!s->counting)
            forget(s);
    } else if (at_wall_us && s->since_wall_us && !s->counting) {
        s->counting = at_wall_us >= s->since_wall_us - SLACK_US;
    }
    return s->counting;
}

/* "loose_" before an option says that a server which does not know it need not mind; it warns all
 * the same. Those of a guest that verifies are ours (cbsnap-verify-generator). */
static bool is_meant(const char *text)
{
    return strstr(text, "unknown variable 'loose") || strstr(text, "unknown option '--loose");
}

static void keep(struct startlog *s, struct errline head, const char *text, size_t len)
{
    struct startlog_line *l = &s->lines[s->kept++ % STARTLOG_LINES];

    l->head = head;
    text_clean(l->text, sizeof(l->text), text, len);
    s->errors += head.level == LINE_ERROR;
}

void startlog_add_known(struct startlog *s, struct errline head, const char *text)
{
    uint64_t lsn;

    if (startlog_recovered(text, &lsn)) {
        s->has_recovered = true;
        s->recovered_lsn = lsn;
    }
    if (head.level != LINE_OTHER && !is_meant(text))
        keep(s, head, text, strlen(text));
}

void startlog_add(struct startlog *s, const char *text, size_t len)
{
    char line[STARTLOG_LINE_BYTES];
    struct errline head = errline_parse(text, len);

    if (len >= sizeof(line))
        len = sizeof(line) - 1;
    memcpy(line, text, len);
    line[len] = '\0';
    if (counts(s, line, head.at_wall_us))
        startlog_add_known(s, head, line);
}

static void on_line(void *arg, const char *text, size_t len)
{
    startlog_add(arg, text, len);
}

int startlog_read(struct startlog *s, const char *path)
{
    struct follow *f = follow_new();
    int rc = follow_back(f, path, STARTLOG_BYTES_MAX);

    if (rc == 0)
        rc = follow_read(f, path, 2 * (size_t)STARTLOG_BYTES_MAX, on_line, s);
    follow_free(f);
    return rc;
}

/* ---- what is kept ---- */

size_t startlog_count(const struct startlog *s)
{
    return s->kept < STARTLOG_LINES ? s->kept : STARTLOG_LINES;
}

const struct startlog_line *startlog_at(const struct startlog *s, size_t n)
{
    return &s->lines[(s->kept - startlog_count(s) + n) % STARTLOG_LINES];
}

const char *startlog_last_error(const struct startlog *s)
{
    const char *signal = NULL;

    for (size_t n = startlog_count(s); n-- > 0;) {
        const struct startlog_line *l = startlog_at(s, n);

        if (l->head.level != LINE_ERROR)
            continue;
        /* what a crash begins with says less than the assertion before it */
        if (!strstr(l->text, " got signal ") && !strstr(l->text, " got exception "))
            return l->text;
        if (!signal)
            signal = l->text;
    }
    return signal;
}
