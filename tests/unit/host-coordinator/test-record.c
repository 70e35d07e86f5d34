/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records: paths, absence, files that are whole or not there, finding by id. */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "host-coordinator/record/chain.h"
#include "host-coordinator/record/store.h"
#include "host-coordinator/record/timeline.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

static char dir[] = "/tmp/cbsnap-record-XXXXXX";

static int setup(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    AUTO_FREE char *command = xasprintf("rm -rf '%s'", dir);

    (void)state;
    return system(command);
}

static void what_was_never_set_is_absent(void **state)
{
    struct record *r = record_new();
    int64_t number;
    double real;

    (void)state;
    record_set_text(r, "position.binlog_file", "binlog.000003");
    record_set_text(r, "position.gtid_set", NULL);
    record_set_real(r, "stall.write_ms", 0.0 / 0.0);
    assert_string_equal(record_text(r, "position.binlog_file"), "binlog.000003");
    assert_null(record_text(r, "position.gtid_set"));
    assert_false(record_int(r, "position.binlog_offset", &number));
    assert_false(record_real(r, "stall.write_ms", &real));
    assert_int_equal(record_count(r, "volumes"), 0);
    assert_null(record_at(r, "volumes", 0));
    record_free(r);
}

static void no_document_moves_a_cursor(void **state)
{
    struct record *r = record_new(), *again;

    (void)state;
    record_set_text(r, "a\x7f",
                    "\xc2\x9b"
                    "2J\x7f\x1b[2J \xc3\xa9");
    AUTO_FREE char *text = record_format(r);
    AUTO_FREE char *line = record_format_line(r);
    assert_null(strpbrk(text, "\x7f\x1b\x9b"));
    assert_null(strpbrk(line, "\x7f\x1b\x9b"));
    again = record_parse(text, "it", NULL);
    assert_string_equal(record_text(again, "a\x7f"), "\xc2\x9b"
                                                     "2J\x7f\x1b[2J \xc3\xa9");
    record_free(again);
    record_free(r);
}

/* A record rebuilt from a guest's disk, or a journal that somebody has edited. */
static void what_is_of_another_kind_is_absent_and_replaced(void **state)
{
    struct record *r = record_parse("{\"reasons\": [7, null, \"x\"], \"restores\": {}, "
                                    "\"verify\": 1, \"metrics\": {\"v\": [1]}}",
                                    "it", NULL);

    (void)state;
    assert_true(record_has_text(r, "reasons", "x"));
    assert_false(record_has_text(r, "reasons", "7"));
    assert_false(record_has_text(r, "verify", "1"));
    record_set_int(record_append(r, "restores"), "ms", 7);
    record_set_text(r, "verify.result", "same");
    record_set_text(record_make_member(r, "metrics.v", "a.b"), "unit", "1");
    assert_int_equal(record_count(r, "restores"), 1);
    assert_string_equal(record_text(r, "verify.result"), "same");
    assert_non_null(record_member(r, "metrics.v", "a.b"));
    record_free(r);
}

static void hostile_text_cannot_break_the_document(void **state)
{
    struct record *r = record_new(), *again;
    struct err e = ERR_INIT;
    AUTO_FREE char *text = NULL;

    (void)state;
    record_set_text(r, "guest.log", "\xFF\xFE \"quoted\" \n\\");
    text = record_format(r);
    again = record_parse(text, "here", &e);
    assert_non_null(again);
    assert_string_equal(record_text(again, "guest.log"), "?? \"quoted\" \n\\");
    record_free(again);
    record_free(r);
}

/* A name from the guest is told as well as its text is, and what is under it is not lost. */
static void a_hostile_name_is_a_member_like_any_other(void **state)
{
    struct record *r = record_new(), *again, *kept;
    struct err e = ERR_INIT;
    AUTO_FREE char *text = NULL;
    int64_t value;

    (void)state;
    record_set_int(record_make_member(r, "v", "fs./mnt/d\xE9.size"), "count", 3);
    record_set_int(record_make_member(r, "v", "fs./mnt/d\xE9.size"), "max", 5);
    record_set_member_text(r, "t", "\xFF", "b");
    record_set_member_number(r, "n", "\xC3", 1);
    text = record_format(r);
    again = record_parse(text, "here", &e);
    assert_non_null(again);
    kept = record_member(again, "v", "fs./mnt/d?.size");
    assert_true(record_int(kept, "count", &value) && value == 3);
    assert_true(record_int(kept, "max", &value) && value == 5);
    assert_string_equal(record_text(again, "t.?"), "b");
    assert_true(record_int(again, "n.?", &value) && value == 1);
    record_free(again);
    record_free(r);
}

