/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server's error log: the lines of all versions, and a file that is rotated, cut, gone, kept
 * from us. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-agent/sample/errline.h"
#include "guest-agent/sample/follow.h"
#include "guest-agent/sample/procfile.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "tests/in_range.h"
#include "tests/unit/guest-agent/reading.h"

/* ---- lines ---- */

static void check_line(const char *text, enum sample_line_level level, const char *time)
{
    struct errline l = errline_parse(text, strlen(text));
    char iso[32];

    if (l.level != level)
        fail_msg("level %d, not %d: %s", l.level, level, text);
    if (strcmp(l.at_wall_us ? clock_iso(l.at_wall_us, iso) : "", time) != 0)
        fail_msg("time '%s', not '%s': %s", l.at_wall_us ? iso : "", time, text);
}

static void levels_and_times_of_all_versions(void **state)
{
    (void)state;
    setenv("TZ", "EST5EDT", 1);
    /* MySQL 5.7 and later: UTC, or with a zone */
    check_line("2016-11-04T10:15:00.123456Z 0 [ERROR] [MY-010119] [Server] Aborting", LINE_ERROR,
               "2016-11-04T10:15:00.123Z");
    check_line("2016-11-04T12:15:00.123456+02:00 7 [Warning] Aborted connection", LINE_WARNING,
               "2016-11-04T10:15:00.123Z");
    check_line("2024-02-29T23:59:59.000001Z 12 [System] [MY-010931] [Server] ready", LINE_OTHER,
               "2024-02-29T23:59:59.000Z");
    /* 5.6, MariaDB from 10.1: local time, thread */
    check_line("2016-11-04 10:15:00 1234 [Warning] Insecure", LINE_WARNING,
               "2016-11-04T14:15:00.000Z");
    check_line("2016-11-04 10:15:00 140234881517312 [ERROR] mysqld: Table", LINE_ERROR,
               "2016-11-04T14:15:00.000Z");
    check_line("2023-01-04  9:15:00 0 [ERROR] Aborting", LINE_ERROR, "2023-01-04T14:15:00.000Z");
    check_line("2023-01-04  9:15:00 0 [Note] a client said \"[ERROR]\"", LINE_OTHER,
               "2023-01-04T14:15:00.000Z");
    /* 5.5, MariaDB to 10.0 */
    check_line("161104 10:15:00 [ERROR] Fatal error", LINE_ERROR, "2016-11-04T14:15:00.000Z");
    check_line("161104  9:15:00 [Warning] x", LINE_WARNING, "2016-11-04T13:15:00.000Z");
    check_line("161104 10:15:00  InnoDB: Error: log file", LINE_ERROR, "2016-11-04T14:15:00.000Z");
    check_line("161104 10:15:00 mysqld_safe Starting", LINE_OTHER, "2016-11-04T14:15:00.000Z");
    check_line("InnoDB: Warning: a long semaphore wait", LINE_WARNING, "");
    /* a crash has no level of its own */
    check_line("10:15:00 UTC - mysqld got signal 11 ;", LINE_ERROR, "");
    check_line("2022-05-01T10:15:00Z UTC - mysqld got signal 6 ;", LINE_ERROR,
               "2022-05-01T10:15:00.000Z");
    /* neither */
    check_line("Version: '8.0.36'  socket: '/x'  port: 3306", LINE_OTHER, "");
    check_line("2016-13-04T10:15:00.1Z 0 [ERROR] x", LINE_OTHER, "");
    check_line("", LINE_OTHER, "");
    check_line("[", LINE_OTHER, "");
    unsetenv("TZ");
}

/* Whatever is cut off where: no read beyond the end (check-asan), no time from nowhere. */
static void any_bytes_may_come(void **state)
{
    static const char seed[] = "2016-11-04T12:15:00.123456+02:00 7 [Warning] [MY-1] x\xff\xc3";
    unsigned random = 1;

    (void)state;
    for (int n = 0; n < 200000; n++) {
        size_t len = sizeof(seed) - 1, cut;
        char *text = malloc(len), clean[40];

        memcpy(text, seed, len);
        for (int k = 0; k < n % 4; k++) {
            random = random * 1103515245 + 12345;
            text[(random >> 8) % len] = (char)(random >> 20);
        }
        cut = (random >> 4) % (len + 1);
        text = realloc(text, cut ? cut : 1);
        (void)errline_parse(text, cut);
        text_clean(clean, sizeof(clean), text, cut);
        assert_true(strlen(clean) < sizeof(clean));
        free(text);
    }
}

