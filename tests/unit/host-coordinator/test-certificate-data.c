/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What reading all data has found, as part of the comparison. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "host-coordinator/back/certificate.h"

static bool has(char **texts, size_t count, const char *part)
{
    for (size_t n = 0; n < count; n++) {
        if (strstr(texts[n], part))
            return true;
    }
    return false;
}

static void data_that_is_sound_is_told_by_its_number(void **state)
{
    Cbsnap__DataChecked d = CBSNAP__DATA_CHECKED__INIT;
    struct certificate_result r = {.count = 0};

    (void)state;
    MSG_SET(&d, tables, 12);
    MSG_SET(&d, files, 7);
    certificate_data(&r, &d);
    assert_int_equal(r.count, 0);
    assert_true(has(r.compared, r.compared_count, "12 tables"));
    assert_true(has(r.compared, r.compared_count, "7 files"));
    certificate_release(&r);
}

static void data_that_is_not_sound_differs(void **state)
{
    Cbsnap__DataChecked d = CBSNAP__DATA_CHECKED__INIT;
    Cbsnap__DataProblem one = CBSNAP__DATA_PROBLEM__INIT, *list[] = {&one};
    struct certificate_result r = {.count = 0};

    (void)state;
    MSG_SET(&d, tables, 12);
    MSG_SET(&d, problems, 3);
    certificate_data(&r, &d); /* three that are not named */
    assert_int_equal(r.count, 1);
    assert_string_equal(r.differences[0].found, "3 in all");
    assert_int_equal(r.compared_count, 0);
    certificate_release(&r);
    d.n_problem = 1;
    d.problem = list; /* one without words, of three */
    certificate_data(&r, &d);
    assert_int_equal(r.count, 2);
    assert_string_equal(r.differences[0].what, "data");
    assert_int_equal(r.compared_count, 0);
    certificate_release(&r);
}

static void data_that_could_not_be_read_is_no_success(void **state)
{
    Cbsnap__DataChecked d = CBSNAP__DATA_CHECKED__INIT;
    struct certificate_result r = {.count = 0};

    (void)state;
    d.tables_problem = (char *)"no right to read mysql.user";
    d.files_problem = (char *)"innochecksum is not installed";
    certificate_data(&r, &d);
    assert_int_equal(r.count, 1);
    assert_string_equal(r.differences[0].what, "tables");
    assert_true(has(r.notes, r.note_count, "innochecksum"));
    assert_int_equal(r.compared_count, 0);
    certificate_release(&r);
}

static void a_table_that_is_not_there_proves_nothing(void **state)
{
    Cbsnap__DataChecked d = CBSNAP__DATA_CHECKED__INIT;
    char *absent[] = {(char *)"shop.ordres"};
    struct certificate_result r = {.position = true};

    (void)state;
    MSG_SET(&d, tables, 0);
    d.n_absent_table = 1;
    d.absent_table = absent;
    d.tables_problem = (char *)"there is no table 'shop.ordres'"; /* for older coordinators */
    certificate_data(&r, &d);
    assert_int_equal(r.count, 0);
    assert_int_equal(r.compared_count, 0);
    assert_true(has(r.notes, r.note_count, "'shop.ordres'"));
    assert_false(certificate_same(&r));
    certificate_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_that_is_sound_is_told_by_its_number),
        cmocka_unit_test(data_that_is_not_sound_differs),
        cmocka_unit_test(data_that_could_not_be_read_is_no_success),
        cmocka_unit_test(a_table_that_is_not_there_proves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
