/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `show` and `list` as a person calls them, on a record of the first version (as revision c4490a2
 * wrote it: readers of it stay forever) and on its readings. Runs in the top folder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host-coordinator/record/store.h"
#include "host-coordinator/series/series_file.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#define SET     "20261124T000902Z-61ae"
#define FIXTURE "tests/unit/host-coordinator/fixtures/record-v1.json"

static char dir[] = "/tmp/cbsnap-show-XXXXXX";
static char program[4096];

static void shell(const char *command)
{
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

static void write_series(void)
{
    AUTO_FREE char *path = series_file_path(dir, "db", SET);
    struct series_head head = {.set = SET, .domain = "db", .freeze_from_us = 2000};
    struct series_log *log = series_log_new(SERIES_LOG_BYTES);
    struct err e = ERR_INIT;

    series_log_take_host(log, "volume.data.iops", 1000, 250);
    series_log_take_host(log, "volume.data.iops", 4500, 0.5);
    assert_int_equal(series_file_write(path, &head, log, &e), 0);
    series_log_free(log);
}

static int setup(void **state)
{
    AUTO_FREE char *copy = NULL, *path = NULL;
    FILE *f;

    (void)state;
    assert_non_null(mkdtemp(dir));
    copy = xasprintf("mkdir -p '%s/records/db' && cp " FIXTURE " '%s/records/db/" SET ".json'", dir,
                     dir);
    shell(copy);
    path = xasprintf("%s/coord.conf", dir);
    f = fopen(path, "we");
    assert_non_null(f);
    fprintf(f, "[files]\nstate_dir = %s\n", dir);
    assert_int_equal(fclose(f), 0);
    return 0;
}

static int teardown(void **state)
{
    AUTO_FREE char *command = xasprintf("rm -rf '%s'", dir);

    (void)state;
    return system(command);
}

/* What came on stdout and stderr together, for the caller to free. */
static char *run(const char *args, int *ret_status)
{
    AUTO_FREE char *command =
        xasprintf("'%s' --config '%s/coord.conf' %s 2>&1", program, dir, args);
    struct buf out = BUF_INIT;
    FILE *f = popen(command, "r");
    int status;
    size_t n;

    assert_non_null(f);
    while ((n = fread(buf_reserve(&out, 4096), 1, 4096, f)) > 0)
        out.len += n;
    status = pclose(f);
    assert_true(WIFEXITED(status));
    *ret_status = WEXITSTATUS(status);
    return buf_steal(&out);
}

struct command_case {
    const char *args;
    int status;
    const char *words;
};

static void assert_cases(const struct command_case *cases, size_t count)
{
    for (size_t n = 0; n < count; n++) {
        int status;
        AUTO_FREE char *out = run(cases[n].args, &status);

        if (status != cases[n].status || !strstr(out, cases[n].words))
            fail_msg("%s: exit %d, '%s' is sought in: %s", cases[n].args, status, cases[n].words,
                     out);
    }
}

static void a_record_of_the_first_version_is_read(void **state)
{
    static const struct command_case cases[] = {
        {"list", 0, "binlog.000042:1234"},
        {"list db", 0, "application"},
        {"list --json", 0, "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-77"},
        {"show " SET, 0, "InnoDB LSN   123456789012\n"},
        {"show " SET, 0, "\n  vdc /mnt/data        |"},
        {"show 20261124 --json", 0, "\"system.load1\": 0.52"},
        {"show " SET " --series system.load1", 2, "were not kept, or were removed"},
    };

    (void)state;
    assert_cases(cases, ARRAY_SIZE(cases));
}

/* As the timers' units name a VM. */
#define UUID "6f1f5b0e-2f6a-4c68-9f0e-0d6b8a1d6c11"

static void a_vm_is_found_by_its_uuid(void **state)
{
    static const struct command_case cases[] = {
        {"list " UUID, 0, "binlog.000042:1234"},
        {"list " UUID " --json", 0, "\"domain\": \"db\""},
        {"best " UUID, 0, "sets of db to go back to"},
        {"show --check " UUID, 0, "db: 1 record"},
        {"list nosuch", 0, "warning: there is no record of a VM 'nosuch' in '"},
        {"list nosuch --json", 0, "warning: there is no record of a VM 'nosuch' in '"},
        {"list 6f1f5b0e-2f6a-4c68-9f0e-0d6b8a1d6c12", 0, "warning: there is no record of a VM '6f"},
        {"best nosuch", 2, "there is no record of a VM 'nosuch'"},
        {"best 6f1f5b0e-2f6a-4c68-9f0e-0d6b8a1d6c12", 2, "there is no record of a VM '6f"},
    };

    (void)state;
    assert_cases(cases, ARRAY_SIZE(cases));
}

static void readings_are_shown_in_three_forms(void **state)
{
    static const struct command_case cases[] = {
        {"show " SET " --series volume.data.iops --csv", 0,
         "time,offset_ms,volume.data.iops\r\n"
         "1970-01-01T00:00:00.001Z,-1.000,250\r\n"
         "1970-01-01T00:00:00.004Z,2.500,0.5\r\n"},
        {"show " SET " --series 'volume.*.iops'", 0, "1/s\n"},
        {"show " SET " --series=volume.data.iops --json", 0, "\"value\": [250, 0.5]"},
        {"show " SET " --series volume.data.iop", 2, "near it are: volume.data.iops"},
        {"show " SET " --series volume.data.iop --json", 2, "\"code\": \"not_found\""},
        {"show " SET " --series ''", 2, "--series needs the name"},
        {"show " SET " --csv", 2, "--csv needs --series"},
        {"show " SET " --series x --csv --json", 2, "exclude each other"},
        {"list --csv", 2, "no option --csv"},
    };

    (void)state;
    write_series();
    assert_cases(cases, ARRAY_SIZE(cases));
}

static void a_damaged_series_is_shown_and_told(void **state)
{
    AUTO_FREE char *path = series_file_path(dir, "db", SET);
    static const struct command_case cases[] = {
        {"show " SET " --series volume.data.iops --csv", 0, "is damaged"},
        {"show " SET " --series volume.data.iops --csv", 0, ",250\r\n"},
    };

    (void)state;
    write_series();
    assert_int_equal(truncate(path, 220), 0);
    assert_cases(cases, ARRAY_SIZE(cases));
}

/* The record of the first version is from before the chain; what is written later is in it. */
static void records_are_checked(void **state)
{
    static const struct command_case good[] = {
        {"show --check", 0, "db: 1 record, 1 from before the chain; it begins"},
        {"show --check db", 0, "db: 1 record"},
        {"show --check " SET " --json", 0, "\"good\": true"},
        {"show --check nosuch", 2, "there is no domain and no set 'nosuch'"},
        {"show --check 2026 --head x", 2, "give its domain"},
        {"show --check db --head x", 2, "no digest"},
        {"show db --head x", 2, "--head needs --check"},
        {"show --check --csv", 2, "exclude each other"},
        {"show", 2, "usage: cbsnap-coord show SET"},
        {"list --check", 2, "no option --check"},
    };
    static const struct command_case chained[] = {
        {"show --check", 0, "db: 2 records, 1 from before the chain; 2 lines since 2"},
        {"show --check db", 0, "all are as the chain tells, head "},
        {"show --check db --head 1234567890123456789012345678901234567890123456789012345678901234",
         6, "has no line with the digest 1234"},
    };
    static const struct command_case edited[] = {
        {"show --check", 6, "/records/db/" SET ".json' was edited: it is not as line 1"},
        {"show --check --json", 6, "\"good\": false"},
        {"show --check db --json", 6, "\"kind\": \"edited\""},
        {"show --check 20261124", 6, "was edited"},
        {"show --check 2027", 0, "db: 1 record"},
        {"show --check other", 6, "other/chain.jsonl' has a line 1 that no cbsnap-coord"},
    };
    AUTO_FREE char *edit = xasprintf("echo >>'%s/records/db/" SET ".json'", dir);
    AUTO_FREE char *other = xasprintf("mkdir '%s/records/other' && echo nonsense >"
                                      "'%s/records/other/chain.jsonl'",
                                      dir, dir);
    struct record *r = record_new();

    (void)state;
    assert_cases(good, ARRAY_SIZE(good));
    assert_int_equal(store_save(dir, "db", "20270101T000000Z-0001", r, NULL), 0);
    record_free(r);
    assert_cases(chained, ARRAY_SIZE(chained));
    shell(other); /* whose trouble is no other's */
    shell(edit);
    assert_cases(edited, ARRAY_SIZE(edited));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_of_the_first_version_is_read),
        cmocka_unit_test(a_vm_is_found_by_its_uuid),
        cmocka_unit_test(readings_are_shown_in_three_forms),
        cmocka_unit_test(a_damaged_series_is_shown_and_told),
        cmocka_unit_test(records_are_checked),
    };
    AUTO_FREE char *self = realpath(argv[0], NULL);

    (void)argc;
    /* BUILD/unit/host-coordinator/test-show-command */
    for (int up = 0; up < 3; up++)
        (void)dirname(self);
    (void)snprintf(program, sizeof(program), "%s/cbsnap-coord", self);
    return cmocka_run_group_tests(tests, setup, teardown);
}
