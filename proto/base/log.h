/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Logging: one event per line. A sink is a small function; the default writes to stderr (which
 * systemd keeps). The guest replaces it with a ring in memory while filesystems may be frozen,
 * because a journal that lives on a frozen disk blocks whoever logs to it.
 *
 * Thread-safe: a mutex orders the calls of the sink. Secrets never come here.
 */
#ifndef CBSNAP_BASE_LOG_H
#define CBSNAP_BASE_LOG_H

#include <stdarg.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

typedef void log_sink(void *arg, enum log_level level, const char *line);

/* Lines above this level are dropped; default LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);
/* NULL goes back to stderr. The sink must not log. */
void log_set_sink(log_sink *sink, void *arg);
const char *log_level_name(enum log_level level);

void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
