/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Log levels and the replaceable sink; see log.h. */
#include "proto/base/log.h"
#include "proto/base/cleanup.h"

#include <stdio.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum log_level threshold = LOG_LEVEL_INFO;
static log_sink *current_sink;
static void *current_arg;

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};

    return names[level];
}

void log_set_level(enum log_level level)
{
    AUTO_LOCK(held, &lock);
    threshold = level;
}

void log_set_sink(log_sink *sink, void *arg)
{
    AUTO_LOCK(held, &lock);
    current_sink = sink;
    current_arg = arg;
}

void log_at(enum log_level level, const char *fmt, ...)
{
    char line[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);

    AUTO_LOCK(held, &lock);
    if (level > threshold)
        return;
    if (current_sink)
        current_sink(current_arg, level, line);
    else
        fprintf(stderr, "%s: %s\n", log_level_name(level), line);
}
