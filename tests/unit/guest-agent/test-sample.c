/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The system's metrics from made-up /proc trees, and the ring. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "guest-agent/sample/os.h"
#include "tests/unit/guest-agent/tree.h"

static int setup(void **state)
{
    char *root = tree_new();

    tree_file(root, "proc/loadavg", "0.50 1.25 2.00 3/400 12345\n");
    tree_file(root, "proc/stat", "cpu  1000 0 500 8000 100 0 0 400 0 0\ncpu0 1 2 3 4\n");
    tree_file(root, "proc/meminfo",
              "MemTotal:        1000 kB\nMemFree: 1 kB\nMemAvailable:     600 kB\n"
              "SwapTotal:        50 kB\nSwapFree:         20 kB\nDirty:             8 kB\n"
              "Writeback:         0 kB\n");
    tree_file(root, "proc/vmstat", "nr_free_pages 5\npswpin 100\npswpout 200\n");
    tree_file(root, "proc/diskstats",
              " 253       0 vda 100 0 2000 300 50 0 800 500 2 400 900 0 0 0 0 7 3\n"
              " 253       1 vda1 90 0 1000 300 50 0 800 500 0 400 900\n"
              "   7       0 loop0 9 0 9 9 9 0 9 9 0 9 9\n"
              " 252       0 dm-0 9 0 9 9 9 0 9 9 0 9 9\n"
              " 259       0 nvme0n1 1 0 8 1 1 0 8 1 0 1 1\n"
              " 259       1 nvme0n1p1 1 0 8 1 1 0 8 1 0 1 1\n");
    tree_file(root, "proc/self/statm", "900 10 5 1 0 4 0\n");
    *state = root;
    return 0;
}

static int teardown(void **state)
{
    tree_free(*state);
    return 0;
}

static struct names *names;

static struct sample *reading(struct os_sampler *o, int64_t at_us)
{
    struct sample *s = sample_new(names);

    s->mono_us = at_us;
    os_sampler_read(o, s);
    return s;
}

static void check_value(const struct sample *s, const char *name, double want)
{
    const double *v = sample_get(s, name);

    if (!v || fabs(*v - want) > 1e-6)
        fail_msg("%s is %f, not %f", name, v ? *v : NAN, want);
}

static void gauges_at_once_rates_later(void **state)
{
    struct os_sampler *o = os_sampler_new(*state);
    struct sample *s = reading(o, 1000000);

    check_value(s, "system.load1", 0.5);
    check_value(s, "system.load15", 2);
    check_value(s, "system.mem.total", 1000 * 1024);
    check_value(s, "system.mem.available", 600 * 1024);
    check_value(s, "system.mem.dirty", 8192);
    check_value(s, "system.mem.writeback", 0);
    check_value(s, "system.swap.used", 30 * 1024);
    check_value(s, "disk.vda.inflight", 2);
    check_value(s, "agent.rss", 10.0 * (double)sysconf(_SC_PAGESIZE));
    assert_null(sample_get(s, "system.cpu.user"));
    assert_null(sample_get(s, "system.swap.in"));
    assert_null(sample_get(s, "disk.vda.reads"));
    assert_null(sample_get(s, "agent.cpu"));
    sample_free(s);
    os_sampler_free(o);
}

static void rates_are_per_second(void **state)
{
    char *root = *state;
    struct os_sampler *o = os_sampler_new(root);
    struct sample *s;

    sample_free(reading(o, 1000000));
    tree_file(root, "proc/stat", "cpu  1100 20 560 8200 110 5 5 500 0 0\n");
    tree_file(root, "proc/vmstat", "pswpin 104\npswpout 200\n");
    tree_file(root, "proc/diskstats",
              " 253 0 vda 110 0 2040 340 70 0 1000 600 0 500 1000 0 0 0 0 9 3\n");
    s = reading(o, 3000000);
    check_value(s, "system.cpu.user", 100.0 * 120 / 500);
    check_value(s, "system.cpu.system", 100.0 * 70 / 500);
    check_value(s, "system.cpu.iowait", 2);
    check_value(s, "system.cpu.steal", 20);
    check_value(s, "system.cpu.idle", 40);
    check_value(s, "system.swap.in", 2.0 * (double)sysconf(_SC_PAGESIZE));
    check_value(s, "system.swap.out", 0);
    check_value(s, "disk.vda.reads", 5);
    check_value(s, "disk.vda.writes", 10);
    check_value(s, "disk.vda.flushes", 1);
    check_value(s, "disk.vda.read_bytes", 40 * 512 / 2.0);
    check_value(s, "disk.vda.write_bytes", 200 * 512 / 2.0);
    check_value(s, "disk.vda.read_time", 4);
    check_value(s, "disk.vda.write_time", 5);
    check_value(s, "disk.vda.queue", 100.0 / 2000);
    check_value(s, "disk.vda.util", 5);
    check_value(s, "disk.vda.wait", (140.0 - 100) / 30);
    assert_non_null(sample_get(s, "agent.cpu"));
    sample_free(s);
    os_sampler_free(o);
}

