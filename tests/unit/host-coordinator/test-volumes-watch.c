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

#define VOLUMES  2
#define NEVER_MS 60000 /* an answer that no test sees, however late it runs */

static char text_empty[] = "";
static char ids[VOLUMES][8] = {"id-1", "id-2"};
static char names[VOLUMES][8] = {"data", "log"};

static struct {
    struct run run;
    struct storage *array;
    struct set_volume volumes[VOLUMES];
    unsigned notes;
    char note[200];
    uv_timer_t mark;
    unsigned asked; /* when the mark was due */
    bool marked;
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
            .timeout_ms = 2 * NEVER_MS,
        };
    }
    (void)uv_timer_init(loop_uv(w.run.loop), &w.mark);
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
    uv_close((uv_handle_t *)&w.mark, NULL);
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

/* Lets the loop run until something holds. */
static void until(bool (*holds)(void))
{
    for (int n = 0; n < NEVER_MS / 5 && !holds(); n++)
        turn(5);
    assert_true(holds());
}

static void on_mark(uv_timer_t *mark)
{
    (void)mark;
    w.asked = storage_memory_requests(w.array, MEMORY_STATS);
    w.marked = true;
}

/* How many readings had been asked for so long after the last thing done. That is the loop's time:
 * what is due earlier comes before it, and what is due again after it, however late both are. */
static unsigned asked_in(unsigned ms)
{
    w.marked = false;
    (void)uv_timer_start(&w.mark, on_mark, ms, 0);
    assert_int_equal(loop_wait(w.run.loop, &w.marked, mono_in_ms(NEVER_MS), NULL), 0);
    return w.asked;
}

static bool first_has_come(void)
{
    const struct point *p;

    return points("volume.data.iops", &p) >= 1;
}

static bool third_has_come(void)
{
    const struct point *p;

    return points("volume.data.iops", &p) >= 3;
}

static bool nothing_is_under_way(void)
{
    return storage_memory_open(w.array, MEMORY_STATS) == 0 &&
           storage_memory_open(w.array, MEMORY_HISTORY) == 0;
}

static void readings_come_once_a_second(void **state)
{
    int64_t began = mono_us();
    struct volumes_watch *watch = volumes_watch_start(&w.run);
    const struct point *p = NULL;
    size_t count;

    (void)state;
    assert_int_equal(storage_memory_requests(w.array, MEMORY_STATS), VOLUMES);
    assert_int_equal(asked_in(1500), 2 * VOLUMES);
    until(third_has_come);
    volumes_watch_stop(watch);
    count = points("volume.data.throughput", &p);
    assert_true(count >= 3);
    assert_int_equal(points("volume.data.used", &p), count);
    assert_true(p[0].value == 4096);
    assert_int_equal(points("volume.data.iops", &p), count);
    assert_true(p[2].value == 209);
    assert_true(p[0].at_us >= began && p[0].at_us < p[1].at_us && p[1].at_us < p[2].at_us);
    /* what is not had is absent, whatever is in the struct */
    assert_int_equal(points("volume.data.latency", &p), 0);
    assert_int_equal(points("volume.log.iops", &p), 0);
    assert_int_equal(w.notes, 0);
}

static void a_late_answer_is_waited_for(void **state)
{
    struct volumes_watch *watch;

    (void)state;
    storage_memory_latency(w.array, MEMORY_STATS, 1400);
    watch = volumes_watch_start(&w.run);
    assert_int_equal(asked_in(1500), VOLUMES);
    until(first_has_come);
    volumes_watch_stop(watch);
    assert_int_equal(storage_memory_open(w.array, MEMORY_STATS), 0);
    assert_int_equal(w.notes, 0);
}

