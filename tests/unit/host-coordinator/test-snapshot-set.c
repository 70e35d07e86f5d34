/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `snapshot` and its set: all of it is there and recorded, on one appliance or two, or none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/unit/host-coordinator/take_world.h"

static void a_good_run_keeps_its_set(void **state)
{
    struct outcome out = take();

    (void)state;
    assert_good(&out);
    assert_int_equal(out.snapshots, 3);
    assert_false(w.locked);
    assert_int_equal(w.releases, 1);
    assert_int_equal(domain_fake_calls(FAKE_FREEZE), 1);
    assert_int_equal(domain_fake_calls(FAKE_THAW), 1);
    assert_int_equal(domain_fake_calls(FAKE_WRITES), 2);
    assert_int_equal(domain_fake_open_count(), 0);
}

static void readings_around_the_freeze_are_kept(void **state)
{
    struct outcome out;

    (void)state;
    w.tells_load = true;
    w.conf.before_ms = 100;
    w.conf.history_ms = 60000;
    out = take();
    assert_good(&out);
    assert_int_equal(out.load_count, 2);
    assert_true(out.series);
}

static double stall_ms(void)
{
    struct record *set = store_load(w.dir, w.run_id, NULL);
    double ms = 0;

    assert_true(record_real(set, "stall.write_ms", &ms));
    record_free(set);
    return ms;
}

/* Writers go on once both are over, in whichever order. */
static void the_stall_ends_with_the_lock_or_the_last_thaw(void **state)
{
    struct outcome out = take();

    (void)state;
    assert_good(&out);
    assert_int_equal((int)(stall_ms() * 10), 85);
    world_again();
    w.unlocks_first = true;
    out = take();
    assert_good(&out);
    assert_int_equal((int)(stall_ms() * 10), 80);
}

static void a_snapshot_that_fails_takes_the_others_with_it(void **state)
{
    static const enum memory_fault faults[] = {MEMORY_REFUSES, MEMORY_HANGS, MEMORY_MUTE};

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(faults); n++) {
        struct outcome out;

        if (n > 0)
            world_again();
        w.array_hangs = faults[n] != MEMORY_REFUSES;
        storage_memory_fault(w.array, MEMORY_SNAPSHOT, "id-log", faults[n], -1);
        out = take();
        assert_clean_failure(&out, "");
    }
}

static void a_snapshot_that_cannot_be_removed_is_told(void **state)
{
    struct outcome out;

    (void)state;
    storage_memory_fault(w.array, MEMORY_REMOVE, "id-data", MEMORY_REFUSES, -1);
    out = take_with(AGENT_NOT_HELD);
    assert_int_equal(out.status, 5);
    assert_int_equal(out.snapshots, 1);
    assert_string_equal(out.verdict, "void");
    assert_false(w.locked);
}

/* The root disk is on another appliance: it is in the set, and goes with it. */
static void a_set_may_lie_on_two_appliances(void **state)
{
    struct outcome out;

    (void)state;
    world_add_second();
    out = take();
    assert_good(&out);
    assert_int_equal(out.snapshots, 2);
    assert_int_equal(out.second, 1);

    world_again();
    world_add_second();
    w.array_hangs = true;
    storage_memory_fault(w.array, MEMORY_SNAPSHOT, "id-data", MEMORY_MUTE, -1);
    out = take();
    assert_clean_failure(&out, "volume 'data'");
    assert_int_equal(out.second, 0);

    world_again();
    world_add_second();
    storage_memory_fault(w.second, MEMORY_LIST, NULL, MEMORY_REFUSES, -1);
    out = take();
    assert_refused(&out, "");
}

/* The set is complete, and nobody could ever know of it: it goes, and what is told is not doubled.
 */
static void a_set_that_cannot_be_published_is_removed(void **state)
{
    AUTO_FREE char *folder = xasprintf("%s/records/db", w.dir);
    struct outcome out;

    (void)state;
    w.vanish = folder;
    out = take();
    assert_int_equal(out.status, 4);
    assert_non_null(strstr(out.e.msg, "cannot write the record"));
    assert_int_equal(out.snapshots, 0);
    assert_false(w.locked);
    assert_string_equal(out.told_verdict, "void");
    assert_int_equal(out.witness_disks, 3);
}

