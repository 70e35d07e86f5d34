/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FAMILY_ERROR_LOG where the log is a file: what was added since the reading before. What was there
 * when the agent started is the past and not told. A server that logs elsewhere is asked by its own
 * lane (mysql/). The file is follow.h's part, the line errline.h's.
 */
#include <stdlib.h>
#include <string.h>

#include "guest-agent/sample/errline.h"
#include "guest-agent/sample/follow.h"
#include "guest-agent/sample/procfile.h"
#include "guest-agent/sample/server_facts.h"
#include "guest-agent/sample/sources.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#define TURN_BYTES (256 * 1024) /* of a log that grows faster the rest comes next turn */

struct kept {
    struct errline head;
    char text[FOLLOW_LINE_MAX + 1];
};

struct errlog {
    const struct source_config *config;
    struct follow *file;
    /* of this reading */
    size_t errors, warnings;
    struct kept last[SAMPLE_LINES_MAX]; /* the newest errors and warnings, a ring */
};

static void *errlog_open(const struct source_config *c)
{
    struct errlog *self = xcalloc(1, sizeof(*self));

    self->config = c;
    self->file = follow_new();
    return self;
}

static void errlog_close(void *arg)
{
    struct errlog *self = arg;

    follow_free(self->file);
    free(self);
}

static void on_line(void *arg, const char *text, size_t len)
{
    struct errlog *self = arg;
    struct errline head = errline_parse(text, len);
    struct kept *k;

    if (head.level == LINE_OTHER)
        return;
    k = &self->last[(self->errors + self->warnings) % SAMPLE_LINES_MAX];
    k->head = head;
    text_clean(k->text, sizeof(k->text), text, len);
    if (head.level == LINE_ERROR)
        self->errors++;
    else
        self->warnings++;
}

static void emit(const struct errlog *self, struct sample *to)
{
    size_t sum = self->errors + self->warnings;

    sample_emit(to, "mysql.errlog.errors", (double)self->errors);
    sample_emit(to, "mysql.errlog.warnings", (double)self->warnings);
    for (size_t n = sum > SAMPLE_LINES_MAX ? sum - SAMPLE_LINES_MAX : 0; n < sum; n++) {
        const struct kept *k = &self->last[n % SAMPLE_LINES_MAX];

        sample_add_line(to, k->head.at_wall_us, k->head.level, k->text);
    }
}

static void errlog_read(void *arg, struct sample *to)
{
    struct errlog *self = arg;
    AUTO_FREE char *path = NULL;

    (void)server_facts_get(self->config->server, &path, NULL, NULL);
    self->errors = self->warnings = 0;
    if (follow_read(self->file, path, TURN_BYTES, on_line, self) == 0)
        emit(self, to);
}

const struct source errlog_source = {.name = "error log",
                                     .lane = LANE_FILES,
                                     .every_ms = SOURCE_SLOW,
                                     .open = errlog_open,
                                     .read = errlog_read,
                                     .close = errlog_close};
