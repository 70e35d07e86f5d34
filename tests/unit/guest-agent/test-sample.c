/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Samples, the ring of them, the table of names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "guest-agent/sample/sample.h"
#include "tests/in_range.h"

static struct names *names;

static void check_value(const struct sample *s, const char *name, double want)
{
    const double *v = sample_get(s, name);

    if (!v || fabs(*v - want) > 1e-6)
        fail_msg("%s is %f, not %f", name, v ? *v : NAN, want);
}

static void emit_refuses_what_it_cannot_keep(void **state)
{
    struct sample *s = sample_new(names);
    char mount[600] = "";

    (void)state;
    memset(mount, 'x', sizeof(mount) - 1);
    sample_emit_of(s, "fs.*.used", mount, 1); /* cut, it would be another's */
    sample_emit_of(s, "fs.*.used", "", 1);
    sample_emit(s, "not.a.number", NAN);
    sample_emit(s, "endless", INFINITY);
    assert_int_equal(s->count, 0);
    for (int n = 0; n < 200; n++)
        sample_emit(s, "many", n);
    assert_int_equal(s->count, 200);
    assert_null(sample_get(s, "other"));
    sample_free(s);
}

static void ring_drops_the_oldest(void **state)
{
    struct sample_ring *r = sample_ring_new(3, SIZE_MAX);

    (void)state;
    assert_int_equal(sample_ring_count(r), 0);
    assert_null(sample_ring_at(r, 0));
    for (int n = 1; n <= 5; n++) {
        struct sample *s = sample_new(names);

        s->mono_us = n;
        sample_ring_add(r, s);
        assert_int_equal(sample_ring_at(r, sample_ring_count(r) - 1)->mono_us, n);
    }
    assert_int_equal(sample_ring_count(r), 3);
    assert_int_equal(sample_ring_at(r, 0)->mono_us, 3);
    assert_int_equal(sample_ring_at(r, 2)->mono_us, 5);
    assert_null(sample_ring_at(r, 3));
    sample_ring_free(r);
}

static void ring_keeps_to_its_memory(void **state)
{
    struct sample_ring *r = sample_ring_new(1000, 4096);

    (void)state;
    for (int n = 1; n <= 100; n++) {
        struct sample *s = sample_new(names);

        s->mono_us = n;
        for (int v = 0; v < 50; v++)
            sample_emit(s, "some", v);
        sample_ring_add(r, s);
    }
    assert_int_in_range(sample_ring_count(r), 2, 8);
    assert_int_equal(sample_ring_at(r, sample_ring_count(r) - 1)->mono_us, 100);
    sample_ring_free(r);
}

static void merging_keeps_all_and_the_stamp(void **state)
{
    struct sample *to = sample_new(names), *from = sample_new(names);

    (void)state;
    to->mono_us = 5;
    sample_emit(to, "a", 1);
    sample_emit(from, "b", 2);
    sample_add_trx(from, &(struct sample_trx){.id = "7", .age_s = 9, .statement = (char[]){"x"}});
    sample_add_line(from, 3, LINE_ERROR, "broken");
    sample_add_file(from, "/t/f", 12);
    sample_add_text(from, "repl.role", "replica");
    sample_merge(to, from);
    assert_int_equal(to->mono_us, 5);
    check_value(to, "a", 1);
    check_value(to, "b", 2);
    assert_int_equal(to->trx[0].age_s, 9);
    assert_string_equal(to->trx[0].statement, "x");
    assert_string_equal(to->lines[0].text, "broken");
    assert_int_equal(to->files[0].bytes, 12);
    assert_string_equal(names_at(names, to->texts[0].id), "repl.role");
    for (int n = 0; n < 100; n++)
        sample_add_line(to, 0, LINE_OTHER, "more");
    assert_int_equal(to->line_count, SAMPLE_LINES_MAX);
    sample_free(to);
}

static void names_are_bounded(void **state)
{
    struct names *own = names_new();
    struct sample *s = sample_new(own);
    char name[16];

    (void)state;
    for (int n = 0; n < NAMES_MAX + 50; n++) {
        (void)snprintf(name, sizeof(name), "n%d", n);
        sample_emit(s, name, n);
    }
    assert_int_equal(names_count(own), NAMES_MAX);
    assert_int_equal(s->count, NAMES_MAX);
    sample_emit(s, "n17", 18);
    assert_string_equal(names_at(own, s->ids[NAMES_MAX]), "n17");
    assert_null(names_at(own, NAMES_MAX));
    sample_free(s);
    names_free(own);
}

static void instances_leave_room_for_fixed_names(void **state)
{
    struct names *own = names_new();
    struct sample *s = sample_new(own);
    char name[16];

    (void)state;
    for (int n = 0; n < NAMES_MAX + 50; n++) {
        (void)snprintf(name, sizeof(name), "veth%d", n);
        sample_emit_of(s, "net.*.rx", name, n);
    }
    assert_int_in_range(names_count(own), NAMES_MAX / 2, NAMES_MAX - 1);
    sample_emit(s, "repl.lag", 7);
    assert_non_null(sample_get(s, "repl.lag"));
    sample_free(s);
    names_free(own);
}

static void an_instance_becomes_text(void **state)
{
    struct sample *s = sample_new(names);

    (void)state;
    sample_emit_of(s, "fs.*.used", "/mnt/a\xff\033[2J\nb", 1);
    check_value(s, "fs./mnt/a??[2J?b.used", 1);
    sample_emit_of(s, "fs.*.used", "/mnt/\303\244", 2);
    check_value(s, "fs./mnt/\303\244.used", 2);
    sample_free(s);
}

static int make_names(void **state)
{
    (void)state;
    names = names_new();
    return 0;
}

static int free_names(void **state)
{
    (void)state;
    names_free(names);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(emit_refuses_what_it_cannot_keep),
        cmocka_unit_test(ring_drops_the_oldest),
        cmocka_unit_test(ring_keeps_to_its_memory),
        cmocka_unit_test(merging_keeps_all_and_the_stamp),
        cmocka_unit_test(names_are_bounded),
        cmocka_unit_test(instances_leave_room_for_fixed_names),
        cmocka_unit_test(an_instance_becomes_text),
    };

    return cmocka_run_group_tests(tests, make_names, free_names);
}
