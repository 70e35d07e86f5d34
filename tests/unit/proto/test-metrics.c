/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The catalogue holds together, and names find their rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "proto/metrics.h"

static void rows_are_whole_and_unique(void **state)
{
    (void)state;
    for (size_t n = 0; n < metric_row_count; n++) {
        const struct metric_row *row = &metric_rows[n];
        const char *star = strchr(row->name, '*');

        assert_non_null(row->source);
        assert_non_null(row->help);
        assert_non_null(metric_unit_name(row->unit));
        assert_non_null(metric_kind_name(row->kind));
        assert_non_null(metric_family_name(row->family));
        assert_true(!star || !strchr(star + 1, '*'));
        assert_int_equal(row->unit == UNIT_TEXT, row->kind == KIND_TEXT);
        /* no name fits two rows: an instance that is called like another row's end must not either
         */
        for (size_t other = 0; other < metric_row_count; other++)
            assert_int_equal(metric_matches(metric_rows[other].name, row->name), other == n);
    }
}

static void names_find_their_rows(void **state)
{
    (void)state;
    assert_string_equal(metric_find("disk.vdb.write_time")->name, "disk.*.write_time");
    assert_string_equal(metric_find("fs./mnt/a.b.used")->name, "fs.*.used");
    assert_string_equal(metric_find("innodb.lsn")->name, "innodb.lsn");
    assert_null(metric_find("disk..write_time"));
    assert_null(metric_find("disk.vdb.nothing"));
    assert_null(metric_find("innodb.ls"));
    assert_null(metric_find(""));
}

static void patterns_stand_for_instances_only(void **state)
{
    (void)state;
    assert_non_null(metric_of_pattern("disk.*.reads"));
    assert_non_null(metric_of_pattern("disk.vda.reads"));
    assert_non_null(metric_of_pattern("innodb.lsn"));
    assert_null(metric_of_pattern("innodb.*"));
    assert_null(metric_of_pattern("*.reads"));
    assert_true(metric_matches("disk.*.reads", "disk.vda.reads"));
    assert_false(metric_matches("disk.*.reads", "disk.reads"));
    assert_false(metric_matches("disk.*.reads", "disk.vda.writes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_whole_and_unique),
        cmocka_unit_test(names_find_their_rows),
        cmocka_unit_test(patterns_stand_for_instances_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