static void nothing_is_asked_while_suspended(void **state)
{
    struct volumes_watch *watch;
    const struct point *p;

    (void)state;
    storage_memory_latency(w.array, MEMORY_STATS, NEVER_MS);
    watch = volumes_watch_start(&w.run);
    turn(20);
    assert_int_equal(storage_memory_open(w.array, MEMORY_STATS), VOLUMES);
    volumes_watch_suspend(watch, true);
    assert_int_equal(storage_memory_open(w.array, MEMORY_STATS), 0);
    assert_int_equal(asked_in(1300), VOLUMES);
    volumes_watch_suspend(watch, true);
    assert_int_equal(points("volume.data.iops", &p), 0);
    storage_memory_latency(w.array, MEMORY_STATS, 0);
    volumes_watch_suspend(watch, false);
    assert_int_equal(asked_in(300), 2 * VOLUMES);
    until(first_has_come);
    volumes_watch_suspend(watch, true);
    volumes_watch_stop(watch);
    volumes_watch_suspend(NULL, true);
    volumes_watch_stop(NULL);
    assert_int_equal(w.notes, 0);
}

static bool both_are_noted(void)
{
    return w.notes >= 2;
}

static void trouble_is_noted_once(void **state)
{
    struct volumes_watch *watch;

    (void)state;
    storage_memory_fault(w.array, MEMORY_STATS, "id-1", MEMORY_REFUSES, -1);
    storage_memory_fault(w.array, MEMORY_HISTORY, "id-2", MEMORY_REFUSES, -1);
    watch = volumes_watch_start(&w.run);
    until(both_are_noted);
    assert_true(asked_in(1300) >= 2 * VOLUMES);
    until(nothing_is_under_way);
    volumes_watch_stop(watch); /* takes what has come */
    assert_int_equal(w.notes, 2);
    assert_int_equal(record_count(w.run.record, "notes"), 2);
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
    assert_int_equal(asked_in(1200), 2 * VOLUMES);
    turn(5); /* what has come is taken before the loop sleeps */
    assert_int_equal(volumes_watch_history(watch, 0, &past), 0);
    assert_int_equal(volumes_watch_history(watch, 1, &past), 2);
    assert_string_equal(past[1].time, "2016-05-12 10:03:00");
    assert_true(past[1].iops == 100);
    assert_int_equal(storage_memory_requests(w.array, MEMORY_HISTORY), VOLUMES);
    /* its times have no time zone: no points */
    assert_int_equal(points("volume.log.iops", &p), 0);
    volumes_watch_stop(watch);
}

static bool both_have_come(void)
{
    const struct point *p;

    return points("volume.id-1.iops", &p) >= 1 && points("volume.id-2.iops", &p) >= 1;
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
    until(both_have_come);
    volumes_watch_stop(watch);
    assert_int_equal(points("volume.data.iops", &p), 0);
    assert_true(points("volume.id-1.iops", &p) >= 1 && p[0].value == 209);
    assert_true(points("volume.id-2.iops", &p) >= 1 && p[0].value == 5);
}

static void it_tells_when_all_have_answered(void **state)
{
    struct volumes_watch *watch;

    (void)state;
    storage_memory_latency(w.array, MEMORY_STATS, NEVER_MS);
    watch = volumes_watch_start(&w.run);
    turn(50);
    assert_false(volumes_watch_answered(watch));
    volumes_watch_suspend(watch, true); /* what is taken back is no answer */
    assert_false(volumes_watch_answered(watch));
    storage_memory_latency(w.array, MEMORY_STATS, 0);
    volumes_watch_suspend(watch, false);
    until(first_has_come); /* taken together with the other's */
    turn(5);
    assert_true(volumes_watch_answered(watch));
    volumes_watch_stop(watch);
}

static void a_failure_is_an_answer_too(void **state)
{
    struct volumes_watch *watch;

    (void)state;
    storage_memory_fault(w.array, MEMORY_STATS, "id-2", MEMORY_REFUSES, -1);
    watch = volumes_watch_start(&w.run);
    assert_int_equal(asked_in(300), VOLUMES);
    turn(5);
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
