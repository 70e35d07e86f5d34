/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Watching the volumes of a set: readings come, nothing piles up, and nothing is asked in between.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "host-coordinator/plan/volumes_watch.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/fake/storage_memory.h"

#define VOLUMES 2

static char text_empty[] = "";
static char ids[VOLUMES][8] = {"id-1", "id-2"};
static char names[VOLUMES][8] = {"data", "log"};

static struct {
    struct run run;
    struct storage *array;
    struct set_volume volumes[VOLUMES];
    unsigned notes;
    char note[200];
} w;

static void on_note(void *arg, const char *text)
{
    (void)arg;
    w.notes++;
    (void)snprintf(w.note, sizeof(w.note), "%s", text);
}

static int setup(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    w.run.loop = loop_new();
    w.run.series = series_new();
    w.run.record = record_new();
    w.run.report.note = on_note;
    w.run.volumes = w.volumes;
    w.run.volume_count = VOLUMES;
    w.array = storage_memory_new(w.run.loop);
    strcpy(names[1], "log");
    for (size_t n = 0; n < VOLUMES; n++) {
        storage_memory_add(w.array, ids[n], names[n], "");
        w.volumes[n] = (struct set_volume){
            .volume = {ids[n], names[n], text_empty, text_empty, text_empty, 0},
            .storage = w.array,
            .timeout_ms = 5000,
        };
    }
    storage_memory_measure(w.array, "id-1",
                           &(struct volume_stats){.has_iops = true,
                                                  .iops = 209,
                                                  .has_throughput = true,
                                                  .throughput_kb_s = 750,
                                                  .has_used = true,
                                                  .used_bytes = 4096,
                                                  .latency = 77});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    storage_close(w.array);
    series_free(w.run.series);
    record_free(w.run.record);
    loop_free(w.run.loop); /* complains of what is still open */
    return 0;
}

static void turn(int ms)
{
    bool never = false;

    (void)loop_wait(w.run.loop, &never, mono_in_ms(ms), NULL);
}

static size_t points(const char *name, const struct point **ret)
{
    size_t metric;

    return series_find(w.run.series, name, &metric)
               ? series_points(w.run.series, metric, INT64_MIN, INT64_MAX, ret)
               : 0;
}

static void readings_come_once_a_second(void **state)
{
    int64_t began = mono_us();
    struct volumes_watch *watch = volumes_watch_start(&w.run);
    const struct point *p = NULL;

    (void)state;
    turn(2500);
    volumes_watch_stop(watch);
    assert_int_equal(storage_memory_requests(w.array, MEMORY_STATS), 3 * VOLUMES);
    assert_int_equal(points("volume.data.iops", &p), 3);
    assert_true(p[2].value == 209);
    assert_true(p[0].at_us >= began && p[0].at_us < began + 900000);
    assert_true(p[2].at_us - p[1].at_us > 500000);
    assert_int_equal(points("volume.data.throughput", &p), 3);
    assert_int_equal(points("volume.data.used", &p), 3);
    assert_true(p[0].value == 4096);
    /* what is not had is absent, whatever is in the struct */
    assert_int_equal(points("volume.data.latency", &p), 0);
    assert_int_equal(points("volume.log.iops", &p), 0);
    assert_int_equal(w.notes, 0);
}

static void a_late_answer_is_waited_for(void **state)
{
    struct volumes_watch *watch;
    const struct point *p;

    (void)state;
    storage_memory_latency(w.array, MEMORY_STATS, 1400);
    watch = volumes_watch_start(&w.run);
    turn(1200);
    assert_int_equal(storage_memory_requests(w.array, MEMORY_STATS), VOLUMES);
    assert_int_equal(storage_memory_open(w.array, MEMORY_STATS), VOLUMES);
    turn(500);
    assert_int_equal(points("volume.data.iops", &p), 1);
    volumes_watch_stop(watch);
    assert_int_equal(storage_memory_open(w.array, MEMORY_STATS), 0);
    assert_int_equal(w.notes, 0);
}

static void nothing_is_asked_while_suspended(void **state)
{
    struct volumes_watch *watch;
    const struct point *p;

    (void)state;
    storage_memory_latency(w.array, MEMORY_STATS, 300);
    watch = volumes_watch_start(&w.run);
    turn(20);
    volumes_watch_suspend(watch, true);
    assert_int_equal(storage_memory_open(w.array, MEMORY_STATS), 0);
    turn(1300);
    volumes_watch_suspend(watch, true);
    assert_int_equal(storage_memory_requests(w.array, MEMORY_STATS), VOLUMES);
    assert_int_equal(points("volume.data.iops", &p), 0);
    storage_memory_latency(w.array, MEMORY_STATS, 0);
    volumes_watch_suspend(watch, false);
    turn(300);
    assert_int_equal(points("volume.data.iops", &p), 1);
    volumes_watch_suspend(watch, true);
    volumes_watch_stop(watch);
    volumes_watch_suspend(NULL, true);
    volumes_watch_stop(NULL);
    assert_int_equal(w.notes, 0);
}

