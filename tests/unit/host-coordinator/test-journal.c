/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journals that dead runs leave: read, taken over, gone on with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host-coordinator/record/store.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

static char dir[32];
static int removals; /* how many more journals are removed between their opening and their lock */

/* Stands in for libc's in the code under test: what another process does just before the lock. */
int fcntl(int fd, int cmd, ...)
{
    va_list ap;
    long arg;

    va_start(ap, cmd);
    arg = va_arg(ap, long);
    va_end(ap);
    if (cmd == F_OFD_SETLK && removals > 0) {
        AUTO_FREE char *path = xasprintf("%s/journal/a.jsonl", dir);

        removals--;
        assert_int_equal(unlink(path), 0);
    }
    return (int)syscall(SYS_fcntl, fd, cmd, arg);
}

static bool watched, gone_when_synced; /* was the journal when its folder was synced? */

int fsync(int fd)
{
    struct stat st;

    if (watched && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        AUTO_FREE char *path = xasprintf("%s/journal/a.jsonl", dir);

        gone_when_synced = access(path, F_OK) < 0;
    }
    return (int)syscall(SYS_fsync, fd);
}

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/cbsnap-journal-XXXXXX");
    return !mkdtemp(dir) || store_prepare(dir, "db", NULL) < 0;
}

static int teardown(void **state)
{
    AUTO_FREE char *command = xasprintf("rm -rf '%s'", dir);

    (void)state;
    return system(command);
}

static void write_text(const char *set, const char *text)
{
    AUTO_FREE char *path = xasprintf("%s/journal/%s.jsonl", dir, set);
    AUTO_FCLOSE FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
}

static void note_text(struct journal *j, const char *name, const char *value)
{
    struct record *r = record_new();

    record_set_text(r, name, value);
    assert_int_equal(journal_write(j, r, false, NULL), 0);
    record_free(r);
}

static void what_was_written_is_read_back(void **state)
{
    struct journal *j;
    struct record *r;

    (void)state;
    assert_int_equal(journal_open(&j, dir, "a", NULL), 0);
    note_text(j, "set", "first");
    journal_step(j, "stop", "begin", true);
    journal_step(j, "stop", "done", false);
    journal_step(j, "start", "begin", true);
    journal_step(j, "start", "undo", true);
    journal_step(j, "start", "undone", true);
    note_text(j, "set", "second");
    note_text(j, "more", "yes");
    journal_close(j, false);
    r = journal_read(dir, "a", NULL);
    assert_string_equal(record_text(r, "set"), "second");
    assert_string_equal(record_text(r, "more"), "yes");
    assert_int_equal(record_count(r, "begun"), 2);
    assert_string_equal(record_text_at(r, "begun", 1), "start");
    assert_int_equal(record_count(r, "done"), 1);
    assert_string_equal(record_text_at(r, "done", 0), "stop");
    assert_int_equal(record_count(r, "undoing"), 1);
    assert_string_equal(record_text_at(r, "undoing", 0), "start");
    record_free(r);
}

static void a_cut_last_line_is_left_out_and_gone_on_behind(void **state)
{
    struct journal *j;
    struct record *r;

    (void)state;
    write_text("a", "{\"set\":\"s\"}\n{\"step\":\"stop\",\"event\":\"begin\"}\n{\"commit");
    assert_int_equal(journal_take_over(&j, &r, dir, "a", NULL), 0);
    assert_string_equal(record_text(r, "set"), "s");
    assert_int_equal(record_count(r, "begun"), 1);
    assert_false(record_bool(r, "committed"));
    record_free(r);
    note_text(j, "later", "seen");
    journal_close(j, false);
    r = journal_read(dir, "a", NULL);
    assert_string_equal(record_text(r, "later"), "seen");
    assert_string_equal(record_text(r, "set"), "s");
    record_free(r);
}

static void lines_that_are_nobodys_are_passed_over(void **state)
{
    struct record *r;

    (void)state;
    write_text("a", "not json\n[1,2]\n\n42\n{\"unknown\":{\"x\":1}}\n{\"step\":7,\"event\":1}\n"
                    "{\"step\":\"stop\",\"event\":\"undone\"}\n{\"set\":\"s\"}\n");
    r = journal_read(dir, "a", NULL);
    assert_string_equal(record_text(r, "set"), "s");
    assert_int_equal(record_count(r, "begun"), 0);
    record_free(r);
}

