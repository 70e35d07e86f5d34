/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `snapshot` and a stderr that nobody reads any more, as behind a terminal that was stopped: what
 * it has to say while writers wait is said after the thaw, and keeps nobody waiting until then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host-coordinator/command/command.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "tests/slow.h"
#include "tests/unit/host-coordinator/take_world.h"

#define PATIENCE_OF_READER_MS 3000 /* then it reads on, thaw or not: a test must end */

/* Who reads stderr, with interruptions. */
static struct {
    int pipe[2], own; /* own: what stderr was before */
    pthread_t thread;
    atomic_bool thawed;
    bool in_time; /* it went on reading because of the thaw */
    struct buf text;
    int log_lines; /* said while frozen */
} reader;

/* The pipe is full from now on. By a description of its own: stderr itself must stay as it is. */
static void fill(void)
{
    AUTO_FREE char *path = xasprintf("/proc/self/fd/%d", reader.pipe[1]);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_NONBLOCK);
    char portion[4096];
    size_t size = sizeof(portion);

    memset(portion, '\n', sizeof(portion));
    while (fd >= 0 && size > 0) {
        if (write(fd, portion, size) < 0)
            size /= 2;
    }
}

static void on_freeze(void *arg)
{
    fill();
    world_hook(arg);
    for (int n = 0; n < reader.log_lines; n++)
        log_error("line %04d, which a thread of libvirt's has to say about this freeze", n);
}

static void on_thaw(void *arg)
{
    (void)arg;
    reader.thawed = true;
}

static void *read_later(void *arg)
{
    int64_t until = mono_in_ms(PATIENCE_OF_READER_MS * (int)slowness());

    (void)arg;
    while (!reader.thawed && mono_us() < until)
        usleep(1000);
    reader.in_time = reader.thawed;
    (void)buf_read(&reader.text, reader.pipe[0], SIZE_MAX);
    return NULL;
}

static struct outcome take_unread(bool quiet, int log_lines)
{
    const struct run_reporter report = progress_reporter(quiet);
    struct outcome out;

    reader.log_lines = log_lines;
    reader.thawed = reader.in_time = false;
    buf_clear(&reader.text);
    assert_int_equal(pipe2(reader.pipe, O_CLOEXEC), 0);
    domain_fake_on(FAKE_FREEZE, on_freeze, NULL);
    domain_fake_on(FAKE_THAW, on_thaw, NULL);
    w.report = &report;
    reader.own = dup(STDERR_FILENO);
    assert_int_equal(dup2(reader.pipe[1], STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(pthread_create(&reader.thread, NULL, read_later, NULL), 0);
    out = take();
    assert_int_equal(dup2(reader.own, STDERR_FILENO), STDERR_FILENO);
    close(reader.own);
    close(reader.pipe[1]);
    assert_int_equal(pthread_join(reader.thread, NULL), 0);
    close(reader.pipe[0]);
    buf_add(&reader.text, "", 0);
    return out;
}

/* Each of them, one behind the other. */
static void assert_said(const char *const *words, size_t count)
{
    const char *at = buf_text(&reader.text);

    for (size_t n = 0; n < count; n++) {
        at = strstr(at, words[n]);
        if (!at)
            fail_msg("no '%s' there, or not in its place: %s", words[n], buf_text(&reader.text));
    }
}

static void nobody_waits_for_who_reads(void **state)
{
    static const char *const words[] = {
        "\nmanifest ", "error: line 0000", "error: line 0002, which a thread",
        "\nfreeze ",   "\nconfirm ",       "\nsnapshots ",
        "\nwitness ",  "\nthaw ",          "\nlist "};
    struct outcome out;

    (void)state;
    out = take_unread(false, 3);
    assert_good(&out);
    assert_true(reader.in_time);
    assert_said(words, ARRAY_SIZE(words));
    buf_release(&reader.text);
}

/* With --json the log is all that there is. */
static void nor_for_who_reads_the_log(void **state)
{
    static const char *const words[] = {"error: line 0000", "error: line 0001"};
    struct outcome out;

    (void)state;
    out = take_unread(true, 2);
    assert_good(&out);
    assert_true(reader.in_time);
    assert_said(words, ARRAY_SIZE(words));
    assert_null(strstr(buf_text(&reader.text), "confirm"));
    buf_release(&reader.text);
}

static void what_is_kept_has_an_end(void **state)
{
    static const char *const words[] = {
        "error: line 0000", "error: line 0500",
        "\nwarning: ", " more lines came while writers waited, and were not kept\n", "\nlist "};
    struct outcome out;

    (void)state;
    out = take_unread(false, 3000);
    assert_good(&out);
    assert_true(reader.in_time);
    assert_said(words, ARRAY_SIZE(words));
    assert_null(strstr(buf_text(&reader.text), "error: line 2999"));
    buf_release(&reader.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TAKE_TEST(nobody_waits_for_who_reads),
        TAKE_TEST(nor_for_who_reads_the_log),
        TAKE_TEST(what_is_kept_has_an_end),
    };

    return cmocka_run_group_tests_name("snapshot: stderr", tests, NULL, NULL);
}