/* Twelve records of earlier sets, with `kib` of reasons and an appliance's long memory each. */
static void write_earlier(int kib)
{
    AUTO_FREE char *records = xasprintf("%s/records", w.dir);
    AUTO_FREE char *folder = xasprintf("%s/db", records);

    (void)mkdir(records, 0750);
    (void)mkdir(folder, 0750);
    for (int n = 0; n < 12; n++) {
        AUTO_FREE char *path = xasprintf("%s/20261001T0915%02dZ-0001.json", folder, n);
        FILE *f = fopen(path, "w");

        assert_non_null(f);
        (void)fprintf(f,
                      "{\"schema\":1,\"set\":\"20261001T0915%02dZ-0001\",\"verdict\":\"crash\","
                      "\"reasons\":[\"%0*d\"],\"volumes\":[{\"target\":\"vda\",\"history\":[0",
                      n, kib * 1024, 0);
        for (int i = 0; i < 20000; i++)
            (void)fprintf(f, ",%d", i);
        (void)fprintf(f, "]}]}\n");
        assert_int_equal(fclose(f), 0);
    }
}

/* How many of them the manifest of a set tells of: the newest, and where they lie. */
static size_t told_of_earlier(void)
{
    json_t *manifest, *earlier, *one;
    size_t n, count;

    assert_non_null(w.manifest);
    assert_true(strlen(w.manifest) < 512 * 1024);
    manifest = json_loads(w.manifest, 0, NULL);
    earlier = json_object_get(manifest, "earlier");
    json_array_foreach(earlier, n, one)
    {
        AUTO_FREE char *set = xasprintf("20261001T0915%02dZ-0001", 11 - (int)n);
        json_t *volume = json_array_get(json_object_get(one, "volumes"), 0);

        assert_string_equal(json_string_value(json_object_get(one, "set")), set);
        assert_string_equal(json_string_value(json_object_get(volume, "target")), "vda");
        assert_null(json_object_get(volume, "history"));
    }
    count = json_array_size(earlier);
    json_decref(manifest);
    return count;
}

static void a_manifest_tells_of_as_many_earlier_sets_as_it_holds(void **state)
{
    static const struct {
        int kib;
        size_t told;
    } cases[] = {{1, 10}, {70, 5}, {200, 2}, {600, 0}};

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
        struct outcome out;

        if (n > 0)
            world_again();
        write_earlier(cases[n].kib);
        out = take();
        assert_good(&out);
        assert_int_equal(told_of_earlier(), cases[n].told);
    }
}

/* The VM's disk vdb is that in place of a network disk; the caller frees. */
static char *xml_with_log_disk(const char *disk)
{
    static const char *const from = "<disk type='network' device='disk'>"
                                    "<source protocol='iscsi' name='iqn.t:log/0'/>"
                                    "<target dev='vdb'/><serial>serial-of-the-log-disk1</serial>"
                                    "</disk>";
    const char *at = strstr(w.xml, from);

    assert_non_null(at);
    return xasprintf("%.*s%s%s", (int)(at - w.xml), w.xml, disk, at + strlen(from));
}

static bool is_noted(const char *text)
{
    struct record *set = store_load(w.dir, w.run_id, NULL);
    bool found = false;

    for (size_t n = 0; n < record_count(set, "notes"); n++)
        found = found || strstr(record_text_at(set, "notes", n), text);
    record_free(set);
    return found;
}

/* Its serial tells the volume, so the set is what it says; but no definition can be made over to a
 * clone from such a name. */
