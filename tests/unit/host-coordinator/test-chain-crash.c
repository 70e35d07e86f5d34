/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process that writes a record dies at each of its calls that change the disk, or each of them
 * fails, or several processes write at once: show --check accuses no honest record, and the next
 * writer makes whole what was left. The calls are caught here, before the C library has them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host-coordinator/record/store.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "tests/fake/state_dir.h"
#include "tests/unit/host-coordinator/chain_trouble.h"

#define A "20261101T000000Z-000a"
#define B "20261102T000000Z-000b"

static char dir[STATE_DIR_SIZE];

/* ---- calls that change the disk -------------------------------------------------------------- */

enum way { WELL, DIES, FAILS_ONCE, FAILS_TWICE, FAILS_ON };

static struct {
    enum way way;
    int at, calls; /* it happens at this one, counted from 1 */
} broken;

/* True: the call is not to be made. A write is made by half. */
static bool breaks(void)
{
    int call = ++broken.calls;

    return broken.way != WELL &&
           (call == broken.at || (broken.way == FAILS_ON && call > broken.at) ||
            (broken.way == FAILS_TWICE && call == broken.at + 1));
}

static int breaks_down(void)
{
    if (broken.way == DIES)
        _exit(77);
    errno = EIO;
    return -1;
}

ssize_t write(int fd, const void *data, size_t len)
{
    bool half = breaks();
    ssize_t n = syscall(SYS_write, fd, data, half ? len / 2 : len);

    return half ? breaks_down() : n;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    bool half = breaks();
    ssize_t n = syscall(SYS_pwrite64, fd, data, half ? len / 2 : len, at);

    return half ? breaks_down() : n;
}

int fsync(int fd)
{
    return breaks() ? breaks_down() : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return breaks() ? breaks_down() : (int)syscall(SYS_fdatasync, fd);
}

int ftruncate(int fd, off_t len)
{
    return breaks() ? breaks_down() : (int)syscall(SYS_ftruncate, fd, len);
}