static void trouble_is_noted_once(void **state)
{
    struct volumes_watch *watch;

    (void)state;
    storage_memory_fault(w.array, MEMORY_STATS, "id-1", MEMORY_REFUSES, -1);
    storage_memory_fault(w.array, MEMORY_HISTORY, "id-2", MEMORY_REFUSES, -1);
    watch = volumes_watch_start(&w.run);
    turn(100);
    assert_int_equal(w.notes, 2);
    turn(1200);
    volumes_watch_stop(watch);
    assert_int_equal(w.notes, 2);
    assert_int_equal(record_count(w.run.record, "notes"), 2);
    assert_int_equal(storage_memory_requests(w.array, MEMORY_STATS), 2 * VOLUMES);
}

static void stopping_takes_back_what_is_under_way(void **state)
{
    struct volumes_watch *watch;
    const struct point *p;

    (void)state;
    storage_memory_fault(w.array, MEMORY_STATS, NULL, MEMORY_HANGS, -1);
    storage_memory_fault(w.array, MEMORY_HISTORY, NULL, MEMORY_HANGS, -1);
    watch = volumes_watch_start(&w.run);
    turn(50);
    assert_int_equal(storage_memory_open(w.array, MEMORY_STATS), VOLUMES);
    volumes_watch_stop(watch);
    assert_int_equal(storage_memory_open(w.array, MEMORY_STATS), 0);
    assert_int_equal(storage_memory_open(w.array, MEMORY_HISTORY), 0);
    assert_int_equal(points("volume.data.iops", &p), 0);
    assert_int_equal(w.notes, 0);
    /* before the loop ever turned */
    volumes_watch_stop(volumes_watch_start(&w.run));
    turn(50);
}

static void history_is_kept_as_told(void **state)
{
    struct volumes_watch *watch;
    const struct volume_past *past;
    const struct point *p;

    (void)state;
    storage_memory_remember(w.array, "id-2", "2016-05-12 10:02:30", 97);
    storage_memory_remember(w.array, "id-2", "2016-05-12 10:03:00", 100);
    watch = volumes_watch_start(&w.run);
    assert_int_equal(volumes_watch_history(watch, 1, &past), 0);
    turn(1200);
    assert_int_equal(volumes_watch_history(watch, 0, &past), 0);
    assert_int_equal(volumes_watch_history(watch, 1, &past), 2);
    assert_string_equal(past[1].time, "2016-05-12 10:03:00");
    assert_true(past[1].iops == 100);
    assert_int_equal(storage_memory_requests(w.array, MEMORY_HISTORY), VOLUMES);
    /* its times have no time zone: no points */
    assert_int_equal(points("volume.log.iops", &p), 0);
    volumes_watch_stop(watch);
}

static void volumes_of_one_name_are_told_apart(void **state)
{
    static const struct volume_stats stats = {.has_iops = true, .iops = 5};
    struct volumes_watch *watch;
    const struct point *p;

    (void)state;
    strcpy(names[1], "data");
    storage_memory_measure(w.array, "id-2", &stats);
    watch = volumes_watch_start(&w.run);
    turn(100);
    volumes_watch_stop(watch);
    assert_int_equal(points("volume.data.iops", &p), 0);
    assert_int_equal(points("volume.id-1.iops", &p), 1);
    assert_int_equal(points("volume.id-2.iops", &p), 1);
    assert_true(p[0].value == 5);
}

static void it_tells_when_all_have_answered(void **state)
{
    struct volumes_watch *watch;

    (void)state;
    storage_memory_latency(w.array, MEMORY_STATS, 200);
    watch = volumes_watch_start(&w.run);
    turn(50);
    assert_false(volumes_watch_answered(watch));
    volumes_watch_suspend(watch, true); /* what is taken back is no answer */
    assert_false(volumes_watch_answered(watch));
    volumes_watch_suspend(watch, false);
    turn(1500);
    assert_true(volumes_watch_answered(watch));
    volumes_watch_stop(watch);
}

static void a_failure_is_an_answer_too(void **state)
{
    struct volumes_watch *watch;

    (void)state;
    storage_memory_fault(w.array, MEMORY_STATS, "id-2", MEMORY_REFUSES, -1);
    watch = volumes_watch_start(&w.run);
    turn(200);
    assert_true(volumes_watch_answered(watch));
    volumes_watch_stop(watch);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(readings_come_once_a_second),
        CASE(a_late_answer_is_waited_for),
        CASE(nothing_is_asked_while_suspended),
        CASE(trouble_is_noted_once),
        CASE(stopping_takes_back_what_is_under_way),
        CASE(history_is_kept_as_told),
        CASE(volumes_of_one_name_are_told_apart),
        CASE(it_tells_when_all_have_answered),
        CASE(a_failure_is_an_answer_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
