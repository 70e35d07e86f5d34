/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The facts that are found in a record, and an index that another coordinator wrote. What happens
 * to damaged ones is tests/integration/test-catalogue.sh's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host-coordinator/index/index.h"
#include "host-coordinator/record/store.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/wire.h"

static char dir[] = "/tmp/cbsnap-index-XXXXXX";

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

static struct set_facts facts_of(const char *json)
{
    struct err e = ERR_INIT;
    struct record *r = record_parse(json, "here", &e);
    struct set_facts f;

    if (!r)
        fail_msg("%s", e.msg);
    facts_read(&f, r);
    record_free(r);
    return f;
}

static void facts_are_found_in_a_record(void **state)
{
    struct set_facts f = facts_of(
        "{\"set\": \"S\", \"verdict\": \"application\", \"domain\": {\"name\": \"db\"},"
        " \"position\": {\"innodb_lsn\": 5000, \"innodb_lsn_checkpoint\": 2000},"
        " \"volumes\": [{\"snapshot\": {\"state\": \"kept\"}}, {\"snapshot\": {\"state\": "
        "\"removed\"}}],"
        " \"verify\": {\"result\": \"same\", \"recovery_ms\": 1500},"
        " \"transactions\": ["
        "   {\"at_ms\": 29000, \"age_s\": 40, \"rows_modified\": 100},"
        "   {\"at_ms\": 31000, \"age_s\": 12, \"rows_modified\": 20},"
        "   {\"at_ms\": 2000, \"age_s\": 20, \"rows_modified\": 4000},"
        "   {\"at_ms\": 33000, \"age_s\": 1, \"rows_modified\": 50000}],"
        " \"metrics\": {"
        "  \"before\": {\"from_ms\": 0, \"to_ms\": 30000, \"values\": {"
        "   \"innodb.checkpoint_age\": {\"last\": 1, \"mean\": 2, \"count\": 10},"
        "   \"innodb.pool_dirty\": {\"last\": 7, \"mean\": 2, \"count\": 10},"
        "   \"innodb.trx_oldest\": {\"last\": 40},"
        "   \"innodb.deadlocks.total\": {\"min\": 10, \"max\": 11},"
        "   \"mysql.errlog.errors\": {\"mean\": 0.2, \"count\": 10},"
        "   \"disk.vda.write_time\": {\"mean\": 2.5}, \"disk.vdb.write_time\": {\"mean\": 9},"
        "   \"disk.vdb.read_time\": {\"mean\": 99}, \"system.load1\": {\"mean\": 1.5}}},"
        "  \"after\": {\"values\": {"
        "   \"innodb.deadlocks.total\": {\"min\": 12, \"max\": 14},"
        "   \"mysql.errlog.errors\": {\"mean\": 0.3, \"count\": 10}}}}}");

    (void)state;
    assert_string_equal(f.set, "S");
    assert_string_equal(f.domain, "db");
    assert_string_equal(f.verified, "same");
    assert_true(f.recovery_ms == 1500);
    assert_true(f.checkpoint_age_bytes == 3000); /* under the lock, not the sample's */
    assert_true(f.dirty_bytes == 7);
    assert_true(f.trx_rows == 120); /* neither the one that had ended nor the one begun later */
    assert_true(f.errors == 5);
    assert_true(f.deadlocks == 4);
    assert_true(f.write_ms == 9);
    assert_true(f.load1 == 1.5);
    assert_true(f.volumes == 2 && f.snapshots_kept == 1);
    assert_null(f.gtid_set);
    assert_true(isnan(f.history_length));
    facts_release(&f);
}

static void an_empty_record_has_no_facts(void **state)
{
    struct set_facts f = facts_of("{}");

    (void)state;
    for (size_t n = 0; n < fact_row_count; n++) {
        if (fact_rows[n].kind == FACT_TEXT)
            assert_null(*fact_text(&f, &fact_rows[n]));
        else if (!isnan(*fact_number(&f, &fact_rows[n])))
            fail_msg("%s is %g", fact_rows[n].name, *fact_number(&f, &fact_rows[n]));
    }
    facts_release(&f);
}

static void members_of_another_kind_are_no_facts(void **state)
{
    struct set_facts f = facts_of(
        "{\"set\": 7, \"verdict\": [], \"volumes\": {}, \"transactions\": [1, null], \"metrics\":"
        " {\"before\": {\"to_ms\": 1, \"values\": {\"innodb.trx_oldest\": {\"last\": 0},"
        " \"system.load1\": 4}}}, \"stall\": {\"write_ms\": \"much\"}}");

    (void)state;
    assert_null(f.set);
    assert_null(f.verdict);
    assert_true(isnan(f.volumes) && isnan(f.load1) && isnan(f.write_stall_ms));
    assert_true(f.trx_rows == 0);
    facts_release(&f);
}

/* ---- the file -------------------------------------------------------------------------------- */

static void save(const char *set, const char *verdict)
{
    struct record *r = record_new();
    struct err e = ERR_INIT;

    record_set_text(r, "set", set);
    record_set_text(r, "verdict", verdict);
    assert_int_equal(store_prepare(dir, "db", &e), 0);
    assert_int_equal(store_save(dir, "db", set, r, &e), 0);
    record_free(r);
}

static void listed(const char *expected)
{
    struct buf seen = BUF_INIT;
    struct index_list l;
    struct err e = ERR_INIT;

    assert_int_equal(index_read(&l, dir, "db", &e), 0);
    for (size_t n = 0; n < l.count; n++)
        buf_addf(&seen, "%s:%s ", l.entries[n].facts.set, l.entries[n].facts.verdict);
    assert_string_equal(buf_text(&seen), expected);
    buf_release(&seen);
    index_release(&l);
}

/* Writes `to` over the index, where `from` stands or, with NULL, at `offset`; and makes its
 * checksum right again. */
static void forge(const char *from, size_t offset, const char *to)
{
    AUTO_FREE char *path = xasprintf("%s/index.db", dir);
    AUTO_FCLOSE FILE *f = fopen(path, "r+");
    static uint8_t data[1 << 20];
    size_t len = f ? fread(data, 1, sizeof(data), f) : 0;
    uint8_t *at = from ? memmem(data, len, from, strlen(from)) : data + offset;
    uint32_t crc;

    assert_true(len > 16);
    assert_non_null(at);
    memcpy(at, to, strlen(to));
    crc = wire_crc32c(data, len - 16);
    memcpy(data + len - sizeof(crc), &crc, sizeof(crc));
    rewind(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
}

/* That the index is used at all shows only when it lies: nobody but us would write such a one. */
static void an_index_is_used_until_it_is_another_versions(void **state)
{
    (void)state;
    save("A", "application");
    save("B", "void");
    listed("B:void A:application ");
    forge("application", 0, "APPLICATION");
    listed("B:void A:APPLICATION ");
    forge(NULL, 60, "old!"); /* where SQLite keeps user_version */
    listed("B:void A:application ");
    save("A", "filesystem");
    listed("B:void A:filesystem ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_are_found_in_a_record),
        cmocka_unit_test(an_empty_record_has_no_facts),
        cmocka_unit_test(members_of_another_kind_are_no_facts),
        cmocka_unit_test(an_index_is_used_until_it_is_another_versions),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