static void a_live_run_keeps_its_journal(void **state)
{
    struct journal *j, *other = NULL;
    struct record *r = NULL;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(journal_open(&j, dir, "a", NULL), 0);
    assert_int_equal(journal_take_over(&other, &r, dir, "a", &e), -1);
    assert_int_equal(e.code, ERR_BUSY);
    assert_null(other);
    r = journal_read(dir, "a", NULL); /* looking is for everybody */
    assert_non_null(r);
    record_free(r);
    journal_close(j, false);
    assert_int_equal(journal_take_over(&other, &r, dir, "a", NULL), 0);
    record_free(r);
    journal_close(other, true);
    e = ERR_INIT;
    assert_int_equal(journal_take_over(&other, &r, dir, "a", &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
}

/* A power cut does not bring it back. */
static void a_journal_that_is_over_is_gone_for_good(void **state)
{
    struct journal *j;

    (void)state;
    assert_int_equal(journal_open(&j, dir, "a", NULL), 0);
    watched = true;
    journal_close(j, true);
    watched = false;
    assert_true(gone_when_synced);
}

/* A recover had opened it first, found it empty and not locked, and removed it. */
static void a_run_has_its_journal(void **state)
{
    struct store_names names;
    struct err e = ERR_INIT;
    struct journal *j;
    struct record *r;

    (void)state;
    removals = 2;
    assert_int_equal(journal_open(&j, dir, "a", &e), 0);
    assert_int_equal(removals, 0);
    note_text(j, "set", "s");
    r = journal_read(dir, "a", NULL);
    assert_non_null(r);
    assert_string_equal(record_text(r, "set"), "s");
    record_free(r);
    journal_close(j, true);
    assert_int_equal(journal_names(&names, dir, NULL), 0);
    assert_int_equal(names.count, 0);
    store_names_release(&names);
}

static void a_journal_that_never_stays_is_not_worked_without(void **state)
{
    struct err e = ERR_INIT;
    struct journal *j = NULL;

    (void)state;
    removals = 1000;
    assert_int_equal(journal_open(&j, dir, "a", &e), -1);
    assert_true(removals > 0);
    removals = 0;
    assert_null(j);
    assert_int_equal(e.code, ERR_NOT_FOUND);
}

/* A limit stands in for the full disk: of a write that goes beyond it only a part is done. */
static void allow_bytes(rlim_t bytes)
{
    struct rlimit l;

    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &l), 0);
    l.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

static void half_a_line_takes_no_other_with_it(void **state)
{
    struct record *r = record_new();
    struct err e = ERR_INIT;
    struct journal *j;

    (void)state;
    assert_int_equal(journal_open(&j, dir, "a", NULL), 0);
    note_text(j, "set", "s");
    record_set_bool(r, "committed", true);
    allow_bytes(16);
    assert_int_equal(journal_write(j, r, true, &e), -1);
    assert_int_equal(e.code, ERR_IO);
    allow_bytes(RLIM_INFINITY);
    assert_int_equal(journal_write(j, r, true, &e), 0);
    journal_close(j, false);
    record_free(r);
    r = journal_read(dir, "a", NULL);
    assert_true(record_bool(r, "committed"));
    assert_string_equal(record_text(r, "set"), "s");
    record_free(r);
}

static void journals_are_named_oldest_first(void **state)
{
    struct store_names names;

    (void)state;
    write_text("20161104T101500Z-7f3a", "");
    write_text("20161103T101500Z-7f3a", "");
    write_text("x.lock", ""); /* x.lock.jsonl is a name like others */
    assert_int_equal(journal_names(&names, dir, NULL), 0);
    assert_int_equal(names.count, 3);
    assert_string_equal(names.names[0], "20161103T101500Z-7f3a");
    store_names_release(&names);
    assert_int_equal(journal_names(&names, "/nonexistent", NULL), 0);
    assert_int_equal(names.count, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_was_written_is_read_back),
        T(a_cut_last_line_is_left_out_and_gone_on_behind),
        T(lines_that_are_nobodys_are_passed_over),
        T(a_live_run_keeps_its_journal),
        T(a_journal_that_is_over_is_gone_for_good),
        T(a_run_has_its_journal),
        T(a_journal_that_never_stays_is_not_worked_without),
        T(half_a_line_takes_no_other_with_it),
        T(journals_are_named_oldest_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