static void text_is_made_clean(void **state)
{
    char to[8];

    (void)state;
    text_clean(to, sizeof(to),
               "a\tb\x01"
               "c",
               5);
    assert_string_equal(to, "a b?c");
    text_clean(to, sizeof(to), "\xc3\xa4\xff\xed\xa0\x80", 6); /* a surrogate is none */
    assert_string_equal(to, "\xc3\xa4????");
    text_clean(to, sizeof(to), "123456\xc3\xa4", 8); /* never half a character */
    assert_string_equal(to, "123456");
    text_clean(to, sizeof(to), "\xc3", 1);
    assert_string_equal(to, "?");
}

/* ---- the file ---- */

struct world {
    char *root, *path;
    struct source_config config;
    void *self;
    unsigned warnings; /* in our own log */
};

static void count_log(void *arg, enum log_level level, const char *line)
{
    struct world *w = arg;

    (void)line;
    w->warnings += level == LOG_LEVEL_WARN;
}

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    names = names_new();
    w->root = tree_new();
    w->path = xasprintf("%s/log/error.log", w->root);
    tree_file(w->root, "log/error.log", "161104 10:15:00 [ERROR] of the past\n");
    w->config.root = w->root;
    w->config.server = server_facts_new();
    server_facts_set(w->config.server, 7, w->path, NULL, NULL);
    w->self = errlog_source.open(&w->config);
    log_set_sink(count_log, w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    log_set_sink(NULL, NULL);
    errlog_source.close(w->self);
    server_facts_free(w->config.server);
    tree_free(w->root);
    free(w->path);
    free(w);
    names_free(names);
    return 0;
}