static void a_disk_that_only_its_serial_tells_is_noted(void **state)
{
    AUTO_FREE char *changed = xml_with_log_disk(
        "<disk type='block' device='disk'><source dev='/dev/mapper/log'/><target dev='vdb'/>"
        "<serial>serial-of-the-log-disk1</serial></disk>");
    struct outcome out;

    (void)state;
    domain_fake_set_xml(changed);
    storage_memory_add(w.array, "serial-of-the-log-disk1", "log-2", "iqn.t:log-2");
    out = take();
    assert_good(&out);
    assert_true(is_noted("a set of it can be restored with --in-place only, and not verified: disk "
                         "'vdb' cannot be put on another volume: it is a device of the host"));
}

/* QEMU's own initiator, which verifies, has no partitions. */
static void a_disk_that_cannot_be_verified_is_noted(void **state)
{
    AUTO_FREE char *changed =
        xml_with_log_disk("<disk type='block' device='disk'><source "
                          "dev='/dev/disk/by-path/ip-192.0.2.1:3260-iscsi-iqn.t:log-lun-0-part1'/>"
                          "<target dev='vdb'/></disk>");
    struct outcome out;

    (void)state;
    domain_fake_set_xml(changed);
    out = take();
    assert_good(&out);
    assert_true(is_noted("a set of it cannot be verified: disk 'vdb'"));
}

/* Attached with --live. It can be gone back to all the same, by the live XML. */
static void a_disk_of_the_running_vm_only_is_noted(void **state)
{
    AUTO_FREE char *without = xml_with_log_disk("");
    struct outcome out;

    (void)state;
    domain_fake_set_definition(without);
    out = take();
    assert_good(&out);
    assert_true(is_noted("disk 'vdb' is in the running domain 'db' only"));
    assert_false(is_noted("in-place"));
    world_again();
    out = take();
    assert_good(&out);
    assert_false(is_noted("disk 'vdb'"));
}

static void write_record(const char *set)
{
    AUTO_FREE char *records = xasprintf("%s/records", w.dir);
    AUTO_FREE char *folder = xasprintf("%s/db", records);
    AUTO_FREE char *path = xasprintf("%s/%s.json", folder, set);
    FILE *f;

    (void)mkdir(records, 0750);
    (void)mkdir(folder, 0750);
    f = fopen(path, "w");
    assert_non_null(f);
    (void)fprintf(f, "{\"schema\":1,\"set\":\"%s\",\"verdict\":\"crash\"}\n", set);
    assert_int_equal(fclose(f), 0);
}

/* Once the clock has gone back, list, best and prune are wrong about which set is the newer one. */
static void a_record_of_a_later_time_is_noted(void **state)
{
    struct outcome out;

    (void)state;
    write_record("20010101T000000Z-ffff");
    write_record("zeta"); /* somebody's own */
    out = take();
    assert_good(&out);
    assert_false(is_noted("the clock of this host"));
    world_again();
    write_record("20991231T235958Z-ffff");
    write_record("20991231T235959Z-ffff");
    out = take();
    assert_good(&out);
    assert_true(is_noted("set '20991231T235959Z-ffff' bears"));
    assert_false(is_noted("235958"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TAKE_TEST(a_good_run_keeps_its_set),
        TAKE_TEST(readings_around_the_freeze_are_kept),
        TAKE_TEST(the_stall_ends_with_the_lock_or_the_last_thaw),
        TAKE_TEST(a_snapshot_that_fails_takes_the_others_with_it),
        TAKE_TEST(a_snapshot_that_cannot_be_removed_is_told),
        TAKE_TEST(a_set_may_lie_on_two_appliances),
        TAKE_TEST(a_set_that_cannot_be_published_is_removed),
        TAKE_TEST(a_disk_that_only_its_serial_tells_is_noted),
        TAKE_TEST(a_disk_that_cannot_be_verified_is_noted),
        TAKE_TEST(a_disk_of_the_running_vm_only_is_noted),
        TAKE_TEST(a_record_of_a_later_time_is_noted),
        TAKE_TEST(a_manifest_tells_of_as_many_earlier_sets_as_it_holds),
    };

    return cmocka_run_group_tests_name("snapshot: set", tests, NULL, NULL);
}