int rename(const char *from, const char *to)
{
    return breaks() ? breaks_down() : (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
}

int unlink(const char *path)
{
    return breaks() ? breaks_down() : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

/* ---- acts ------------------------------------------------------------------------------------ */

static int write_set(const char *set, const char *verdict)
{
    struct record *r = record_new();
    int rc;

    record_set_text(r, "set", set);
    record_set_text(r, "verdict", verdict);
    rc = store_save(dir, "db", set, r, NULL);
    record_free(r);
    return rc;
}

static int amend(void)
{
    return write_set(A, "application");
}

static int removal(void)
{
    return store_remove(dir, "db", A, NULL);
}

static int beginning(void)
{
    return store_prepare(dir, "db", NULL);
}

static int first_write(void)
{
    return write_set(A, "application");
}

static void shell(const char *command)
{
    AUTO_FREE char *line = xasprintf("cd '%s/records/db' && { %s; }", dir, command);

    assert_int_equal(system(line), 0);
}

/* "void" and "application" are what it was written with, "none": it is not there. */
static const char *verdict_now(void)
{
    static char text[32];
    struct err e = ERR_INIT;
    struct record *r = store_load(dir, A, &e);

    if (!r)
        return e.code == ERR_NOT_FOUND ? "none" : "broken";
    (void)snprintf(text, sizeof(text), "%s", record_text(r, "verdict"));
    record_free(r);
    return text;
}

static void with_a_record(void)
{
    assert_int_equal(write_set(A, "void"), 0);
}

static void with_one_from_before(void)
{
    shell("rm chain.jsonl; echo '{\"set\":\"" A "\",\"verdict\":\"void\"}' >" A ".json; cp " A
          ".json " B ".json");
}

static void with_none(void)
{
}

static const struct act {
    const char *name;
    void (*before)(void);
    int (*act)(void);
    const char *old, *new;
} acts[] = {
    {"first write", with_none, first_write, "none", "application"},
    {"amend", with_a_record, amend, "void", "application"},
    {"remove", with_a_record, removal, "void", "none"},
    {"begin", with_one_from_before, beginning, "void", "void"},
    {"first write of the chain", with_one_from_before, amend, "void", "application"},
    {"remove from before", with_one_from_before, removal, "void", "none"},
};

/* ---- the worlds ------------------------------------------------------------------------------ */

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static void close_world(void)
{
    assert_int_equal(nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void open_world(void)
{
    broken.way = WELL;
    assert_true(make_state_dir(dir, "chain"));
    assert_int_equal(store_prepare(dir, "db", NULL), 0);
}

static void assert_no_trouble(const struct act *act, int at, const char *when)
{
    AUTO_FREE char *trouble = chain_trouble(dir);

    if (trouble)
        fail_msg("%s, call %d, %s: %s", act->name, at, when, trouble);
}

/* In a process of its own. *ret_rc is what it returned; 77: it died. */
static int act_broken(const struct act *act, enum way way, int at)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        broken.way = way;
        broken.at = at;
        broken.calls = 0;
        status = act->act() < 0 ? 1 : 0;
        _exit(broken.calls < at ? 78 : status);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void assert_old_or_new(const struct act *act, int at, int status)
{
    const char *now = verdict_now();
    bool is_old = strcmp(now, act->old) == 0, is_new = strcmp(now, act->new) == 0;

    if (!is_old && !is_new)
        fail_msg("%s, call %d: the record is '%s'", act->name, at, now);
    if (status == 0 && !is_new)
        fail_msg("%s, call %d: it was done by its own account, and is not", act->name, at);
}

/* Returns false when there are fewer calls than that. */
static bool break_at(const struct act *act, enum way way, int at)
{
    int status;

    open_world();
    act->before();
    status = act_broken(act, way, at);
    if (status != 78) {
        assert_old_or_new(act, at, status);
        assert_no_trouble(act, at, "just after");
        if (write_set(B, "void") < 0)
            fail_msg("%s, call %d: nothing can be written any more", act->name, at);
        assert_no_trouble(act, at, "after the next write");
        assert_old_or_new(act, at, status);
        /* what is now no longer changes behind anybody's back, and nothing is left lying about */
        if (act->act() < 0)
            fail_msg("%s, call %d: it cannot be done again", act->name, at);
        assert_old_or_new(act, at, 0);
        assert_no_trouble(act, at, "after it was done again");
        shell("! ls *.tmp 2>/dev/null");
    }
    close_world();
    return status != 78;
}

static int break_all(enum way way)
{
    int total = 0;

    for (size_t n = 0; n < ARRAY_SIZE(acts); n++) {
        int at = 1;

        while (break_at(&acts[n], way, at))
            at++;
        assert_true(at > 3); /* there was something to break */
        total += at - 1;
    }
    return total;
}

static void a_writer_that_dies_leaves_nothing_to_accuse(void **state)
{
    (void)state;
    assert_true(break_all(DIES) > 30);
}

static void a_call_that_fails_leaves_nothing_to_accuse(void **state)
{
    (void)state;
    (void)break_all(FAILS_ONCE);
    (void)break_all(FAILS_TWICE); /* and so does the first that makes up for it */
}

static void a_disk_that_breaks_leaves_nothing_to_accuse(void **state)
{
    (void)state;
    (void)break_all(FAILS_ON);
}

/* Somebody who puts the old record back after a crash is not taken for the crash. */
static void a_crash_is_no_cover_for_an_edit(void **state)
{
    AUTO_FREE char *trouble = NULL;

    (void)state;
    open_world();
    with_a_record();
    shell("cp " A ".json old");
    assert_int_equal(amend(), 0);
    shell("mv " A ".json " A ".json.tmp; cp old " A ".json");
    assert_null(chain_trouble(dir));
    shell("echo >>" A ".json");
    trouble = chain_trouble(dir);
    assert_non_null(trouble);
    close_world();
}

/* ---- several at once ------------------------------------------------------------------------- */

#define WRITERS 4
#define SETS    12

static _Noreturn void write_many(int writer)
{
    bool good = true;

    for (int n = 0; n < SETS; n++) {
        AUTO_FREE char *set = xasprintf("20261101T0000%02dZ-%04x", n, (unsigned)writer);

        good = write_set(set, "void") == 0 && write_set(set, "application") == 0 && amend() == 0 &&
               good;
        if (n % 2 == 0)
            good = store_remove(dir, "db", set, NULL) == 0 && good;
    }
    _exit(good ? 0 : 1);
}

static void writers_at_once_make_one_chain(void **state)
{
    struct record *r = record_new();
    struct chain_ask ask = {.set = NULL};
    int64_t lines = 0, records = 0;
    int left = WRITERS, status;

    (void)state;
    open_world();
    with_a_record();
    for (int n = 0; n < WRITERS; n++) {
        if (fork() == 0)
            write_many(n);
    }
    while (left > 0) {
        AUTO_FREE char *trouble = chain_trouble(dir); /* while they are at it */

        if (trouble)
            fail_msg("%s", trouble);
        while (waitpid(-1, &status, WNOHANG) > 0) {
            assert_int_equal(status, 0);
            left--;
        }
    }
    assert_true(chain_check(r, dir, "db", &ask, NULL) >= 0);
    assert_true(record_int(r, "lines", &lines) && record_int(r, "records", &records));
    assert_int_equal(lines, 1 + WRITERS * (SETS * 3 + SETS / 2));
    assert_int_equal(records, 1 + WRITERS * SETS / 2);
    assert_int_equal(record_count(r, "findings") + record_count(r, "notes"), 0);
    record_free(r);
    close_world();
}

static _Noreturn void check_for_ever(void)
{
    for (;;) {
        struct record *r = record_new();
        struct chain_ask ask = {.set = NULL};

        if (chain_check(r, dir, "db", &ask, NULL) < 0)
            _exit(1);
        record_free(r);
    }
}

/* show --check that somebody suspends, at any moment of it, while it has something to tell. */
static void a_check_that_is_stopped_keeps_nobody(void **state)
{
    pid_t checker;

    (void)state;
    open_world();
    with_a_record();
    shell("echo >>" A ".json"); /* an edit: it looks a second time */
    checker = fork();
    if (checker == 0)
        check_for_ever();
    for (unsigned n = 0; n < 50; n++) {
        AUTO_FREE char *set = xasprintf("20261102T0000%02uZ-0000", n);
        int64_t from;

        usleep(1000 + n * 37);
        assert_int_equal(kill(checker, SIGSTOP), 0);
        from = mono_us();
        assert_int_equal(write_set(set, "void"), 0);
        assert_true(mono_us() - from < 5000000); /* a lock would be waited for 10 s */
        kill(checker, SIGCONT);
    }
    kill(checker, SIGKILL);
    waitpid(checker, NULL, 0);
    close_world();
}

static int setup(void **state)
{
    (void)state;
    log_set_level(LOG_LEVEL_ERROR);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_writer_that_dies_leaves_nothing_to_accuse),
        cmocka_unit_test(a_call_that_fails_leaves_nothing_to_accuse),
        cmocka_unit_test(a_disk_that_breaks_leaves_nothing_to_accuse),
        cmocka_unit_test(a_crash_is_no_cover_for_an_edit),
        cmocka_unit_test(writers_at_once_make_one_chain),
        cmocka_unit_test(a_check_that_is_stopped_keeps_nobody),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