static void append(const struct world *w, const char *text)
{
    FILE *f = fopen(w->path, "a");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* Reads once; -1 for both when nothing was told. The first line's text goes to `first`. */
static void check_reading(struct world *w, int errors, int warnings, const char *first)
{
    struct sample *s = read_at(&errlog_source, w->self, 1000000);
    const double *e = sample_get(s, "mysql.errlog.errors");
    const double *v = sample_get(s, "mysql.errlog.warnings");

    assert_int_equal(e ? (int)*e : -1, errors);
    assert_int_equal(v ? (int)*v : -1, warnings);
    if (first)
        assert_string_equal(s->line_count ? s->lines[0].text : "(none)", first);
    sample_free(s);
}

static void what_is_added_is_told_once(void **state)
{
    struct world *w = *state;

    check_reading(w, -1, -1, NULL); /* the past is not told */
    check_reading(w, 0, 0, NULL);
    append(w, "161104 10:15:01 [ERROR] one\n161104 10:15:01 [Note] no\n"
              "161104 10:15:01 [Warning] two\r\n");
    check_reading(w, 1, 1, "161104 10:15:01 [ERROR] one");
    check_reading(w, 0, 0, NULL);
}

static void a_line_waits_for_its_end(void **state)
{
    struct world *w = *state;

    check_reading(w, -1, -1, NULL);
    append(w, "161104 10:15:01 [ERR");
    check_reading(w, 0, 0, NULL);
    append(w, "OR] half\n");
    check_reading(w, 1, 0, "161104 10:15:01 [ERROR] half");
}

static void a_long_line_is_cut(void **state)
{
    struct world *w = *state;
    AUTO_FREE char *text = xcalloc(1, 400001);
    struct sample *s;

    check_reading(w, -1, -1, NULL);
    memset(text, 'x', 400000); /* more than one turn reads */
    append(w, "161104 10:15:01 [ERROR] ");
    append(w, text);
    append(w, "\n161104 10:15:02 [ERROR] next\n");
    check_reading(w, 0, 0, NULL);
    s = read_at(&errlog_source, w->self, 1000000);
    check_value(s, "mysql.errlog.errors", 2);
    assert_int_equal(strlen(s->lines[0].text), FOLLOW_LINE_MAX);
    assert_string_equal(s->lines[1].text, "161104 10:15:02 [ERROR] next");
    sample_free(s);
}

/* Many lines: a bounded piece each turn, all of them counted, the last ones told. */
static void a_flood_is_counted_in_turns(void **state)
{
    struct world *w = *state;
    double sum = 0;
    char line[64];
    FILE *f = fopen(w->path, "a");
    int turns = 0;

    check_reading(w, -1, -1, NULL);
    for (int n = 0; n < 20000; n++)
        fprintf(f, "161104 10:15:01 [ERROR] number %05d\n", n);
    fclose(f);
    while (sum < 20000) {
        struct sample *s = read_at(&errlog_source, w->self, 1000000);
        double count = *sample_get(s, "mysql.errlog.errors");

        assert_true(count > 0 && count < 10000);
        assert_int_equal(s->line_count, SAMPLE_LINES_MAX);
        sum += count;
        turns++;
        (void)snprintf(line, sizeof(line), "161104 10:15:01 [ERROR] number %05d", (int)sum - 1);
        assert_string_equal(s->lines[SAMPLE_LINES_MAX - 1].text, line);
        sample_free(s);
    }
    assert_true(sum == 20000);
    assert_int_in_range(turns, 3, 4);
}

/* What is told is of now, however much was logged. */
static void a_log_that_runs_ahead_is_not_told_hours_late(void **state)
{
    struct world *w = *state;
    struct buf old = BUF_INIT, new = BUF_INIT;
    const double *errors, *warnings;
    struct sample *s;

    append(w, "");
    check_reading(w, -1, -1, NULL);
    while (old.len < 5 << 20)
        buf_addf(&old, "161104 10:15:00 [ERROR] of long ago\n");
    append(w, buf_text(&old));
    for (int n = 0; n < 20; n++)
        buf_addf(&new, "161104 11:15:00 [Warning] of now\n");
    append(w, buf_text(&new));
    s = read_at(&errlog_source, w->self, 1000000);
    warnings = sample_get(s, "mysql.errlog.warnings");
    errors = sample_get(s, "mysql.errlog.errors");
    assert_true(warnings && *warnings == 20);
    assert_true(errors && *errors > 0 && *errors < 256 * 1024 / 30);
    assert_int_equal(s->line_count, SAMPLE_LINES_MAX);
    assert_non_null(strstr(s->lines[SAMPLE_LINES_MAX - 1].text, "of now"));
    sample_free(s);
    buf_release(&old);
    buf_release(&new);
}

static void rotated_by_rename(void **state)
{
    struct world *w = *state;
    AUTO_FREE char *old = xasprintf("%s.1", w->path);

    check_reading(w, -1, -1, NULL);
    append(w, "161104 10:15:01 [ERROR] before\n");
    assert_int_equal(rename(w->path, old), 0);
    check_reading(w, 1, 0, "161104 10:15:01 [ERROR] before");
    /* the server writes to the old one until it is told to open the new */
    tree_file(w->root, "log/error.log.1",
              "161104 10:15:00 [ERROR] of the past\n161104 10:15:01 [ERROR] before\n"
              "161104 10:15:02 [ERROR] still the old one\n161104 10:15:02 [Warning] unended");
    tree_file(w->root, "log/error.log", "161104 10:15:03 [ERROR] first of the new\n");
    check_reading(w, 2, 1, "161104 10:15:02 [ERROR] still the old one");
    append(w, "161104 10:15:04 [ERROR] second\n");
    check_reading(w, 1, 0, "161104 10:15:04 [ERROR] second");
    assert_int_equal(w->warnings, 0);
}

static void cut_in_place(void **state)
{
    struct world *w = *state;

    check_reading(w, -1, -1, NULL);
    assert_int_equal(truncate(w->path, 0), 0);
    append(w, "161104 10:16:00 [ERROR] new\n");
    check_reading(w, 1, 0, "161104 10:16:00 [ERROR] new");
}

/* Deleted, and the server restarts: what is in the new one counts from its beginning; nor do we
 * keep the space of the old one. */
static void deleted_and_made_anew(void **state)
{
    struct world *w = *state;

    check_reading(w, -1, -1, NULL);
    append(w, "161104 10:15:01 [ERROR] last words\n");
    assert_int_equal(unlink(w->path), 0);
    check_reading(w, 1, 0, "161104 10:15:01 [ERROR] last words");
    check_reading(w, -1, -1, NULL);
    assert_int_equal(w->warnings, 1);
    check_reading(w, -1, -1, NULL);
    assert_int_equal(w->warnings, 1); /* told once */
    append(w, "161104 10:16:00 [ERROR] new\n");
    check_reading(w, 1, 0, "161104 10:16:00 [ERROR] new");
}

static void absent_at_first(void **state)
{
    struct world *w = *state;

    unlink(w->path);
    check_reading(w, -1, -1, NULL);
    append(w, "161104 10:16:00 [ERROR] new\n");
    check_reading(w, 1, 0, "161104 10:16:00 [ERROR] new");
}

/* Root may read all: then there is nothing to see. A loop of links fails for root as well. */
static void kept_from_us(void **state)
{
    struct world *w = *state;

    unlink(w->path);
    assert_int_equal(symlink("error.log", w->path), 0);
    check_reading(w, -1, -1, NULL);
    check_reading(w, -1, -1, NULL);
    assert_int_equal(w->warnings, 1);
    unlink(w->path);
    append(w, "161104 10:15:00 [ERROR] of the past\n");
    check_reading(w, -1, -1, NULL); /* who knows how old that is */
    append(w, "161104 10:16:00 [ERROR] new\n");
    check_reading(w, 1, 0, "161104 10:16:00 [ERROR] new");
    if (getuid() != 0) {
        chmod(w->path, 0);
        server_facts_set(w->config.server, 7, NULL, NULL, NULL);
        check_reading(w, -1, -1, NULL);
        server_facts_set(w->config.server, 7, w->path, NULL, NULL);
        check_reading(w, -1, -1, NULL);
        assert_int_equal(w->warnings, 2);
    }
}

static void what_is_no_file_is_left_alone(void **state)
{
    static const char *const targets[] = {"/dev/stderr", "/proc/self/fd/2"};
    struct world *w = *state;

    for (size_t n = 0; n < ARRAY_SIZE(targets); n++) {
        unlink(w->path);
        assert_int_equal(symlink(targets[n], w->path), 0);
        check_reading(w, -1, -1, NULL);
    }
    unlink(w->path);
    assert_int_equal(mkfifo(w->path, 0600), 0);
    check_reading(w, -1, -1, NULL); /* and does not wait for a writer */
    server_facts_set(w->config.server, 7, "/dev/stderr", NULL, NULL);
    check_reading(w, -1, -1, NULL);
    server_facts_set(w->config.server, 7, NULL, NULL, NULL);
    check_reading(w, -1, -1, NULL);
}

static void another_path_is_another_log(void **state)
{
    struct world *w = *state;
    AUTO_FREE char *other = xasprintf("%s/log/other.log", w->root);

    check_reading(w, -1, -1, NULL);
    tree_file(w->root, "log/other.log", "161104 10:15:00 [ERROR] of the past\n");
    server_facts_set(w->config.server, 7, other, NULL, NULL);
    check_reading(w, -1, -1, NULL);
    check_reading(w, 0, 0, NULL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_and_times_of_all_versions),
        cmocka_unit_test(any_bytes_may_come),
        cmocka_unit_test(text_is_made_clean),
        T(what_is_added_is_told_once),
        T(a_line_waits_for_its_end),
        T(a_long_line_is_cut),
        T(a_flood_is_counted_in_turns),
        T(a_log_that_runs_ahead_is_not_told_hours_late),
        T(rotated_by_rename),
        T(cut_in_place),
        T(deleted_and_made_anew),
        T(absent_at_first),
        T(kept_from_us),
        T(what_is_no_file_is_left_alone),
        T(another_path_is_another_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