static void whole_disks_only(void **state)
{
    struct os_sampler *o = os_sampler_new(*state);
    struct sample *s = reading(o, 1000000);

    assert_non_null(sample_get(s, "disk.vda.inflight"));
    assert_non_null(sample_get(s, "disk.nvme0n1.inflight"));
    assert_null(sample_get(s, "disk.vda1.inflight"));
    assert_null(sample_get(s, "disk.nvme0n1p1.inflight"));
    assert_null(sample_get(s, "disk.loop0.inflight"));
    assert_null(sample_get(s, "disk.dm-0.inflight"));
    sample_free(s);
    os_sampler_free(o);
}

static void counters_that_go_back_have_no_rate(void **state)
{
    char *root = *state;
    struct os_sampler *o = os_sampler_new(root);
    struct sample *s;

    sample_free(reading(o, 1000000));
    tree_file(root, "proc/diskstats", " 253 0 vda 1 0 2 3 4 0 8 5 0 4 9\n");
    tree_file(root, "proc/vmstat", "pswpin 1\npswpout 2\n");
    s = reading(o, 2000000);
    check_value(s, "disk.vda.inflight", 0);
    assert_null(sample_get(s, "disk.vda.reads"));
    assert_null(sample_get(s, "disk.vda.util"));
    assert_null(sample_get(s, "system.swap.in"));
    sample_free(s);
    os_sampler_free(o);
}

static void no_requests_no_times(void **state)
{
    struct os_sampler *o = os_sampler_new(*state);
    struct sample *s;

    sample_free(reading(o, 1000000));
    s = reading(o, 2000000);
    check_value(s, "disk.vda.reads", 0);
    assert_null(sample_get(s, "disk.vda.read_time"));
    assert_null(sample_get(s, "disk.vda.write_time"));
    assert_null(sample_get(s, "disk.vda.wait"));
    sample_free(s);
    os_sampler_free(o);
}

static void what_is_missing_is_absent(void **state)
{
    struct os_sampler *o = os_sampler_new("/nonexistent");
    struct sample *s;

    (void)state;
    sample_free(reading(o, 1000000));
    s = reading(o, 2000000);
    assert_int_equal(s->count, 1); /* our own CPU time needs no /proc */
    assert_non_null(sample_get(s, "agent.cpu"));
    sample_free(s);
    os_sampler_free(o);
}

static void reads_the_live_system(void **state)
{
    struct os_sampler *o = os_sampler_new("");
    struct sample *s = reading(o, 1000000);

    (void)state;
    assert_non_null(sample_get(s, "system.load1"));
    assert_non_null(sample_get(s, "system.mem.total"));
    assert_true(*sample_get(s, "agent.rss") > 0);
    sample_free(s);
    os_sampler_free(o);
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
    assert_in_range(sample_ring_count(r), 2, 8);
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
        cmocka_unit_test_setup_teardown(gauges_at_once_rates_later, setup, teardown),
        cmocka_unit_test_setup_teardown(rates_are_per_second, setup, teardown),
        cmocka_unit_test_setup_teardown(whole_disks_only, setup, teardown),
        cmocka_unit_test_setup_teardown(counters_that_go_back_have_no_rate, setup, teardown),
        cmocka_unit_test_setup_teardown(no_requests_no_times, setup, teardown),
        cmocka_unit_test(what_is_missing_is_absent),
        cmocka_unit_test(reads_the_live_system),
        cmocka_unit_test(emit_refuses_what_it_cannot_keep),
        cmocka_unit_test(ring_drops_the_oldest),
        cmocka_unit_test(ring_keeps_to_its_memory),
        cmocka_unit_test(merging_keeps_all_and_the_stamp),
        cmocka_unit_test(names_are_bounded),
    };

    return cmocka_run_group_tests(tests, make_names, free_names);
}