static void save_of(const char *domain, const char *set, const char *uuid)
{
    struct record *r = record_new();
    struct err e = ERR_INIT;

    record_set_text(r, "set", set);
    record_set_text(r, "domain.uuid", uuid);
    assert_int_equal(store_prepare(dir, domain, &e), 0);
    assert_int_equal(store_save(dir, domain, set, r, &e), 0);
    record_free(r);
}

static void save(const char *domain, const char *set)
{
    save_of(domain, set, NULL);
}

/* As "SET SET ", in the order given; what cannot be read is "unreadable". */
static char *listed(const char *domain)
{
    struct buf seen = BUF_INIT;
    struct store_names l;
    struct err e = ERR_INIT;

    assert_int_equal(store_names(&l, dir, domain, &e), 0);
    for (size_t n = 0; n < l.count; n++) {
        AUTO_FREE char *path = xasprintf("%s/records/%s", dir, l.names[n]);
        struct record *r = store_read(path, &e);

        buf_addf(&seen, "%s ", r ? record_text(r, "set") : "unreadable");
        record_free(r);
    }
    store_names_release(&l);
    return buf_steal(&seen);
}

static void sets_are_listed_newest_first_and_found_by_their_beginning(void **state)
{
    AUTO_FREE char *broken = xasprintf("%s/records/db2/20200101T000000Z-0000.json", dir);
    AUTO_FREE char *all = NULL, *one = NULL;
    struct err e = ERR_INIT;
    struct record *r;

    (void)state;
    save("db1", "20261101T000000Z-0001");
    save("db2", "20261103T000000Z-0003");
    save("db1", "20261102T000000Z-0002");
    fclose(fopen(broken, "w"));
    all = listed(NULL);
    assert_string_equal(all, "20261103T000000Z-0003 20261102T000000Z-0002 "
                             "20261101T000000Z-0001 unreadable ");
    one = listed("db1");
    assert_string_equal(one, "20261102T000000Z-0002 20261101T000000Z-0001 ");

    r = store_load(dir, "20261103", &e);
    assert_non_null(r);
    assert_string_equal(record_text(r, "set"), "20261103T000000Z-0003");
    record_free(r);
    assert_null(store_load(dir, "202611", &e));
    assert_int_equal(e.code, ERR_USAGE);
    assert_null(store_load(dir, "1999", &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void assert_folder(const char *given, const char *expected)
{
    AUTO_FREE char *folder = NULL;
    struct err e = ERR_INIT;

    assert_int_equal(store_domain_of(dir, given, &folder, &e), 0);
    assert_string_equal(folder, expected);
}

#define UUID_A "6f1f5b0e-2f6a-4c68-9f0e-0d6b8a1d6c11"
#define UUID_B "00000000-0000-4000-8000-00000000000b"
#define UUID_C "00000000-0000-4000-8000-00000000000c"

static void a_uuid_is_the_folder_of_its_vm(void **state)
{
    (void)state;
    save_of("old", "20270101T000000Z-0001", UUID_A);
    save_of("other", "20270101T000000Z-0002", UUID_B);
    save("other", "20270102T000000Z-0003"); /* which tells none */
    assert_folder(UUID_A, "old");
    assert_folder("6F1F5B0E2F6A4C689F0E0D6B8A1D6C11", "old");
    assert_folder(UUID_B, "other");
    assert_folder("other", "other");
    assert_folder("nosuch", "nosuch");
    assert_folder("../x", "../x"); /* for who reads it to refuse */
    assert_folder(UUID_C, UUID_C);
    /* renamed: its newest sets are meant */
    save_of("anew", "20270103T000000Z-0004", UUID_A);
    assert_folder(UUID_A, "anew");
    assert_folder("old", "old");
    /* another VM has the name by now: its sets are not those of the first */
    save_of("other", "20270104T000000Z-0005", UUID_C);
    assert_folder(UUID_B, UUID_B);
    assert_folder(UUID_C, "other");
    /* whoever is called so goes first */
    save_of(UUID_C, "20270101T000000Z-0006", UUID_A);
    assert_folder(UUID_C, UUID_C);
}

static void a_domain_name_cannot_leave_the_folder(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(store_prepare(dir, "../x", &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
    assert_int_equal(store_prepare(dir, "", &e), -1);
}

static void entries_below(const char *path, char *ret, size_t size)
{
    AUTO_FREE char *command = xasprintf("cd '%s' && find . | sort | tr '\\n' ' '", path);
    FILE *f = popen(command, "r");

    assert_non_null(f);
    ret[fread(ret, 1, size - 1, f)] = '\0';
    assert_int_equal(pclose(f), 0);
}

/* What a check would tell of a folder: asked of by another process, whose rights or mounts are
 * another's. */
static void expect_usable(const char *path, int (*become)(const char *path), const char *words)
{
    struct err e = ERR_INIT;
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        if (become && become(path) < 0)
            _exit(77);
        if (store_usable(path, "db1", "uuid-1", &e) == (words ? -1 : 0) &&
            (!words || strstr(e.msg, words)))
            _exit(0);
        (void)fprintf(stderr, "'%s' where '%s' was due\n", e.msg, words ? words : "");
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        print_message("not tried: this user may not become what it takes\n");
    else
        assert_int_equal(status, 0);
}

static int become_nobody(const char *path)
{
    (void)path;
    return setgid(65534) == 0 && setuid(65534) == 0 ? 0 : -1;
}

static int become_full(const char *path)
{
    return unshare(CLONE_NEWNS) == 0 && mount("", "/", "", MS_REC | MS_PRIVATE, NULL) == 0 &&
                   mount("none", path, "tmpfs", 0, "size=256k,mode=0755") == 0
               ? 0
               : -1;
}

static int become_read_only(const char *path)
{
    return become_full(path) == 0 && mount("none", path, "tmpfs", MS_REMOUNT | MS_RDONLY, "") == 0
               ? 0
               : -1;
}

static void what_a_run_could_not_write_is_told_and_nothing_made(void **state)
{
    AUTO_FREE char *path = xasprintf("%s/usable", dir), *journal = xasprintf("%s/journal", path);
    AUTO_FREE char *beyond = xasprintf("%s/not/there", dir), *lock = NULL;
    char before[512], after[512];
    struct err e = ERR_INIT;
    int fd;

    (void)state;
    entries_below(dir, before, sizeof(before));
    expect_usable(path, NULL, NULL); /* store_prepare() would make it */
    expect_usable(beyond, NULL, "/not': No such file or directory");
    expect_usable(path, become_nobody, "all below state_dir belongs to the user");
    entries_below(dir, after, sizeof(after));
    assert_string_equal(before, after);

    assert_int_equal(store_prepare(path, "db1", &e), 0);
    assert_int_equal(chmod(dir, 0755), 0);
    assert_int_equal(chmod(path, 0755), 0);
    entries_below(dir, before, sizeof(before));
    expect_usable(path, NULL, NULL);
    expect_usable(path, become_nobody, "a run could not write '");
    expect_usable(path, become_full, "KiB are free in '");
    expect_usable(path, become_read_only, "usable': Read-only file system");
    entries_below(dir, after, sizeof(after));
    assert_string_equal(before, after);

    assert_int_equal(store_usable(path, "../x", "uuid-1", &e), -1);
    assert_int_equal(rmdir(journal), 0);
    fd = open(journal, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    expect_usable(path, NULL, "journal': Not a directory");
    lock = xasprintf("rm -r '%s'", path);
    assert_int_equal(system(lock), 0);
}

/* A descriptor that takes no writing stands for a disk without room. */
static void a_lock_file_that_cannot_be_written_is_named(void **state)
{
    AUTO_FREE char *path = xasprintf("%s/journal/uuid-3.lock", dir);
    struct err e = ERR_INIT;
    int fd;

    (void)state;
    assert_int_equal(store_prepare(dir, "db1", &e), 0);
    assert_int_equal(store_look(dir, "uuid-3", &fd, &e), 0);
    close(fd);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(store_watch(fd, &e), -1);
    assert_int_equal(e.code, ERR_IO);
    if (!strstr(e.msg, path))
        fail_msg("%s", e.msg);
    close(fd);
}

static void a_vm_has_one_run_at_a_time(void **state)
{
    struct err e = ERR_INIT;
    AUTO_FREE char *pid = xasprintf("process %ld", (long)getpid());
    int first, second;

    (void)state;
    assert_int_equal(store_prepare(dir, "db1", &e), 0);
    assert_int_equal(store_lock(dir, "uuid-1", &first, &e), 0);
    assert_int_equal(store_lock(dir, "uuid-1", &second, &e), -1);
    assert_int_equal(e.code, ERR_BUSY);
    assert_non_null(strstr(e.msg, pid));
    close(first);
    assert_int_equal(store_lock(dir, "uuid-1", &second, &e), 0);
    close(second);
}

/* Who watches learns of a run without ever standing in its way, and comes one at a time. */
static void a_watch_sees_a_run_and_keeps_none_out(void **state)
{
    struct err e = ERR_INIT;
    AUTO_FREE char *words = xasprintf("another watch has this VM (process %ld)", (long)getpid());
    int run, watch, second;
    long pid = 0;

    (void)state;
    assert_int_equal(store_prepare(dir, "db1", &e), 0);
    assert_int_equal(store_look(dir, "uuid-2", &watch, &e), 0);
    assert_int_equal(store_watch(watch, &e), 0);
    assert_false(store_run_has(watch, &pid));
    assert_int_equal(store_look(dir, "uuid-2", &second, &e), 0);
    assert_int_equal(store_watch(second, &e), -1);
    assert_int_equal(e.code, ERR_BUSY);
    assert_non_null(strstr(e.msg, words));
    assert_int_equal(store_lock(dir, "uuid-2", &run, &e), 0);
    assert_true(store_run_has(watch, &pid));
    assert_int_equal(pid, getpid());
    close(run);
    assert_false(store_run_has(watch, &pid));
    close(watch);
    assert_int_equal(store_watch(second, &e), 0);
    close(second);
}

static void the_journal_goes_when_the_record_tells_all(void **state)
{
    AUTO_FREE char *path = xasprintf("%s/journal/20261101T000000Z-0001.jsonl", dir);
    struct err e = ERR_INIT;
    struct journal *j;

    (void)state;
    assert_int_equal(journal_open(&j, dir, "20261101T000000Z-0001", &e), 0);
    journal_step(j, "freeze", "begin", true);
    journal_close(j, false);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(journal_open(&j, dir, "20261101T000000Z-0001", &e), 0);
    journal_close(j, true);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void the_timeline_draws_what_the_record_holds(void **state)
{
    struct record *r = record_new(), *p, *v;
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    (void)state;
    record_set_text(r, "set", "S");
    record_set_text(r, "verdict", "application");
    record_set_real(r, "duration_ms", 1000);
    p = record_append(r, "phases");
    record_set_text(p, "name", "freeze");
    record_set_real(p, "start_ms", 100);
    record_set_real(p, "end_ms", 300);
    record_set_bool(p, "critical", true);
    record_set_text(p, "error", "too slow");
    v = record_append(r, "volumes");
    record_set_text(v, "target", "vda");
    record_set_text(v, "mounts", "/");
    record_set_real(v, "snapshot.start_ms", 200);
    record_set_real(v, "snapshot.end_ms", 300);
    timeline_print(f, r);
    fclose(f);
    assert_non_null(strstr(
        text,
        "freeze               |################################################|    200.0 ms  "
        "failed: too slow\n"));
    assert_non_null(strstr(
        text,
        "vda /                |                        ########################|    100.0 ms"));
    free(text);
    record_free(r);
}

/* What we cannot understand is refused, in a listing too. */
/* A record whose text is about so long. */
static struct record *long_record(size_t len)
{
    AUTO_FREE char *text = xcalloc(1, len + 1);
    struct record *r = record_new();

    memset(text, 'x', len);
    record_set_text(r, "set", "20270201T000000Z-0001");
    record_set_text(r, "text", text);
    return r;
}

/* What nobody could read must not take the place of what can be read. */
static void a_record_is_never_longer_than_what_is_read(void **state)
{
    struct record *r = long_record(10), *longer = long_record(STORE_RECORD_MAX);
    AUTO_FREE char *path = xasprintf("%s/records/long/20270201T000000Z-0001.json", dir);
    AUTO_FREE char *temp = xasprintf("%s.tmp", path);
    struct err e = ERR_INIT;

    (void)state;
    assert_true(store_has_room(r));
    assert_false(store_has_room(longer));
    assert_int_equal(store_prepare(dir, "long", &e), 0);
    assert_int_equal(store_save(dir, "long", "20270201T000000Z-0001", r, &e), 0);
    assert_int_equal(store_save(dir, "long", "20270201T000000Z-0001", longer, &e), -1);
    assert_int_equal(e.code, ERR_REFUSED);
    assert_int_equal(access(temp, F_OK), -1);
    record_free(r);
    record_free(longer);
    r = store_read(path, &e);
    assert_string_equal(record_text(r, "text"), "xxxxxxxxxx");
    record_free(r);
    /* as long as may be is read again */
    longer = long_record(STORE_RECORD_MAX - 200);
    assert_int_equal(store_save(dir, "long", "20270201T000000Z-0001", longer, &e), 0);
    record_free(longer);
    r = store_read(path, &e);
    assert_non_null(r);
    record_free(r);
    r = record_new();
    assert_int_equal(chain_check(r, dir, "long", &(struct chain_ask){.set = NULL}, &e), 1);
    assert_int_equal(record_count(r, "findings"), 0);
    record_free(r);
}

static void what_a_peer_tells_is_made_fit(void **state)
{
    AUTO_FREE char *cut = record_told("a\xc3\xa4\xc3\xa4", 4), *none = record_told(NULL, 4);
    AUTO_FREE char *plain = record_told("a\nb\tc\x1b[2J\x7f\xc2\x9b\r", 100);
    AUTO_FREE char *all = record_told("a\xc3\xa4", 3), *odd = record_told("\x80\x80\x80", 2);

    (void)state;
    assert_null(none);
    assert_string_equal(cut, "a\xc3\xa4");
    assert_string_equal(all, "a\xc3\xa4");
    assert_string_equal(plain, "a\nb\tc?[2J????");
    assert_string_equal(odd, "");
}

static void a_newer_schema_is_refused(void **state)
{
    struct record *r = record_new();
    struct err e = ERR_INIT;

    (void)state;
    record_set_int(r, "schema", RECORD_SCHEMA + 1);
    assert_int_equal(store_prepare(dir, "newer", &e), 0);
    assert_int_equal(store_save(dir, "newer", "20990101T000000Z-ffff", r, &e), 0);
    record_free(r);
    assert_null(store_load(dir, "20990101T000000Z-ffff", &e));
    assert_int_equal(e.code, ERR_CONFIG);
    assert_non_null(strstr(e.msg, "newer cbsnap-coord"));
}

static void any_time_of_a_peer_has_a_text(void **state)
{
    char at[32];

    (void)state;
    assert_string_equal(clock_iso(1478254500123000, at), "2016-11-04T10:15:00.123Z");
    assert_string_equal(clock_iso(INT64_MIN, at), "1970-01-01T00:00:00.000Z");
    assert_int_equal(strlen(clock_iso(INT64_MAX, at)), 24);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_never_set_is_absent),
        cmocka_unit_test(no_document_moves_a_cursor),
        cmocka_unit_test(what_is_of_another_kind_is_absent_and_replaced),
        cmocka_unit_test(hostile_text_cannot_break_the_document),
        cmocka_unit_test(a_hostile_name_is_a_member_like_any_other),
        cmocka_unit_test(sets_are_listed_newest_first_and_found_by_their_beginning),
        cmocka_unit_test(a_uuid_is_the_folder_of_its_vm),
        cmocka_unit_test(a_domain_name_cannot_leave_the_folder),
        cmocka_unit_test(what_a_run_could_not_write_is_told_and_nothing_made),
        cmocka_unit_test(a_lock_file_that_cannot_be_written_is_named),
        cmocka_unit_test(a_vm_has_one_run_at_a_time),
        cmocka_unit_test(a_watch_sees_a_run_and_keeps_none_out),
        cmocka_unit_test(the_journal_goes_when_the_record_tells_all),
        cmocka_unit_test(the_timeline_draws_what_the_record_holds),
        cmocka_unit_test(a_record_is_never_longer_than_what_is_read),
        cmocka_unit_test(what_a_peer_tells_is_made_fit),
        cmocka_unit_test(a_newer_schema_is_refused),
        cmocka_unit_test(any_time_of_a_peer_has_a_text),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
